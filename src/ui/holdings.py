"""What a portfolio is worth, from the rows the database gave. Pure: no I/O, Decimal for money.

A price of zero or none means "no price known": such a position has no market value, and totals say how much is priced.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd

CENT = Decimal("0.01")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Holding:
    """One position. Money in HKD; `weight` and `pnl_share` are fractions."""

    portfolio_id: str
    symbol: str
    name: str
    sector: str
    quantity: int
    avg_cost: Decimal
    price: Decimal | None
    updated_at: datetime | None

    @property
    def cost(self) -> Decimal:
        return self.avg_cost * self.quantity

    @property
    def market_value(self) -> Decimal | None:
        """None where no price is known, but 0 for a watch row: nothing is held, so nothing is missing."""
        if self.quantity == 0:
            return ZERO
        return None if self.price is None else cents(self.price * self.quantity)

    @property
    def pnl(self) -> Decimal | None:
        """As the database's own column rounds it, to the cent."""
        if self.quantity == 0:
            return ZERO
        return None if self.price is None else cents((self.price - self.avg_cost) * self.quantity)

    @property
    def pnl_share(self) -> Decimal | None:
        """P&L over cost; of a short position too, gains are positive."""
        pnl = self.pnl
        return None if pnl is None or self.cost == 0 else pnl / abs(self.cost)


@dataclass(frozen=True)
class Totals:
    """Sums over holdings. Market value and P&L are of the priced ones alone; `cost` is of all."""

    positions: int
    held: int
    priced: int
    market_value: Decimal | None
    cost: Decimal
    priced_cost: Decimal
    pnl: Decimal | None

    @property
    def pnl_share(self) -> Decimal | None:
        return None if self.pnl is None or self.priced_cost == 0 else self.pnl / abs(self.priced_cost)

    @property
    def complete(self) -> bool:
        return self.priced == self.held

    @property
    def coverage(self) -> Decimal | None:
        """Share of what is held that has a price, by cost (the value of the rest is not known)."""
        if self.held == 0:
            return None
        if self.cost == 0 or self.complete:
            return Decimal(self.priced) / self.held
        return self.priced_cost / self.cost


def cents(value: Decimal) -> Decimal:
    """Rounded as PostgreSQL rounds: half away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP)


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


def holding(row: Mapping[Hashable, Any]) -> Holding:
    """From a row of DatabaseManager.get_portfolio_positions."""
    price = number(row["current_price"])
    return Holding(
        portfolio_id=text(row.get("portfolio_id")) or "DEFAULT",
        symbol=str(row["symbol"]),
        name=text(row["company_name"]),
        sector=text(row["sector"]),
        quantity=int(row["quantity"]),
        avg_cost=number(row["avg_cost"]) or ZERO,
        price=price if price else None,
        updated_at=moment(row["last_updated"]),
    )


def holdings(frame: pd.DataFrame) -> tuple[Holding, ...]:
    return tuple(holding(row) for row in frame.to_dict("records"))


def totals(row: Mapping[Hashable, Any]) -> Totals:
    """From a row of DatabaseManager.get_portfolios."""
    return Totals(
        positions=int(row["total_positions"]),
        held=int(row["active_positions"]),
        priced=int(row["priced_positions"]),
        market_value=number(row["total_market_value"]),
        cost=number(row["total_cost"]) or ZERO,
        priced_cost=number(row["priced_cost"]) or ZERO,
        pnl=number(row["total_unrealized_pnl"]),
    )


def summed(parts: Sequence[Totals]) -> Totals:
    """Of several portfolios. Unknown only where something is held and nothing of it has a price."""
    held, priced = sum(part.held for part in parts), sum(part.priced for part in parts)
    known = priced > 0 or held == 0
    return Totals(
        positions=sum(part.positions for part in parts),
        held=held,
        priced=priced,
        market_value=sum((part.market_value or ZERO for part in parts), ZERO) if known else None,
        cost=sum((part.cost for part in parts), ZERO),
        priced_cost=sum((part.priced_cost for part in parts), ZERO),
        pnl=sum((part.pnl or ZERO for part in parts), ZERO) if known else None,
    )


def weights(items: Iterable[Holding]) -> dict[str, Decimal | None]:
    """Market value over the portfolio's priced market value, by symbol."""
    rows = tuple(items)
    whole = sum((row.market_value for row in rows if row.market_value is not None), ZERO)
    return {row.symbol: None if row.market_value is None or whole == 0 else row.market_value / whole for row in rows}
