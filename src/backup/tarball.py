"""A backup as one .tar, streamed: no copy of it is written to disk.

Unpacked in a folder of backups it is that backup again: files 0600, folders 0700.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from src.backup.delete import in_use
from src.backup.manifest import MANIFEST, Backup
from src.errors import BackupError

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class _Member:
    """`size` in bytes; None for a folder. `content` is what a file holds where that is known already."""

    name: str
    size: int | None
    content: bytes | None = None

    @property
    def padded(self) -> int:
        return -(-(self.size or 0) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


class BackupTarball:
    """`length`: of the whole .tar, in bytes. `name`: what to call it.

    Raises BackupError for a backup with a file outside of its folder, or one that is missing or of another size.
    """

    def __init__(self, backup: Backup) -> None:
        self.name = f"{backup.name}.tar"
        self._backup = backup
        self._members = _members(backup)
        self._headers = [_header(backup, member) for member in self._members]
        content = sum(len(header) for header in self._headers) + sum(member.padded for member in self._members)
        self._end = -(-(content + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE - content
        self.length = content + self._end

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in order; meanwhile the backup cannot be deleted. Raises BackupError when a file of it changes."""
        with in_use(self._backup):
            for member, header in zip(self._members, self._headers, strict=True):
                yield header
                if member.content is not None:
                    yield member.content
                elif member.size is not None:
                    yield from _read(self._backup, member)
                if member.size is not None:
                    yield bytes(member.padded - member.size)
            yield bytes(self._end)


def _members(backup: Backup) -> list[_Member]:
    with _opened(backup, MANIFEST) as file:
        manifest = file.read()
    folders = {str(parent) for name in backup.files for parent in _parts(backup, name).parents} - {"."}
    found = [_Member(name, None) for name in sorted(folders)]
    for name, record in sorted(backup.files.items()):
        with _opened(backup, name) as file:
            if os.fstat(file.fileno()).st_size != record.bytes:
                raise BackupError(f"{name} of the backup {backup.name} is not as it was written: verify it.")
        found.append(_Member(name, record.bytes))
    return [_Member("", None), *found, _Member(MANIFEST, len(manifest), manifest)]


def _header(backup: Backup, member: _Member) -> bytes:
    info = tarfile.TarInfo(str(PurePosixPath(backup.name, member.name)))
    info.mtime = int(backup.created_at.timestamp())
    info.mode, info.type = (0o700, tarfile.DIRTYPE) if member.size is None else (0o600, tarfile.REGTYPE)
    info.size = member.size or 0
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _read(backup: Backup, member: _Member) -> Iterator[bytes]:
    left = member.size or 0
    with _opened(backup, member.name) as file:
        while left:
            chunk = file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise BackupError(f"{member.name} of the backup {backup.name} became shorter while it was read.")
            left -= len(chunk)
            yield chunk


def _parts(backup: Backup, name: str) -> PurePosixPath:
    """A manifest may come from elsewhere: what it names must lie within the backup."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BackupError(f"The manifest of {backup.name} names a file outside of it: {name!r}. Nothing was sent.")
    return path


def _opened(backup: Backup, name: str) -> BinaryIO:
    """A file of the backup, for reading. No link is followed on the way to it: it could lead anywhere."""
    try:
        return os.fdopen(_descriptor(backup.path, _parts(backup, name)), "rb")
    except OSError as error:
        raise BackupError(f"{name} of the backup {backup.name} cannot be read: {error.strerror or error}.") from None


def _descriptor(root: Path, path: PurePosixPath) -> int:
    """Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(root, flags | os.O_DIRECTORY)
    try:
        for part in path.parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=place)
            os.close(place)
            place = inner
        descriptor = os.open(path.parts[-1], flags | os.O_NONBLOCK, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no file")
    return descriptor
