"""Backups as they lie in a folder: found by name, each value of a manifest checked; and what cannot be read, with why.

Anybody may have changed the file, or given it to another user.
"""

import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from src.backup.fingerprint import CatalogLine, Content, Needs, SequenceState, TableFingerprint
from src.backup.manifest import ANOTHER_FOLDER, CATALOG, DATA, FORMAT, MANIFEST, UNFINISHED, Backup, FileRecord
from src.errors import Action, BackupError, BackupNotVerified, NextStep

T = TypeVar("T")

TABLE_OF_CONTENTS = f"{DATA}/toc.dat"  # of pg_dump
NAMED = re.compile(r"^\d{8}T\d{6}Z-")
LOCALE = ("collate", "ctype", "provider", "locale", "rules")
YEARS = (1970, 9998)  # of which every time zone has each moment
NEEDS = ("extensions", "collations", "roles")


@dataclass(frozen=True)
class UnreadableBackup:
    """What must be a backup, and cannot be read as one: it counts for nothing, and no command deletes it."""

    name: str
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"The backup {self.name} cannot be read: {self.reason}."


@dataclass(frozen=True)
class Stored:
    """What a folder holds. `backups`: the newest first. `unreadable`: by name."""

    backups: tuple[Backup, ...]
    unreadable: tuple[UnreadableBackup, ...] = ()


class NoSuchBackup(BackupError):
    """No backup of that name is in the folder."""


class _Unreadable(Exception):
    """Its text is the reason."""


def read_folder(backup_dir: Path) -> Stored:
    """The finished backups. Other entries of the folder are ignored; a folder that is not there has none.

    Raises BackupError where it cannot be read.
    """
    found, unreadable = [], []
    for path in _entries(backup_dir):
        if UNFINISHED.match(path.name):
            continue
        try:
            found.append(_read(path))
        except _Unreadable as error:
            if _is_meant_as_one(path):
                unreadable.append(UnreadableBackup(path.name, path, str(error)))
    return Stored(newest_first(found), tuple(sorted(unreadable, key=lambda one: one.name)))


def list_backups(backup_dir: Path) -> list[Backup]:
    """`read_folder` without what cannot be read."""
    return list(read_folder(backup_dir).backups)


def newest_first(backups: list[Backup]) -> tuple[Backup, ...]:
    return tuple(sorted(backups, key=lambda backup: (backup.created_at, backup.name), reverse=True))


def read_backup(path: Path) -> Backup:
    """The backup in directory `path`. Raises BackupError, with the reason, where it cannot be read as one."""
    try:
        return _read(path)
    except _Unreadable as error:
        if not _may_be_one(path):
            raise BackupError(f"{path} is not a backup: {error}.") from error
        raise BackupError(
            f"{UnreadableBackup(path.name, path, str(error))} Put that right, or remove the folder {path} yourself: "
            f"this program leaves alone what it cannot read."
        ) from error


def find_backup(backup_dir: Path, name: str) -> Backup:
    """The backup of that name; a path is not a name.

    Raises NoSuchBackup when there is none, BackupError where the folder or the backup cannot be read.
    """
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name or UNFINISHED.match(name):
        raise BackupError(f"{name!r} is not the name of a backup.", NextStep(Action.LIST_BACKUPS))
    path = backup_dir / name
    if path not in _entries(backup_dir) or not _may_be_one(path):
        raise NoSuchBackup(f"There is no backup {name} in {backup_dir}.", NextStep(Action.LIST_BACKUPS))
    return read_backup(path)


def read_expected(backup: Backup) -> Content:
    """What the backup must hold: its manifest's tables and sequences, and its catalog's lines."""
    try:
        lines = json.loads((backup.path / CATALOG).read_text(encoding="utf-8"))
        catalog = tuple(CatalogLine(*line) for line in lines)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BackupNotVerified(f"The backup {backup.name} has no readable catalog.") from error
    return Content(backup.tables, backup.sequences, catalog)


def _entries(backup_dir: Path) -> list[Path]:
    """Folders in it; a link may lead anywhere."""
    try:
        visible = (path for path in backup_dir.iterdir() if not path.name.startswith("."))
        return [path for path in visible if stat.S_ISDIR(path.lstat().st_mode)]
    except FileNotFoundError:
        return []
    except OSError as error:
        text = f"The folder for backups cannot be read: {backup_dir}: {error.strerror}."
        raise BackupError(text, ANOTHER_FOLDER) from error


