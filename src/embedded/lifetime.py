"""How processes share one embedded server, and which process stops it.

Each server has a supervisor, a detached process (src/embedded/supervisor.py). It starts the server, restarts it when it
dies, and stops it after the idle timeout. These files in the server's directory are locked with flock; the kernel
releases such a lock when its process ends, however it ends:

- `<kind>.users`: a shared lock of each process that uses the server;
- `<kind>.start`: locked while a server is started or stopped, so that this happens once;
- `<kind>.keeper`: locked by the supervisor.

`<kind>.json` holds the supervisor's pid and the server's URL. It is left behind only when the supervisor was
killed: a process that uses the server then starts a new supervisor, which adopts the running server.

The names of the files and the keys of the JSON stay as they are: processes of an earlier version may share them.
"""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from src.config import PROJECT_ROOT
from src.embedded.os_user import clean_environment, user_name
from src.embedded.postgres import SUPERUSER, Postgres
from src.embedded.valkey import Valkey
from src.errors import ConfigurationError, DatabaseUnavailable, EmbeddedUnavailable, HKStrategyError
from src.postgres.connection import connect

ROLE = "trader"
DATABASE = "hk_strategy"
START_LIMIT_S = 180.0
_log = logging.getLogger(__name__)


class ServerKind(StrEnum):
    """Which server. The values stand in the names of files in the home directory."""

    POSTGRES = "postgres"
    VALKEY = "valkey"


@dataclass(frozen=True)
class Spec:
    """Which server, and how it is run.

    `provision`: on the first start create the role trader, the database hk_strategy and the sample data. `durable`:
    safe against power cuts. `idle_timeout_s`: how long the server stays up after its last user.
    """

    kind: ServerKind
    directory: str
    version: int = 18
    durable: bool = True
    provision: bool = False
    idle_timeout_s: float = 3.0
    options: tuple[tuple[str, str], ...] = ()

    def server(self) -> Postgres | Valkey:
        """The server that the specification describes; not started."""
        if self.kind is ServerKind.VALKEY:
            return Valkey(Path(self.directory))
        return Postgres(
            Path(self.directory),
            version=self.version,
            durable=self.durable,
            peers=(SUPERUSER, ROLE) if self.provision else (SUPERUSER,),
            passwords=not self.provision,
            options=dict(self.options),
        )

    def file(self, suffix: str) -> Path:
        """The server's file of that suffix in the home directory: postgres18.json, say."""
        name = self.kind if self.kind is ServerKind.VALKEY else f"{self.kind}{self.version}"
        return Path(self.directory) / f"{name}.{suffix}"

    def to_json(self) -> str:
        """The specification as the supervisor's argument."""
        return json.dumps(asdict(self))


def spec_from_json(text: str) -> Spec:
    """The specification of which `to_json` made `text`."""
    values = json.loads(text)
    values["kind"] = ServerKind(values["kind"])
    values["options"] = tuple((name, value) for name, value in values["options"])
    return Spec(**values)


@dataclass(frozen=True)
class SupervisorState:
    """The content of `<kind>.json`. `keeper`: the supervisor's pid. `error`: why there is no URL."""

    keeper: int
    url: str | None
    error: str | None = None


def write_state(spec: Spec, state: SupervisorState) -> None:
    """Replace the state file in one step."""
    path = spec.file("json")
    fresh = path.with_suffix(".json.new")
    fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
    fresh.replace(path)


