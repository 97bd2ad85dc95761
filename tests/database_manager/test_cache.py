"""The cache: exact values while it is up, nothing but slower while it is down."""

from datetime import date, datetime
from decimal import Decimal

import pytest
import redis

from src.cache import Cache
from src.errors import InvalidInput
from tests.support.databases import Database, ManagerOf

DEAD = "redis://:secret@127.0.0.1:1/0"


@pytest.fixture
def cache(cache_url: str) -> Cache:
    return Cache(cache_url)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1.5,
        "價格",
        {"price": Decimal("315.200"), "at": datetime(2026, 1, 6, 16, 0), "day": date(2026, 1, 6)},
        [{"a": {"b": [Decimal("0.10")]}}, {}, []],
    ],
)
def test_values_come_back_as_they_were(cache: Cache, value: object) -> None:
    assert cache.set("key", value) is True
    found = cache.get("key")
    assert found == value
    assert repr(found) == repr(value)


def test_what_is_not_there_is_none(cache: Cache, cache_url: str) -> None:
    assert cache.get("nothing") is None
    redis.Redis.from_url(cache_url).set("foreign", b"\x80\x04not json")
    assert cache.get("foreign") is None
    cache.set("key", 1)
    assert cache.delete("key") is True
    assert cache.delete("key") is False
    assert cache.get("key") is None


def test_values_expire(cache: Cache, cache_url: str) -> None:
    cache.set("key", 1, expiry=60)
    assert 0 < redis.Redis.from_url(cache_url).ttl("key") <= 60
    for expiry in (0, -1, 1.5, True):
        with pytest.raises(InvalidInput):
            cache.set("key", 1, expiry=expiry)  # type: ignore[arg-type]


def test_what_json_cannot_hold_is_refused(cache: Cache) -> None:
    with pytest.raises(InvalidInput, match="cannot be cached"):
        cache.set("key", object())


def test_status_shows_what_a_page_shows(cache: Cache) -> None:
    cache.set("key", 1)
    cache.get("key")
    status = cache.status()
    assert status.up
    assert status.keys == 1
    assert status.used_memory_bytes is not None
    assert status.used_memory_bytes > 0
    assert status.hit_rate is not None
    assert 0 <= status.hit_rate <= 1


@pytest.mark.parametrize("url", [None, DEAD, "unix:///nowhere/at/all.sock", "http://nonsense"])
def test_a_cache_that_is_down_breaks_nothing(url: str | None) -> None:
    cache = Cache(url)
    assert cache.set("key", 1) is False
    assert cache.get("key") is None
    assert cache.delete("key") is False
    status = cache.status()
    assert not status.up
    assert status.message
    assert "secret" not in status.message


def test_a_cache_that_is_down_is_not_asked_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(DEAD)
    tries: list[int] = []
    connect = redis.Connection.connect

    def counted(self: redis.Connection) -> None:
        tries.append(1)
        connect(self)

    monkeypatch.setattr(redis.Connection, "connect", counted)
    cache.get("key")
    first = len(tries)
    for _ in range(100):
        cache.get("key")
        cache.set("key", 1)
    assert len(tries) == first > 0
    monkeypatch.setattr("src.cache.time.monotonic", lambda: 1e12)
    cache.get("key")
    assert len(tries) > first, "after a while it is tried again"


def test_the_manager_works_with_and_without(database: Database, manager_of: ManagerOf, cache_url: str) -> None:
    url = database("v1", 18)
    up, down = manager_of(url, cache_url), manager_of(url, DEAD)
    assert up.set_cache("k", {"pv": Decimal("1.20")}, 60) is True
    assert up.get_cache("k") == {"pv": Decimal("1.20")}
    assert up.test_connection_health()["redis"]["status"] == "healthy"
    assert down.set_cache("k", 1) is False
    assert down.get_cache("k") is None
    assert len(down.get_portfolio_positions()) == 4
    report = down.test_connection_health()["redis"]
    assert report["status"] == "down"
    assert "Everything works without it" in report["advice"]