def _is_meant_as_one(path: Path) -> bool:
    """By its name; one that was renamed, by its files, where those may be seen.

    Its manifest alone does not show it: other programs call files so.
    """
    return bool(NAMED.match(path.name)) or any(os.path.lexists(path / name) for name in (CATALOG, TABLE_OF_CONTENTS))


def _may_be_one(path: Path) -> bool:
    """Where it is asked for by name, its manifest is enough."""
    return _is_meant_as_one(path) or os.path.lexists(path / MANIFEST)


def _read(path: Path) -> Backup:
    manifest = _Object(MANIFEST, _content(path / MANIFEST))
    written = manifest.has("format")
    if written != FORMAT:
        raise _Unreadable(f"{MANIFEST} has format {written!r}, of another version of this program")
    verified = manifest.has("verified_at") is not None
    return Backup(
        name=path.name, path=path, created_at=manifest.moment("created_at"), database=manifest.text("database"),
        schema_version=manifest.text_or_none("schema_version"), bytes=manifest.count("bytes"),
        tables={
            name: TableFingerprint(table.count("rows"), table.text("digest"))
            for name, table in manifest.objects("tables").items()
        },
        server_version=manifest.text("server_version"), dump_version=manifest.version("dump_version"),
        verified_at=manifest.moment("verified_at") if verified else None,
        verified_how=manifest.text_or_none("verified_how"), server_major=manifest.count("server_major"),
        database_bytes=manifest.count("database_bytes"), encoding=manifest.text("encoding"),
        locale={key: manifest.object("locale").text(key) for key in LOCALE},
        sequences={
            name: SequenceState(None if state.has("value") is None else state.number("value"), state.flag("only_rises"))
            for name, state in manifest.objects("sequences").items()
        },
        needs=Needs(**{kind: manifest.object("needs").texts(kind) for kind in NEEDS}),
        files={
            name: FileRecord(file.count("bytes"), file.text("sha256"))
            for name, file in manifest.objects("files").items()
        },
    )  # fmt: skip


def _content(path: Path) -> object:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _Unreadable(f"{path.name} is no file")
        with os.fdopen(descriptor, "rb") as file:
            return json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        raise _Unreadable(f"it has no {path.name}") from None
    except OSError as error:
        raise _Unreadable(f"{path.name}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise _Unreadable(f"{path.name} is no JSON, or cut off in line {error.lineno}") from None
    except (ValueError, RecursionError):
        raise _Unreadable(f"{path.name} is no JSON") from None


@dataclass(frozen=True)
class _Object:
    """An object of a manifest. `where`: how a reason names it. Whatever is not there, or not of its kind, raises."""

    where: str
    content: object

    def has(self, key: str) -> object:
        if not isinstance(self.content, dict):
            raise _Unreadable(f"{self.where} is no JSON object")
        if key not in self.content:
            raise _Unreadable(f"{self.where} has no {key}")
        return self.content[key]

    def _of(self, kind: type[T], key: str) -> T:
        found = self.has(key)
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise self._damaged(key)
        return found

    def _damaged(self, key: str) -> _Unreadable:
        return _Unreadable(f"{self.where} has no usable {key}")

    def text(self, key: str) -> str:
        return self._of(str, key)

    def text_or_none(self, key: str) -> str | None:
        return None if self.has(key) is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._of(list, key)
        if not all(isinstance(one, str) for one in found):
            raise self._damaged(key)
        return tuple(found)

    def number(self, key: str) -> int:
        return self._of(int, key)

    def count(self, key: str) -> int:
        """Not below zero."""
        found = self.number(key)
        if found < 0:
            raise self._damaged(key)
        return found

    def flag(self, key: str) -> bool:
        return self._of(bool, key)

    def version(self, key: str) -> str:
        found = self.text(key)
        if not found.split(".")[0].isdecimal():
            raise self._damaged(key)
        return found

    def moment(self, key: str) -> datetime:
        """With a time zone."""
        try:
            found = datetime.fromisoformat(self.text(key)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self._damaged(key) from None
        if not YEARS[0] <= found.year <= YEARS[1]:
            raise self._damaged(key)
        return found

    def object(self, key: str) -> "_Object":
        return _Object(f"{key} in {self.where}", self._of(dict, key))

    def objects(self, key: str) -> "dict[str, _Object]":
        return {name: _Object(f"{name} of {key} in {self.where}", one) for name, one in self._of(dict, key).items()}
