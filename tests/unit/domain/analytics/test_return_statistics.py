"""Curves and statistics; empyrical-reloaded is the oracle for what both have."""

import math
from collections.abc import Callable
from datetime import date

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from src.domain.analytics import return_statistics

DAYS = pd.bdate_range("2026-01-01", periods=400)
# As coarse as real returns are: differences in the last bits of floats decide nothing.
RETURN = st.integers(-900, 900).map(lambda thousandth: thousandth / 10_000)
RETURNS = st.lists(RETURN, min_size=20, max_size=60)
RISK_FREE = st.sampled_from([0.0, 0.02, 0.05])


def series(values: list[float]) -> pd.Series:
    return pd.Series(values, index=DAYS[: len(values)], dtype=float)


def per_day(annual: float) -> float:
    return (1 + annual) ** (1 / 252) - 1


def same(found: float | None, wanted: float) -> None:
    assert found is not None
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-10)


@given(RETURNS)
def test_returns_and_risk_of_one_series_as_the_oracle_has_them(values: list[float]) -> None:
    daily = series(values)
    same(return_statistics.total_return(daily), empyrical.cum_returns_final(daily))
    same(return_statistics.annual_return(daily), empyrical.annual_return(daily))
    same(return_statistics.volatility(daily), empyrical.annual_volatility(daily))
    same(return_statistics.max_drawdown(daily), empyrical.max_drawdown(daily))


@given(RETURNS, RISK_FREE)
def test_ratios_as_the_oracle_has_them(values: list[float], risk_free: float) -> None:
    daily = series(values)
    assume(len(set(values)) > 1)
    same(return_statistics.sharpe(daily, risk_free), empyrical.sharpe_ratio(daily, risk_free=per_day(risk_free)))
    wanted = empyrical.sortino_ratio(daily, required_return=per_day(risk_free))
    if min(values) < per_day(risk_free):
        same(return_statistics.sortino(daily, risk_free), wanted)
    else:
        assert return_statistics.sortino(daily, risk_free) is None


@given(st.lists(st.tuples(RETURN, RETURN), min_size=20, max_size=60), RISK_FREE)
def test_against_a_benchmark_as_the_oracle_has_it(pairs: list[tuple[float, float]], risk_free: float) -> None:
    daily, benchmark = (series(list(side)) for side in zip(*pairs, strict=True))
    assume(benchmark.nunique() > 1)
    slope = return_statistics.beta(daily, benchmark)
    same(slope, empyrical.beta(daily, benchmark))
    wanted = empyrical.alpha(daily, benchmark, risk_free=per_day(risk_free))
    found = return_statistics.alpha(daily, benchmark, risk_free)
    if found is not None:
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    else:
        assert not math.isfinite(wanted) or wanted <= -1
    correlation = return_statistics.correlation(daily, benchmark)
    if daily.nunique() > 1:
        same(correlation, np.corrcoef(daily, benchmark)[0, 1])
        same(return_statistics.correlation(benchmark, daily), correlation or 0)
    else:
        assert correlation is None


@given(st.lists(st.integers(1, 10_000_000), min_size=2, max_size=50))
def test_returns_lead_from_the_first_value_to_the_last(cents: list[int]) -> None:
    values = series([value / 100 for value in cents])
    daily = return_statistics.returns(values)
    assert len(daily) == len(values) - 1
    same(return_statistics.total_return(daily), values.iloc[-1] / values.iloc[0] - 1)
    same(return_statistics.max_drawdown(daily), float(return_statistics.drawdowns(values).min()))


@pytest.mark.parametrize(
    "statistic",
    [
        return_statistics.annual_return,
        return_statistics.volatility,
        return_statistics.sharpe,
        return_statistics.sortino,
    ],
)
def test_fewer_than_twenty_returns_are_not_enough_history(statistic: Callable[[pd.Series], float | None]) -> None:
    values = [0.01, -0.02] * 10
    assert statistic(series(values[:19])) is None
    assert statistic(series(values)) is not None


def test_statistics_that_are_not_defined_are_none() -> None:
    still = series([0.001] * 30)
    moving = series([0.01, -0.01, 0.02] * 10)
    assert return_statistics.sharpe(still) is None
    assert return_statistics.sortino(still) is None
    assert return_statistics.correlation(still, moving) is None
    assert return_statistics.beta(moving, still) is None
    assert return_statistics.alpha(moving, still) is None
    assert return_statistics.beta(moving[:19], moving[:19]) is None
    assert return_statistics.correlation(moving.iloc[:25], moving.iloc[10:]) is None, "15 days in common"
    assert return_statistics.total_return(series([])) is None
    assert return_statistics.max_drawdown(series([])) is None
    assert return_statistics.annual_return(series([-1.0] * 20)) is None
    assert return_statistics.volatility(still) == pytest.approx(0)


def test_a_series_moves_with_itself_and_against_its_mirror() -> None:
    moving = series([0.01, -0.01, 0.02] * 10)
    same(return_statistics.correlation(moving, moving), 1)
    same(return_statistics.correlation(moving, -moving), -1)
    same(return_statistics.correlation(moving, moving.shift(0).iloc[5:]), 1)


