"""The embedded PostgreSQL and Valkey: used where DATABASE_URL and REDIS_URL are not set.

A process that asks for a URL uses the server until the process ends. The server is stopped after its last user.
src/embedded/lifetime.py says how; src/embedded/postgres.py and src/embedded/valkey.py are the servers.
"""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from src.config import Settings
from src.embedded.binaries import bin_dir, has_version
from src.embedded.lifetime import ServerKind, Spec, Use, read_state
from src.errors import HKStrategyError

__all__ = [
    "PrivateServer", "bin_dir", "cache_url", "database_url", "has_version", "held_descriptors", "is_embedded", "stop",
]  # fmt: skip

_log = logging.getLogger(__name__)
_uses: dict[Spec, Use] = {}


def _postgres_spec(settings: Settings) -> Spec:
    return Spec(ServerKind.POSTGRES, str(settings.home), provision=True)


def _cache_spec(settings: Settings) -> Spec:
    return Spec(ServerKind.VALKEY, str(settings.home))


def _join(spec: Spec) -> str:
    return _uses.setdefault(spec, Use(spec)).join()


def is_embedded(settings: Settings) -> bool:
    """Whether `settings` have no database URL, or that of the embedded PostgreSQL."""
    if settings.database_url is None:
        return True
    state = read_state(_postgres_spec(settings))
    return state is not None and state.url == settings.database_url


def database_url(settings: Settings) -> str:
    """The configured database's URL, or the embedded one's, which is started if it does not run, and used from here on.

    Raises HKStrategyError when the embedded server cannot be started.
    """
    if is_embedded(settings):
        return _join(_postgres_spec(settings))
    assert settings.database_url is not None
    return settings.database_url


def running_url(settings: Settings) -> str | None:
    """The configured database's URL, or the embedded one's where it runs. None where it does not."""
    if settings.database_url is not None:
        return settings.database_url
    state = read_state(_postgres_spec(settings))
    return None if state is None else state.url


def cache_url(settings: Settings) -> str | None:
    """The configured cache's URL, or the embedded one's. None, and a line in the log, where it cannot start."""
    if settings.redis_url is not None:
        return settings.redis_url
    try:
        return _join(_cache_spec(settings))
    except (HKStrategyError, OSError) as error:
        _log.warning("Working without a cache: %s", error)
        return None


def held_descriptors() -> tuple[int, ...]:
    """For `subprocess.Popen(pass_fds=…)`: a detached child that inherits these keeps the servers alive as well."""
    return tuple(use.descriptor for use in _uses.values() if use.descriptor is not None)


def stop(settings: Settings) -> list[str]:
    """Stop the embedded servers for all processes. Returns the names of those that ran."""
    stopped = []
    for name, spec in (("PostgreSQL", _postgres_spec(settings)), ("cache", _cache_spec(settings))):
        if _uses.pop(spec, Use(spec)).stop():
            stopped.append(name)
    return stopped


class PrivateServer:
    """A private PostgreSQL in `directory`, for scratch work: fast, and not safe against power cuts.

    `url` is a superuser's (peer authentication). Other roles log in with a password, over the same socket. The server
    stops after `with`, or when this process ends. Processes that open the same directory share one server.
    `options`: server settings by name. `shared`: `stop` leaves the server to its other users.
    """

    def __init__(
        self, directory: Path, version: int = 18, *, options: dict[str, str] | None = None, shared: bool = False
    ) -> None:
        pairs, place = tuple(sorted((options or {}).items())), str(directory.resolve())
        self._use = Use(
            Spec(ServerKind.POSTGRES, place, version, durable=False, idle_timeout_s=0.0, options=pairs),
        )
        self._shared = shared
        self.version = version
        self.directory = directory.resolve()

    def start(self) -> str:
        """Start it, or restart it. Returns its URL as superuser."""
        return self._use.join()

    @property
    def url(self) -> str:
        """The superuser's URL. Raises RuntimeError before `start`."""
        state = read_state(self._use.spec)
        if state is None or state.url is None:
            raise RuntimeError("the private server is not running")
        return state.url

    def stop(self) -> None:
        """Stop it. A shared one is left instead, and stops after its last user."""
        if self._shared:
            self._use.leave()
        else:
            self._use.stop()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / f"pgdata{self.version}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
