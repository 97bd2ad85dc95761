"""Values as text, the same on the command line, on pages, in messages and in records."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

LISTED = 10
CENT = Decimal("0.01")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def counted(number: int) -> str:
    """1,234."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """1 position, 2 positions."""
    return f"{counted(number)} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Bytes, in units of 1000: 999 B, 1.5 kB, 123 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """40 ms, 12.3 s, 3 min 05 s, 2 h 04 min."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(value: float) -> str:
    """A short wait, always in milliseconds: 2.4 ms, 1,234 ms."""
    return f"{value:.1f} ms" if value < 99.95 else f"{value:,.0f} ms"


def moment(at: datetime, *, seconds: bool = True) -> str:
    """2026-11-23 14:30:00 in this machine's time zone; a time without a zone as it is."""
    here = at if at.tzinfo is None else at.astimezone()
    return f"{here:%Y-%m-%d %H:%M:%S}" if seconds else f"{here:%Y-%m-%d %H:%M}"


def money(value: Decimal) -> str:
    """HKD to the cent, half a cent away from zero: 1,234.50."""
    cents = value.quantize(CENT, ROUND_HALF_UP)
    return f"{abs(cents) if cents == 0 else cents:,.2f}"


def listed(items: Iterable[str], limit: int = LISTED) -> str:
    """`a, b and c`; of many the first, and how many more there are."""
    every: Sequence[str] = list(items)
    if len(every) > limit:
        return f"{', '.join(every[:limit])} and {counted(len(every) - limit)} more"
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"


def quoted(name: str) -> str:
    """An identifier as SQL needs it written: in quotes only where it must be."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL needs it written."""
    return "'" + text.replace("'", "''") + "'"
