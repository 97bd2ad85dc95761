"""Values as text, for every face: the command line, pages and messages."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def moment(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def money(value: Decimal | None) -> str:
    return "no price" if value is None else f"{value:,.2f}"


def plural(count: int, word: str, several: str | None = None) -> str:
    return f"{count:,} {word if count == 1 else several or word + 's'}"


LISTED = 10


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def listed(items: Iterable[str], limit: int = LISTED) -> str:
    """`a, b and c`; of many the first, and how many more there are."""
    every: Sequence[str] = list(items)
    if len(every) > limit:
        return f"{', '.join(every[:limit])} and {len(every) - limit} more"
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"


def quoted(name: str) -> str:
    """An identifier as SQL needs it written: in quotes only where it must be."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
