"""What the market knows of symbols, and what that makes of portfolios. Each function is work for one transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import chain

import numpy as np
import pandas as pd

from src.domain.price_age import TradingSessions
from src.domain.quote import Quote
from src.portfolios import portfolios
from src.postgres.connection import Cursor
from src.postgres.queries import Row, query, rows_of
from src.schema.versions import SchemaState

# Days since some day, and the price of each.
_Days = tuple[Sequence[int], Sequence[float]]


def quotes(cursor: Cursor, latest_opens: datetime, symbols: Sequence[str] | None) -> dict[str, Quote]:
    wanted = None if symbols is None else list(symbols)
    cursor.execute(query("portfolios.quotes.quotes"), {"symbols": wanted, "latest_opens": latest_opens})
    return {row[0]: Quote(*row) for row in rows_of(cursor)}


def closes(cursor: Cursor, symbols: Sequence[str], since: date) -> pd.DataFrame:
    cursor.execute(query("portfolios.quotes.closes"), {"symbols": list(symbols), "since": since})
    found: dict[str, _Days] = dict.fromkeys(symbols, ((), ()))
    found.update((symbol, (days, prices)) for symbol, days, prices in rows_of(cursor))
    return _table(since, found)


def overview(cursor: Cursor, state: SchemaState, sessions: TradingSessions) -> list[Row]:
    values = {"latest_opens": sessions.latest.opens, "previous_opens": sessions.previous.opens}
    cursor.execute(
        query("portfolios.overview.overview" if state.multi_portfolio else "portfolios.overview.overview_v1"), values
    )
    return rows_of(cursor)


def value_curves(cursor: Cursor, state: SchemaState, portfolio_ids: Sequence[str], since: date) -> pd.DataFrame:
    """As src.domain.return_statistics.value_curve has it of each of them, in one multiplication."""
    known = set(portfolios.existing(cursor, state))
    for portfolio_id in portfolio_ids:
        if portfolio_id not in known:
            raise portfolios.not_found(portfolio_id, sorted(known))
    statement = "portfolios.quotes.curves" if state.multi_portfolio else "portfolios.quotes.curves_v1"
    cursor.execute(query(statement), {"portfolio_ids": list(portfolio_ids), "since": since})
    first = pd.Timestamp(since)
    held: dict[str, dict[str, int]] = {portfolio_id: {} for portfolio_id in portfolio_ids}
    prices: dict[str, _Days] = {}
    for portfolio_id, symbol, quantity, days, values in rows_of(cursor):
        if portfolio_id is None:
            prices[symbol] = (days, values)
        elif portfolio_id in held:
            held[portfolio_id][symbol] = quantity
    filled = _table(since, prices).ffill()
    begun = filled.loc[:first].iloc[-1:].notna().any()
    followed = [str(symbol) for symbol in filled.columns if begun.get(symbol, False)]
    quantities = pd.DataFrame(held, index=followed, columns=list(held), dtype=float)
    shown = filled.loc[first:, followed]
    worth = shown.to_numpy(dtype=float) @ quantities.fillna(0.0).to_numpy(dtype=float)
    known = quantities.notna().to_numpy().any(axis=0)
    return pd.DataFrame(np.where(known, worth, np.nan), index=shown.index, columns=list(held))


def _table(since: date, columns: Mapping[str, _Days]) -> pd.DataFrame:
    """Side by side, by day; also without any column, or any day."""
    numbers = np.unique(np.fromiter(chain.from_iterable(days for days, _ in columns.values()), dtype=int))
    cells = np.full((len(numbers), len(columns)), np.nan)
    for place, (days, prices) in enumerate(columns.values()):
        cells[np.searchsorted(numbers, np.asarray(days, dtype=int)), place] = np.asarray(prices, dtype=float)
    index = pd.DatetimeIndex(np.datetime64(since, "D") + numbers.astype("timedelta64[D]"), dtype="datetime64[us]")
    return pd.DataFrame(cells, index=index, columns=list(columns))
