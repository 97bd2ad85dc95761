"""Backups that go: one by name, several by a rule; and those that must stay."""

import errno
import fcntl
import os
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from src.backup.api import (
    Backup,
    RetentionRule,
    delete_backup,
    find_backup,
    in_use,
    is_young,
    list_backups,
    make_backup,
    preview,
    prune,
    verify_backup,
)
from src.backup.manifest import now, write_manifest
from src.errors import BackupError
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, execute


def quiet(message: str, done: int | None, total: int | None) -> None:
    pass


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    return make_database("v1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def made(url: str, folder: Path) -> Backup:
    """One verified backup, made just now."""
    backup = make_backup(url, folder, schema_version="1.0", on_progress=quiet)
    return verify_backup(backup, url=url, on_progress=quiet)


def older(backup: Backup, days: int, *, verified: bool = True) -> Backup:
    """The same once more, as if it had been made so many days ago."""
    name = f"older-{days}"
    shutil.copytree(backup.path, backup.path.with_name(name))
    copied = replace(
        backup, name=name, path=backup.path.with_name(name), created_at=backup.created_at - timedelta(days=days),
        verified_at=backup.verified_at if verified else None,
    )  # fmt: skip
    write_manifest(copied, copied.path)
    return copied


def test_two_who_delete_at_once_do_not_count_on_each_others_backup(made: Backup) -> None:
    second = older(made, 1)
    together = threading.Barrier(2)

    def delete(backup: Backup) -> str:
        together.wait()
        try:
            delete_backup(backup)
        except BackupError as error:
            return str(error)
        return "deleted"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(delete, [made, second]))
    assert said.count("deleted") == 1
    assert sum("only verified backup" in one for one in said) == 1
    assert len(list_backups(made.path.parent)) == 1


def test_what_somebody_reads_is_not_deleted(made: Backup, url: str) -> None:
    second = older(made, 3)
    with in_use(second):
        with pytest.raises(BackupError, match="being verified, restored or downloaded"):
            delete_backup(second)
        with pytest.raises(BackupError, match="being verified, restored or downloaded"):
            prune(url, made.path.parent, RetentionRule(1, 0), [second.name])
        assert verify_backup(second, url=url, on_progress=quiet).verified_at is not None, "reading it is no hindrance"
    delete_backup(second)
    with pytest.raises(BackupError), in_use(second):
        pass


def test_a_file_system_without_such_locks_is_no_hindrance(
    made: Backup, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def flock(file: Any, operation: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    second = older(made, 2)
    assert verify_backup(second, url=url, on_progress=quiet).verified_at is not None
    delete_backup(second)
    with pytest.raises(BackupError, match="only verified"):
        delete_backup(made)


def test_only_what_was_shown_is_deleted(made: Backup, url: str) -> None:
    folder = made.path.parent
    first, second = older(made, 3), older(made, 5)
    assert [v.goes for v in preview(url, folder, RetentionRule(1, 0))] == [False, True, True]
    assert [one.name for one in prune(url, folder, RetentionRule(1, 0), [second.name])] == [second.name]
    assert {one.name for one in list_backups(folder)} == {made.name, first.name}


def test_how_old_the_newest_verified_backup_is(made: Backup, url: str, make_database: MakeDatabase) -> None:
    folder = made.path.parent
    assert is_young(url, [folder], timedelta(hours=1)) == made
    assert is_young(url, [folder], now() - made.created_at - timedelta(seconds=1)) is None
    assert is_young(make_database("v1"), [folder], timedelta(hours=1)) is None, "that is of another database"
    write_manifest(replace(made, verified_at=None), made.path)
    assert is_young(url, [folder], timedelta(hours=1)) is None, "it counts once it is verified"


def test_a_timer_makes_one_only_when_it_is_time(cli: Cli, url: str, folder: Path) -> None:
    first = cli(url, "backup", "--if-older-than", "24h")
    assert first.exit_code == 0, first.all
    assert "made and verified" in first.out
    again = cli(url, "backup", "--if-older-than", "24h")
    assert again.exit_code == 0
    assert "Nothing to do" in again.out
    (only,) = list_backups(folder)
    write_manifest(replace(only, created_at=only.created_at - timedelta(hours=25)), only.path)
    assert "made and verified" in cli(url, "backup", "--if-older-than", "24h").out
    assert len(list_backups(folder)) == 2
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_prune_shows_what_goes_and_deletes_it(cli: Cli, url: str, made: Backup) -> None:
    folder = made.path.parent
    kept, gone = older(made, 3), older(made, 20)
    piped = cli(url, "prune", "--keep", "2", "--days", "7")
    assert piped.exit_code == 2
    assert "Add --yes" in piped.err
    assert len(list_backups(folder)) == 3
    said = cli(url, "prune", "--keep", "2", "--days", "7", "--yes")
    assert said.exit_code == 0, said.all
    lines = {
        line.split()[1]: line.split()[0] for line in said.out.splitlines() if made.name in line or "older-" in line
    }
    assert lines == {made.name: "keep", kept.name: "keep", gone.name: "delete"}
    assert "Deleted 1 backup" in said.out
    assert {one.name for one in list_backups(folder)} == {made.name, kept.name}
    assert "Nothing to do" in cli(url, "prune", "--keep", "2", "--days", "7", "--yes").out


def test_delete_says_why_the_only_verified_one_stays(cli: Cli, url: str, made: Backup) -> None:
    second = older(made, 2, verified=False)
    refused = cli(url, "delete", made.name, "--yes")
    assert refused.exit_code == 1
    assert "only verified backup" in refused.err
    assert cli(url, "delete", second.name, "--yes").exit_code == 0
    for name in ("../backups", f"../{made.path.parent.name}/{made.name}", "/etc", ".", "nothing"):
        assert cli(url, "delete", name, "--yes").exit_code == 1, name
    assert [one.name for one in list_backups(made.path.parent)] == [made.name]


def test_the_backup_of_a_run_that_did_not_end_stays(cli: Cli, url: str, made: Backup) -> None:
    needed = older(made, 9)
    assert cli(url, "phase1", "--yes", "--no-backup").exit_code == 0
    execute(
        url,
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase2', '2.0', '3.0', 'x', '{}', '[]', '{}');"
        "INSERT INTO hk_migration.event (run_id, at, kind, step, message, detail) SELECT max(run_id), now(), 'step', "
        f"'backup', 'done', '{{\"backup\": \"{needed.name}\"}}' FROM hk_migration.run",
    )
    said = cli(url, "delete", needed.name, "--yes")
    assert said.exit_code == 1
    assert "did not end" in said.err
    assert "Nothing to do" in cli(url, "prune", "--keep", "1", "--yes").out
    assert find_backup(made.path.parent, needed.name)
