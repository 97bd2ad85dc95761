"""A statement that waits for a lock names who blocks it: by the modes that conflict with what it does."""

from contextlib import closing
from threading import Thread

import psycopg2
import pytest

from src.database_enhanced import DatabaseManager
from src.errors import Conflict, TableLocked
from src.journal import audit
from src.journal.model import AuditOutcome
from src.migration import engine
from src.portfolios import transactions
from src.postgres.table_locks import Wanted, blocking_locks
from tests.conftest import MakeDatabase
from tests.support.cli_process import ROWS, Cli, wait_for
from tests.support.databases import ManagerOf
from tests.support.locks import APPLICATION, locked

KEEP_WRITERS_OUT = pytest.mark.parametrize("mode", ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE"])


def holder(table: str, mode: str, pid: int) -> str:
    return f"{table} is locked in {mode} mode by pid {pid} (role trader, application {APPLICATION}) since 20"


@pytest.mark.parametrize(
    ("mode", "keeps_out"),
    [
        ("ROW SHARE", {Wanted.CHANGE}),
        ("ROW EXCLUSIVE", {Wanted.CHANGE}),
        ("SHARE UPDATE EXCLUSIVE", {Wanted.CHANGE}),
        ("SHARE", {Wanted.WRITE, Wanted.CHANGE}),
        ("SHARE ROW EXCLUSIVE", {Wanted.WRITE, Wanted.CHANGE}),
        ("EXCLUSIVE", {Wanted.WRITE, Wanted.CHANGE}),
        ("ACCESS EXCLUSIVE", {Wanted.READ, Wanted.WRITE, Wanted.CHANGE}),
    ],
)
def test_the_modes_that_keep_others_out(make_database: MakeDatabase, mode: str, keeps_out: set[Wanted]) -> None:
    url = make_database("v1")
    with locked(url, "public.price_history", mode=mode) as pid, closing(psycopg2.connect(url)) as conn:
        found = {wanted for wanted in Wanted for lock in blocking_locks(conn, wanted) if lock.pid == pid}
    assert found == keeps_out


@KEEP_WRITERS_OUT
def test_a_change_names_who_keeps_writers_out(
    make_database: MakeDatabase, manager_of: ManagerOf, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(transactions, "RETRY_FOR_S", 0.5)
    url = make_database("v2", rows=ROWS)
    manager: DatabaseManager = manager_of(url)
    with locked(url, "public.portfolio_positions", mode=mode) as pid:
        with pytest.raises(Conflict) as raised:
            manager.update_position_price("0700.HK", 320)
        assert not manager.get_portfolio_positions("DEFAULT").empty, "readers are not kept out"
    assert holder("portfolio_positions", mode, pid) in str(raised.value)


@KEEP_WRITERS_OUT
def test_removing_the_sample_names_who_keeps_writers_out(make_database: MakeDatabase, cli: Cli, mode: str) -> None:
    url = make_database("v1", sample=True)
    with locked(url, "public.trading_signals", mode=mode) as pid:
        said = cli(url, "remove-sample", "--yes")
    assert said.exit_code == 1
    assert holder("trading_signals", mode, pid) in said.err


def test_the_audit_names_who_keeps_it_from_being_written(make_database: MakeDatabase) -> None:
    url = make_database("v2")
    entry = audit.AuditEntry("mei", "admin", "", "backup", AuditOutcome.DONE)
    with locked(url, "hk_migration.audit", mode="SHARE") as pid, pytest.raises(TableLocked) as raised:
        audit.record(url, entry)
    assert holder("hk_migration.audit", "SHARE", pid) in str(raised.value)


@pytest.mark.parametrize("table", ["hk_migration.run", "hk_migration.event"])
def test_a_run_that_cannot_be_recorded_does_not_begin_and_names_the_holder(
    make_database: MakeDatabase, cli: Cli, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(engine, "LOCK_WAIT", "200ms")
    url = make_database("v2", rows=ROWS)
    with locked(url, table, mode="SHARE") as pid:
        said = cli(url, "phase2", "--yes", "--no-backup", "--force")
    assert said.exit_code == 1, said.all
    assert holder(table, "SHARE", pid) in said.err
    assert "Schema: multi-portfolio (v2.0)" in cli(url, "check").out


def test_a_lock_that_is_waited_for_is_named_with_whom_it_waits_for(make_database: MakeDatabase, cli: Cli) -> None:
    """Readers queue behind it, although nobody holds what would keep them out."""
    url = make_database("v2", rows=ROWS)
    with locked(url, "public.trading_signals", mode="ACCESS SHARE") as reader:
        waiting = psycopg2.connect(url, application_name="deployment")

        def wait() -> None:
            waiting.cursor().execute("LOCK TABLE public.trading_signals IN ACCESS EXCLUSIVE MODE")

        thread = Thread(target=wait)
        thread.start()
        with closing(psycopg2.connect(url)) as conn:
            wait_for("the second waits", lambda: bool(blocking_locks(conn)))
        said = cli(url, "check")
    thread.join()
    pid = waiting.info.backend_pid
    waiting.close()
    assert said.exit_code == 0
    assert f"trading_signals is about to be locked by pid {pid} (role trader, application deployment)" in said.out
    assert f"which waits for pid {reader}, and others for it" in said.out
