"""Values as text, the same for the command line, pages and messages."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from src.text import counted, duration, listed, milliseconds, moment, money, plural, quoted, size
from src.ui.widgets import format as fmt


def test_sizes_take_the_next_unit_before_they_read_1000() -> None:
    sizes = [size(n) for n in (0, 999, 1500, 99_960, 123_456_789, 999_600, 2_500_000_000_000)]
    assert sizes == ["0 B", "999 B", "1.5 kB", "100 kB", "123 MB", "1.0 MB", "2.5 TB"]


def test_durations_take_the_next_unit_before_they_read_60() -> None:
    durations = [duration(s) for s in (0.04, 0.9996, 59.9, 59.97, 61, 3599.7, 3720)]
    assert durations == ["40 ms", "1.0 s", "59.9 s", "1 min 00 s", "1 min 01 s", "1 h 00 min", "1 h 02 min"]
    assert [milliseconds(ms) for ms in (0.25, 42, 1234.5)] == ["0.2 ms", "42.0 ms", "1,234 ms"]


def test_a_page_says_a_duration_and_a_size_as_the_command_line_does() -> None:
    for seconds in (0.3, 12.4, 185, 7440):
        assert fmt.duration(seconds) == duration(seconds)
    for count in (0, 1500, 123_456_789):
        assert fmt.size(count) == size(count)
    assert fmt.milliseconds(42) == milliseconds(42)


def test_money_is_rounded_as_on_pages() -> None:
    texts = [money(Decimal(value)) for value in ("0.005", "-0.004", "-1234.565")]
    assert texts == ["0.01", "0.00", "-1,234.57"]
    assert fmt.money(Decimal("0.005")) == "0.01"


def test_moments_are_of_this_machine() -> None:
    at = datetime(2026, 11, 23, 14, 30, 5, tzinfo=UTC)
    assert moment(at) == f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    assert moment(at.replace(tzinfo=None), seconds=False) == "2026-11-23 14:30"


@pytest.mark.parametrize(
    ("items", "text"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b and c"), ([str(n) for n in range(1500)], "and 1,490 more")],
)
def test_lists(items: list[str], text: str) -> None:
    assert listed(items).endswith(text)


def test_counts_and_names() -> None:
    assert (counted(1234), plural(1, "try", "tries"), plural(1200, "try", "tries")) == ("1,234", "1 try", "1,200 tries")
    assert [quoted(name) for name in ("plain_1", "Mixed", 'a"b', "1st")] == ["plain_1", '"Mixed"', '"a""b"', '"1st"']
