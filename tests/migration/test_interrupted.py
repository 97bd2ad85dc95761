"""Ctrl-C, a kill inside an index build, a server that goes away, a second run, a role without rights: each is shown for
what it is, and nothing of it is felt by v1 clients.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.errors import Action, DatabaseUnavailable, NextStep, PrerequisiteError, RunInProgress, RunPaused
from src.journal import runs
from src.journal.model import Event, Phase, RunOutcome
from src.migration import engine
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import (
    OTHER_PORTFOLIOS,
    V1_ROWS,
    Apart,
    MigrationEnv,
    migration_env,
    session,
    v1_clients_work,
    wait_for_the_end_of,
    wait_until,
    writer,
)

INDEX_STEP, INDEX = "index_legacy_symbol", "portfolio_positions_legacy_symbol_key"


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def invalid_indexes(it: MigrationEnv) -> list[str]:
    found = it.rows(
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid"
    )
    return [name for (name,) in found]


def test_killed_inside_an_index_build(v1: MigrationEnv) -> None:
    """The server does not go on behind our back, and the half-built index is not taken for a whole one."""
    run = Apart(v1, Phase.PHASE1, hold_at=INDEX_STEP)
    run.wait_for(step=INDEX_STEP, state="started")
    with writer(v1):
        run.let_go()
        wait_until(lambda: invalid_indexes(v1), "an index that is being built", run.process)
        run.process.kill()
        run.end()
        wait_for_the_end_of(v1)
        record = runs.fetch_current_run(v1.url)
        assert record is not None and (record.state, record.current_step) == ("interrupted", INDEX_STEP)
    assert invalid_indexes(v1) == [INDEX]
    v1_clients_work(v1)

    assert v1.resume().state == "done"
    assert invalid_indexes(v1) == []
    assert [e.detail["rebuilt"] for e in v1.reported if e.step == INDEX_STEP and e.detail["state"] == "done"] == [True]
    v1_clients_work(v1)


def test_ctrl_c_inside_an_index_build(v1: MigrationEnv) -> None:
    run = Apart(v1, Phase.PHASE1, hold_at=INDEX_STEP)
    run.wait_for(step=INDEX_STEP, state="started")
    with writer(v1):
        run.let_go()
        wait_until(lambda: invalid_indexes(v1), "an index that is being built", run.process)
        run.interrupt()
        run.end()
        raised = run.reported[-1]
        assert (raised["kind"], raised["step"]) == ("raised", "RunPaused")
        assert "interrupted" in raised["message"].lower() and "resume" in raised["message"]
        record = runs.fetch_current_run(v1.url)
        assert record is not None and record.state == "paused"
    v1_clients_work(v1)
    assert v1.resume().state == "done"


def test_ctrl_c_while_trying_for_a_lock(v1: MigrationEnv) -> None:
    """It stops at once, though the limit for locks is five minutes; and nothing of the step is there."""
    v1.run(Phase.PHASE1)
    before = whole_dump(v1.url)
    with session(v1.url) as reader, reader.cursor() as cur:
        cur.execute("BEGIN; SELECT * FROM portfolio_positions")
        run = Apart(v1, Phase.PHASE2, force=True)
        run.wait_for(kind="blocked")
        run.interrupt()
        run.end()
    assert run.reported[-1]["step"] == "RunPaused"
    assert difference(before, whole_dump(v1.url)) == ""
    assert v1.resume().state == "done"


def stop_at(step: str, state: str = "started") -> Callable[[Event], None]:
    """For `on_event`: what Ctrl-C does, at a given step."""

    def on_event(event: Event) -> None:
        if event.kind == "step" and event.step == step and event.detail["state"] == state:
            raise KeyboardInterrupt

    return on_event


@pytest.mark.parametrize(("step", "state", "touched"), [("measure", "done", False), ("prove", "started", True)])
def test_a_measurement_that_cannot_be_read_is_made_again_or_the_run_can_be_undone(
    v1: MigrationEnv, step: str, state: str, touched: bool
) -> None:
    with pytest.raises(RunPaused):
        v1.run(Phase.PHASE1, stop_at(step, state))
    v1.rows(
        "ALTER TABLE hk_migration.event DISABLE TRIGGER USER; "
        "UPDATE hk_migration.event SET detail = '{\"before\": {\"tables\": 1}}' WHERE detail ? 'before'; "
        "ALTER TABLE hk_migration.event ENABLE TRIGGER USER"
    )
    if not touched:
        assert v1.resume().state == "done"
        return
    with pytest.raises(PrerequisiteError, match="its measurement before the first step cannot be read") as refused:
        v1.resume()
    assert refused.value.next_step == NextStep(Action.UNDO, Phase.PHASE1)
    assert v1.run(Phase.ROLLBACK_V1).state == "done"


def test_a_session_that_outlived_its_client_is_ended(v1: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot notice that a client is gone goes on with its statement: `resume` ends that."""
    with pytest.raises(RunPaused):
        v1.run(Phase.PHASE1, stop_at("backfill"))
    monkeypatch.setattr("src.journal.run_lock.ORPHAN_LIMIT_S", 0.3)
    with session(v1.url, "hk_strategy migration") as orphaned, orphaned.cursor() as cur:
        cur.execute("SELECT pg_advisory_lock(%s, %s)", (runs.LOCK_CLASS, runs.LOCK_OBJECT))
        run_id = runs.fetch_runs(v1.url)[0].run_id
        cur.execute(
            "INSERT INTO hk_migration.event (run_id, kind, message, detail) "
            "VALUES (%s, 'run', 'phase1 goes on', jsonb_build_object('pid', pg_backend_pid()))",
            (run_id,),
        )
        assert v1.resume().state == "done"
        with pytest.raises(psycopg2.OperationalError):
            cur.execute("SELECT 1")


