"""Locks are tried for and never queued for: nobody waits behind the migration, and nobody is in a deadlock with it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from src.errors import RunPaused
from src.journal import runs
from src.journal.model import Client, Phase, RunOutcome
from src.migration.run import locks
from src.migration.run.locks import acquire, lock_targets
from tests.conftest import MakeDatabase
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import MigrationEnv, migration_env, session, v1_clients_work, wait_until


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


@pytest.fixture
def v2(v1: MigrationEnv) -> MigrationEnv:
    v1.run(Phase.PHASE1)
    return v1


class TimeLimitedClient:
    """A client that works all the time, and will not wait for a lock longer than the shortest lock_timeout."""

    def __init__(self, it: MigrationEnv) -> None:
        self._it, self._stop = it, threading.Event()
        self.done, self.failed = 0, ""
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "TimeLimitedClient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        with session(self._it.url) as conn, conn.cursor() as cur:
            cur.execute("SET lock_timeout = '500ms'")
            while not self._stop.is_set():
                try:
                    cur.execute("UPDATE portfolio_positions SET current_price = 8 WHERE symbol = '0002.HK'")
                    cur.execute("SELECT * FROM portfolio_positions")
                except psycopg2.Error as error:
                    self.failed = str(error)
                    return
                self.done += 1
                time.sleep(0.001)


def blocked(it: MigrationEnv) -> list[str]:
    return [event.message for event in it.reported if event.kind == "blocked"]


@contextlib.contextmanager
def reading(it: MigrationEnv, statement: str = "SELECT * FROM public.portfolio_positions") -> Iterator[Connection]:
    """A client that has read, and sits in its transaction since."""
    with session(it.url, "a reader") as conn, conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute(statement)
        yield conn


def test_a_reader_idle_in_transaction_holds_nobody_up(v1: MigrationEnv) -> None:
    """Others go on while the engine tries; it names the reader, gives up cleanly, and can be resumed."""
    with reading(v1) as reader, TimeLimitedClient(v1) as client:
        served: list[int] = []
        with pytest.raises(RunPaused) as paused:
            v1.run(
                Phase.PHASE1,
                lambda event: served.append(client.done) if event.kind == "blocked" else None,
                give_up_after_s=2.5,
            )
        wait_until(lambda: client.failed or client.done > served[-1], "the client goes on")
        assert client.failed == ""
        # It was served between the first report and the last, while the engine went on trying.
        assert len(served) >= 2 and served[-1] > served[0]
        for text in (str(paused.value), blocked(v1)[-1]):
            assert f"pid {reader.info.backend_pid}, role trader, a reader, idle in transaction" in text
        record = runs.fetch_current_run(v1.url)
        assert record is not None and (record.state, record.current_step) == ("paused", "columns")
        # Nothing of the step is there.
        assert v1.rows("SELECT count(*) FROM pg_attribute WHERE attname = 'legacy_symbol'") == [(0,)]
        v1_clients_work(v1)
    assert v1.resume().state == "done"
    v1_clients_work(v1)


def test_after_seconds_without_a_gap_waits_are_short_and_bounded(
    v1: MigrationEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The escalation: it then queues, for `max_lock_ms` at most, and other clients hardly notice."""
    monkeypatch.setattr(locks, "QUEUE_AFTER_S", 0.2)
    with reading(v1), TimeLimitedClient(v1) as client:
        with session(v1.url, "hk_strategy test") as conn, pytest.raises(RunPaused):
            acquire(
                conn, ["portfolio_positions"], max_wait_ms=40, give_up_after_s=2.0, on_blocked=lambda *_: None
            )  # fmt: skip
        before = client.done
        wait_until(lambda: client.failed or client.done > before, "the client goes on")
        assert client.failed == ""


