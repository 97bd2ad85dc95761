"""The SQL files are the truth that runs; the history is append-only and knows with which files a run began."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from src.config import PROJECT_ROOT
from src.errors import Action, MigrationError, RunPaused
from src.journal import runs
from src.journal.model import Event, Phase
from src.migration import steps as loader
from src.migration.steps import FILES, checksums, load_steps
from tests.conftest import MakeDatabase
from tests.support.migration_env import MigrationEnv, migration_env


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of migrations/, which the engine reads in this test."""
    copy = tmp_path / "migrations"
    shutil.copytree(PROJECT_ROOT / "migrations", copy)
    monkeypatch.setattr(loader, "MIGRATIONS", copy)
    return copy


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("phase", list(Phase))
def test_every_file_is_well_formed(phase: Phase) -> None:
    steps = load_steps(phase)
    assert len({step.name for step in steps}) == len(steps) >= 6
    for step in steps:
        assert step.sql, step.name
        assert (step.mode == "autocommit") == (step.index is not None), step.name
        # A step that can be repeated until it is done must say when that is.
        assert step.mode != "batch" or step.done, step.name


GOOD = (
    "-- step: one\n-- title: One\n-- why: So\n-- kind: expand\n-- mode: transaction\n-- lock: ACCESS SHARE\nSELECT 1;\n"
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("-- title: One\n", ""), "step one: .*title"),
        (GOOD.replace("-- why: So\n", ""), "step one: .*why"),
        (GOOD.replace("transaction", "sometimes"), "step one: .*mode"),
        (GOOD.replace("expand", "improve"), "step one: .*kind"),
        (GOOD.replace("SELECT 1;\n", ""), "step one: .*no SQL"),
        (GOOD.replace("-- mode: transaction", "-- mode: batch"), "step one: .*done"),
        (GOOD.replace("-- mode: transaction", "-- mode: autocommit"), "step one: .*index"),
        (GOOD.replace("-- lock: ACCESS SHARE\n", ""), "step one: .*lock is missing"),
        (GOOD.replace("ACCESS SHARE", "SHARED"), "step one: .*lock is missing or unknown"),
        (GOOD.replace("-- lock:", "-- locks: portfolios\n-- lock:"), "step one: .*both"),
        (GOOD.replace("-- lock:", "-- before: ask\n-- lock:"), "step one: .*before"),
        (
            GOOD.replace("-- lock:", "-- repeat: SELECT true\n-- lock:")
            + GOOD.replace("step: one", "step: two").replace("-- lock:", "-- repeat: SELECT false\n-- lock:"),
            "different reasons",
        ),
        (GOOD + GOOD, "step one: .*twice"),
        (GOOD.replace("-- kind", "-- kinds"), "step one: .*kind"),
        ("SELECT 1;\n", "no step"),
        ("", "no step"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / FILES[Phase.PHASE1]).write_text(text)
    with pytest.raises(MigrationError, match=f"{FILES[Phase.PHASE1]}.*{complaint}"):
        load_steps(Phase.PHASE1, tmp_path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=FILES[Phase.PHASE1]):
        load_steps(Phase.PHASE1, tmp_path)
    with pytest.raises(MigrationError, match=FILES[Phase.PHASE1]):
        checksums(Phase.PHASE1, tmp_path)


def stop_at(step: str) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if event.kind == "step" and event.step == step and event.detail["state"] == "started":
            raise KeyboardInterrupt

    return on_event


def test_a_file_that_changed_since_the_run_began_is_reported_on_resume(v1: MigrationEnv, files: Path) -> None:
    name = FILES[Phase.PHASE1]
    with pytest.raises(RunPaused):
        v1.run(Phase.PHASE1, stop_at("columns"))
    stored = v1.rows("SELECT sql_files FROM hk_migration.run")[0][0]
    assert stored == checksums(Phase.PHASE1, files)

    with pytest.raises(RunPaused):
        v1.resume(stop_at("columns"))
    assert not [e for e in v1.reported if name in e.message]

    change(files / name, "-- step: backfill\n", "-- step: backfill\n-- when: SELECT true\n")
    assert v1.resume().state == "done"
    assert [e.kind for e in v1.reported if name in e.message] == ["log"]


def test_a_step_that_fails_leaves_all_before_it_and_can_be_repaired(v1: MigrationEnv, files: Path) -> None:
    file = files / FILES[Phase.PHASE1]
    view = "CREATE OR REPLACE VIEW public.portfolio_summary"
    change(file, view, f"SELECT 1/0; {view}")
    with pytest.raises(MigrationError, match="division by zero") as failed:
        v1.run(Phase.PHASE1)
    assert failed.value.next_step and failed.value.next_step.action is Action.RESUME_OR_UNDO
    record = runs.fetch_current_run(v1.url)
    assert record is not None and (record.state, record.current_step) == ("failed", "views_and_functions")
    change(file, "SELECT 1/0; ", "")
    assert v1.resume().state == "done"


@pytest.mark.parametrize("table", ["run", "event"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET run_id = run_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_history_is_append_only(history_of_a_run: MigrationEnv, table: str, statement: str) -> None:
    before = runs.fetch_runs(history_of_a_run.url)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        history_of_a_run.rows(statement.format(f"hk_migration.{table}"))
    assert runs.fetch_runs(history_of_a_run.url) == before
    assert len(before) == 1


@pytest.fixture
def history_of_a_run(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    """As after a run, without waiting for one."""
    from src.journal.runs import ensure_own_schema

    it = migration_env(make_database("v1"), tmp_path, rows="")
    with closing(psycopg2.connect(it.url)) as conn, conn:
        ensure_own_schema(conn)
    it.rows(
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase1', '1.0', '2.0', 'test', '{}', '[]', '{}'); "
        "INSERT INTO hk_migration.event (run_id, kind, message) VALUES (1, 'run', 'begins')"
    )
    return it


def test_what_a_run_leaves_in_the_history(v1: MigrationEnv) -> None:
    v1.run(Phase.PHASE1)
    (record,) = runs.fetch_runs(v1.url)
    assert (record.phase, record.state, record.from_version, record.to_version) == (Phase.PHASE1, "done", "1.0", "2.0")
    assert record.started_by.startswith("trader (")
    assert record.finished_at is not None and record.finished_at >= record.started_at
    assert record.steps_done == record.steps_total >= 14
    assert record.proof and all(row.equal for row in record.proof)
    assert record.longest_stall_ms is not None
    stored = runs.fetch_events(v1.url, record.run_id)
    assert [event.message for _, event in stored] == [event.message for event in v1.reported]
    half = stored[len(stored) // 2][0]
    assert runs.fetch_events(v1.url, record.run_id, after=half) == [entry for entry in stored if entry[0] > half]


def test_what_a_step_demands_and_repeats_is_said_by_its_headings() -> None:
    refusing = [(phase, step.name) for phase in Phase for step in load_steps(phase) if step.refuses_v1_clients]
    assert refusing == [(Phase.PHASE2, "contract")]
    repeated = [(phase, step.name) for phase in Phase for step in load_steps(phase) if step.repeat]
    names = ("restore_prices", "restore_portfolios", "restore_positions", "restore_signals", "restore_done")
    assert repeated == [(Phase.PHASE1, name) for name in names]
