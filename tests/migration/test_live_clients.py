"""A migration while the old application goes on working: it notices nothing, and nothing it wrote is lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg
import psycopg2
import pytest

from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.errors import Conflict, PrerequisiteError
from src.journal.model import Event, EventKind, Keep, Phase, RunOutcome
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase
from tests.support.load import Ledger, Report, V1Load, fill, verify
from tests.support.load.v1 import COLUMNS, FOREIGN_NUMBER, create_tables

SMALL = {"prices": 300_000, "signals": 50_000, "positions": 2_000}
FULL = {"prices": 5_000_000, "signals": 200_000, "positions": 2_000}


@dataclass(frozen=True)
class Live:
    """A database with the means to migrate it and to be a second, newer client of it."""

    url: str
    settings: Settings
    manager: DatabaseManager

    def run(self, phase: Phase, *, keep: Keep = Keep.DEFAULT, force: bool = False) -> RunOutcome:
        events: list[Event] = []
        options = Options(backup=False, keep=keep, force=force)
        outcome = engine.run(self.url, phase, options, self.settings, events.append)
        assert outcome.state == "done", (outcome, events[-5:])
        return outcome

    def version(self) -> str | None:
        return engine.inspect(self.url).version

    def rows(self, statement: str, *params: object) -> list[tuple[object, ...]]:
        conn = psycopg2.connect(self.url, application_name="hk_strategy test")
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(statement, params or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            conn.close()


@pytest.fixture
def live(make_database: MakeDatabase, tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """`live(version, prices=…)`: a filled version 1 database."""
    managers: list[DatabaseManager] = []

    def make(version: int = 18, *, prices: int = 20_000, signals: int = 5_000, positions: int = 500) -> Live:
        url = make_database("v1", version=version)
        fill(url, prices=prices, signals=signals, positions=positions)
        managers.append(DatabaseManager(url))
        settings = Settings(url, None, tmp_path, tmp_path / "backups", tmp_path / "logs", "127.0.0.1", 8501)
        return Live(url, settings, managers[-1])

    yield make
    for manager in managers:
        manager.close()


@contextmanager
def other_traders(live: Live, spare: list[str]) -> Iterator[None]:
    """Meanwhile, people with the newer program work in a portfolio of their own, COPY, and set prices of `spare`."""
    manager = live.manager
    manager.create_portfolio("THEIRS", "Other traders")
    stop, finished = threading.Event(), threading.Event()

    def work() -> None:
        turn = 0
        while not stop.is_set() or turn < 3:
            turn += 1
            symbol = f"{90_000 + turn % 1_000}.HK"
            try:
                manager.add_position("THEIRS", symbol, FOREIGN_NUMBER, Decimal("1.5"))
                manager.insert_trading_signal(symbol, "A", 0.5, 7.5, portfolio_id="THEIRS", volume=FOREIGN_NUMBER)
                manager.update_position_price(spare[turn % len(spare)], Decimal(turn) + Decimal("0.125"))
                manager.change_position("COPY", spare[turn % len(spare)], quantity=FOREIGN_NUMBER)
                if turn % 3 == 0:
                    manager.remove_position("THEIRS", symbol)
            except Conflict:
                continue  # someone else held the row: asked to try again, nothing was changed
            stop.wait(0.01)
        finished.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert finished.is_set(), "an error ended the others' work"


def noticed_nothing(live: Live, report: Report, *, merged: bool = False) -> None:
    assert report.complaints() == []
    assert report.failure_count == 0
    assert verify(live.url, report.ledger, merged=merged) == []
    assert report.ledger.writes > 100


def there_and_back_and_there(live: Live, seconds: float) -> Report:
    """Phase 1, work of others, phase 2 refused, rollback, phase 1 again; the old application runs throughout."""
    with V1Load(live.url) as load:
        load.mark("version 1")
        load.run_for(seconds)
        load.mark("phase 1")
        live.run(Phase.PHASE1)
        load.mark("version 2")
        assert live.version() == "2.0"
        assert load.burst(100) == 0
        live.manager.copy_portfolio("DEFAULT", "COPY", "Copy of what the old application has")
        with other_traders(live, load.spare[:20]):
            load.run_for(seconds)
        load.mark("phase 2, refused")
        with pytest.raises(PrerequisiteError):
            live.run(Phase.PHASE2)
        assert live.version() == "2.0"
        load.mark("rollback")
        live.run(Phase.ROLLBACK_V1)
        load.mark("version 1 again")
        assert live.version() == "1.0"
        assert load.burst(50) == 0
        load.run_for(seconds)
        load.mark("phase 1 again")
        live.run(Phase.PHASE1)
        load.mark("version 2 again")
        assert live.version() == "2.0"
        load.run_for(seconds)
        return load.stop()


def test_phase_1_rollback_and_phase_1_again(live: Callable[..., Live], pg_version: int) -> None:
    database = live(pg_version, **SMALL)
    report = there_and_back_and_there(database, 1)
    noticed_nothing(database, report)
    # The others' portfolios came back with the second phase 1.
    held = "SELECT portfolio_id, count(*) >= %s FROM public.portfolio_positions GROUP BY 1 ORDER BY 1"
    assert database.rows(held, SMALL["positions"]) == [("COPY", True), ("DEFAULT", True), ("THEIRS", False)]
    theirs = "SELECT DISTINCT quantity FROM public.portfolio_positions WHERE portfolio_id = 'THEIRS'"
    assert database.rows(theirs) == [(FOREIGN_NUMBER,)]


def test_with_five_million_prices(live: Callable[..., Live]) -> None:
    database = live(18, **FULL)
    noticed_nothing(database, there_and_back_and_there(database, 1))


def test_a_rollback_that_merges(live: Callable[..., Live], pg_version: int) -> None:
    database = live(pg_version)
    with V1Load(database.url) as load:
        database.run(Phase.PHASE1)
        database.manager.copy_portfolio("DEFAULT", "COPY", "Copy")
        with other_traders(database, load.spare[:20]):
            load.run_for(1)
        load.expect_merge()
        database.run(Phase.ROLLBACK_V1, keep=Keep.MERGE)
        load.run_for(1)
        assert database.version() == "1.0"
        report = load.stop()
    noticed_nothing(database, report, merged=True)
    assert database.rows("SELECT count(*) > 0 FROM public.portfolio_positions WHERE symbol LIKE '90___.HK'") == [
        (True,)
    ]


def test_four_clients_race_for_brand_new_symbols(live: Callable[..., Live], pg_version: int) -> None:
    database = live(pg_version)
    with V1Load(database.url) as load:
        assert load.burst(400) == 0, "version 1 itself, as the control"
        stop, failed = threading.Event(), []

        def race() -> None:
            while not stop.is_set():
                failed.append(load.burst(20))

        thread = threading.Thread(target=race)
        thread.start()
        try:
            database.run(Phase.PHASE1)
        finally:
            stop.set()
            thread.join()
        assert sum(failed) == 0
        assert load.burst(1_000) == 0
        report = load.stop()
    noticed_nothing(database, report)


def test_phase_2_goes_through_once_the_old_application_has_left(live: Callable[..., Live]) -> None:
    database = live()
    with V1Load(database.url) as load:
        database.run(Phase.PHASE1)
        with pytest.raises(PrerequisiteError, match="old_app"):
            database.run(Phase.PHASE2)
        report = load.stop()
    noticed_nothing(database, report)
    database.run(Phase.PHASE2)
    assert database.version() == "3.0"
    assert verify(database.url, report.ledger) == []
    # It may come back after a rollback all the way.
    database.run(Phase.ROLLBACK_V2)
    assert database.version() == "2.0"
    with V1Load(database.url, load=2) as load:
        load.run_for(0.5)
        database.run(Phase.ROLLBACK_V1)
        load.run_for(0.5)
        second = load.stop()
    assert database.version() == "1.0"
    noticed_nothing(database, second)


def test_a_reader_idle_in_a_transaction_holds_nobody_up(live: Callable[..., Live]) -> None:
    """The migration tries for its lock without queueing: clients are answered as long as it does."""
    database = live()
    tries = threading.Event()

    def note(event: Event) -> None:
        if event.kind == EventKind.BLOCKED:
            tries.set()

    def migrate() -> RunOutcome:
        return engine.run(database.url, Phase.PHASE1, Options(backup=False), database.settings, note)

    with (
        closing(psycopg2.connect(database.url, application_name="report")) as reader,
        ThreadPoolExecutor(1) as pool,
        V1Load(database.url) as load,
    ):
        reader.cursor().execute(
            "SELECT count(*) FROM portfolio_positions p JOIN trading_signals s ON s.symbol = p.symbol"
        )
        try:
            run = pool.submit(migrate)
            load.run_until(tries.is_set, "the migration tries for a lock")
            load.run_for_more("select columns", 50)
            load.run_for_more("update price", 50)
            assert not run.done()
        finally:
            reader.rollback()
        assert run.result().state == "done"
        report = load.stop()
    noticed_nothing(database, report)


def test_init_sql_is_run_again_at_any_moment(live: Callable[..., Live]) -> None:
    """CREATE TABLE IF NOT EXISTS finds v1's names at every moment: never a new, empty table before the real one."""
    database = live()
    stop, finished = threading.Event(), threading.Event()

    def init_again() -> None:
        conn = psycopg2.connect(database.url, application_name="old_app init")
        conn.autocommit = True
        with conn.cursor() as cursor:
            while not stop.is_set():
                for statement in create_tables():
                    cursor.execute(statement)
        conn.close()
        finished.set()

    thread = threading.Thread(target=init_again)
    thread.start()
    try:
        for _ in range(3):
            database.run(Phase.PHASE1)
            assert verify(database.url, Ledger()) == []
            database.run(Phase.ROLLBACK_V1)
            assert verify(database.url, Ledger()) == []
    finally:
        stop.set()
        thread.join()
    assert finished.is_set(), "an error ended it"
    assert database.rows("SELECT count(*) FROM portfolio_positions") == [(500,)]


