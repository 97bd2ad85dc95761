"""The old application as a load: it is content with a version 1 database, and it complains when it has reason to."""

import time

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from tests.conftest import MakeDatabase
from tests.support.load import V1Load, fill, verify
from tests.support.load.v1 import FOREIGN_NUMBER


def execute(url: str, statement: str, *params: object) -> None:
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement, params or None)
    finally:
        conn.close()


def drop_unique_index(url: str) -> None:
    """Locks everything at once, or nothing: one table after the other would be a deadlock with the clients."""
    conn = psycopg2.connect(url)
    try:
        for _ in range(2_000):
            try:
                with conn, conn.cursor() as cursor:
                    cursor.execute(
                        "LOCK TABLE public.portfolio_positions, public.trading_signals, public.price_history "
                        "IN ACCESS EXCLUSIVE MODE NOWAIT"
                    )
                    cursor.execute(
                        "ALTER TABLE public.portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key CASCADE"
                    )
                return
            except psycopg2.errors.LockNotAvailable:
                time.sleep(0.005)
        raise AssertionError("the tables were never free")
    finally:
        conn.close()


# Every kind of statement of the old application.
KINDS = {
    "select columns", "select * position", "select * positions", "select * prices", "select * signals",
    "select join", "select totals", "update price", "insert signal", "insert price", "upsert do nothing",
    "upsert do update", "delete position", "transaction: update", "commit", "race do update", "race do nothing",
    "create table if not exists", "insert sample rows", "select * analyses", "select * values", "connect",
}  # fmt: skip


def run_through(load: V1Load) -> None:
    """Until statements of every kind were answered."""
    for kind in sorted(KINDS):
        load.run_until(lambda kind=kind: load.statements(kind) > 0, f"a statement of the kind {kind!r}")


def wait_for_a_waiting_client(load: V1Load, cursor: Cursor) -> None:
    """Until a statement of the application waits for the table that `cursor` has locked."""

    def waits() -> bool:
        # Tables of databases that were copied from one have the same numbers.
        cursor.execute(
            "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database() "
            "WHERE NOT l.granted AND l.relation = 'public.portfolio_positions'::regclass"
        )
        return cursor.rowcount > 0

    load.run_until(waits, "a client waits for the lock")


def end_sessions(url: str) -> int:
    """End all sessions of one of the application's names; how many they were."""
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'old_app' AND datname = current_database()"
            )
            return cursor.rowcount
    finally:
        conn.close()


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    """A small version 1 database."""
    made = make_database("v1")
    fill(made, prices=20_000, signals=5_000, positions=500)
    return made


