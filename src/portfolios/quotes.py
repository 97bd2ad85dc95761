"""What the market knows of symbols, and what that makes of portfolios. Each function is work for one transaction."""

from collections.abc import Sequence
from datetime import date, datetime

from src.domain.overview import PortfolioEntry
from src.domain.price_age import TradingSessions
from src.domain.quote import Closes, HoldingsAndCloses, Quote
from src.portfolios import portfolios, rows
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def quotes(cursor: Cursor, latest_opens: datetime, symbols: Sequence[str] | None) -> dict[str, Quote]:
    """By symbol; of all that have a position when None. `latest_opens`: when the latest trading session opened."""
    wanted = None if symbols is None else list(symbols)
    cursor.execute(query("portfolios.quotes.quotes"), {"symbols": wanted, "latest_opens": latest_opens})
    return {row[0]: Quote(*row) for row in rows_of(cursor)}


def closes(cursor: Cursor, symbols: Sequence[str], since: date) -> dict[str, Closes]:
    """Of each symbol, in the order given; days counted from `since`, and the last day with a close before it."""
    cursor.execute(query("portfolios.quotes.closes"), {"symbols": list(symbols), "since": since})
    found = dict.fromkeys(symbols, Closes((), ()))
    found.update((symbol, Closes(days, prices)) for symbol, days, prices in rows_of(cursor))
    return found


def overview(cursor: Cursor, state: SchemaState, sessions: TradingSessions) -> tuple[PortfolioEntry, ...]:
    """DEFAULT first, archived portfolios too, all of one snapshot."""
    values = {"latest_opens": sessions.latest.opens, "previous_opens": sessions.previous.opens}
    cursor.execute(
        query("portfolios.overview.overview" if state.multi_portfolio else "portfolios.overview.overview_v1"), values
    )
    return tuple(map(rows.entry, rows_of(cursor)))


def holdings_and_closes(
    cursor: Cursor, state: SchemaState, portfolio_ids: Sequence[str], since: date
) -> HoldingsAndCloses:
    """What these portfolios hold, and the closes of that as in `closes`. Raises PortfolioNotFound."""
    known = set(portfolios.existing(cursor, state))
    for portfolio_id in portfolio_ids:
        if portfolio_id not in known:
            raise portfolios.not_found(portfolio_id, sorted(known))
    statement = "portfolios.quotes.curves" if state.multi_portfolio else "portfolios.quotes.curves_v1"
    cursor.execute(query(statement), {"portfolio_ids": list(portfolio_ids), "since": since})
    held: dict[str, dict[str, int]] = {portfolio_id: {} for portfolio_id in portfolio_ids}
    prices: dict[str, Closes] = {}
    for portfolio_id, symbol, quantity, days, values in rows_of(cursor):
        if portfolio_id is None:
            prices[symbol] = Closes(days, values)
        elif portfolio_id in held:
            held[portfolio_id][symbol] = quantity
    return HoldingsAndCloses(held, prices)
