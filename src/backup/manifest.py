"""A backup on disk: a directory with the dump, the catalog's lines and a manifest."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.backup.fingerprint import Needs, SequenceState, TableFingerprint
from src.errors import Action, BackupError, BackupNotVerified, NextStep

FORMAT = 1
MANIFEST = "manifest.json"
CATALOG = "catalog.json"
DATA = "data"
LOCK = ".lock"
OURS = b"HK Strategy: unfinished work, removed when nobody is at it\n"
ANOTHER_FOLDER = NextStep(Action.OTHER_BACKUP_DIR)
UNFINISHED = re.compile(r"^[0-9A-Za-z][^/]*\.tmp-[0-9a-f]{8}$")

Progress = Callable[[str, int | None, int | None], None]


@dataclass(frozen=True)
class FileRecord:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """A finished backup. `bytes`: of all its files. `verified_at` is None until it has been restored and compared."""

    name: str
    path: Path
    created_at: datetime
    database: str
    schema_version: str | None
    bytes: int
    tables: Mapping[str, TableFingerprint]
    server_version: str
    dump_version: str
    verified_at: datetime | None = None
    verified_how: str | None = None
    server_major: int = 0
    database_bytes: int = 0
    encoding: str = "UTF8"
    locale: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, SequenceState] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)
    files: Mapping[str, FileRecord] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.path / DATA

    @property
    def dump_major(self) -> int:
        return int(self.dump_version.split(".")[0])

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def backup_name(created_at: datetime, database: str, schema_version: str | None, label: str = "") -> str:
    """Sortable by time, and safe as a file name whatever the database is called."""
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", database)[:60]
    major = (schema_version or "").lstrip("v").split(".")[0]
    version = f"v{major}" if major.isdecimal() else "other"
    ending = f"-{re.sub(r'[^A-Za-z0-9_]+', '_', label)}" if label else ""
    return f"{created_at:%Y%m%dT%H%M%SZ}-{safe}-{version}{ending}"


def prepare_directory(backup_dir: Path) -> None:
    """Create the folder of backups, closed to other users. Raises BackupError where that cannot be."""
    try:
        if os.path.lexists(backup_dir) and not stat.S_ISDIR(backup_dir.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        backup_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = backup_dir.stat()
        if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.geteuid() and not any(backup_dir.iterdir()):
            backup_dir.chmod(0o700)
    except OSError as error:
        raise BackupError(
            f"The folder for backups cannot be used: {backup_dir}: {error.strerror}.", ANOTHER_FOLDER
        ) from error


@contextmanager
def working_directory(backup_dir: Path, name: str) -> Iterator[tuple[Path, int]]:
    """A directory `name`.tmp-… that is removed in the end, and its lock's file descriptor.

    The lock shows others that somebody works here: it lasts until the last process that inherited it ends, however
    that ends. To keep the directory, rename it.
    """
    work = backup_dir.absolute() / f"{name}.tmp-{os.urandom(4).hex()}"
    descriptor, made = -1, False
    try:
        work.mkdir(mode=0o700)
        made = True
        descriptor = os.open(work / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, OURS)
        yield work, descriptor
    except OSError as error:
        raise BackupError(
            f"The backup cannot be written to {backup_dir}: {error.strerror or error}.", ANOTHER_FOLDER
        ) from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        if made:  # never a directory that was there before
            shutil.rmtree(work, ignore_errors=True)


def remove_leftovers(backup_dir: Path) -> list[str]:
    """Remove what killed backups and verifications left behind: ours by name and lock file, and used by nobody.

    Returns the names. (The scratch server of a killed verification ends by itself.)
    """
    removed = []
    for path in sorted(backup_dir.absolute().iterdir()) if backup_dir.is_dir() else []:
        if not UNFINISHED.match(path.name) or path.is_symlink() or not (path / LOCK).is_file():
            continue
        with suppress(OSError), (path / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.read() == OURS:
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path.name)
    return removed


def hash_files(directory: Path) -> dict[str, FileRecord]:
    """Size and SHA-256 of every file below `directory`, but for the manifest and the lock. Raises OSError."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise OSError(f"{path.relative_to(directory)} is a link, and may lead anywhere")
        if path.is_file() and path.name != MANIFEST and not path.name.startswith("."):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(directory))] = FileRecord(path.stat().st_size, digest)
    return found


def check_files(backup: Backup) -> None:
    """Raises BackupNotVerified when a file of the backup is missing, added or damaged."""
    try:
        found = hash_files(backup.path)
    except OSError as error:
        raise BackupNotVerified(f"The backup {backup.name} cannot be read: {error}.") from error
    damaged = [f"{name} is missing" for name in backup.files if name not in found]
    damaged += [f"{name} does not belong to it" for name in found if name not in backup.files]
    damaged += [f"{name} is damaged" for name, record in found.items() if backup.files.get(name, record) != record]
    if damaged:
        raise BackupNotVerified(
            f"The backup {backup.name} is not as it was written: {'; '.join(damaged[:5])}. "
            f"Use another backup, or make one."
        )


def write_manifest(backup: Backup, directory: Path) -> None:
    """Write (or replace, in one step) the manifest of `backup` in `directory`."""
    manifest: dict[str, Any] = asdict(backup)
    del manifest["path"]
    manifest["format"] = FORMAT
    for key in ("created_at", "verified_at"):
        manifest[key] = manifest[key].isoformat() if manifest[key] else None
    write_json(directory / MANIFEST, manifest)


def write_json(path: Path, value: object) -> None:
    """Write durably, for the owner only, in one step that others see."""
    half_made = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(half_made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    half_made.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def now() -> datetime:
    return datetime.now(UTC)