def test_a_v1_delete_takes_its_signals_and_nothing_of_the_others(live: Callable[..., Live], pg_version: int) -> None:
    database = live(pg_version)
    database.run(Phase.PHASE1)
    manager = database.manager
    manager.copy_portfolio("DEFAULT", "COPY", "Copy")
    for symbol in ("0007.HK", "0008.HK"):
        manager.insert_trading_signal(symbol, "B", 0.5, 3.5, portfolio_id="COPY")
    count = "SELECT count(*) FROM public.{} WHERE portfolio_id = %s AND symbol = %s"
    signals, positions = count.format("trading_signals"), count.format("portfolio_positions")
    copied = {s: database.rows(signals, "COPY", s) for s in ("0007.HK", "0008.HK")}
    simple = psycopg2.connect(database.url)
    with simple, simple.cursor() as cursor:
        cursor.execute("DELETE FROM portfolio_positions WHERE symbol = '0007.HK'")
        assert cursor.rowcount == 1
    simple.close()
    with psycopg.connect(database.url, prepare_threshold=0) as prepared:
        assert prepared.execute("DELETE FROM portfolio_positions WHERE symbol = %s", ["0008.HK"]).rowcount == 1
    for symbol, before in copied.items():
        assert database.rows(signals, "DEFAULT", symbol) == [(0,)]
        assert database.rows(positions, "DEFAULT", symbol) == [(0,)]
        assert database.rows(signals, "COPY", symbol) == before
        assert before[0][0] != 0
        assert database.rows(positions, "COPY", symbol) == [(1,)]