def test_a_run_that_is_still_being_planned_is_not_taken_for_an_orphaned_backend(
    v1: MigrationEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock, and no journal yet."""
    with pytest.raises(RunPaused):
        v1.run(Phase.PHASE1, stop_at("backfill"))
    monkeypatch.setattr("src.journal.run_lock.ORPHAN_LIMIT_S", 0.0)
    with session(v1.url, "hk_strategy migration") as other, other.cursor() as cur:
        cur.execute("SELECT pg_advisory_lock(%s, %s)", (runs.LOCK_CLASS, runs.LOCK_OBJECT))
        with pytest.raises(RunInProgress):
            v1.resume()
        cur.execute("SELECT 1")


def test_a_session_that_is_just_ending_is_nobody_elses_run(v1: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes a moment to end the session of a program that has gone."""
    monkeypatch.setattr("src.journal.run_lock.ENDING_S", 60.0)
    with session(v1.url, "hk_strategy migration") as going, going.cursor() as cur:
        cur.execute("SELECT pg_advisory_lock(%s, %s)", (runs.LOCK_CLASS, runs.LOCK_OBJECT))
        leaving = threading.Timer(0.3, going.close)
        leaving.start()
        assert v1.run(Phase.PHASE1).state == "done"
        leaving.join()


def test_a_phase_with_nothing_to_do_does_not_end_another_run(v1: MigrationEnv) -> None:
    with pytest.raises(RunPaused):
        v1.run(Phase.PHASE1, stop_at("backfill"))
    assert v1.run(Phase.ROLLBACK_V2).state == "nothing"
    record = runs.fetch_current_run(v1.url)
    assert record is not None and (record.phase, record.state) == (Phase.PHASE1, "paused")
    assert v1.resume().state == "done"


def test_a_second_run_is_reported_of_the_first(v1: MigrationEnv) -> None:
    first = Apart(v1, Phase.PHASE1, hold_at="columns")
    first.wait_for(step="columns", state="started")
    record = runs.fetch_current_run(v1.url)
    assert record is not None and record.state == "running"
    attempts: list[Callable[[], RunOutcome]] = [
        lambda: v1.run(Phase.PHASE1), lambda: v1.run(Phase.ROLLBACK_V1), lambda: v1.resume(),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(RunInProgress) as refused:
            attempt()
        assert record.started_by in str(refused.value)
        assert "phase1" in str(refused.value)
        assert record.started_at.astimezone().strftime("%H:%M:%S") in str(refused.value)
    first.let_go()
    assert first.end() == 0
    assert [r.state for r in runs.fetch_runs(v1.url)] == ["done"]


def test_the_server_goes_away_half_way(tmp_path: Path) -> None:
    with PrivateServer(tmp_path / "server", options={"synchronous_commit": "on"}) as server:
        with session(server.url, "test") as conn, conn.cursor() as cur:
            cur.execute("CREATE ROLE trader LOGIN PASSWORD 'trader'")
            cur.execute("CREATE DATABASE half OWNER trader")
        it = migration_env(
            url_of(server), tmp_path, rows=(PROJECT_ROOT / "migrations" / "init.sql").read_text() + V1_ROWS
        )

        def crash(event: Event) -> None:
            if event.kind == "step" and event.step == INDEX_STEP and event.detail["state"] == "started":
                stop_at_once(server)

        with pytest.raises(RunPaused, match="server went away") as paused:
            it.run(Phase.PHASE1, crash)
        assert paused.value.next_step and paused.value.next_step.action is Action.RESUME_OR_UNDO_LATER
        with pytest.raises(DatabaseUnavailable):
            runs.fetch_current_run(it.url)
        with pytest.raises(DatabaseUnavailable):
            it.resume()

        server.start()
        it.url = url_of(server)
        record = runs.fetch_current_run(it.url)
        assert record is not None and record.state == "interrupted"
        v1_clients_work(it)
        assert it.resume().state == "done"
        assert engine.inspect(it.url).version == "2.0"


def url_of(server: PrivateServer) -> str:
    return str(make_dsn(**{**parse_dsn(server.url), "user": "trader", "password": "trader", "dbname": "half"}))


def stop_at_once(server: PrivateServer) -> None:
    """As a power cut would."""
    pid_file = server.data / "postmaster.pid"
    pid = int(pid_file.read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or not pid_file.exists(), "the server ends")


@pytest.fixture
def poor(servers: Servers) -> Iterator[str]:
    """A role that may read and write the tables, and make nothing. Asked for before the databases."""
    role = f"poor_{os.getpid()}"
    with session(servers[18], "test") as conn, conn.cursor() as cur:
        cur.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", (TRADER_PASSWORD,))
        yield role
        cur.execute(f"DROP ROLE {role}")


def test_a_role_without_rights_is_reported_which(poor: str, servers: Servers, v1: MigrationEnv) -> None:
    v1.v1(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {poor}")
    before = whole_dump(v1.url)
    theirs = MigrationEnv(servers.url(18, poor, parse_dsn(v1.url)["dbname"]), v1.settings)
    with pytest.raises(PrerequisiteError, match=r"(?s)Nothing was touched.*(own|CREATE)") as refused:
        theirs.run(Phase.PHASE1)
    assert refused.value.exit_code == 3
    assert difference(before, whole_dump(v1.url)) == ""
    assert runs.fetch_current_run(v1.url) is None


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it, and every connection is gone with it."""


@pytest.mark.parametrize("where", ["in the first half", "between the halves", "in the second half"])
def test_a_rollback_from_v3_to_v1_is_resumed_to_v1(v1: MigrationEnv, where: str) -> None:
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    v1.run(Phase.PHASE2)

    def kill(event: Event) -> None:
        first = event.run_id == 3
        if (
            (where == "in the first half" and first and event.step == "switch")
            or (where == "between the halves" and first and event.kind == "outcome")
            or (where == "in the second half" and not first and event.step == "fence")
        ):
            raise Killed

    with pytest.raises(Killed):
        v1.run(Phase.ROLLBACK_V1, kill)
    wait_for_the_end_of(v1)
    run = runs.fetch_current_run(v1.url)
    assert run is not None and run.state == "interrupted"
    assert v1.resume().state == "done"
    assert engine.inspect(v1.url).version == "1.0"
    assert runs.fetch_current_run(v1.url) is None
    assert [record.state for record in runs.fetch_runs(v1.url)] == ["done"] * 4
    v1_clients_work(v1)
    assert v1.run(Phase.PHASE1).state == "done"
    assert v1.rows("SELECT count(DISTINCT portfolio_id) > 1 FROM public.portfolio_positions") == [(True,)]


def test_between_the_halves_of_a_rollback_another_way_may_be_taken(v1: MigrationEnv) -> None:
    v1.run(Phase.PHASE1)
    v1.run(Phase.PHASE2)

    def kill(event: Event) -> None:
        if event.kind == "outcome":
            raise Killed

    with pytest.raises(Killed):
        v1.run(Phase.ROLLBACK_V1, kill)
    wait_for_the_end_of(v1)
    assert v1.run(Phase.PHASE2).state == "done"
    assert engine.inspect(v1.url).version == "3.0"
    assert [record.state for record in runs.fetch_runs(v1.url)] == ["done"] * 4
