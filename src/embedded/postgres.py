"""One PostgreSQL server on a private socket: its data directory, starting and stopping it.

Nothing listens on TCP. The socket's directory is closed to other users, and the server asks the kernel who
connects (peer authentication), so the embedded database needs no password at all. Who it runs as:
src/embedded/os_user.py.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from src.embedded.binaries import server_bin_dir
from src.embedded.os_user import DATA, OsUser, account_named, private_socket_dir, remove_socket_dir, server_account
from src.errors import DatabaseUnavailable, EmbeddedUnavailable
from src.postgres.connection import connect

SUPERUSER = "postgres"
HBA = """\
local all         {roles} peer map=hk_strategy
local replication postgres peer map=hk_strategy
{passwords}
"""
PASSWORDS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256"
PRIVATE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


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
        """The URL of `database` for `role`, over the private socket."""
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
        """Whether the server's process runs."""
        if self._child is not None:
            return self._child.poll() is None
        return _is_running(self._process)

    def answers(self) -> bool:
        """Whether the server accepts a connection."""
        try:
            connect(self.url(), purpose="keeper").close()
        except DatabaseUnavailable:
            return False
        return True

    def stop(self, *, timeout: float = 30.0) -> None:
        """Shut down and disconnect clients: by SIGINT, after `timeout` seconds by SIGQUIT, 10 later by SIGKILL."""
        process = self._process
        if process is not None:
            for number, limit in ((signal.SIGINT, timeout), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
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
        reason = _reason(lines[-30:]) or "no reason given"
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

    def _create(self, programs: Path, account: OsUser) -> None:
        """Create the data directory under another name first: a half-made one is never taken for a whole one."""
        half_made = Path(tempfile.mkdtemp(prefix=f"{self.data.name}.new-", dir=self.directory))
        if not account.is_ours:
            os.chown(half_made, account.uid, account.gid)
        command = [str(programs / "initdb"), "-D", DATA, "-U", SUPERUSER, "-E", "UTF8"]
        command += ["--no-locale", "--auth=peer", *([] if self.durable else ["--no-sync"])]
        done = account.run(command, half_made)
        if done.returncode != 0:
            shutil.rmtree(half_made, ignore_errors=True)
            said = done.stderr.strip().splitlines()
            raise EmbeddedUnavailable(
                f"The embedded PostgreSQL cannot be created in {self.data}: {_reason(said) or ' '.join(said)}"
            )
        half_made.rename(self.data)

    def _write_authentication(self, account: OsUser) -> None:
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


def _reason(lines: list[str]) -> str:
    """Of what a program of PostgreSQL said, the part that matters."""
    errors = [line.split("] ", 1)[-1] for line in lines if any(word in line for word in ("FATAL", "HINT", "error:"))]
    return " ".join(errors[-2:] or [line for line in lines if "PANIC" in line][-1:])


def _is_running(process: psutil.Process | None) -> bool:
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
