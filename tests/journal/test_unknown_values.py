"""Values that another version of this program wrote: they are shown as they are, and nothing is done to such a run."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.cli.text import current_run_lines, run_detail_lines
from src.cli.text_history import activity_lines
from src.errors import Action, NextStep, PrerequisiteError
from src.health import judgements
from src.health.background_poll import Answer
from src.health.probes import JournalProbe
from src.journal import activity, audit, runs
from src.journal.model import EventKind, Phase, RunState
from src.migration import engine
from src.migration.model import Options
from src.ui.system_status.migration import run_progress
from tests.conftest import MakeDatabase
from tests.support.migration_env import MigrationEnv, migration_env


@pytest.fixture
def newer(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    """A database in which a newer version of this program has begun a phase of its own."""
    it = migration_env(make_database("v1"), tmp_path)
    audit.record(it.url, audit.AuditEntry("mei", "owner", "192.0.2.7", "phase9", "handed over"))
    it.rows(
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase9', '3.0', '9.0', 'trader (mei@host)', '{}', '[]', '{}')"
    )
    return it


def add(it: MigrationEnv, kind: str, message: str, detail: str = "{}") -> None:
    it.rows(
        "INSERT INTO hk_migration.event (run_id, kind, step, message, detail) VALUES (1, %s, 'one', %s, %s)",
        kind, message, detail,
    )  # fmt: skip


def test_an_event_of_an_unknown_kind_stands_in_the_log(newer: MigrationEnv) -> None:
    add(newer, "step", "A step", '{"state": "started"}')
    add(newer, "checkpoint", "Checkpoint 3 is written")
    add(newer, "step", "A step", '{"state": "handed over"}')
    events = [event for _, event in runs.fetch_events(newer.url, 1)]
    assert [event.kind for event in events] == ["step", "checkpoint", "step"]
    assert not events[1].kind.is_known
    assert [text for _, text in run_progress.log(events)][1] == "checkpoint Checkpoint 3 is written"
    assert [line.title for line in run_progress.lines(events, RunState.RUNNING, datetime.now(UTC))] == ["A step"]


def test_a_run_in_an_unknown_state_is_shown_with_it(newer: MigrationEnv) -> None:
    add(newer, "outcome", "Handed over", '{"state": "handed over"}')
    add(newer, "proof", "", '{"rows": [{"subject": "s", "before": "1", "after": "1", "equal": true, "colour": "red"}]}')
    (run,) = runs.fetch_runs(newer.url)
    assert (run.phase, run.state) == ("phase9", "handed over")
    assert not run.is_unfinished
    assert not run.is_over
    assert any("phase9" in line and "handed over" in line for line in run_detail_lines(run))
    assert [row.subject for row in run.proof] == ["s"]
    assert runs.fetch_current_run(newer.url) is None
    assert {(one.name, one.outcome) for one in activity.read(newer.url).entries} == {("phase9", "handed over")}


def test_an_unfinished_run_of_an_unknown_phase_is_left_alone(newer: MigrationEnv) -> None:
    add(newer, "outcome", "It failed", '{"state": "failed"}')
    run = runs.fetch_current_run(newer.url)
    assert run is not None
    assert "newer version" in current_run_lines(run)[-1]
    assert "newer version" in judgements.run(Answer(JournalProbe(False, run))).advice
    for attempt in (newer.resume, lambda: newer.run(Phase.PHASE1)):
        with pytest.raises(PrerequisiteError, match="newer version"):
            attempt()
    assert newer.rows("SELECT count(*) FROM hk_migration.event") == [(1,)]


def test_a_plan_beside_an_unknown_run_is_made(newer: MigrationEnv) -> None:
    add(newer, "outcome", "It failed", '{"state": "failed"}')
    plan = engine.make_plan(newer.url, Phase.PHASE1, Options(), newer.settings)
    assert plan.steps


@pytest.mark.parametrize(
    ("actor", "person"),
    [
        ('{"user": "mei", "machine": "server", "acting_for": "tom"}', "tom"),
        ('{"user": "mei", "machine": "server"}', "mei@server"),
        ('{"acting_for": "tom", "device": "phone"}', "tom"),
        ('{"user": "mei"}', "hk@old"),
        ('{"user": null, "machine": 7, "acting_for": []}', "hk@old"),
        ('"mei"', "hk@old"),
        ("[1]", "hk@old"),
        ("null", "hk@old"),
        ("{}", "hk@old"),
    ],
)
def test_who_began_a_run_is_shown_whatever_stands_there(
    make_database: MakeDatabase, tmp_path: Path, actor: str, person: str
) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    audit.record(it.url, audit.AuditEntry("mei", "admin", "192.0.2.7", "phase1", "done"))
    begin(it, f'{{"actor": {actor}}}')
    assert [run.by for run in runs.fetch_runs(it.url)] == [person]


def begin(it: MigrationEnv, options: str, steps: str = "[]", sql_files: str = "{}") -> None:
    """A run of phase 1 that was interrupted."""
    it.rows(
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase1', '1.0', '2.0', 'trader (hk@old)', %s, %s, %s)",
        options, steps, sql_files,
    )  # fmt: skip


OPTIONS = (
    '{"keep": %s, "restore_archive": true, "legacy_roles": [], "backup": false, "backup_dir": null, "force": false}'
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (OPTIONS % '"archive"', "does not know the choice 'archive' of that run. A newer version"),
        (OPTIONS % "null", "does not know the choice None"),
        (OPTIONS % '["merge"]', "does not know the choice"),
        ("{}", "Run 1 cannot be resumed: what it was started with is not recorded"),
        ("[]", "Run 1 cannot be resumed"),
        ('"x"', "Run 1 cannot be resumed"),
    ],
)
def test_a_run_whose_choices_are_unknown_is_not_resumed(
    make_database: MakeDatabase, tmp_path: Path, options: str, said: str
) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    audit.record(it.url, audit.AuditEntry("mei", "admin", "192.0.2.7", "phase1", "done"))
    begin(it, options)
    with pytest.raises(PrerequisiteError) as raised:
        it.resume()
    assert said in str(raised.value)
    assert "version" in str(raised.value) or raised.value.next_step == NextStep(Action.UNDO, Phase.PHASE1)
    assert it.rows("SELECT count(*) FROM hk_migration.event") == [(0,)]


def test_json_of_another_shape_is_read_as_nothing(make_database: MakeDatabase, tmp_path: Path) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    audit.record(it.url, audit.AuditEntry("mei", "admin", "192.0.2.7", "phase1", "done"))
    it.rows(
        "INSERT INTO hk_migration.audit (by, role, address, action, detail, outcome) "
        "VALUES ('mei', 'admin', '', 'phase2', '[1]', 'done')"
    )
    begin(it, '{"then_v1": "soon"}', '{"one": 1}', "[]")
    add(it, "step", "A step", '["done"]')
    add(it, "log", "A stall", '{"stall_ms": "long"}')
    add(it, "proof", "", '{"rows": [{"colour": "red"}, 7]}')
    add(it, "proof", "", '{"rows": "none"}')
    (run,) = runs.fetch_runs(it.url)
    assert (run.steps_total, run.longest_stall_ms, run.proof, run.sql_files) == (0, None, (), {})
    assert len(runs.fetch_events(it.url, 1)) == 4
    assert len(activity.read(it.url).entries) == 3


def test_an_unknown_value_equals_no_member() -> None:
    assert EventKind("checkpoint") not in list(EventKind)
    assert EventKind("checkpoint") == EventKind("checkpoint")
    assert EventKind("run") is EventKind.RUN


@pytest.mark.parametrize("detail", ['"backup"', '"state"', "[]", "7", "null", "{}"])
def test_an_event_whose_detail_is_no_object_has_none(newer: MigrationEnv, detail: str) -> None:
    """Not even the word None: an outcome without a state is none, and what was recorded before it counts."""
    add(newer, "outcome", "Paused", '{"state": "paused", "backup": "b1"}')
    for kind in ("outcome", "proof", "step", "pause"):
        add(newer, kind, "Something", detail)
    (run,) = runs.fetch_runs(newer.url)
    assert (run.state, run.backup) == ("paused", "b1")
    (entry,) = [one for one in activity.read(newer.url).entries if one.run is not None]
    assert "None" not in " ".join(activity_lines([entry]))
    assert "None" not in " ".join(run_detail_lines(run))


def test_an_outcome_that_cannot_be_read_alone_leaves_the_run_interrupted(newer: MigrationEnv) -> None:
    add(newer, "outcome", "Something", '"done"')
    (run,) = runs.fetch_runs(newer.url)
    assert run.state == RunState.INTERRUPTED
