"""Value over time of several portfolios, 100 on their first common day, and what it says about risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter

import pandas as pd
import plotly.graph_objects as go

from src.domain.analytics import return_statistics
from src.domain.valuation import ZERO, market_value
from src.ui.comparison import charts
from src.ui.reads.cached import Source, cached
from src.ui.reads.valued import Side
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Row

BENCHMARK = "^HSI"
MONTHS = {"3M": 3, "6M": 6, "1Y": 12, "2Y": 24}
NOT_ENOUGH = "not enough history"


@dataclass(frozen=True)
class Lines:
    """`values`: 100 on the first common day, a column per drawn portfolio (by id) and the benchmark.

    `notes`: what is left out, and why, in sentences. `covered`: the share (0 to 1) of each that its curve follows.
    """

    values: pd.DataFrame
    notes: tuple[str, ...]
    covered: Mapping[str, Decimal | None]


@dataclass(frozen=True)
class OverTime:
    """What is shown of `lines`. `figure` None: there are no prices of these holdings in the period.

    `columns` and `rows`: return and risk, a row per curve.
    """

    lines: Lines
    figure: go.Figure | None
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()


@cached(ttl=10, most=30, keys={Side: attrgetter("portfolio_id")})
def over_time(source: Source, sides: tuple[Side, ...], since: date) -> OverTime:
    """What today's holdings of `sides` were worth from `since` on, and what that says about risk."""
    return from_closes(sides, source.manager.get_closes(sorted(symbols_of(sides)), since), since)


def from_closes(sides: Sequence[Side], closes: pd.DataFrame, wanted: date) -> OverTime:
    """From `wanted` on; `closes` as DatabaseManager.get_closes has them, the benchmark's among them."""
    found = lines(sides, closes, wanted)
    if len(found.values) < 2:
        return OverTime(found, None)
    return OverTime(found, charts.curves(_curves(sides, found)), *_risk(sides, found))


def symbols_of(sides: Sequence[Side]) -> frozenset[str]:
    """Whose closes it takes."""
    return frozenset(one.symbol for side in sides for one in side.positions if one.quantity) | {BENCHMARK}


def start_of(period: str, today: date) -> date:
    """The first day of `period`, counted back from `today`."""
    day: date = (pd.Timestamp(today) - pd.DateOffset(months=MONTHS[period])).date()
    return day


def lines(sides: Sequence[Side], closes: pd.DataFrame, wanted: date) -> Lines:
    """The curves from `wanted` on, or from the first day that has any close where that is later."""
    held = {one.portfolio_id: {p.symbol: p.quantity for p in one.positions if p.quantity} for one in sides}
    symbols = {symbol for of in held.values() for symbol in of}
    days = closes[[one for one in closes.columns if one in symbols]].dropna(how="all").index
    start = max(wanted, days.min().date()) if len(days) else wanted
    drawn: dict[str, pd.Series] = {}
    covered: dict[str, Decimal | None] = {}
    notes = []
    for one in sides:
        found = return_statistics.value_curve(held[one.portfolio_id], closes, start)
        if found.values.empty or not bool((found.values > 0).all()):
            notes.append(_undrawn(one, found, start))
            continue
        drawn[one.portfolio_id] = found.values
        covered[one.portfolio_id] = _covered(one, found)
        if found.left_out:
            notes.append(_left_out(one, found, start))
    benchmark = return_statistics.value_curve({BENCHMARK: 1}, closes, start)
    if not benchmark.values.empty:
        drawn[BENCHMARK] = benchmark.values
    return Lines(return_statistics.rebased(pd.DataFrame(drawn)), tuple(notes), covered)


def _covered(one: Side, found: return_statistics.ValueCurve) -> Decimal | None:
    """The share of what it is worth today, short positions by their size, whose past the curve follows."""
    sizes = {position.symbol: abs(market_value(position) or ZERO) for position in one.positions}
    whole = sum(sizes.values(), ZERO)
    return 1 - sum((sizes[symbol] for symbol in found.left_out), ZERO) / whole if whole else None


