"""What positions cost and what they are worth. HKD throughout, Decimal throughout.

Market value and unrealized P&L are rounded to the cent per position, half away from zero, as the database's own
generated columns are; so totals here, in `portfolio_summary` and in a table of positions are the same to the cent.
A position without a price has no market value: None, never 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from src.domain.portfolio import Position

CENT = Decimal("0.01")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Valued:
    """One position with its figures. HKD; `return_ratio` and `weight` are ratios (0.05 is 5 %).

    `weight` is the share of the portfolio's priced market value. None: not known, or not defined.
    """

    position: Position
    cost_basis: Decimal
    market_value: Decimal | None
    unrealized_pnl: Decimal | None
    return_ratio: Decimal | None
    weight: Decimal | None


@dataclass(frozen=True)
class Totals:
    """The figures of a portfolio, or of several, and how much of it they cover. HKD.

    `market_value` and `unrealized_pnl` are of the held positions that have a price (`priced_count` of `held_count`,
    `priced_cost` of `cost_basis`); None when there are held ones, and none has a price. `cost_size` and `priced_size`
    are the same two costs with short positions counted by their size.
    """

    position_count: int
    held_count: int
    priced_count: int
    cost_basis: Decimal
    priced_cost: Decimal
    cost_size: Decimal
    priced_size: Decimal
    market_value: Decimal | None
    unrealized_pnl: Decimal | None

    @property
    def complete(self) -> bool:
        """Every held position has a price."""
        return self.priced_count == self.held_count

    @property
    def return_ratio(self) -> Decimal | None:
        """Unrealized P&L over `priced_size`; None where it is not known, or there is no cost."""
        return _ratio(self.unrealized_pnl, self.priced_size)

    @property
    def coverage(self) -> Decimal:
        """Share of what is held that has a price, 0 to 1, by the size of its cost; 1 where nothing is held.

        By size, so that a short position does not cancel a long one; by number where nothing has a cost.
        """
        if self.held_count == 0:
            return Decimal(1)
        if self.cost_size == 0:
            return Decimal(self.priced_count) / self.held_count
        return self.priced_size / self.cost_size


@dataclass(frozen=True)
class Valuation:
    """The positions of a portfolio with their figures, and the totals of all of them."""

    positions: tuple[Valued, ...]
    totals: Totals


def known_price(price: Decimal | None) -> Decimal | None:
    """None for 0 too: it is v1's column default, and means that no price is known."""
    return price if price else None


def cost_basis(position: Position) -> Decimal:
    """Average cost × quantity, exact."""
    return position.avg_cost * position.quantity


def market_value(position: Position) -> Decimal | None:
    """Price × quantity to the cent; None without a price."""
    price = known_price(position.price)
    return None if price is None else _cents(price * position.quantity)


def unrealized_pnl(position: Position) -> Decimal | None:
    """(Price − average cost) × quantity to the cent; None without a price."""
    price = known_price(position.price)
    return None if price is None else _cents((price - position.avg_cost) * position.quantity)


def value(positions: Iterable[Position]) -> Valuation:
    """Every position's figures and the totals, in the order given."""
    given = tuple(positions)
    totals = total(given)
    return Valuation(tuple(_valued(position, totals.market_value) for position in given), totals)


def total(positions: Sequence[Position]) -> Totals:
    """Of one portfolio. Sums of positions' figures to the cent, so that a table and its total agree."""
    held = [p for p in positions if p.quantity != 0]
    priced = [p for p in held if known_price(p.price) is not None]
    unknown = bool(held) and not priced
    return Totals(
        position_count=len(positions),
        held_count=len(held),
        priced_count=len(priced),
        cost_basis=sum((cost_basis(p) for p in held), ZERO),
        priced_cost=sum((cost_basis(p) for p in priced), ZERO),
        cost_size=sum((abs(cost_basis(p)) for p in held), ZERO),
        priced_size=sum((abs(cost_basis(p)) for p in priced), ZERO),
        market_value=None if unknown else sum((market_value(p) or ZERO for p in priced), ZERO),
        unrealized_pnl=None if unknown else sum((unrealized_pnl(p) or ZERO for p in priced), ZERO),
    )


def combined(parts: Iterable[Totals]) -> Totals:
    """The totals of several portfolios together. Unknown only where something is held, and nothing of it is priced."""
    given = tuple(parts)
    held, priced = sum(part.held_count for part in given), sum(part.priced_count for part in given)
    unknown = held > 0 and priced == 0
    return Totals(
        position_count=sum(part.position_count for part in given),
        held_count=held,
        priced_count=priced,
        cost_basis=sum((part.cost_basis for part in given), ZERO),
        priced_cost=sum((part.priced_cost for part in given), ZERO),
        cost_size=sum((part.cost_size for part in given), ZERO),
        priced_size=sum((part.priced_size for part in given), ZERO),
        market_value=None if unknown else sum((part.market_value or ZERO for part in given), ZERO),
        unrealized_pnl=None if unknown else sum((part.unrealized_pnl or ZERO for part in given), ZERO),
    )


def _valued(position: Position, portfolio_value: Decimal | None) -> Valued:
    cost, worth, pnl = cost_basis(position), market_value(position), unrealized_pnl(position)
    return Valued(
        position=position,
        cost_basis=cost,
        market_value=worth,
        unrealized_pnl=pnl,
        return_ratio=_ratio(pnl, cost),
        weight=_ratio(worth, portfolio_value),
    )


def _ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Against the size of `whole`: a short position that gains has a positive return. None where there is no whole."""
    if part is None or not whole:
        return None
    return part / abs(whole)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
