"""Whether prices still come in, judged by the exchange's sessions. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from src.domain.price_age import TradingSessions, age_in_sessions, age_text
from src.domain.quote import Quote
from src.domain.valuation import known_price
from src.health.background_poll import Answer
from src.health.model import Component, Key, State, unknown
from src.text import plural

NAME = "Price feed"
# So long after an opening the first prices may be on their way.
GRACE = timedelta(minutes=30)
LISTED = 5
ADVICE = "See whether the program that writes prices into this database is running, and what its log says."


def feed(
    seen: Answer[dict[str, Quote]], sessions: TradingSessions, now: datetime, *, answers: bool = False
) -> Component:
    """Whether prices still come in. `answers`: PostgreSQL does.

    `details`: symbols, current (how many have a price of the latest session), newest_at, ages (by symbol, in sessions;
    null where there is no price).
    """
    if seen.value is None:
        why = "Still being read: there are many." if seen.problem is None else unknown(seen.problem, answers=answers)
        return Component(Key.PRICES, NAME, State.DEGRADED, why, known=False)
    quotes = list(seen.value.values())
    if not quotes:
        return Component(Key.PRICES, NAME, State.HEALTHY, "No position yet, so there is nothing to price.")
    ages = {quote.symbol: _age(quote, sessions) for quote in quotes}
    newest = max(
        (quote.as_of for quote in quotes if quote.as_of and known_price(quote.price) is not None), default=None
    )
    current = sum(age == 0 for age in ages.values())
    details = {
        "symbols": len(quotes),
        "current": current,
        "newest_at": None if newest is None else newest.isoformat(),
        "ages": ages,
    }
    lines = _behind(ages)
    if newest is None:
        return Component(Key.PRICES, NAME, State.DEGRADED, "No symbol has a price.", ADVICE, lines, details)
    zone = sessions.latest.opens.tzinfo
    text = f"The newest price is of {newest.astimezone(zone):%a %d %b %H:%M} Hong Kong time"
    if current == 0 and now - sessions.latest.opens > GRACE:
        text = f"{text}, {age_text(age_in_sessions(newest, sessions))}."
        return Component(Key.PRICES, NAME, State.DEGRADED, text, ADVICE, lines, details)
    text = f"{text}; {current:,} of {plural(len(quotes), 'symbol')} have one of the latest session."
    return Component(Key.PRICES, NAME, State.HEALTHY, text, "", lines, details)


def _age(quote: Quote, sessions: TradingSessions) -> int | None:
    return None if known_price(quote.price) is None else age_in_sessions(quote.as_of, sessions)


def _behind(ages: dict[str, int | None]) -> tuple[str, ...]:
    """The symbols whose price is old or missing, the worst first."""
    behind = [(symbol, age) for symbol, age in ages.items() if age != 0]
    behind.sort(key=lambda one: (one[1] is not None, -(one[1] or 0), one[0]))
    lines: Sequence[str] = [f"{symbol}: {'no price' if age is None else age_text(age)}" for symbol, age in behind]
    more = len(lines) - LISTED
    return (*lines[:LISTED], f"and {plural(more, 'more symbol')}") if more > 0 else tuple(lines)
