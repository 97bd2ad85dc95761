"""From the database's rows (tuples, in the order of the statements' columns) to values. What is not known is None."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from src.domain.day_change import Day
from src.domain.overview import Portfolio, PortfolioEntry
from src.domain.portfolio import DEFAULT_PORTFOLIO, Position
from src.domain.quote import PriceAge, RecordedPrice
from src.domain.signal import Signal, SignalValues
from src.domain.valuation import ZERO, Totals
from src.postgres.queries import Row


def number(value: Any) -> Any:
    """A number as it is stored; None for NaN, which a numeric column may hold."""
    return None if isinstance(value, Decimal) and not value.is_finite() else value


def position(row: Row) -> Position:
    """From positions.sql: list, list_several, list_v1. `last_updated` by the server's clock, without a zone."""
    symbol, name, quantity, cost, price, sector, updated, owner = row
    return Position(
        symbol=symbol,
        quantity=quantity,
        avg_cost=_amount(cost),
        price=number(price),
        portfolio_id=owner or DEFAULT_PORTFOLIO,
        company_name=name,
        sector=sector,
        last_updated=updated,
    )


def portfolio(row: Row) -> Portfolio:
    """From portfolios.sql: list, list_v1."""
    portfolio_id, name, description, created, updated, *figures, strategy, copied_from, copied_at, archived_at = row
    return Portfolio(
        portfolio_id=portfolio_id,
        name=name,
        description=description,
        strategy=strategy,
        copied_from=copied_from,
        copied_at=copied_at,
        archived_at=archived_at,
        created_at=created,
        updated_at=updated,
        totals=_totals(*figures),
    )


def entry(row: Row) -> PortfolioEntry:
    """From overview.sql: overview, overview_v1: the columns of a portfolio, and the day's."""
    return PortfolioEntry(**vars(portfolio(row[:18])), day=_day(*row[18:]))


def signal(row: Row) -> Signal:
    """From signals.sql: list, list_all, list_v1."""
    signal_id, symbol, signal_type, *numbers, created_at, owner = row
    values = SignalValues(signal_type, *map(number, numbers))
    return Signal(signal_id, symbol, values, created_at, owner or DEFAULT_PORTFOLIO)


def price_age(row: Row) -> PriceAge:
    """From prices.sql: ages."""
    return PriceAge(*map(number, row))


def recorded_price(row: Row) -> RecordedPrice:
    """From prices.sql: history."""
    return RecordedPrice(*map(number, row))


def _totals(
    positions: int,
    active: int,
    value: Decimal | None,
    cost: Decimal,
    pnl: Decimal | None,
    priced: int,
    priced_cost: Decimal,
    cost_size: Decimal,
    priced_size: Decimal,
) -> Totals:
    return Totals(
        position_count=positions,
        held_count=active,
        priced_count=priced,
        cost_basis=_amount(cost),
        priced_cost=_amount(priced_cost),
        cost_size=_amount(cost_size),
        priced_size=_amount(priced_size),
        market_value=number(value),
        unrealized_pnl=number(pnl),
    )


def _day(
    change: Decimal | None,
    covered_value: Decimal,
    covered_size: Decimal,
    fresh_value: Decimal,
    priced_size: Decimal,
    fresh_size: Decimal,
    oldest_at: datetime | None,
) -> Day:
    known = number(change)
    return Day(
        change=known,
        covered_value=None if known is None else number(covered_value),
        covered_size=_amount(covered_size),
        fresh_value=_amount(fresh_value),
        fresh_size=_amount(fresh_size),
        priced_size=_amount(priced_size),
        oldest_at=oldest_at,
    )


def _amount(value: Any) -> Decimal:
    known: Decimal | None = number(value)
    return ZERO if known is None else known
