"""Figures as pages show them. What is not known is "—", never a zero; what went up or down says so by its sign.

What reads the same on the command line is in src/text.py, and only wrapped here.
"""

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from src import text
from src.market.calendar import HONG_KONG

MISSING = "—"
MINUS = "\u2212"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~:$-])")


def _signed(shown: str, value: Decimal, *, plus: bool) -> str:
    """`shown`, the size of `value`, with the sign of `value`; a gain has one only where `plus`."""
    if value < 0:
        return f"{MINUS}{shown}"
    return f"+{shown}" if plus and value > 0 else shown


def money(value: Decimal | None, *, signed: bool = False) -> str:
    """HKD with separators and two decimals."""
    if value is None:
        return MISSING
    # What is nothing to the cent has no sign.
    return _signed(text.money(abs(value)), value.quantize(text.CENT, ROUND_HALF_UP), plus=signed)


def money_short(value: Decimal | None, *, signed: bool = False) -> str:
    """HKD for a narrow place: 2.31 M, 845.2 k."""
    if value is None:
        return MISSING
    size = abs(value)
    if size >= 1_000_000_000:
        shown = f"{size / 1_000_000_000:,.2f} bn"
    elif size >= 1_000_000:
        shown = f"{size / 1_000_000:,.2f} M"
    elif size >= 10_000:
        shown = f"{size / 1_000:,.1f} k"
    else:
        shown = f"{size:,.2f}"
    return _signed(shown, value, plus=signed)


def price(value: Decimal | None) -> str:
    """A price or an average cost: three decimals, since ticks go to 0.001."""
    return MISSING if value is None else f"{value:,.3f}"


def percent(value: Decimal | None, *, signed: bool = False, decimals: int = 2) -> str:
    """`value` is a fraction: 0.031 is 3.10%."""
    if value is None:
        return MISSING
    return _signed(f"{abs(value) * 100:,.{decimals}f}%", value, plus=signed)


def share(value: Decimal | None) -> str:
    """A part of a whole, in full percents; 100% and 0% only where it is all or nothing."""
    if value is None:
        return MISSING
    if 0 < value < 1:
        return f"{min(max(round(value * 100), 1), 99)}%"
    return percent(value, decimals=0)


def count(value: int | None) -> str:
    """A number with separators."""
    return MISSING if value is None else text.counted(value).replace("-", MINUS)


def plain(outside: str) -> str:
    """Text from outside for a place that reads Markdown: no image, link or formula in it."""
    return _MARKDOWN.sub(r"\\\1", outside)


def arrow(value: Decimal | None) -> str:
    """An arrow up or down for a gain or a loss; nothing for 0."""
    if value is None or value == 0:
        return ""
    return "▲" if value > 0 else "▼"


def gain(value: Decimal | None) -> str:
    """HKD that were won or lost, with arrow and sign."""
    return f"{arrow(value)} {money(value, signed=True)}".strip()


def tone(value: Decimal | None) -> str:
    """The CSS class of a gain or a loss."""
    if value is None or value == 0:
        return ""
    return "up" if value > 0 else "down"


def size(count: int | None) -> str:
    """Bytes, as src.text has them; a dash where not known."""
    return MISSING if count is None else text.size(count)


def duration(seconds: float | None) -> str:
    """Seconds, as src.text has them; a dash where not known."""
    return MISSING if seconds is None else text.duration(seconds)


def milliseconds(value: float | None) -> str:
    """Milliseconds, as src.text has them; a dash where not known."""
    return MISSING if value is None else text.milliseconds(value)


def moment(at: datetime | None) -> str:
    """To the minute."""
    return MISSING if at is None else text.moment(at, seconds=False)


def age(at: datetime | None, now: datetime) -> str:
    """How long ago. Both by the same clock."""
    if at is None:
        return MISSING
    passed = now - at
    if passed < timedelta(seconds=60):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{int(passed.total_seconds() // 60)} min ago"
    if passed < timedelta(days=1):
        return f"{int(passed.total_seconds() // 3600)} h ago"
    return f"{text.plural(passed.days, 'day')} ago"


def day(on: date) -> str:
    """A day of the exchange: Mon 23 Nov."""
    return f"{on:%a} {on.day} {on:%b}"


def exchange_time(at: datetime | None) -> str:
    """An aware moment as the exchange's clock shows it: Mon 23 Nov 16:00, with the year where that is another."""
    if at is None:
        return MISSING
    there = at.astimezone(HONG_KONG)
    year = "" if there.year == datetime.now(HONG_KONG).year else f" {there.year}"
    return f"{day(there.date())}{year} {there:%H:%M}"


def clock(at: datetime | None) -> str:
    """The time of day, in this machine's time zone."""
    return MISSING if at is None else text.moment(at).partition(" ")[2]
