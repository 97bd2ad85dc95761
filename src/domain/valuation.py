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
    """A portfolio's figures, and how much of it they cover.

    `market_value` and `unrealized_pnl` are of the held positions that have a price (`priced_count` of `held_count`,
    `priced_cost` of `cost_basis`); None when there are held ones, and none has a price. `coverage` is 0 to 1, by
    cost; 1 for a portfolio that holds nothing. `return_ratio` is P&L over `priced_cost`.
    """

    position_count: int
    held_count: int
    priced_count: int
    cost_basis: Decimal
    priced_cost: Decimal
    market_value: Decimal | None
    unrealized_pnl: Decimal | None
    return_ratio: Decimal | None
    coverage: Decimal

    @property
    def complete(self) -> bool:
        """Every held position has a price."""
        return self.priced_count == self.held_count


@dataclass(frozen=True)
class Valuation:
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
    held = [p for p in positions if p.quantity != 0]
    priced = [p for p in held if known_price(p.price) is not None]
    cost = sum((cost_basis(p) for p in held), ZERO)
    priced_cost = sum((cost_basis(p) for p in priced), ZERO)
    unknown = bool(held) and not priced
    worth = None if unknown else sum((market_value(p) or ZERO for p in priced), ZERO)
    pnl = None if unknown else sum((unrealized_pnl(p) or ZERO for p in priced), ZERO)
    return Totals(
        position_count=len(positions),
        held_count=len(held),
        priced_count=len(priced),
        cost_basis=cost,
        priced_cost=priced_cost,
        market_value=worth,
        unrealized_pnl=pnl,
        return_ratio=_ratio(pnl, priced_cost),
        coverage=_coverage(held, priced),
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


def _coverage(held: Sequence[Position], priced: Sequence[Position]) -> Decimal:
    # By size, so that a short position does not cancel a long one.
    whole = sum((abs(cost_basis(p)) for p in held), ZERO)
    if whole == 0:
        return Decimal(len(priced)) / len(held) if held else Decimal(1)
    return sum((abs(cost_basis(p)) for p in priced), ZERO) / whole


def _ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Against the size of `whole`: a short position that gains has a positive return. None where there is no whole."""
    if part is None or not whole:
        return None
    return part / abs(whole)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
