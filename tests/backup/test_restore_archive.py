"""After a restore the archive is that of the backup's moment, like the rows that it belongs to; the history goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.backup.api import Backup, make_backup, restore_backup
from src.errors import RunInProgress
from src.journal import runs
from src.journal.model import Event, Keep, Phase
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase
from tests.support.backups import drop_kept_databases, make_clerk_database, quiet
from tests.support.dumps import data_dump, difference
from tests.support.migration_env import (
    OTHER_PORTFOLIOS,
    V1_ROWS,
    Apart,
    MigrationEnv,
    migration_env,
    wait_for_the_end_of,
)

__all__ = ["drop_kept_databases", "make_clerk_database"]


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def backed_up(it: MigrationEnv) -> Backup:
    return make_backup(it.url, it.settings.backup_dir, schema_version=None, on_progress=quiet)


def restore(it: MigrationEnv, backup: Backup) -> str:
    return restore_backup(it.url, backup, it.settings.backup_dir, on_progress=quiet).how


def same_as(before: list[str], it: MigrationEnv) -> None:
    assert difference(before, data_dump(it.url)) == ""


def test_a_v2_backup_over_the_v1_of_a_rollback(v1: MigrationEnv) -> None:
    """Its portfolios are there again: a later phase 1 must not restore them on top of themselves."""
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    before, backup = data_dump(v1.url), backed_up(v1)
    v1.run(Phase.ROLLBACK_V1)
    restore(v1, backup)
    same_as(before, v1)
    assert v1.run(Phase.PHASE1).state == "nothing"
    v1.run(Phase.ROLLBACK_V1)
    v1.run(Phase.PHASE1)
    same_as(before, v1)
    assert [run.state for run in runs.fetch_runs(v1.url)] == ["done"] * 4


def come_back(it: MigrationEnv) -> str:
    """The automatic backup of a phase 1 that restored the archive is put back, and phase 1 done again."""
    it.run(Phase.PHASE1)
    it.rows(OTHER_PORTFOLIOS)
    before = data_dump(it.url)
    it.run(Phase.ROLLBACK_V1)
    backup = backed_up(it)
    it.run(Phase.PHASE1)
    how = restore(it, backup)
    it.run(Phase.PHASE1)
    same_as(before, it)
    assert [run.state for run in runs.fetch_runs(it.url)] == ["done"] * 4
    return how


def test_archived_portfolios_come_back_again_after_the_backup_of_phase_1(v1: MigrationEnv) -> None:
    assert come_back(v1) == "swapped"


def test_archived_portfolios_come_back_again_in_place(make_clerk_database: Callable[..., str], tmp_path: Path) -> None:
    it = migration_env(make_clerk_database(), tmp_path, rows="DELETE FROM portfolio_positions;" + V1_ROWS)
    assert come_back(it) == "in place"


def test_a_backup_from_before_any_portfolio(v1: MigrationEnv) -> None:
    """What the rollback archived does not belong to these rows: merged quantities are not taken off them."""
    backup = backed_up(v1)
    v1.run(Phase.PHASE1)
    plain = data_dump(v1.url)
    v1.rows(OTHER_PORTFOLIOS)
    v1.run(Phase.ROLLBACK_V1, keep=Keep.MERGE)
    restore(v1, backup)
    assert engine.make_plan(v1.url, Phase.PHASE1, Options(backup=False), v1.settings).archived_portfolios == ()
    v1.run(Phase.PHASE1)
    same_as(plain, v1)


def test_a_run_that_did_not_end_is_over_with_the_restore(v1: MigrationEnv) -> None:
    backup = backed_up(v1)
    run = Apart(v1, Phase.PHASE1, kill_at=8)
    run.end()
    wait_for_the_end_of(v1)
    assert runs.fetch_current_run(v1.url) is not None
    restore(v1, backup)
    assert runs.fetch_current_run(v1.url) is None
    (run_,) = runs.fetch_runs(v1.url)
    assert run_.state == "undone" and backup.name in run_.message


def test_one_at_a_time(v1: MigrationEnv) -> None:
    """A restore is refused while a run is at work, and a run while a restore is."""
    backup = backed_up(v1)

    def meanwhile(event: Event) -> None:
        if event.step == "switch" and event.detail.get("state") == "started":
            with pytest.raises(RunInProgress, match="phase1"):
                restore(v1, backup)

    assert v1.run(Phase.PHASE1, meanwhile).state == "done"
    reported: list[str] = []

    def phase2(message: str, done: int | None, total: int | None) -> None:
        if not reported and "Comparing" in message:
            with pytest.raises(RunInProgress, match="A restore is in progress") as refused:
                v1.run(Phase.PHASE2)
            reported.append(str(refused.value))

    restore_backup(v1.url, backup, v1.settings.backup_dir, on_progress=phase2)
    assert reported
