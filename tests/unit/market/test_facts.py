import csv
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from src.domain.exchange_rules import Fee, InstrumentKind, on_tick, tick
from src.errors import InvalidInput
from src.market.facts import TABLES, rules
from src.sample.rows import SYMBOLS

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("0700.HK", "equity"),
        ("80700.HK", "equity"),
        ("9988.HK", "equity"),
        ("9618.HK", "equity"),
        ("3690.HK", "equity"),
        ("2888.HK", "equity"),
        ("8123.HK", "equity"),
        ("2800.HK", "etf"),
        ("3033.HK", "etf"),
        ("7200.HK", "etf"),
        ("9834.HK", "etf"),
        ("82800.HK", "etf"),
        ("0823.HK", "reit"),
        ("0405.HK", "reit"),
        ("87001.HK", "reit"),
        ("12345.HK", "other"),
        ("60000.HK", "other"),
        ("^HSI", "other"),
    ],
)
def test_what_kind_of_instrument_a_symbol_is(symbol: str, kind: InstrumentKind) -> None:
    assert rules(TODAY).kind(symbol) == kind


def test_no_code_is_of_two_kinds() -> None:
    spans = sorted((one.first, one.last) for one in rules(TODAY).instruments)
    assert all(first <= last for first, last in spans)
    assert all(one[1] < other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize(
    ("on", "symbol", "stamp_duty", "settlement"),
    [
        (date(2023, 11, 16), "0700.HK", "0.0013", Fee(Decimal("0.00002"), Decimal(2), Decimal(100))),
        (date(2023, 11, 17), "0700.HK", "0.001", Fee(Decimal("0.00002"), Decimal(2), Decimal(100))),
        (date(2024, 12, 20), "0823.HK", "0.001", Fee(Decimal("0.00002"), Decimal(2), Decimal(100))),
        (date(2024, 12, 21), "0823.HK", "0", Fee(Decimal("0.00002"), Decimal(2), Decimal(100))),
        (date(2025, 6, 29), "2800.HK", "0", Fee(Decimal("0.00002"), Decimal(2), Decimal(100))),
        (date(2025, 6, 30), "0700.HK", "0.001", Fee(Decimal("0.000042"))),
    ],
)
def test_rates_change_on_their_day(on: date, symbol: str, stamp_duty: str, settlement: Fee) -> None:
    rates = rules(on).rates_of(symbol)
    assert rates is not None
    assert rates.stamp_duty == Fee(Decimal(stamp_duty))
    assert rates.settlement_fee == settlement
    assert rules(on).rates_of("12345.HK") is None


@pytest.mark.parametrize(
    ("on", "symbol", "price", "step"),
    [
        (date(2025, 8, 3), "0005.HK", "20", "0.02"),
        (date(2025, 8, 4), "0005.HK", "20", "0.01"),
        (date(2025, 8, 3), "0005.HK", "39.75", "0.05"),
        (date(2025, 8, 4), "0005.HK", "39.75", "0.02"),
        (TODAY, "0005.HK", "0.25", "0.001"),
        (TODAY, "0005.HK", "0.255", "0.005"),
        (TODAY, "0005.HK", "0.5", "0.005"),
        (TODAY, "0005.HK", "9.99", "0.01"),
        (TODAY, "0005.HK", "50.05", "0.05"),
        (TODAY, "0700.HK", "200", "0.1"),
        (TODAY, "0700.HK", "315.2", "0.2"),
        (TODAY, "0700.HK", "500.5", "0.5"),
        (TODAY, "0700.HK", "1001", "1"),
        (TODAY, "0700.HK", "2002", "2"),
        (TODAY, "0700.HK", "9995", "5"),
        (TODAY, "0823.HK", "44.16", "0.02"),
        (TODAY, "2800.HK", "26.12", "0.02"),
        (TODAY, "2800.HK", "1.002", "0.002"),
        (TODAY, "2800.HK", "0.999", "0.001"),
    ],
)
def test_steps_of_prices(on: date, symbol: str, price: str, step: str) -> None:
    assert tick(Decimal(price), rules(on).ticks_of(symbol)) == Decimal(step)


def test_beyond_the_table_the_step_is_not_known() -> None:
    ticks = rules(TODAY).ticks_of("0700.HK")
    for price in ("9995.001", "10000", "0", "-1"):
        assert tick(Decimal(price), ticks) is None
        assert on_tick(Decimal(price), ticks) is None
    assert rules(TODAY).ticks_of("12345.HK") == ()


def test_an_announced_step_without_a_date_is_neither_valid_nor_invalid() -> None:
    ticks = rules(TODAY).ticks_of("0939.HK")
    assert on_tick(Decimal("5.52"), ticks) is True
    assert on_tick(Decimal("5.525"), ticks) is None
    assert on_tick(Decimal("5.523"), ticks) is False
    assert on_tick(Decimal("5.525"), rules(date(2026, 5, 31)).ticks_of("0939.HK")) is False


def test_lots_of_the_sample_are_known_and_others_are_not() -> None:
    found = rules(TODAY)
    lots = {symbol: found.lot(symbol) for symbol in SYMBOLS}
    assert lots == {
        "0005.HK": 400,
        "0316.HK": 500,
        "0388.HK": 100,
        "0700.HK": 100,
        "0823.HK": 100,
        "0857.HK": 2000,
        "0939.HK": 1000,
        "1810.HK": 200,
        "2888.HK": 50,
        "3690.HK": 100,
        "9618.HK": 50,
        "9988.HK": 100,
    }
    assert found.lot("0001.HK") is None


def test_before_the_tables_begin_nothing_is_known() -> None:
    with pytest.raises(InvalidInput, match="not known"):
        rules(date(2019, 1, 1))


@pytest.mark.parametrize("table", ["fees", "ticks", "lots", "instruments", "session_overrides"])
def test_every_fact_has_a_source(table: str) -> None:
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert rows
    for row in rows:
        assert row["source"]
        assert None not in row, f"a cell too many: {row}"
        assert None not in row.values(), f"a cell too few: {row}"


@pytest.mark.parametrize("on", [date(2025, 1, 2), date(2025, 8, 4), TODAY])
@pytest.mark.parametrize("symbol", ["0700.HK", "2800.HK"])
def test_every_band_ends_on_a_price_that_both_it_and_the_next_one_take(on: date, symbol: str) -> None:
    ticks = rules(on).ticks_of(symbol)
    assert all(one.up_to % one.tick == 0 for one in ticks)
    for one, following in pairwise(ticks):
        assert one.up_to < following.up_to
        assert one.tick <= following.tick
        assert one.up_to % following.tick == 0
