"""A dashboard that is open while the schema is migrated and rolled back under it."""

import threading
from collections.abc import Callable
from decimal import Decimal

import psycopg2
import pytest

from src.database_enhanced import DatabaseManager, SchemaVersion
from src.journal.model import Phase
from src.migration import engine, inspection
from src.migration.model import Options
from src.migration.preflight.survey import Survey, survey
from src.portfolios import transactions
from src.postgres.connection import Connection, Cursor
from src.schema.versions import SchemaState
from tests.support.databases import Database, ManagerOf, Migrate, execute

PHASES = (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1)


def reads_and_writes(manager: DatabaseManager) -> list[Callable[[], object]]:
    """What every schema can do, as pages and older scripts do it."""
    return [
        manager.get_portfolios,
        manager.get_portfolio_positions,
        lambda: manager.get_portfolio_positions("DEFAULT"),
        lambda: manager.get_trading_signals(10, "DEFAULT"),
        lambda: manager.update_position_price("0700.HK", Decimal("315.2")),
        lambda: manager.insert_trading_signal("0700.HK", "A", 0.5, 300),
        manager.get_price_ages,
        manager.data_token,
        manager.get_schema_info,
    ]


def test_each_call_works_right_after_each_phase(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    url = database("v1", pg_version)
    managers = [manager_of(url) for _ in range(9)]
    for manager in managers:
        manager.get_portfolios()
    for phase in PHASES:
        migrate(url, phase)
        # One manager per call, so that each call is the first to meet the new schema with an old memory.
        for number, manager in enumerate(managers):
            reads_and_writes(manager)[number]()
    assert managers[0].detect_schema_version(force_refresh=True)[0] is SchemaVersion.V1


def test_a_memory_of_v1_does_not_refuse_what_v2_can(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    url = database("v1", pg_version)
    manager = manager_of(url)
    manager.get_portfolios()
    migrate(url, Phase.PHASE1)
    manager.create_portfolio("TECH", "Tech")
    assert list(manager_of(url).get_portfolios()["portfolio_id"]) == ["DEFAULT", "TECH"]


def test_an_open_dashboard_shows_no_error_through_all_phases(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    url = database("v1", pg_version)
    manager = manager_of(url)
    stop = threading.Event()
    raised: list[BaseException] = []
    calls = [0]

    def page() -> None:
        while not stop.is_set():
            for call in reads_and_writes(manager):
                try:
                    call()
                    calls[0] += 1
                except BaseException as error:  # noqa: BLE001 - handed to the test, which fails on any
                    raised.append(error)

    def old_client() -> None:
        conn = psycopg2.connect(url)
        conn.autocommit = True
        with conn.cursor() as cursor:
            while not stop.is_set():
                try:
                    cursor.execute("UPDATE portfolio_positions SET current_price = 316 WHERE symbol = '0700.HK'")
                except psycopg2.Error as error:
                    raised.append(error)
        conn.close()

    threads = [threading.Thread(target=work) for work in (page, page, old_client)]
    for thread in threads:
        thread.start()
    try:
        for phase in (*PHASES, *PHASES):
            migrate(url, phase)
            before = calls[0]
            while calls[0] < before + 9 and not raised and any(t.is_alive() for t in threads):
                stop.wait(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert raised == []
    assert calls[0] >= 9 * len(PHASES) * 2


def test_connections_of_scripts_live_through_the_phases(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    url = database("v1", pg_version)
    manager = manager_of(url)
    held = manager.get_connection()
    for phase in PHASES:
        migrate(url, phase)
        with held.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM portfolio_positions")
            assert cursor.fetchone() == (4,)
        held.commit()
    held.close()
    assert execute(url, "SELECT count(*) FROM portfolio_positions") == [(4,)]


def test_a_schema_that_moves_several_times_in_a_row(database: Database, pg_version: int) -> None:
    """A reader waits for a step's lock, and when it reads again it comes to the lock of the next step."""
    url = database("v1", pg_version)
    db = transactions.Database(url)
    steps = [f"ALTER TABLE public.{one} RENAME TO {two}" for one, two in (("a", "b"), ("b", "c"), ("c", "d"))]
    execute(url, "CREATE TABLE public.a (id int)")

    def work(cursor: Cursor, _state: SchemaState) -> int:
        cursor.execute("SELECT to_regclass('public.a'), to_regclass('public.b'), to_regclass('public.c')")
        seen = next((name for name in cursor.fetchone() or () if name is not None), "d")
        if steps:
            execute(url, steps.pop(0))
        cursor.execute(f"SELECT count(*) FROM public.{seen}")
        return int((cursor.fetchone() or (-1,))[0])

    assert db.read(work) == 0
    assert steps == []
    db.close()


def test_a_survey_for_a_plan_begins_anew_where_the_schema_moves(
    database: Database, pg_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database("v1", pg_version)
    moves = iter((True, True))

    def moving(conn: Connection, *arguments: object) -> Survey:
        if next(moves, False):
            conn.cursor().execute("SELECT FROM public.was_here_a_moment_ago")
        return survey(conn, None, Options())

    monkeypatch.setattr(inspection, "survey", moving)
    assert engine.inspect(url).version == "1.0"
    assert next(moves, None) is None
