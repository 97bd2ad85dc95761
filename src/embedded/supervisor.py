"""The supervisor of one embedded server: `python -m src.embedded.supervisor SPEC`, started by src.embedded.lifetime."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

import psutil

from src.config import PROJECT_ROOT
from src.embedded.lifetime import DATABASE, ROLE, Spec, SupervisorState, lock, read_state, spec_from_json, write_state
from src.embedded.os_user import clean_environment
from src.embedded.postgres import Postgres
from src.embedded.valkey import Valkey
from src.errors import EmbeddedUnavailable, HKStrategyError
from src.postgres.connection import connect

POLL_S = 0.2
TOUCH_S = 3600.0
_log = logging.getLogger("supervisor")


def main(arguments: list[str]) -> int:
    """Supervise the server that `arguments[0]` specifies until it is stopped. Returns 1 where it does not start."""
    spec = spec_from_json(arguments[0])
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {spec.kind} supervisor %(process)d: %(message)s")
    held = _become_supervisor(spec)
    if held is None:
        return 0
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = spec.server()
    try:
        url = bring_up(spec, server, stopping)
        write_state(spec, SupervisorState(os.getpid(), url))
        _log.info("serving %s", url)
        supervise(spec, server, stopping)
    except (HKStrategyError, OSError, subprocess.SubprocessError, psutil.Error) as error:
        _log.error("%s", error)
        server.stop()
        write_state(spec, SupervisorState(os.getpid(), None, str(error)))
        return 1
    _log.info("stopped")
    return 0


def _become_supervisor(spec: Spec) -> int | None:
    """Take the supervisor's lock. None where another process has it.

    Others take it for an instant to test it, hence several attempts.
    """
    for _ in range(100):
        descriptor = lock(spec.file("keeper"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        if descriptor is not None:
            return descriptor
        time.sleep(0.02)
    return None


def bring_up(spec: Spec, server: Postgres | Valkey, stopping: threading.Event) -> str:
    """Start the server and wait until it answers, also through a crash recovery. Returns its URL.

    Raises EmbeddedUnavailable where it dies meanwhile, or is asked to stop.
    """
    server.start()
    while not server.answers():
        if not server.alive():
            raise EmbeddedUnavailable(server.failure())
        if stopping.wait(0.02):
            raise EmbeddedUnavailable("The embedded server was stopped while it started.")
    if isinstance(server, Postgres) and spec.provision:
        provision(server)
        return server.url(ROLE, DATABASE)
    return server.url()


def provision(server: Postgres) -> None:
    """On the first start, create the role, the database, a v1 schema and the sample data."""
    provisioned = server.data / "hk_strategy_provisioned"
    if provisioned.exists():
        return
    conn = connect(server.url(), purpose="keeper", autocommit=True)
    try:
        with conn.cursor() as cursor:
            cursor.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = 'trader'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE ROLE trader LOGIN CREATEDB")
            cursor.execute("SELECT FROM pg_catalog.pg_database WHERE datname = 'hk_strategy'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE DATABASE hk_strategy OWNER trader")
    finally:
        conn.close()
    first = subprocess.run(
        [sys.executable, "-m", "src.sample.load", server.url(ROLE, DATABASE)],
        cwd=PROJECT_ROOT,
        env=clean_environment() | {"PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if first.returncode != 0:
        raise EmbeddedUnavailable(f"The sample data cannot be loaded: {first.stderr.strip()[-500:]}")
    provisioned.touch()


def supervise(spec: Spec, server: Postgres | Valkey, stopping: threading.Event) -> None:
    """Restart the server when it dies. Returns, with the server stopped, on a signal or after the idle timeout."""
    idle_since: float | None = None
    touched = time.monotonic()
    while not stopping.wait(POLL_S):
        if not server.alive():
            _log.warning("the server died; starting it again")
            url = bring_up(spec, server, stopping)
            state = read_state(spec)
            if state is None or state.url != url:
                write_state(spec, SupervisorState(os.getpid(), url))
        if time.monotonic() - touched > TOUCH_S:
            touch_sockets(server)
            touched = time.monotonic()
        if in_use(spec):
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        if idle_since is not None and time.monotonic() - idle_since >= spec.idle_timeout_s:
            if stop_unless_used(spec, server):
                return
            idle_since = None
    server.stop()
    spec.file("json").unlink(missing_ok=True)


def in_use(spec: Spec) -> bool:
    """Whether a process uses the server."""
    descriptor = lock(spec.file("users"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def stop_unless_used(spec: Spec, server: Postgres | Valkey) -> bool:
    """Stop the server, with the start lock held so that no process joins meanwhile. False where one joined before."""
    start = lock(spec.file("start"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    if start is None:
        return False
    try:
        if in_use(spec):
            return False
        server.stop()
        spec.file("json").unlink(missing_ok=True)
        return True
    finally:
        os.close(start)


def touch_sockets(server: Postgres | Valkey) -> None:
    """Give the sockets a new time: cleaners of /tmp remove files that are unused for days."""
    place = server.socket_dir if isinstance(server, Postgres) else server.socket
    if place is None:
        return
    directory = place if isinstance(server, Postgres) else place.parent
    for path in (directory, *directory.iterdir()):
        os.utime(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
