"""From the rows that DatabaseManager gives to the values of src/domain. What is not known is None."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from src.domain.day_change import Day
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import DEFAULT_PORTFOLIO, Position
from src.domain.valuation import ZERO, Totals, known_price


def number(value: object) -> Decimal | None:
    """A database value as Decimal; NULL, NaN and the like are None."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    result = value if isinstance(value, Decimal) else Decimal(str(value))
    return result if result.is_finite() else None


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def moment(value: object) -> datetime | None:
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return datetime.fromisoformat(value.isoformat())
    return value if isinstance(value, datetime) else None


def position(row: Mapping[Hashable, Any]) -> Position:
    """From a row of DatabaseManager.get_portfolio_positions; `last_updated` by the server's clock, without a zone."""
    return Position(
        symbol=str(row["symbol"]),
        quantity=int(row["quantity"]),
        avg_cost=number(row["avg_cost"]) or ZERO,
        price=known_price(number(row["current_price"])),
        portfolio_id=text(row.get("portfolio_id")) or DEFAULT_PORTFOLIO,
        company_name=text(row["company_name"]) or None,
        sector=text(row["sector"]) or None,
        last_updated=moment(row["last_updated"]),
    )


def positions(frame: pd.DataFrame) -> tuple[Position, ...]:
    return tuple(position(row) for row in frame.to_dict("records"))


def totals(row: Mapping[Hashable, Any]) -> Totals:
    """From a row of DatabaseManager.get_portfolios."""
    return Totals(
        position_count=int(row["total_positions"]),
        held_count=int(row["active_positions"]),
        priced_count=int(row["priced_positions"]),
        cost_basis=number(row["total_cost"]) or ZERO,
        priced_cost=number(row["priced_cost"]) or ZERO,
        cost_size=number(row["cost_size"]) or ZERO,
        priced_size=number(row["priced_size"]) or ZERO,
        market_value=number(row["total_market_value"]),
        unrealized_pnl=number(row["total_unrealized_pnl"]),
    )


def day(row: Mapping[Hashable, Any]) -> Day:
    """From a row of DatabaseManager.get_overview."""
    change = number(row["day_change"])
    return Day(
        change=change,
        covered_value=None if change is None else number(row["day_change_value"]),
        covered_size=number(row["day_change_size"]) or ZERO,
        fresh_size=number(row["fresh_size"]) or ZERO,
        priced_size=number(row["value_size"]) or ZERO,
        oldest_at=moment(row["oldest_price_at"]),
    )


def entry(row: Mapping[Hashable, Any]) -> PortfolioEntry:
    """From a row of DatabaseManager.get_overview."""
    return PortfolioEntry(
        portfolio_id=str(row["portfolio_id"]),
        name=text(row["name"]),
        description=text(row["description"]),
        strategy=text(row["strategy"]),
        copied_from=text(row["copied_from"]),
        copied_at=moment(row["copied_at"]),
        archived_at=moment(row["archived_at"]),
        updated_at=moment(row["updated_at"]),
        totals=totals(row),
        day=day(row),
    )
