"""How old a price is, in trading sessions: after a long weekend Friday's price is not four days old.

Pure: the trading sessions come as values (src/market/calendar.py has them). All moments are aware.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from src.domain.quote import Quote
from src.domain.valuation import CENT, known_price

# As far back as trading sessions are counted; an older price is "60 or more sessions old".
MOST_SESSIONS = 60


@dataclass(frozen=True)
class TradingSession:
    """One trading day: `day` in Hong Kong; `opens` and `closes` are aware. A half day closes at noon."""

    day: date
    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class TradingSessions:
    """The trading sessions up to now.

    `latest` is the newest that has opened, open still or not; `previous` the one before it.

    `recent`: oldest first, one after the other without a gap, ends with `latest`.
    """

    latest: TradingSession
    previous: TradingSession
    recent: tuple[TradingSession, ...]


def age_in_sessions(as_of: datetime | None, sessions: TradingSessions) -> int | None:
    """How many trading sessions opened after `as_of`: 0 is current. None where `as_of` is not known.

    At most the number of `recent` sessions: that many, or more.
    """
    if as_of is None:
        return None
    return len(sessions.recent) - bisect_right(sessions.recent, as_of, key=lambda session: session.opens)


def age_text(age: int | None) -> str:
    """The age as text. "latest session" is also right on a Sunday, when the exchange is closed."""
    if age is None:
        return "age not known"
    if age == 0:
        return "latest session"
    if age >= MOST_SESSIONS:
        return f"{MOST_SESSIONS} or more sessions old"
    return "1 session old" if age == 1 else f"{age} sessions old"


def is_current(quote: Quote, sessions: TradingSessions) -> bool:
    """Whether there is a price, and it is of the latest trading session."""
    return known_price(quote.price) is not None and age_in_sessions(quote.as_of, sessions) == 0


def price_change(quote: Quote, sessions: TradingSessions) -> Decimal | None:
    """Price − previous close, HKD per share, exact.

    None unless the price is of the latest trading session and the previous close of the one directly before.
    """
    price, before = known_price(quote.price), known_price(quote.previous_close)
    if price is None or before is None or not is_current(quote, sessions):
        return None
    return price - before if age_in_sessions(quote.previous_at, sessions) == 1 else None


def day_change(quote: Quote, quantity: int, sessions: TradingSessions) -> Decimal | None:
    """(Price − previous close) × quantity, HKD to the cent, half away from zero. None where it is not known."""
    change = price_change(quote, sessions)
    return None if change is None else (change * quantity).quantize(CENT, ROUND_HALF_UP)
