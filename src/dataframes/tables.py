"""Values as the DataFrames that DatabaseManager promises; their columns and dtypes: see columns.py."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from src.dataframes import columns
from src.domain.overview import Portfolio, PortfolioEntry
from src.domain.portfolio import Position
from src.domain.quote import PriceAge, RecordedPrice
from src.domain.signal import Signal
from src.domain.valuation import ZERO, market_value, unrealized_pnl

_Cells = tuple[Any, ...]


def positions(found: Iterable[Position], *, multi: bool) -> pd.DataFrame:
    """columns.POSITIONS; without portfolio_id unless `multi` (from v2).

    Market value and unrealized P&L (HKD, to the cent) are computed, and equal the tables' generated columns.
    """
    rows = [
        (
            one.symbol, one.company_name, one.quantity, one.avg_cost, one.price, market_value(one),
            unrealized_pnl(one), one.sector, one.last_updated, one.portfolio_id,
        )
        for one in found
    ]  # fmt: skip
    return _of_version(rows, columns.POSITIONS, multi=multi)


def portfolios(found: Iterable[Portfolio]) -> pd.DataFrame:
    """columns.PORTFOLIOS."""
    return columns.frame([_portfolio(one) for one in found], columns.PORTFOLIOS)


def overview(found: Iterable[PortfolioEntry]) -> pd.DataFrame:
    """columns.OVERVIEW. day_change_value is 0 where no day change is known."""
    return columns.frame([(*_portfolio(one), *_day(one)) for one in found], columns.OVERVIEW)


def signals(found: Iterable[Signal], *, multi: bool) -> pd.DataFrame:
    """columns.SIGNALS; without portfolio_id unless `multi` (from v2)."""
    rows = [(one.signal_id, one.symbol, *vars(one.values).values(), one.created_at, one.portfolio_id) for one in found]
    return _of_version(rows, columns.SIGNALS, multi=multi)


def price_ages(found: Iterable[PriceAge]) -> pd.DataFrame:
    """columns.PRICE_AGES."""
    return columns.frame([tuple(vars(one).values()) for one in found], columns.PRICE_AGES)


def price_history(found: Iterable[RecordedPrice]) -> pd.DataFrame:
    """columns.PRICE_HISTORY."""
    return columns.frame([tuple(vars(one).values()) for one in found], columns.PRICE_HISTORY)


def _of_version(rows: list[_Cells], wanted: dict[str, str], *, multi: bool) -> pd.DataFrame:
    """Without portfolio_id, the last column, where the database has none."""
    if multi:
        return columns.frame(rows, wanted)
    return columns.frame([row[:-1] for row in rows], dict(list(wanted.items())[:-1]))


def _portfolio(one: Portfolio) -> _Cells:
    totals = one.totals
    return (
        one.portfolio_id, one.name, one.description, one.created_at, one.updated_at,
        totals.position_count, totals.held_count, totals.market_value, totals.cost_basis, totals.unrealized_pnl,
        totals.priced_count, totals.priced_cost, totals.cost_size, totals.priced_size,
        one.strategy, one.copied_from, one.copied_at, one.archived_at,
    )  # fmt: skip


def _day(one: PortfolioEntry) -> _Cells:
    day = one.day
    covered = ZERO if day.covered_value is None else day.covered_value
    return (
        day.change, covered, day.covered_size, day.fresh_value, day.priced_size, day.fresh_size, day.oldest_at,
    )  # fmt: skip
