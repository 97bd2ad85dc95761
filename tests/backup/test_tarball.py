"""A backup as one .tar: whole, of the length that was said, and never a byte from outside of its folder."""

import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from src.backup.api import Backup, BackupTarball, delete_backup, find_backup, make_backup, verify_backup
from src.backup.manifest import FileRecord, write_manifest
from src.backup.reading import read_backup
from src.errors import BackupError
from tests.conftest import MakeDatabase
from tests.support.backups import quiet


@pytest.fixture
def made(make_database: MakeDatabase, tmp_path: Path) -> Backup:
    return make_backup(make_database("v1"), tmp_path / "backups", schema_version="1.0", on_progress=quiet)


def written(tarball: BackupTarball, folder: Path) -> Path:
    path = folder / tarball.name
    path.write_bytes(b"".join(tarball.chunks()))
    return path


@pytest.mark.parametrize("more", ["", "x" * 120])
def test_unpacked_elsewhere_it_is_the_same_backup(
    made: Backup, tmp_path: Path, make_database: MakeDatabase, more: str
) -> None:
    if more:
        made.path.rename(made.path.with_name(made.name + more))
        made = read_backup(made.path.with_name(made.name + more))
    tarball = BackupTarball(made)
    path = written(tarball, tmp_path)
    assert path.stat().st_size == tarball.length
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    before = os.umask(0)
    try:
        subprocess.run(["tar", "-xf", str(path), "-C", str(elsewhere)], check=True)
    finally:
        os.umask(before)
    brought = find_backup(elsewhere, made.name)
    assert replace(brought, path=made.path) == made
    for place in brought.path.rglob("*"):
        assert stat.S_IMODE(place.stat().st_mode) == (0o700 if place.is_dir() else 0o600), place
    assert verify_backup(brought, url=make_database("v1"), on_progress=quiet).verified_at is not None


def link_a_file(backup: Backup, secret: Path) -> Backup:
    file = next(backup.data.iterdir())
    file.unlink()
    file.symlink_to(secret)
    return backup


def link_the_folder(backup: Backup, secret: Path) -> Backup:
    backup.data.rename(secret.parent / "data")
    backup.data.symlink_to(secret.parent / "data")
    return backup


def link_the_manifest(backup: Backup, secret: Path) -> Backup:
    (backup.path / "manifest.json").unlink()
    (backup.path / "manifest.json").symlink_to(secret)
    return backup


def name_a_file_outside(backup: Backup, secret: Path) -> Backup:
    record = FileRecord(secret.stat().st_size, "0" * 64)
    return replace(backup, files={**backup.files, "../../secret": record})


def name_it_from_the_root(backup: Backup, secret: Path) -> Backup:
    return replace(backup, files={**backup.files, str(secret): FileRecord(secret.stat().st_size, "0" * 64)})


def put_a_pipe(backup: Backup, secret: Path) -> Backup:
    file = next(backup.data.iterdir())
    file.unlink()
    os.mkfifo(file)
    return backup


@pytest.mark.parametrize(
    "tamper",
    [link_a_file, link_the_folder, link_the_manifest, name_a_file_outside, name_it_from_the_root, put_a_pipe],
)
def test_nothing_leads_out_of_the_folder(
    made: Backup, tmp_path: Path, tamper: Callable[[Backup, Path], Backup], make_database: MakeDatabase
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a password")
    tampered = tamper(made, secret)
    with pytest.raises(BackupError):
        BackupTarball(tampered)
    if tamper in (link_a_file, link_the_folder):
        with pytest.raises(BackupError, match="link"):
            verify_backup(tampered, url=make_database("v1"), on_progress=quiet)


def test_one_that_changes_on_the_way_is_not_sent_to_its_end(made: Backup) -> None:
    name, record = max(made.files.items(), key=lambda item: item[1].bytes)
    chunks = BackupTarball(made).chunks()
    next(chunks)
    os.truncate(made.path / name, record.bytes - 1)
    with pytest.raises(BackupError, match="became shorter"):
        list(chunks)
    with pytest.raises(BackupError, match="not as it was written"):
        BackupTarball(made)


def test_it_is_not_deleted_while_it_is_sent(made: Backup, tmp_path: Path) -> None:
    write_manifest(replace(made, verified_at=None), made.path)
    chunks = BackupTarball(made).chunks()
    next(chunks)
    with pytest.raises(BackupError, match="downloaded"):
        delete_backup(made)
    assert len(list(chunks)) > 2
    delete_backup(made)
