"""Find pg_dump and pg_restore that fit a server, and run them without a password in their arguments."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from psycopg2.extensions import make_dsn

from src.embedded.api import bin_dir
from src.errors import BackupError, ConfigurationError, HKStrategyError, PrerequisiteError
from src.postgres.connection import APPLICATION_NAME, Connection

EMBEDDED_VERSIONS = (16, 18)
DEBIAN = Path("/usr/lib/postgresql")
POLL_S = 0.2
TERMINATE_S = 10.0

# What libpq reads from the environment. Parameters without such a variable (keepalives) don't matter to a child.
PG_VARIABLES = {
    "hostaddr": "PGHOSTADDR", "user": "PGUSER", "dbname": "PGDATABASE", "passfile": "PGPASSFILE",
    "options": "PGOPTIONS", "sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL", "sslcrldir": "PGSSLCRLDIR",
    "sslcertmode": "PGSSLCERTMODE", "sslcompression": "PGSSLCOMPRESSION", "sslsni": "PGSSLSNI",
    "requirepeer": "PGREQUIREPEER", "require_auth": "PGREQUIREAUTH", "channel_binding": "PGCHANNELBINDING",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE", "krbsrvname": "PGKRBSRVNAME", "gsslib": "PGGSSLIB",
    "gssdelegation": "PGGSSDELEGATION", "connect_timeout": "PGCONNECT_TIMEOUT",
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where a child process connects: to the server and role of an open connection. `repr` omits the environment."""

    database: str
    server_major: int
    uses_ssl: bool
    environment: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False, default=())

    @property
    def dbname_argument(self) -> str:
        """The database as a connection string of its own, since a name may hold "=" or have the form of a URL."""
        return str(make_dsn(dbname=self.database))

    def hide(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "****")
        return text


@dataclass(frozen=True)
class Tools:
    """A directory with PostgreSQL's client programs."""

    directory: Path
    major: int
    version: str

    def program(self, name: str) -> str:
        return str(self.directory / name)


def target_of(conn: Connection) -> Target:
    """The place and the credentials of an open connection, in whatever form its URL gave them (socket, service file,
    passfile, several hosts): a child started with it reaches the same server as the same role."""
    info = conn.info
    given = info.dsn_parameters
    if given.get("sslpassword"):
        raise ConfigurationError(
            "A backup cannot use an encrypted client key (sslpassword): give DATABASE_URL an unencrypted one."
        )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "DATABASE_URL"}
    environment |= {variable: given[key] for key, variable in PG_VARIABLES.items() if given.get(key)}
    environment |= {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user, "PGDATABASE": info.dbname}
    environment |= {"PGAPPNAME": f"{APPLICATION_NAME} backup", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
    password = info.password
    if password:
        environment["PGPASSWORD"] = password
    if "," in given.get("hostaddr", ""):
        del environment["PGHOSTADDR"]
    secrets = (password,) if password else ()
    return Target(info.dbname, info.server_version // 10000, info.ssl_in_use, environment, secrets)


def candidate_directories() -> list[Path]:
    """Where client programs may be: the embedded ones, Debian's, those on PATH."""
    found = []
    for version in EMBEDDED_VERSIONS:
        try:
            found.append(bin_dir(version))
        except HKStrategyError:
            continue
    found += sorted(DEBIAN.glob("*/bin"), reverse=True)
    on_path = shutil.which("pg_dump")
    if on_path:
        found.append(Path(on_path).parent)
    return found


def find_tools(server_major: int, *, at_least: int = 0, needs_ssl: bool = False) -> Tools:
    """pg_dump and pg_restore of the server's major version, or else the nearest newer one.

    `at_least`: the version that made a dump which is to be read. Raises PrerequisiteError naming the versions
    that are there but too old, or what to install.
    """
    wanted = max(server_major, at_least)
    found = [tools for tools in map(_tools_in, candidate_directories()) if tools is not None]
    fitting = [tools for tools in found if tools.major >= wanted]
    if needs_ssl:
        without, fitting = fitting, [tools for tools in fitting if _speaks_ssl(tools)]
        if without and not fitting:
            raise PrerequisiteError(
                f"The server wants TLS, and the pg_dump of this machine that is new enough cannot do that: "
                f"{_named(without)}. Install postgresql-client-{wanted}."
            )
    if fitting:
        return min(fitting, key=lambda tools: tools.major)
    if found:
        raise PrerequisiteError(
            f"The server is PostgreSQL {server_major}, and pg_dump is too old for "
            f"{'it' if wanted == server_major else f'a dump of version {wanted}'}: {_named(found)}. "
            f"Install postgresql-client-{wanted} or newer."
        )
    raise PrerequisiteError(
        f"There is no pg_dump on this machine. Install postgresql-client-{wanted} (Debian, Ubuntu), or run "
        f"`make setup`, which brings PostgreSQL's programs along."
    )


def run_tool(
    command: Sequence[str],
    target: Target,
    *,
    on_poll: Callable[[], None] = lambda: None,
    keep_open: tuple[int, ...] = (),
) -> None:
    """Run a client program to its end; `on_poll` is called every 0.2 s. Files it makes are readable by us only.

    Raises BackupError with what the program wrote to stderr. Whatever ends this function early ends the program too.
    `keep_open`: file descriptors that the program inherits.
    """
    with TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            env=dict(target.environment), umask=0o077, pass_fds=keep_open,
        )  # fmt: skip
        try:
            while True:
                try:
                    process.wait(timeout=POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    on_poll()
        finally:
            end(process)
        if process.returncode != 0:
            raise BackupError(failure(Path(command[0]).name, process.returncode, stderr, target))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a child that still runs; pg_dump then cancels its statements and ends its workers."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=TERMINATE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


PROCESSES = 3  # pg_dump's own and its two jobs


def failure(program: str, code: int, stderr: IO[bytes], target: Target) -> str:
    """What went wrong, as one or two sentences, from what the program wrote."""
    stderr.seek(0)
    text = stderr.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and "warning:" not in line]
    if "No space left on device" in text:
        return f"{program} ran out of disk space. Make room where the backups are kept, or choose another folder."
    if code < 0:
        return f"{program} was ended by signal {-code}."
    # Where one of its processes fails the others do, and may write first: three lines each.
    reason = " ".join(lines[: 3 * PROCESSES]) or f"it ended with code {code} and said nothing"
    return target.hide(f"{program} failed: {reason}")


def _tools_in(directory: Path) -> Tools | None:
    """The tools in `directory`; None when they are not there or don't run."""
    program = directory / "pg_dump"
    if not (program.exists() and (directory / "pg_restore").exists()):
        return None
    try:
        printed = _printed_version(program, program.stat().st_mtime_ns)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) ((\d+)\S*)", printed)
    return Tools(directory, int(match[2]), match[1]) if match else None


@lru_cache(maxsize=32)
def _printed_version(program: Path, changed_ns: int) -> str:
    """Asked once of each program as it is: a plan is made often, and asks all that there are."""
    command = [str(program), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def _speaks_ssl(tools: Tools) -> bool:
    """Whether the programs' libpq was built with TLS: without, pg_isready refuses the parameter (exit code 3)."""
    command = [tools.program("pg_isready"), "-q", "-d", "host=/nonexistent sslmode=require"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 2


def _named(found: Sequence[Tools]) -> str:
    return ", ".join(f"{tools.version} in {tools.directory}" for tools in found)