def test_the_start_counts_as_a_peak() -> None:
    same(return_statistics.max_drawdown(series([-0.1, 0.05])), -0.1)
    same(return_statistics.max_drawdown(series([0.1, 0.05])), 0)


def test_rebased_curves_meet_at_100_on_the_first_common_day() -> None:
    nan = float("nan")
    frame = pd.DataFrame({"A": [10.0, 20.0, 30.0, 40.0], "B": [nan, 5.0, nan, 4.0], "C": [0.0, 1.0, 2.0, 3.0]})
    frame.index = DAYS[:4]
    found = return_statistics.rebased(frame)
    assert list(found.index) == list(DAYS[1:4])
    assert list(found.iloc[0]) == [100, 100, 100]
    assert list(found["A"]) == [100, 150, 200]
    assert math.isnan(found["B"].iloc[1])
    assert found["B"].iloc[2] == pytest.approx(80)
    assert return_statistics.rebased(frame[["A", "B"]].iloc[:1]).empty
    assert return_statistics.rebased(frame[[]]).empty


NAN = float("nan")
CLOSES = pd.DataFrame(
    {
        "0005.HK": [30.0, NAN, 32.0, 33.0],
        "0700.HK": [300.0, 310.0, NAN, NAN],
        "9988.HK": [NAN, NAN, 100.0, 110.0],
        "0388.HK": [280.0, 281.0, 282.0, 283.0],
    },
    index=[date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)],
)


def test_current_holdings_over_past_closes() -> None:
    curve = return_statistics.value_curve({"0005.HK": 100, "0700.HK": 10, "0388.HK": 0}, CLOSES, date(2026, 3, 2))
    assert list(curve.values) == [6000, 6100, 6300, 6400]
    assert [day.date() for day in curve.values.index] == list(CLOSES.index)
    assert curve.left_out == ()
    assert curve.covered == 1


def test_a_symbol_without_a_close_by_the_start_is_left_out_and_named() -> None:
    curve = return_statistics.value_curve({"0005.HK": 100, "9988.HK": 100}, CLOSES, date(2026, 3, 3))
    assert list(curve.values) == [3000, 3200, 3300], "the close of the day before is carried into the start"
    assert curve.left_out == ("9988.HK",)
    assert curve.covered == pytest.approx(3300 / 14300)
    later = return_statistics.value_curve({"0005.HK": 100, "9988.HK": 100}, CLOSES, date(2026, 3, 4))
    assert later.left_out == ()
    assert list(later.values) == [13200, 14300]


def test_what_has_no_close_at_all_makes_the_share_unknown() -> None:
    curve = return_statistics.value_curve({"0005.HK": 100, "1234.HK": 100}, CLOSES, date(2026, 3, 2))
    assert curve.left_out == ("1234.HK",)
    assert curve.covered is None
    assert len(curve.values) == 4
    zero = CLOSES.assign(**{"1234.HK": 0.0})
    assert return_statistics.value_curve({"1234.HK": 100}, zero, date(2026, 3, 2)).left_out == ("1234.HK",)


@pytest.mark.parametrize("closes", [CLOSES, CLOSES.iloc[:0], pd.DataFrame()])
def test_nothing_held_and_nothing_known_give_an_empty_curve(closes: pd.DataFrame) -> None:
    nothing = return_statistics.value_curve({}, closes, date(2026, 3, 2))
    assert nothing.values.empty
    assert (nothing.left_out, nothing.covered) == ((), None)
    early = return_statistics.value_curve({"0005.HK": 100}, closes, date(2020, 1, 1))
    assert early.values.empty
    assert early.left_out == ("0005.HK",)


def test_shorts_count_by_size_in_what_is_covered_and_dates_may_come_in_any_order() -> None:
    curve = return_statistics.value_curve({"0005.HK": -100, "9988.HK": 30}, CLOSES.iloc[::-1], date(2026, 3, 2))
    assert list(curve.values) == [-3000, -3000, -3200, -3300]
    assert curve.covered == pytest.approx(0.5)


@given(
    st.dictionaries(st.sampled_from(["A", "B", "C"]), st.integers(-1000, 1000)),
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(1, 10_000))] * 3), min_size=1, max_size=12),
    st.integers(0, 11),
)
def test_each_value_is_the_sum_of_quantity_times_the_last_known_close(
    holdings: dict[str, int], rows: list[tuple[int | None, ...]], offset: int
) -> None:
    closes = pd.DataFrame(rows, columns=["A", "B", "C"], index=DAYS[: len(rows)], dtype=float)
    start = DAYS[offset].date()
    curve = return_statistics.value_curve(holdings, closes, start)
    held = {symbol: quantity for symbol, quantity in holdings.items() if quantity}

    def close(symbol: str, day: pd.Timestamp) -> int | None:
        known = [row["ABC".index(symbol)] for row, at in zip(rows, DAYS, strict=False) if at <= day]
        return next((price for price in reversed(known) if price is not None), None)

    followed = [symbol for symbol in held if close(symbol, DAYS[offset]) is not None]
    assert curve.left_out == tuple(sorted(held.keys() - set(followed)))
    for day, value in curve.values.items():
        assert value == sum(held[symbol] * (close(symbol, day) or 0) for symbol in followed)
    if followed:
        assert [day for day in closes.index if day.date() >= start] == list(curve.values.index)
