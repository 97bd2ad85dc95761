from datetime import UTC, date, datetime, time, timedelta

import pytest

from src.domain.price_age import age_in_sessions
from src.market.calendar import HONG_KONG, between, sessions


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HONG_KONG)


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2024-11-14", "16:00"),  # typhoon Toraji: the first session in severe weather
        ("2025-09-23", "16:00"),  # typhoon Ragasa
        ("2025-09-24", "16:00"),
        ("2024-12-24", "12:00"),
        ("2024-12-31", "12:00"),
        ("2025-01-28", "12:00"),  # eve of Lunar New Year
        ("2026-02-16", "12:00"),
        ("2026-12-24", "12:00"),
        ("2026-11-24", "16:00"),
    ],
)
def test_known_sessions_and_half_days(day: str, closes: str) -> None:
    (session,) = between(date.fromisoformat(day), date.fromisoformat(day))
    assert session.day == date.fromisoformat(day)
    assert session.opens == at(f"{day}T09:30")
    assert session.closes == at(f"{day}T{closes}")


@pytest.mark.parametrize(
    "day",
    [
        "2023-07-17",  # typhoon Talim
        "2023-09-01",  # typhoon Saola
        "2023-09-08",  # black rainstorm
        "2024-09-06",  # typhoon Yagi, the last closure for weather
        "2025-01-29",  # Lunar New Year
        "2026-02-17",
        "2026-04-07",  # the day after Easter Monday, for Ching Ming on a Sunday
        "2026-05-25",
        "2026-10-01",
        "2026-10-19",
        "2026-12-25",
        "2026-11-22",  # a Sunday
    ],
)
def test_known_closed_days(day: str) -> None:
    assert between(date.fromisoformat(day), date.fromisoformat(day)) == ()


def test_a_year_has_as_many_sessions_as_the_exchange_had() -> None:
    # 260 weekdays, 14 holidays on them, three days of bad weather; and 262, 15, one.
    assert len(between(date(2023, 1, 1), date(2023, 12, 31))) == 243
    assert len(between(date(2024, 1, 1), date(2024, 12, 31))) == 246


@pytest.mark.parametrize(
    ("now", "latest", "previous"),
    [
        ("2026-11-24T09:29", "2026-11-23", "2026-11-20"),
        ("2026-11-24T09:30", "2026-11-24", "2026-11-23"),
        ("2026-11-22T12:00", "2026-11-20", "2026-11-19"),
        ("2026-02-22T12:00", "2026-02-20", "2026-02-16"),  # Lunar New Year, from Tuesday to Thursday
    ],
)
def test_the_latest_session_is_the_newest_that_has_opened(now: str, latest: str, previous: str) -> None:
    found = sessions(at(now))
    assert found == sessions(at(now).astimezone(UTC))
    assert (found.latest.day, found.previous.day) == (date.fromisoformat(latest), date.fromisoformat(previous))
    assert found.recent[-2:] == (found.previous, found.latest)
    assert len(found.recent) == 60


def test_every_day_of_three_years_knows_its_sessions() -> None:
    known = between(date(2024, 1, 1), date(2026, 12, 31))
    assert [session.day for session in known] == sorted({session.day for session in known})
    assert {session.opens.time() for session in known} == {time(9, 30)}
    assert {session.closes.time() for session in known} == {time(12), time(16)}
    for months in range(3, 36, 3):
        now = datetime(2024, 1, 1, 20, tzinfo=UTC) + timedelta(days=30 * months)
        opened = [session for session in known if session.opens <= now]
        assert list(sessions(now, count=20).recent) == opened[-20:]


def test_friday_after_the_close_is_one_session_old_on_monday_morning() -> None:
    friday = at("2026-11-20T16:08")
    assert age_in_sessions(friday, sessions(at("2026-11-23T09:00"))) == 0
    assert age_in_sessions(friday, sessions(at("2026-11-23T09:30"))) == 1


def test_what_is_asked_wrongly_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        sessions(datetime(2026, 11, 24))
    with pytest.raises(ValueError, match="at least 2"):
        sessions(at("2026-11-24T12:00"), count=1)