def test_a_price_reaches_every_portfolio_from_either_side(live: Callable[..., Live], pg_version: int) -> None:
    database = live(pg_version)
    database.run(Phase.PHASE1)
    manager = database.manager
    manager.copy_portfolio("DEFAULT", "COPY", "Copy")
    prices = "SELECT DISTINCT current_price FROM public.portfolio_positions WHERE symbol = %s"
    old = psycopg.connect(database.url, prepare_threshold=0, autocommit=True)
    old.execute("UPDATE portfolio_positions SET current_price = %s WHERE symbol = %s", [Decimal("12.345"), "0007.HK"])
    assert database.rows(prices, "0007.HK") == [(Decimal("12.345"),)]
    manager.update_position_price("0007.HK", Decimal("23.456"))
    assert database.rows(prices, "0007.HK") == [(Decimal("23.456"),)]
    read = old.execute("SELECT current_price FROM portfolio_positions WHERE symbol = %s", ["0007.HK"])
    assert read.fetchall() == [(Decimal("23.456"),)]
    old.execute(
        "INSERT INTO portfolio_positions (symbol, quantity, current_price) VALUES ('0007.HK', 5, 34.567)"
        " ON CONFLICT (symbol) DO UPDATE SET current_price = EXCLUDED.current_price"
    )
    assert database.rows(prices, "0007.HK") == [(Decimal("34.567"),)]
    old.close()


def test_sessions_opened_before_keep_their_columns(live: Callable[..., Live], pg_version: int) -> None:
    """SELECT * prepared on version 1 answers with version 1's columns, types and order on version 2, and back."""
    database = live(pg_version)
    prepared = psycopg.connect(database.url, prepare_threshold=0, autocommit=True)

    def columns() -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for table in COLUMNS:
            described = prepared.execute("SELECT * FROM " + table + " LIMIT 1").description or []
            found[table] = tuple((c.name, c.type_code, c.precision, c.scale) for c in described)
        return found

    assert columns() == COLUMNS
    database.run(Phase.PHASE1)
    assert columns() == COLUMNS
    database.run(Phase.ROLLBACK_V1)
    assert columns() == COLUMNS
    prepared.close()
