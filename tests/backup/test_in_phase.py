"""A phase does not start without a backup that restores equal; and then it says that nothing was done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.backup import make as backup_make
from src.backup.api import Backup, list_backups, make_backup
from src.errors import Action, MigrationError, NextStep, PrerequisiteError
from src.journal import runs
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from src.migration.run import execution
from tests.backup.test_dump_tools import stand_in, use_only
from tests.conftest import MakeDatabase
from tests.support.backups import accept_files, data_file
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import Apart, MigrationEnv, migration_env, wait_for_the_end_of


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def phase1(it: MigrationEnv) -> None:
    engine.run(it.url, Phase.PHASE1, Options(), it.settings, lambda event: None)


def no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backup_make, "free_bytes", lambda directory: 2**20)


def no_pg_dump(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_only(monkeypatch)


def old_pg_dump(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = stand_in(tmp_path / "old", "exit 1")
    (folder / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 13.4'")
    use_only(monkeypatch, folder)


def a_file_in_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("")


@pytest.mark.parametrize(
    ("obstacle", "reported"),
    [
        (no_room, "1 MB are free"),
        (no_pg_dump, "There is no pg_dump"),
        (old_pg_dump, "pg_dump is too old for it: 13.4"),
        (a_file_in_the_way, "is not a folder"),
    ],
)
def test_what_prevents_a_backup_is_in_the_plan_and_stops_the_phase_before_anything(
    v1: MigrationEnv,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    obstacle: Callable[[pytest.MonkeyPatch, Path], None],
    reported: str,
) -> None:
    obstacle(monkeypatch, tmp_path)
    plan = engine.make_plan(v1.url, Phase.PHASE1, Options(), v1.settings)
    assert [reported in finding.title for finding in plan.refusals] == [True]
    with pytest.raises(PrerequisiteError, match=reported):
        phase1(v1)
    assert v1.rows("SELECT to_regnamespace('hk_migration')") == [(None,)]
    assert engine.make_plan(v1.url, Phase.PHASE1, Options(backup=False), v1.settings).refusals == ()


def damaged(backup: Backup) -> Backup:
    (backup.path / "catalog.json").write_text("[]")
    return backup


def without_a_table(backup: Backup) -> Backup:
    data_file(backup, "trading_signals").unlink()
    return accept_files(backup)


@pytest.mark.parametrize("faulty", [damaged, without_a_table])
def test_a_backup_that_does_not_restore_equal_stops_the_phase(
    v1: MigrationEnv, monkeypatch: pytest.MonkeyPatch, faulty: Callable[[Backup], Backup]
) -> None:
    before = whole_dump(v1.url)

    def make(*arguments: Any, **choices: Any) -> Backup:
        return faulty(make_backup(*arguments, **choices))

    monkeypatch.setattr(execution, "make_backup", make)
    with pytest.raises(MigrationError, match="the database is as it was") as failed:
        phase1(v1)
    assert failed.value.next_step == NextStep(Action.START_AGAIN, Phase.PHASE1)
    assert [backup.verified_at for backup in list_backups(v1.settings.backup_dir)] == [None]
    assert difference(before, whole_dump(v1.url)) == ""
    assert runs.fetch_current_run(v1.url) is None, "there is nothing to resume, and nothing to undo"
    (run,) = runs.fetch_runs(v1.url)
    assert run.state == "undone" and run.steps_done == 0

    monkeypatch.setattr(execution, "make_backup", make_backup)
    phase1(v1)
    assert runs.fetch_runs(v1.url)[0].state == "done"


def test_a_run_that_has_its_backup_needs_no_room_to_go_on(
    v1: MigrationEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Apart(v1, Phase.PHASE1, kill_at=8, backup=True)
    run.end()
    wait_for_the_end_of(v1)
    record = runs.fetch_current_run(v1.url)
    assert record is not None and record.backup is not None and record.steps_done > 1
    no_room(monkeypatch, tmp_path)
    engine.resume(v1.url, Options(), v1.settings, lambda event: None)
    (done,) = runs.fetch_runs(v1.url)
    assert (done.state, done.backup) == ("done", record.backup)
