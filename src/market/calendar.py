"""The trading sessions of the Hong Kong exchange: exchange_calendars' XHKG, corrected by facts/session_overrides.csv.

XHKG's peculiarities: it reaches from 20 years before to one year after the real today unless bounds are given, so both
ends are always given; weather closures come with its releases, so late or, in two cases of 2023, not at all. Since
23 September 2024 trading goes on in severe weather, so new ones are not expected. It has no partly cancelled days.
"""

import csv
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path

from src.domain.price_age import MOST_SESSIONS, TradingSession, TradingSessions

# Hong Kong has had no summer time since 1979.
HONG_KONG = timezone(timedelta(hours=8), "Asia/Hong_Kong")
OVERRIDES = Path(__file__).parent / "facts" / "session_overrides.csv"


def sessions(now: datetime, count: int = MOST_SESSIONS) -> TradingSessions:
    """The last `count` (at least 2) trading sessions that have opened at `now`. Raises ValueError for a naive `now`."""
    if now.tzinfo is None:
        raise ValueError("now needs a time zone: use datetime.now(UTC)")
    if count < 2:
        raise ValueError("count is at least 2: the latest session and the one before it")
    today = now.astimezone(HONG_KONG).date()
    # Five sessions a week, and never more than three weeks of holidays in a row of weeks.
    opened = [one for one in between(today - timedelta(days=count * 7 // 5 + 30), today) if one.opens <= now]
    recent = tuple(opened[-count:])
    return TradingSessions(latest=recent[-1], previous=recent[-2], recent=recent)


@lru_cache(maxsize=16)
def between(first: date, last: date) -> tuple[TradingSession, ...]:
    """The trading sessions of the Hong Kong days from `first` to `last`, both included; aware, in Hong Kong's zone."""
    # Not at the top: it takes half a second, and few processes need it.
    import exchange_calendars

    # Widened, since a range without a session is an error there.
    margin = timedelta(days=14)
    calendar = exchange_calendars.get_calendar(
        "XHKG", start=(first - margin).isoformat(), end=(last + margin).isoformat()
    )
    closed = _closed_days()
    found = []
    for row in calendar.schedule.itertuples():
        day: date = row.Index.date()
        if first <= day <= last and day not in closed:
            found.append(TradingSession(day, _moment(row.open), _moment(row.close)))
    return tuple(found)


def _moment(stamp: object) -> datetime:
    return datetime.fromisoformat(str(stamp)).astimezone(HONG_KONG)


def _closed_days() -> frozenset[date]:
    with OVERRIDES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    unknown = {row["status"] for row in rows} - {"closed"}
    if unknown:
        raise ValueError(f"{OVERRIDES.name} knows the status closed only, not {', '.join(sorted(unknown))}")
    return frozenset(date.fromisoformat(row["day"]) for row in rows)
