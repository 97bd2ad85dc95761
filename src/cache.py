"""A cache that speaks the Redis protocol. It makes things faster, and nothing depends on it."""

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from src.errors import CacheUnavailable, InvalidInput

if TYPE_CHECKING:
    import redis  # imported where a cache is used: it takes a third of the start of a command

BACK_OFF_S = 5.0
_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class CacheStatus:
    """`hit_rate` is 0 to 1, of all the server's clients since it started; None where nothing was asked yet.

    `hits`, `misses`: what the server counted since it started, of all its clients.
    """

    up: bool
    message: str
    latency_ms: float | None = None
    version: str | None = None
    used_memory_bytes: int | None = None
    keys: int | None = None
    hit_rate: float | None = None
    hits: int | None = None
    misses: int | None = None


class Cache:
    """Values as JSON, with Decimal, datetime and date kept as such.

    A cache that is down costs one short attempt every few seconds, and never raises to the user of `get` and `set`.
    """

    _client: "redis.Redis | None"

    def __init__(self, url: str | None) -> None:
        self._client = None
        self._problem = "No cache is configured."
        self._down_until = math.inf
        self._lock = threading.Lock()
        if url is not None:
            import redis

            try:
                self._client = redis.Redis.from_url(
                    url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, health_check_interval=30
                )
                self._down_until = 0.0
            except ValueError:
                # The text of this error would hold the URL, and so the password.
                self._problem = "REDIS_URL cannot be read: write it as redis://host:6379/0."

    def get(self, key: str) -> Any:
        """The value, or None when it is not there, too old, not ours to read, or the cache is down."""
        try:
            raw = self._ask(lambda client: client.get(key))
            return None if raw is None else json.loads(raw, object_hook=_decode)
        except (CacheUnavailable, ValueError, ArithmeticError):
            return None

    def set(self, key: str, value: Any, expiry: int = 300) -> bool:
        """Keep it for `expiry` seconds. False when the cache is down.

        Raises InvalidInput for a value that JSON cannot hold, or an expiry that is no positive number of seconds.
        """
        if isinstance(expiry, bool) or not isinstance(expiry, int) or expiry < 1:
            raise InvalidInput(f"expiry is {expiry!r}; it must be a whole number of seconds, at least 1.")
        try:
            text = json.dumps(value, default=_encode)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"This value cannot be cached: {error}.") from error
        try:
            self._ask(lambda client: client.set(key, text, ex=expiry))
        except CacheUnavailable:
            return False
        return True

    def delete(self, key: str) -> bool:
        """True when it was there."""
        try:
            return bool(self._ask(lambda client: client.delete(key)))
        except CacheUnavailable:
            return False

    def status(self) -> CacheStatus:
        """Asks the server itself, also while `get` and `set` are backing off."""
        if self._client is None:
            return CacheStatus(up=False, message=self._problem)
        import redis

        started = time.perf_counter()
        try:
            self._client.ping()
            latency = (time.perf_counter() - started) * 1000
            info: dict[str, Any] = self._client.info()
            keys = int(self._client.dbsize())
        except redis.RedisError as error:
            return CacheStatus(up=False, message=self._down(error))
        with self._lock:
            self._down_until = 0.0
        hits, misses = int(info.get("keyspace_hits", 0)), int(info.get("keyspace_misses", 0))
        version = str(info.get("valkey_version") or info.get("redis_version") or "") or None
        return CacheStatus(
            up=True,
            message=f"The cache answers in {latency:.1f} ms.",
            latency_ms=latency,
            version=version,
            used_memory_bytes=int(info["used_memory"]) if "used_memory" in info else None,
            keys=keys,
            hit_rate=hits / (hits + misses) if hits + misses else None,
            hits=hits,
            misses=misses,
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _ask(self, command: "Callable[[redis.Redis], Any]") -> Any:
        if self._client is None or time.monotonic() < self._down_until:
            raise CacheUnavailable(self._problem)
        import redis

        try:
            return command(self._client)
        except redis.RedisError as error:
            raise CacheUnavailable(self._down(error)) from error

    def _down(self, error: "redis.RedisError") -> str:
        with self._lock:
            self._down_until = time.monotonic() + BACK_OFF_S
            self._problem = f"The cache does not answer: {str(error).rstrip('.')}."
        return self._problem


def _encode(value: Any) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"__decimal__": str(value)}
    if isinstance(value, datetime):
        return {"__datetime__": value.isoformat()}
    if isinstance(value, date):
        return {"__date__": value.isoformat()}
    raise TypeError(f"{type(value).__name__} is not text, number, list or dict")


def _decode(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        (kind, text), *_ = found.items()
        if kind == "__decimal__":
            return Decimal(text)
        if kind == "__datetime__":
            return datetime.fromisoformat(text)
        if kind == "__date__":
            return date.fromisoformat(text)
    return found