def read_state(spec: Spec) -> SupervisorState | None:
    """What the supervisor wrote last; None where there is no file, or half of one."""
    try:
        return SupervisorState(**json.loads(spec.file("json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def lock(path: Path, operation: int) -> int | None:
    """Take a flock on `path`. Returns the descriptor that holds it, or None where LOCK_NB finds it taken.

    Raises ConfigurationError where the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise ConfigurationError(
            f"{path} cannot be opened: {_why_closed(path)}. Give it back (chown), or set HK_STRATEGY_HOME to a "
            "directory of your own."
        ) from None
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock on the file."""
    descriptor = lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock on `path` within; waits for it."""
    descriptor = lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


class Use:
    """This process's use of an embedded server: from `join` until `leave`, or until the process ends."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._users: int | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None

    @property
    def descriptor(self) -> int | None:
        """The descriptor of the shared lock. A child process that inherits it uses the server as well."""
        return self._users

    def join(self) -> str:
        """Use the server, and start it if it does not run. Returns its URL once it answers. Raises HKStrategyError."""
        _make_directory(Path(self.spec.directory))
        with locked(self.spec.file("start")):
            if self._users is None:
                self._users = lock(self.spec.file("users"), fcntl.LOCK_SH)
            url = self._ensure()
        if self._watcher is None or not self._watcher.is_alive():
            self._watcher = threading.Thread(target=self._watch, name=f"{self.spec.kind} watcher", daemon=True)
            self._watcher.start()
        return url

    def leave(self) -> None:
        """End the use. The server stops after its idle timeout where no other process uses it."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def stop(self) -> bool:
        """Stop the server for all processes. Returns whether one ran."""
        if not Path(self.spec.directory).is_dir():
            return False
        with locked(self.spec.file("start")):
            self.leave()
            state = read_state(self.spec)
            supervised = is_locked(self.spec.file("keeper"))
            if state is not None and supervised:
                os.kill(state.keeper, signal.SIGTERM)
            deadline = time.monotonic() + START_LIMIT_S
            while is_locked(self.spec.file("keeper")) and time.monotonic() < deadline:
                time.sleep(0.02)
            server = self.spec.server()
            unsupervised = not supervised and server.adopt()
            if unsupervised:
                server.stop()
            self.spec.file("json").unlink(missing_ok=True)
        if self._supervisor is not None:
            self._supervisor.wait()
        return supervised or unsupervised

    def _ensure(self) -> str:
        deadline = time.monotonic() + START_LIMIT_S
        launched = False
        while time.monotonic() < deadline:
            supervised = is_locked(self.spec.file("keeper"))
            state = read_state(self.spec)
            if supervised and state is not None and state.url is not None and self._answers(state.url):
                return state.url
            if not supervised and not launched:
                self.spec.file("json").unlink(missing_ok=True)
                self._launch_supervisor()
                launched = True
            elif not supervised and self._supervisor is not None and self._supervisor.poll() is not None:
                error = state.error if state is not None else None
                raise EmbeddedUnavailable(error or f"The embedded server does not start. See {self._supervisor_log()}.")
            time.sleep(0.02)
        raise EmbeddedUnavailable(
            f"The embedded server did not answer within {START_LIMIT_S:.0f} seconds. Its logs are in "
            f"{Path(self.spec.directory) / 'logs'}."
        )

    def _answers(self, url: str) -> bool:
        if self.spec.kind is ServerKind.VALKEY:
            return True
        try:
            connect(url, purpose="start").close()
        except DatabaseUnavailable:
            return False
        return True

    def _supervisor_log(self) -> Path:
        return Path(self.spec.directory) / "logs" / "supervisor.log"

    def _launch_supervisor(self) -> None:
        self._supervisor_log().parent.mkdir(exist_ok=True)
        with self._supervisor_log().open("ab") as output:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "src.embedded.supervisor", self.spec.to_json()],
                cwd="/",
                env=clean_environment() | {"PYTHONPATH": str(PROJECT_ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _watch(self) -> None:
        """Wait for the supervisor to end. Where it was killed, start another one."""
        while self._users is not None:
            descriptor = lock(self.spec.file("keeper"), fcntl.LOCK_SH)
            if descriptor is not None:
                os.close(descriptor)
            state = read_state(self.spec)
            if self._users is None or state is None or state.url is None:
                return
            try:
                with locked(self.spec.file("start")):
                    self._ensure()
            except HKStrategyError as error:
                _log.error("%s", error)
                return


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The embedded servers cannot keep their data in {directory}: {error.strerror}. Set HK_STRATEGY_HOME to a "
            "directory that you may write to, or DATABASE_URL to use a server of your own."
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"The embedded servers cannot write to {directory}: {_why_closed(directory)}. Set HK_STRATEGY_HOME to a "
            "directory of your own, or DATABASE_URL to use a server of your own."
        )


def _why_closed(path: Path) -> str:
    owner = path.stat().st_uid
    return "it is read-only" if owner == os.geteuid() else f"it belongs to {user_name(owner)}"
