"""Figures as text. What is not known is "—", never a zero; what went up or down says so by its sign."""

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from src.market.calendar import HONG_KONG

MISSING = "—"
MINUS = "\u2212"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~:$-])")


def _signed(text: str, value: Decimal | float) -> str:
    if value == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def money(value: Decimal | None, *, signed: bool = False) -> str:
    """HKD with separators and two decimals."""
    if value is None:
        return MISSING
    value = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    text = f"{abs(value):,.2f}"
    if signed:
        return _signed(text, value)
    return f"{MINUS}{text}" if value < 0 else text


def money_short(value: Decimal | None, *, signed: bool = False) -> str:
    """HKD for a narrow place: 2.31 M, 845.2 k."""
    if value is None:
        return MISSING
    size = abs(value)
    if size >= 1_000_000_000:
        text = f"{size / 1_000_000_000:,.2f} bn"
    elif size >= 1_000_000:
        text = f"{size / 1_000_000:,.2f} M"
    elif size >= 10_000:
        text = f"{size / 1_000:,.1f} k"
    else:
        text = f"{size:,.2f}"
    if signed:
        return _signed(text, value)
    return f"{MINUS}{text}" if value < 0 else text


def price(value: Decimal | None) -> str:
    """A price or an average cost: three decimals, since ticks go to 0.001."""
    return MISSING if value is None else f"{value:,.3f}"


def percent(value: Decimal | None, *, signed: bool = False, decimals: int = 2) -> str:
    """`value` is a fraction: 0.031 is 3.10%."""
    if value is None:
        return MISSING
    text = f"{abs(value) * 100:,.{decimals}f}%"
    if signed:
        return _signed(text, value)
    return f"{MINUS}{text}" if value < 0 else text


def share(value: Decimal | None) -> str:
    """A part of a whole, in full percents; 100% and 0% only where it is all or nothing."""
    if value is None:
        return MISSING
    if 0 < value < 1:
        return f"{min(max(round(value * 100), 1), 99)}%"
    return percent(value, decimals=0)


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}".replace("-", MINUS)


def plain(text: str) -> str:
    """Text from outside for a place that reads Markdown: no image, link or formula in it."""
    return _MARKDOWN.sub(r"\\\1", text)


def plural(number: int, one: str, many: str | None = None) -> str:
    """1 position, 2 positions."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def arrow(value: Decimal | None) -> str:
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


def size(value: int | None) -> str:
    if value is None:
        return MISSING
    number = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def seconds(value: float | None) -> str:
    """A duration: 0.4 s, 12 s, 3 min 5 s, 2 h 4 min."""
    if value is None:
        return MISSING
    if value < 10:
        return f"{value:.1f} s"
    whole = int(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def milliseconds(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


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
    return f"{plural(passed.days, 'day')} ago"


def _here(at: datetime) -> datetime:
    """In the time zone of this machine, where a time has a zone at all."""
    return at if at.tzinfo is None else at.astimezone()


def moment(at: datetime | None) -> str:
    return MISSING if at is None else f"{_here(at):%Y-%m-%d %H:%M}"


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
    return MISSING if at is None else f"{_here(at):%H:%M:%S}"


def who_started(started_by: str) -> str:
    """The person in what the history says of a run: "trader (anna via root@host)" is anna."""
    inside = started_by.partition("(")[2].rstrip(")") or started_by
    return inside.partition(" via ")[0].partition("@")[0]
