"""Whether prices still come in, as an admin reads it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from src.domain.quote import Quote
from src.errors import DatabaseUnavailable
from src.health.background_poll import Answer
from src.health.feed import feed
from src.health.model import Component, State
from src.market import calendar

# Tuesday, half past three in the afternoon in Hong Kong; Monday was a session too.
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
OPENING = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
ONE = Decimal(1)


def judged(*quotes: Quote, now: datetime = NOW) -> Component:
    return feed(Answer({quote.symbol: quote for quote in quotes}), calendar.sessions(now), now)


def quote(symbol: str, hours: float | None, price: Decimal | None = ONE) -> Quote:
    return Quote(symbol, price, None if hours is None else NOW - timedelta(hours=hours))


def test_all_are_of_today() -> None:
    found = judged(quote("0005.HK", 0.5), quote("0700.HK", 3))
    assert found.state is State.HEALTHY
    assert found.message == (
        "The newest price is of Tue 24 Nov 15:00 Hong Kong time; 2 of 2 symbols have one of the latest session."
    )
    assert (found.advice, found.lines) == ("", ())


def test_one_that_is_suspended_is_named_and_no_fault_of_the_feed() -> None:
    found = judged(quote("0005.HK", 0.5), quote("3333.HK", 24 * 5), quote("9999.HK", None, None))
    assert found.state is State.HEALTHY
    assert "1 of 3 symbols" in found.message
    assert found.lines == ("9999.HK: no price", "3333.HK: 3 sessions old")
    assert found.details["ages"] == {"0005.HK": 0, "3333.HK": 3, "9999.HK": None}


def test_nothing_has_come_since_yesterday() -> None:
    found = judged(quote("0005.HK", 24), quote("0700.HK", 25))
    assert found.state is State.DEGRADED
    assert found.message == "The newest price is of Mon 23 Nov 15:30 Hong Kong time, 1 session old."
    assert "the program that writes prices" in found.advice


@pytest.mark.parametrize(("minutes", "state"), [(29, State.HEALTHY), (31, State.DEGRADED)])
def test_just_after_the_opening_the_first_prices_are_still_awaited(minutes: int, state: State) -> None:
    assert judged(quote("0005.HK", 24), now=OPENING + timedelta(minutes=minutes)).state is state


def test_on_sunday_fridays_prices_are_current() -> None:
    sunday = datetime(2026, 11, 22, 4, tzinfo=UTC)
    friday = Quote("0005.HK", ONE, datetime(2026, 11, 20, 8, tzinfo=UTC))
    assert judged(friday, now=sunday).state is State.HEALTHY


def test_many_that_are_old_are_counted() -> None:
    found = judged(quote("0005.HK", 0.5), *(quote(f"000{n}.HK", 48) for n in range(6, 10)), quote("0010.HK", 900),
                   quote("0011.HK", 901))  # fmt: skip
    assert len(found.lines) == 6
    assert found.lines[-1] == "and 1 more symbol"
    assert found.lines[0].startswith("0010.HK: ")


def test_no_price_at_all_and_nothing_to_price() -> None:
    assert judged(quote("0005.HK", 1, Decimal(0))).message == "No symbol has a price."
    assert judged(quote("0005.HK", 1, Decimal(0))).state is State.DEGRADED
    assert judged().state is State.HEALTHY
    assert judged().message == "No position yet, so there is nothing to price."


def test_what_is_not_known_is_not_called_healthy() -> None:
    down = feed(Answer(problem=DatabaseUnavailable("away")), calendar.sessions(NOW), NOW)
    slow = feed(Answer(silent_s=1.0), calendar.sessions(NOW), NOW)
    assert down.state is slow.state is State.DEGRADED
    assert "while PostgreSQL does not answer" in down.message
    assert "Still being read" in slow.message
