"""A backup whose manifest is broken is listed as one that cannot be read, with the reason; it counts for nothing."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from src.backup.api import Backup, RetentionRule, folders, is_young, list_all, listing, make_backup, preview, prune
from src.backup.folders import Folders, find_in
from src.backup.manifest import MANIFEST, now, write_manifest
from src.backup.reading import read_folder
from src.errors import BackupError
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli
from tests.support.health_cases import of, read

WRONG: tuple[Any, ...] = (None, "x", -1, 1.5, True, [], [1], {}, {"x": None}, {"x": {}}, "0001-01-01T00:00:00+00:00")
# Some of these are right for some keys; what is read then must be usable.


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    return make_database("v1")


@pytest.fixture
def good(url: str, tmp_path: Path) -> Backup:
    """Called verified, and two days old."""
    made = make_backup(url, tmp_path / "backups", schema_version="1.0")
    good = replace(made, verified_at=now(), verified_how="by hand", created_at=made.created_at - timedelta(days=2))
    write_manifest(good, good.path)
    return good


def broken_copy(good: Backup, how: Callable[[Path], object], name: str = "20991231T000000Z-broken-v1") -> Path:
    """A copy of `good` that would be the newest, broken."""
    path = good.path.with_name(name)
    shutil.copytree(good.path, path)
    write_manifest(replace(good, created_at=now()), path)
    how(path / MANIFEST)
    return path


def cut(manifest: Path) -> None:
    manifest.write_text(manifest.read_text()[:-200])


def fifo(manifest: Path) -> None:
    manifest.unlink()
    os.mkfifo(manifest)


def folder(manifest: Path) -> None:
    manifest.unlink()
    manifest.mkdir()


def loop(manifest: Path) -> None:
    manifest.unlink()
    manifest.symlink_to(manifest)


def with_value(key: str, value: object) -> Callable[[Path], None]:
    def change(manifest: Path) -> None:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {key: value}))

    return change


BROKEN = [
    (lambda manifest: manifest.write_text(""), "is no JSON, or cut off in line 1"),
    (cut, "is no JSON, or cut off in line"),
    (lambda manifest: manifest.write_bytes(b"\xff\xfe\x00"), "is no JSON"),
    (lambda manifest: manifest.write_text("[" * 100_000), "is no JSON"),
    (lambda manifest: manifest.write_text("[1]"), "is no JSON object"),
    (lambda manifest: manifest.write_text("{}"), "has no format"),
    (with_value("format", 7), "has format 7, of another version of this program"),
    (with_value("bytes", 1e400), "has no usable bytes"),
    (with_value("created_at", "yesterday"), "has no usable created_at"),
    (with_value("tables", {"public.x": {"rows": "many", "digest": ""}}), "public.x of tables in manifest.json has"),
    (with_value("needs", {}), "needs in manifest.json has no extensions"),
    (Path.unlink, "it has no manifest.json"),
    (fifo, "manifest.json is no file"),
    (folder, "manifest.json is no file"),
    (loop, "manifest.json: Too many levels of symbolic links"),
]


@pytest.mark.parametrize(("how", "reason"), BROKEN)
def test_it_is_listed_with_the_reason_and_counts_for_nothing(
    good: Backup, url: str, how: Callable[[Path], object], reason: str
) -> None:
    path = broken_copy(good, how)
    usual = good.path.parent
    found = listing(folders(url, usual))
    assert [one.name for one in found.backups] == [good.name]
    (unreadable,) = found.unreadable
    assert (unreadable.name, unreadable.path) == (path.name, path)
    assert reason in unreadable.reason
    assert is_young(url, [usual], timedelta(days=1)) is None, "it is the newest, and no backup"
    decisions = preview(url, usual, RetentionRule(1, 0))
    assert [one.backup.name for one in decisions] == [good.name]
    assert prune(url, usual, RetentionRule(1, 0), [path.name]) == ()
    assert path.is_dir()
    with pytest.raises(BackupError, match="cannot be read") as raised:
        find_in(Folders((usual,)), path.name)
    assert reason in str(raised.value) and str(path) in str(raised.value)


def test_whatever_a_manifest_says_in_each_place_it_is_read_or_named_with_a_reason(good: Backup) -> None:
    usual, written = good.path.parent, json.loads((good.path / MANIFEST).read_text())
    for key in written.keys() - {"name"}:
        (good.path / MANIFEST).write_text(json.dumps({name: value for name, value in written.items() if name != key}))
        (lost,) = read_folder(usual).unreadable
        assert f"has no {key}" in lost.reason
        for wrong in WRONG:
            (good.path / MANIFEST).write_text(json.dumps(written | {key: wrong}))
            stored = read_folder(usual)
            assert len(stored.backups) + len(stored.unreadable) == 1, (key, wrong)
            for one in stored.backups:
                assert one.rows + one.bytes + one.dump_major + one.server_major + one.database_bytes >= 0
                assert one.created_at <= now() and one.data and one.locale["collate"] and one.verified_how != 5
    (good.path / MANIFEST).write_text(json.dumps(written))
    assert read_folder(usual).unreadable == ()


def test_commands_say_what_is_the_matter(good: Backup, url: str, cli: Cli) -> None:
    path = broken_copy(good, cut)
    listed = cli(url, "backups")
    assert listed.exit_code == 0, listed.all
    assert f"The backup {path.name} cannot be read: manifest.json is no JSON, or cut off" in listed.out
    assert f"It is {path}." in listed.out and "no command deletes it" in listed.out
    (record,) = (one for one in cli(url, "backups", "--json").records if one["type"] == "backups")
    assert [one["name"] for one in record["unreadable"]] == [path.name]
    for command in (("verify",), ("restore", "--yes"), ("delete", "--yes")):
        said = cli(url, command[0], path.name, *command[1:])
        assert said.exit_code == 1, said.all
        assert "cannot be read: manifest.json is no JSON" in said.err, command
        assert f"remove the folder {path} yourself" in said.err
    pruned = cli(url, "prune", "--keep", "1", "--yes")
    assert pruned.exit_code == 0 and path.name in pruned.out, pruned.all
    assert path.is_dir()
    refused = cli(url, "delete", good.name, "--yes")
    assert "only verified backup" in refused.err, "the broken one does not count as the other one"
    assert "cannot be read" in cli(url, "check").all


def test_where_it_is_the_only_one_the_list_does_not_say_that_there_is_none(good: Backup, url: str, cli: Cli) -> None:
    cut(good.path / MANIFEST)
    listed = cli(url, "backups")
    assert "No backup" not in listed.out and f"The backup {good.name} cannot be read" in listed.out


def test_health_names_it(good: Backup, url: str) -> None:
    path = broken_copy(good, cut)
    broken_copy(good, Path.unlink, "20991231T000001Z-broken-v1")
    found = of(read(url, good.path.parent), "backups")
    assert found.state == "degraded"
    assert f"{path.name} cannot be read" in found.message and "1 other" in found.message
    assert found.details["newest_verified"] == good.name
    assert found.details["unreadable"] == [path.name, "20991231T000001Z-broken-v1"]


def test_a_copy_that_can_be_read_in_another_folder_is_found_under_the_name(good: Backup, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(good.path.parent, other)
    cut(good.path / MANIFEST)
    assert find_in(Folders((good.path.parent, other)), good.name).path == other / good.name
    assert find_in(Folders((other, good.path.parent)), good.name).path == other / good.name


def test_other_folders_and_files_are_no_backups(good: Backup) -> None:
    usual = good.path.parent
    (usual / "lost+found").mkdir()
    (usual / "notes").mkdir()
    (usual / "notes" / MANIFEST).write_text('{"name": "of a browser extension"}')
    (usual / f"{good.name}.tar").touch()
    (usual / f"{good.name}.tmp-0123abcd").mkdir()
    (usual / "link").symlink_to(good.path)
    stored = read_folder(usual)
    assert [one.name for one in stored.backups] == [good.name] and stored.unreadable == ()


def test_one_that_was_renamed_and_lost_its_manifest_is_listed(good: Backup) -> None:
    path = broken_copy(good, Path.unlink, "before-the-move")
    assert [one.path for one in read_folder(good.path.parent).unreadable] == [path]
    (path / "catalog.json").unlink()
    assert [one.path for one in read_folder(good.path.parent).unreadable] == [path]


@contextmanager
def without_rights() -> Iterator[None]:
    """Rights do not bind the superuser: as another user, where this is one."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_it_is_listed_where_this_user_may_not_read_it(good: Backup) -> None:
    with TemporaryDirectory() as place:
        usual = Path(place)
        usual.chmod(0o755)
        moved = shutil.copytree(good.path, usual / good.name)
        (usual / "lost+found").mkdir(0o700)
        for closed in (moved / MANIFEST, moved):
            closed.chmod(0)
            with without_rights():
                (found,) = read_folder(usual).unreadable
                assert (found.name, found.reason) == (good.name, "manifest.json: Permission denied")
                assert list_all([usual]) == []
            moved.chmod(0o755)
