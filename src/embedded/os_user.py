"""The system user that an embedded server runs as, how it reaches its data, and the directory of its socket.

PostgreSQL refuses to run as root. Started by root, the server therefore runs as `nobody` (or as the owner of
the data, where that is someone else already), and reaches its data, which may lie below directories closed to
that user such as /root, through a descriptor that it inherits. No directory's permissions are changed for it.
"""

import os
import pwd
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from src.errors import ConfigurationError

DATA = "<data directory>"


@dataclass(frozen=True)
class OsUser:
    """The system user that a server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether it is the user that this process runs as."""
        return self.uid == os.geteuid()

    def run(self, command: list[str], data: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program as this user. DATA in `command` stands for the directory `data`."""
        with self._reaching(data) as (name, descriptors):
            return subprocess.run(
                [name if word == DATA else word for word in command],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                umask=0o077,
                env=clean_environment(),
                pass_fds=descriptors,
                user=None if self.is_ours else self.uid,
                group=None if self.is_ours else self.gid,
                extra_groups=None if self.is_ours else [],
            )

    def launch(self, command: list[str], directory: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a daemon: a session of its own in `directory` (DATA in `command`), its output appended to `log`."""
        with self._reaching(directory) as (name, descriptors), log.open("ab") as output:
            return subprocess.Popen(
                [name if word == DATA else word for word in command],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                umask=0o077,
                env=clean_environment(),
                start_new_session=True,
                pass_fds=descriptors,
                user=None if self.is_ours else self.uid,
                group=None if self.is_ours else self.gid,
                extra_groups=None if self.is_ours else [],
            )

    @contextmanager
    def _reaching(self, directory: Path | None) -> Iterator[tuple[str, tuple[int, ...]]]:
        """A name for `directory` by which this user can open it, and the descriptors that go with it.

        What lies below a closed directory is reached through a descriptor that we, who may, have opened.
        """
        if self.is_ours or directory is None or sys.platform != "linux":
            yield str(directory), ()
            return
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)


def user_name(uid: int) -> str:
    """For messages: the name of a system user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def account_named(uid: int) -> OsUser:
    """The system user of that number. Raises ConfigurationError where it has no name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"The system user {uid} has no name, which PostgreSQL insists on: add it to /etc/passwd, "
            "or set DATABASE_URL."
        ) from None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_account(data: Path) -> OsUser:
    """Who runs the server on `data`: ourselves, or when we are root the data's owner, or else `nobody`."""
    if os.geteuid() != 0:
        return account_named(os.geteuid())
    if data.exists() and data.stat().st_uid != 0:
        return account_named(data.stat().st_uid)
    return account_named(pwd.getpwnam("nobody").pw_uid)


def clean_environment() -> dict[str, str]:
    """The environment without PG… variables, which would redirect PostgreSQL's programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def private_socket_dir(record: Path, prefix: str, account: OsUser) -> Path:
    """A short directory for a socket (its path must stay below 107 bytes), closed to other users.

    Its name is random, so nobody can be there first, and is kept in the file `record`, so that a
    server started again after a crash is found under the same URL.
    """
    if record.exists():
        known = Path(record.read_text(encoding="utf-8").strip())
        if _is_private(known, account):
            return known
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = runtime if account.is_ours and 0 < len(runtime) < 60 and os.access(runtime, os.W_OK) else "/tmp"
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=base if os.access(base, os.W_OK) else None))
    if not account.is_ours:
        os.chown(directory, account.uid, account.gid)
    record.write_text(f"{directory}\n", encoding="utf-8")
    return directory


def remove_socket_dir(directory: Path | None, prefix: str) -> None:
    """Remove a directory that `private_socket_dir` made, and the sockets in it; None when there is none yet.

    Never recursively: a wrong path must not cost anyone a file.
    """
    if directory is None or not directory.is_absolute() or not directory.name.startswith(prefix):
        return
    with suppress(OSError):
        for path in directory.iterdir():
            if path.is_socket() or path.name.startswith(".s.PGSQL."):
                path.unlink()
        directory.rmdir()


def _is_private(directory: Path, account: OsUser) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700