def _undrawn(one: Side, found: return_statistics.ValueCurve, start: date) -> str:
    if not any(position.quantity for position in one.positions):
        return f"{one.name} holds nothing, so it has no curve."
    if found.values.empty:
        return f"Nothing that {one.name} holds has a price by {start}, so it has no curve."
    return f"The short positions of {one.name} outweigh its long ones on some days, so it has no curve."


def _left_out(one: Side, found: return_statistics.ValueCurve, start: date) -> str:
    names = ", ".join(found.left_out[:8]) + (f" and {len(found.left_out) - 8} more" if len(found.left_out) > 8 else "")
    share = _covered(one, found)
    followed = "" if share is None else f"; the curve follows {fmt.percent(share, decimals=0)} of today's value"
    return f"Left out of {one.name}: {names} (no price by {start}{followed})."


def _curves(sides: Sequence[Side], found: Lines) -> list[charts.Curve]:
    colours = charts.colours(len(sides) - 2)
    drawn = [
        charts.Curve(one.name, found.values[one.portfolio_id], colour)
        for one, colour in zip(sides, colours, strict=True)
        if one.portfolio_id in found.values.columns
    ]
    if BENCHMARK in found.values.columns:
        benchmark = found.values[BENCHMARK]
        drawn.append(charts.Curve(BENCHMARK, benchmark, charts.BENCHMARK, "dot"))
    return drawn


def _risk(sides: Sequence[Side], found: Lines) -> tuple[tuple[Column, ...], tuple[Row, ...]]:
    """What the curves say, in figures."""
    since = f"{found.values.index[0]:%Y-%m-%d}"
    names = {one.portfolio_id: one.name for one in sides} | {BENCHMARK: BENCHMARK}
    daily = {one: return_statistics.returns(found.values[one]) for one in names if one in found.values.columns}
    beside = {one: name for one, name in ((sides[0].portfolio_id, "left"), (BENCHMARK, BENCHMARK)) if one in daily}
    columns = (
        Column(f"Since {since}", "title"),
        Column("Return", "number", "Value at the end ÷ value on the first common day − 1."),
        Column("Volatility", "number", "Standard deviation of the daily returns (n − 1) × √252, by convention a year."),
        Column("Max drawdown", "number", "The deepest fall from a peak of the period, the first day included."),
        *(
            Column(
                f"Correlation, {name}",
                "number",
                f"Of the daily returns with those of {other}, on the days that both have.",
            )
            for name, other in zip(beside.values(), map(names.__getitem__, beside), strict=True)
        ),
        Column(
            "Followed",
            "number",
            "The share of today's value, short positions by their size, that has prices from that day on.",
        ),
    )
    rows: list[Row] = [
        (
            Cell(names[one]),
            _percent(return_statistics.total_return(of), of, signed=True),
            _percent(return_statistics.volatility(of), of),
            _percent(return_statistics.max_drawdown(of), of),
            *(_correlation(one, other, daily) for other in beside),
            fmt.percent(found.covered.get(one), decimals=0) if one != BENCHMARK else "",
        )
        for one, of in daily.items()
    ]
    return columns, tuple(rows)


def _correlation(one: str, other: str, daily: Mapping[str, pd.Series]) -> Cell:
    if one == other:
        return Cell("")
    found = return_statistics.correlation(daily[one], daily[other])
    return _known(found, daily[one], f"{found:.2f}".replace("-", fmt.MINUS) if found is not None else "")


def _percent(value: float | None, daily: pd.Series, *, signed: bool = False) -> Cell:
    text = fmt.percent(_decimal(value), signed=signed)
    return _known(value, daily, text)


def _known(value: float | None, daily: pd.Series, text: str) -> Cell:
    """A statistic of few returns says more than it knows."""
    if len(daily) < return_statistics.MIN_RETURNS:
        return Cell(NOT_ENOUGH, "muted")
    return Cell(fmt.MISSING, "muted") if value is None else Cell(text)


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value)
