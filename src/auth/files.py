"""Small files that only their owner may read: written whole or not at all, one writer at a time."""

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.errors import ConfigurationError


def private_folder(path: Path) -> Path:
    """`path`, made with mode 0700 when it is not there. Raises ConfigurationError when others may read it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"Accounts cannot be kept in {path}: {error.strerror}. Set HK_STRATEGY_HOME to a directory of your own."
        ) from error
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on `path` (flock): it goes with the process, whatever ends it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """Put `text` in the place of `path` at once, mode 0600; a power cut leaves the old or the new, never half."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read(path: Path) -> str | None:
    """The text of `path`, or None when it is not there. Raises ConfigurationError when others may read it too."""
    try:
        with path.open(encoding="utf-8") as stream:
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
                raise ConfigurationError(f"Others may read {path}. Make it yours alone: chmod 600 {path}")
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def signature(path: Path) -> tuple[int, int, int] | None:
    """What differs once `path` has been written anew: inode, time and size. None: it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def secret(path: Path) -> str:
    """A random key of 256 bits, made at first use and kept in `path`."""
    with locked(path.with_suffix(".lock")):
        found = read(path)
        if not found:
            found = secrets.token_hex(32)
            write(path, found)
    return found
