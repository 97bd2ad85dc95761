from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from src.domain.price_age import (
    TradingSession,
    TradingSessions,
    age_in_sessions,
    age_text,
    day_change,
    is_current,
    price_change,
)
from src.domain.quote import Quote

HONG_KONG = timezone(timedelta(hours=8))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HONG_KONG)


def session(day: str) -> TradingSession:
    return TradingSession(date.fromisoformat(day), at(f"{day}T09:30"), at(f"{day}T16:00"))


# Thursday, Friday, Monday.
RECENT = (session("2026-11-19"), session("2026-11-20"), session("2026-11-23"))
SESSIONS = TradingSessions(latest=RECENT[2], previous=RECENT[1], recent=RECENT)
MONDAY = Quote("0700.HK", Decimal("315.2"), at("2026-11-23T11:00"), Decimal("310"), at("2026-11-20T16:00"))


@pytest.mark.parametrize(
    ("as_of", "age", "text"),
    [
        ("2026-11-23T09:30", 0, "latest session"),
        ("2026-11-24T07:00", 0, "latest session"),
        ("2026-11-23T09:29", 1, "1 session old"),
        ("2026-11-20T16:00", 1, "1 session old"),
        ("2026-11-20T09:00", 2, "2 sessions old"),
        ("2026-11-18T16:00", 3, "3 sessions old"),
    ],
)
def test_a_weekend_does_not_age_a_price(as_of: str, age: int, text: str) -> None:
    assert age_in_sessions(at(as_of), SESSIONS) == age
    assert age_in_sessions(at(as_of).astimezone(UTC), SESSIONS) == age
    assert age_text(age) == text


def test_an_age_that_is_not_known_and_one_beyond_counting() -> None:
    assert age_in_sessions(None, SESSIONS) is None
    assert age_text(None) == "age not known"
    assert age_text(60) == "60 or more sessions old"
    assert age_text(59) == "59 sessions old"


def test_day_change_is_against_the_previous_sessions_close_to_the_cent() -> None:
    assert day_change(MONDAY, 100, SESSIONS) == Decimal("520.00")
    assert day_change(MONDAY, -100, SESSIONS) == Decimal("-520.00")
    assert price_change(MONDAY, SESSIONS) == Decimal("5.2")
    half = Quote("0008.HK", Decimal("0.005"), MONDAY.as_of, Decimal("0.010"), MONDAY.previous_at)
    assert day_change(half, 1, SESSIONS) == Decimal("-0.01"), "half a cent goes away from zero"


@pytest.mark.parametrize(
    ("price", "as_of", "previous", "previous_at"),
    [
        (None, "2026-11-23T11:00", "310", "2026-11-20T16:00"),
        ("0", "2026-11-23T11:00", "310", "2026-11-20T16:00"),
        ("315.2", "2026-11-20T16:00", "310", "2026-11-19T16:00"),
        ("315.2", None, "310", "2026-11-20T16:00"),
        ("315.2", "2026-11-23T11:00", None, None),
        ("315.2", "2026-11-23T11:00", "0", "2026-11-20T16:00"),
        ("315.2", "2026-11-23T11:00", "310", None),
        ("315.2", "2026-11-23T11:00", "310", "2026-11-19T16:00"),
        ("315.2", "2026-11-23T11:00", "310", "2026-11-23T09:45"),
    ],
)
def test_day_change_is_not_known_from_old_prices(
    price: str | None, as_of: str | None, previous: str | None, previous_at: str | None
) -> None:
    quote = Quote(
        "0700.HK",
        Decimal(price) if price else None,
        at(as_of) if as_of else None,
        Decimal(previous) if previous else None,
        at(previous_at) if previous_at else None,
    )
    assert day_change(quote, 100, SESSIONS) is None
    assert is_current(quote, SESSIONS) == (price == "315.2" and as_of == "2026-11-23T11:00")
