"""A table that somebody has locked makes the schema degraded, and is named with who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.health.model import State
from src.journal.model import Phase
from src.journal.run_lock import acquire_run_lock
from tests.conftest import MakeDatabase
from tests.support.databases import Database
from tests.support.health_cases import monitor_of, note_run, of, read
from tests.support.migration_env import session


@contextmanager
def locked(url: str, table: str, application: str = "nightly import") -> Iterator[int]:
    """Somebody holds ACCESS EXCLUSIVE on a table of public; the pid."""
    conn = psycopg2.connect(url, application_name=application)
    conn.cursor().execute(sql.SQL("LOCK TABLE public.{} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
    try:
        yield conn.info.backend_pid
    finally:
        conn.close()


@pytest.mark.parametrize(
    ("version", "table"), [("v1", "price_history"), ("v2", "trading_signals"), ("v3", "portfolios")]
)
def test_a_locked_table_is_named_with_who_holds_it(
    database: Database, tmp_path: Path, version: str, table: str
) -> None:
    url = database(version, 18)
    monitor = monitor_of(lambda: url, tmp_path)
    with locked(url, table) as pid:
        seen = monitor.read(0)
    schema = of(seen, "schema")
    assert schema.state is State.DEGRADED
    assert f"{table} is locked by pid {pid} (role trader, application nightly import) since 20" in schema.message
    assert f"pg_terminate_backend({pid})" in schema.advice
    (lock,) = schema.details["locks"]
    assert (lock["table"], lock["pid"]) == (table, pid)
    assert not any("somebody else" in f"{one.message} {one.lines}" for one in seen.components), "the holder is known"
    assert seen.serves, "all else can be worked with"
    monitor.forget()
    assert of(monitor.read(0), "schema").state is State.HEALTHY


def test_the_locks_of_a_run_under_way_are_no_obstacle(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1")
    note_run(url, Phase.PHASE1, state=None)
    with session(url, "hk_strategy migration") as conn:
        acquire_run_lock(conn)
        with locked(url, "trading_signals", "hk_strategy migration"):
            seen = read(url, tmp_path)
        with locked(url, "trading_signals"):
            other = read(url, tmp_path)
    assert "is running" in of(seen, "run").message
    assert "locked by" not in of(seen, "schema").message
    assert "nightly import" in of(other, "schema").message