def test_on_version_1_it_has_nothing_to_complain_about(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    fill(url, prices=20_000, signals=5_000, positions=500)
    with V1Load(url, reconnect_s=0.5) as load:
        run_through(load)
        load.run_until(lambda: load.statements("connect") >= 4, "it has connected anew four times")
        assert load.burst(100) == 0
        report = load.stop()
    assert report.complaints() == []
    assert report.failure_count == 0
    assert verify(url, report.ledger) == []
    assert report.reconnects >= 4
    # Every kind of statement was among them, by both drivers, and left something in the ledger.
    assert set(report.kinds) >= KINDS
    ledger = report.ledger
    assert ledger.signals and ledger.prices and ledger.shared and ledger.gone and ledger.analyses
    assert None in ledger.holdings.values()


def test_a_changed_table_makes_it_complain(url: str) -> None:
    with V1Load(url, reconnect_s=600) as load:
        load.run_for_more("select * position", 50)  # all have prepared it by then
        execute(url, "ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50)")
        load.run_until(lambda: load.failures() > 0, "a prepared statement fails")
        load.run_for_more("select * position", 20)
        report = load.stop()
    assert "0A000" in {failure.sqlstate for failure in report.failures}, "prepared SELECT * fails when columns change"
    assert any("SELECT * FROM portfolio_positions has columns" in text for text in report.wrong)


def test_a_missing_unique_index_makes_it_complain(url: str) -> None:
    with V1Load(url) as load:
        load.mark("before")
        load.run_for_more("select columns", 20)
        load.mark("after")
        drop_unique_index(url)
        load.run_until(lambda: load.failures() > 0, "an upsert fails")
        report = load.stop()
    assert {failure.sqlstate for failure in report.failures} == {"42P10"}
    assert {failure.window for failure in report.failures} == {"after"}
    assert report.windows["before"].failures == 0
    assert report.windows["after"].failures == report.failure_count > 0


def test_a_lock_is_felt_as_a_stall(url: str) -> None:
    conn = psycopg2.connect(url)
    with V1Load(url) as load:
        load.mark("calm")
        load.run_for(0.5)
        load.mark("locked")
        with conn, conn.cursor() as cursor:
            cursor.execute("LOCK TABLE public.portfolio_positions IN ACCESS EXCLUSIVE MODE")
            wait_for_a_waiting_client(load, cursor)
            time.sleep(1)  # how long it is made to wait
        load.mark("after")
        load.run_for(0.3)
        report = load.stop()
    conn.close()
    assert report.complaints() == []
    assert report.windows["locked"].longest_ms > 800
    assert verify(url, report.ledger) == []


def test_a_killed_session_is_a_failure_and_it_goes_on(url: str) -> None:
    with V1Load(url) as load:
        load.run_for_more("select columns", 20)
        killed = end_sessions(url)
        load.run_until(lambda: load.failures() >= killed, "each of them notices")
        before = load.failures()
        load.run_for_more("select columns", 20)
        report = load.stop()
    assert before >= killed >= 1
    assert report.failure_count == before, "new connections work"
    assert verify(url, report.ledger) == []


def test_another_portfolios_row_is_noticed(url: str) -> None:
    with V1Load(url) as load:
        load.run_for(0.3)
        execute(
            url, "INSERT INTO public.portfolio_positions (symbol, quantity, current_price) VALUES ('90001.HK', 1, 9999)"
        )
        execute(
            url, "UPDATE public.portfolio_positions SET quantity = %s WHERE symbol = %s", FOREIGN_NUMBER, load.spare[0]
        )
        load.run_for_more("select * positions", 20)
        report = load.stop()
    assert any("another portfolio's row" in text and "90001.HK" in text for text in report.wrong)
    assert any("another portfolio's row" in text and str(FOREIGN_NUMBER) in text for text in report.wrong)


def test_lost_and_changed_writes_are_found(url: str) -> None:
    with V1Load(url) as load:
        run_through(load)
        report = load.stop()
    ledger = report.ledger
    kept = [symbol for symbol, holding in ledger.holdings.items() if holding is not None and symbol.endswith(".HK")]
    changed, removed = kept[0], kept[1]
    signal, price = next(iter(ledger.signals)), next(iter(ledger.prices))
    raced = next(iter(ledger.shared))
    assert verify(url, ledger) == []
    execute(url, "UPDATE public.portfolio_positions SET current_price = current_price + 1 WHERE symbol = %s", changed)
    execute(url, "DELETE FROM public.trading_signals WHERE volume = %s", signal)
    execute(url, "UPDATE public.price_history SET price = price + 1 WHERE volume = %s", price)
    execute(url, "DELETE FROM public.portfolio_positions WHERE symbol IN (%s, %s)", removed, raced)
    execute(url, "CREATE SCHEMA trader CREATE TABLE portfolio_positions (id integer)")
    found = verify(url, ledger)
    for expected in (
        f"position {changed}: current_price acknowledged",
        f"signal {signal} of",
        f"price {price} was acknowledged as",
        f"position {removed} was acknowledged and is not there",
        f"position {raced} was acknowledged and is not there",
        "a table of version 1 outside of public: trader.portfolio_positions",
    ):
        assert any(text.startswith(expected) for text in found), (expected, found)


def test_a_statement_that_never_ends_is_a_failure(url: str) -> None:
    conn = psycopg2.connect(url)
    with V1Load(url, hanging_after_s=1) as load, conn, conn.cursor() as cursor:
        cursor.execute("LOCK TABLE public.portfolio_positions IN ACCESS EXCLUSIVE MODE")
        wait_for_a_waiting_client(load, cursor)
        report = load.stop()
    conn.close()
    assert any("still waiting for its answer" in failure.message for failure in report.failures)