def test_locks_are_had_in_the_gap_of_a_busy_table(v2: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that overlap all the time leave no gap for NOWAIT; a short wait in the queue makes one."""
    monkeypatch.setattr(locks, "QUEUE_AFTER_S", 0.3)
    stop = threading.Event()

    def read() -> None:
        with session(v2.url) as conn, conn.cursor() as cur:
            while not stop.is_set():
                cur.execute("SELECT pg_sleep(0.02) FROM (SELECT FROM portfolio_positions LIMIT 1) one")

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            with session(v2.url, "hk_strategy test") as conn, conn.cursor() as cur:
                got = acquire(
                    conn, ["portfolio_positions"], max_wait_ms=200, give_up_after_s=60, on_blocked=lambda *_: None
                )  # fmt: skip
                cur.execute("ROLLBACK")
        finally:
            stop.set()
    assert got.attempts >= 1 and got.queued_ms <= 200
    for reader in readers:
        reader.result()


def test_views_are_locked_before_the_tables_below_them(v2: MigrationEnv) -> None:
    """A client holds the view while it waits for the table: one that held the table first would be in a deadlock."""
    with session(v2.url, "hk_strategy test") as conn:
        targets = lock_targets(conn, ["portfolio_positions", "price_history"])
    assert targets.index(("trader", "portfolio_positions")) < targets.index(("public", "portfolio_positions"))
    assert targets.index(("trader", "price_history")) < targets.index(("public", "price_history"))
    assert ("public", "portfolio_summary") in targets
    assert ("public", "trading_signals") not in targets


def test_maintenance_in_the_way_is_named(v2: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VACUUM or ANALYZE holds what no client feels; the run waits for it, and says for whom."""
    monkeypatch.setattr(locks, "CLAIM_WAIT_MS", 100)
    before = whole_dump(v2.url)
    with session(v2.url, "nightly vacuum") as conn, conn.cursor() as cur:
        cur.execute("BEGIN; LOCK TABLE public.portfolio_positions IN SHARE UPDATE EXCLUSIVE MODE")
        with TimeLimitedClient(v2) as client:
            with pytest.raises(RunPaused, match="nightly vacuum"):
                v2.run(Phase.PHASE2, give_up_after_s=0.5, force=True)
            assert client.failed == ""
        assert any("nightly vacuum" in message for message in blocked(v2))
        cur.execute("ROLLBACK")
    v2.v1("UPDATE portfolio_positions SET current_price = 2.25 WHERE symbol = '0002.HK'")
    assert difference(before, whole_dump(v2.url)) == ""
    assert v2.resume().state == "done"


def test_a_transaction_that_reads_prices_and_then_updates_a_position(v1: MigrationEnv) -> None:
    """While the switch tries for both tables: no deadlock, neither for the client nor for the run."""
    with ThreadPoolExecutor(1) as pool, reading(v1, "SELECT price FROM price_history LIMIT 1") as client:
        running: Future[RunOutcome] = pool.submit(v1.run, Phase.PHASE1)
        wait_until(lambda: blocked(v1) or running.done(), "the switch meets the reader")
        assert any("Switch" in message for message in blocked(v1))
        with client.cursor() as cur:
            cur.execute("UPDATE portfolio_positions SET current_price = 7.5 WHERE symbol = '0001.HK'")
            assert cur.rowcount == 1
            cur.execute("COMMIT")
        assert running.result(60).state == "done"
    assert v1.v1("SELECT current_price FROM portfolio_positions WHERE symbol = '0001.HK'") == [(7.5,)]


def test_nothing_is_held_after_giving_up(v2: MigrationEnv) -> None:
    seen: list[tuple[Client, ...]] = []
    with session(v2.url, "hk_strategy test") as conn:
        with reading(v2), pytest.raises(RunPaused):
            acquire(
                conn, ["portfolio_positions", "trading_signals"], max_wait_ms=0, give_up_after_s=1.2,
                on_blocked=lambda _, holders: seen.append(holders),
            )  # fmt: skip
        held = v2.rows("SELECT mode FROM pg_locks WHERE pid = %s AND relation IS NOT NULL", conn.info.backend_pid)
        assert held == []
    assert [client.application_name for client in seen[0]] == ["a reader"]


def test_a_bulk_load_of_new_symbols_stays_within_the_lock_table(v2: MigrationEnv) -> None:
    """Each new symbol of DEFAULT takes an advisory lock until commit: but a thousand of them, and no more."""
    with session(v2.url) as conn, conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("INSERT INTO portfolio_positions (symbol) SELECT 'N' || i FROM generate_series(1, 1500) i")
        cur.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cur.fetchone() == (1000,)
        cur.execute("ROLLBACK")
        cur.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cur.fetchone() == (0,)
