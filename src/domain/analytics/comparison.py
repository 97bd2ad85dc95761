"""Two portfolios side by side. HKD, Decimal; differences are right − left throughout.

Weights are of each side's priced market value, as in valuation. A symbol that a side does not hold is 0 there, which is
known; a held one without a price is None there, and so is the difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from src.domain.edits import by_symbol
from src.domain.portfolio import Position
from src.domain.valuation import ZERO, Totals, Valuation, Valued, value


class HeldBy(StrEnum):
    """Which of two portfolios hold a symbol: one of them alone, or both."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


@dataclass(frozen=True)
class SideFigures:
    """The figures of one symbol on one side, or the difference (HKD).

    `cost` is the cost basis; `weight` a ratio; None: not known.
    """

    quantity: int
    cost: Decimal
    market_value: Decimal | None
    pnl: Decimal | None
    weight: Decimal | None


@dataclass(frozen=True)
class ComparedSymbol:
    """A symbol that is held (quantity is not 0) on at least one side. `difference` is right − left."""

    symbol: str
    company_name: str | None
    held_by: HeldBy
    left: SideFigures
    right: SideFigures
    difference: SideFigures


@dataclass(frozen=True)
class Sector:
    """Weights (ratios) of what is held in one sector; `name` None: of positions without one. None: not known."""

    name: str | None
    left: Decimal | None
    right: Decimal | None
    difference: Decimal | None


@dataclass(frozen=True)
class Comparison:
    """`lines` by symbol. `watched`: symbols held on neither side, which have no line.

    `overlap` is Σ min(weights), `active_share` ½ Σ |difference of weights|, over what is priced; None when a side has
    no priced value. Where both sides' weights sum to 1, the two sum to 1.
    """

    lines: tuple[ComparedSymbol, ...]
    watched: tuple[str, ...]
    sectors: tuple[Sector, ...]
    overlap: Decimal | None
    active_share: Decimal | None
    left: Totals
    right: Totals


def compare(left: Sequence[Position], right: Sequence[Position]) -> Comparison:
    """The comparison of two sides, symbol by symbol. Raises InvalidInput when a side has a symbol twice."""
    sides = by_symbol(left), by_symbol(right)
    ours, theirs = value(sides[0].values()), value(sides[1].values())
    by_left, by_right = _figures(ours), _figures(theirs)
    symbols = sorted(sides[0].keys() | sides[1].keys())
    nothing = _nothing(ours), _nothing(theirs)
    lines = []
    for symbol in symbols:
        one, other = by_left.get(symbol, nothing[0]), by_right.get(symbol, nothing[1])
        if one.quantity or other.quantity:
            lines.append(
                ComparedSymbol(symbol, _name(symbol, sides), _held_by(one, other), one, other, _difference(one, other)),
            )
    shared = [(line.left.weight, line.right.weight) for line in lines]
    known = bool(ours.totals.market_value and theirs.totals.market_value)
    pairs = [(one or ZERO, other or ZERO) for one, other in shared] if known else []
    held = {line.symbol for line in lines}
    return Comparison(
        lines=tuple(lines),
        watched=tuple(symbol for symbol in symbols if symbol not in held),
        sectors=_sectors(ours, theirs),
        overlap=sum((min(pair) for pair in pairs), ZERO) if known else None,
        active_share=sum((abs(one - other) for one, other in pairs), ZERO) / 2 if known else None,
        left=ours.totals,
        right=theirs.totals,
    )


def _figures(valuation: Valuation) -> dict[str, SideFigures]:
    return {
        valued.position.symbol: SideFigures(
            quantity=valued.position.quantity,
            cost=valued.cost_basis,
            market_value=valued.market_value,
            pnl=valued.unrealized_pnl,
            weight=valued.weight,
        )
        for valued in valuation.positions
        if valued.position.quantity
    }


def _nothing(valuation: Valuation) -> SideFigures:
    """What a side shows of a symbol that it does not hold. Where nothing has a value, not even 0 has a weight."""
    return SideFigures(0, ZERO, ZERO, ZERO, ZERO if valuation.totals.market_value else None)


def _held_by(left: SideFigures, right: SideFigures) -> HeldBy:
    if left.quantity and right.quantity:
        return HeldBy.BOTH
    return HeldBy.LEFT if left.quantity else HeldBy.RIGHT


def _difference(left: SideFigures, right: SideFigures) -> SideFigures:
    return SideFigures(
        quantity=right.quantity - left.quantity,
        cost=right.cost - left.cost,
        market_value=_less(right.market_value, left.market_value),
        pnl=_less(right.pnl, left.pnl),
        weight=_less(right.weight, left.weight),
    )


def _less(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    return None if whole is None or part is None else whole - part


def _name(symbol: str, sides: Iterable[Mapping[str, Position]]) -> str | None:
    names = (side[symbol].company_name for side in sides if symbol in side)
    return next((name for name in names if name), None)


def _sectors(left: Valuation, right: Valuation) -> tuple[Sector, ...]:
    """The largest first, by the larger of both weights."""
    ours, theirs = _sector_weights(left), _sector_weights(right)
    nothing = _nothing(left).weight, _nothing(right).weight
    found = []
    for name in ours.keys() | theirs.keys():
        one, other = ours.get(name, nothing[0]), theirs.get(name, nothing[1])
        found.append(Sector(name, one, other, _less(other, one)))
    return tuple(sorted(found, key=lambda s: (-max(s.left or ZERO, s.right or ZERO), s.name is None, s.name or "")))


def _sector_weights(valuation: Valuation) -> dict[str | None, Decimal | None]:
    """Of what is priced in each sector that is held; None for a sector of which nothing is."""
    parts: dict[str | None, list[Valued]] = {}
    for valued in valuation.positions:
        if valued.position.quantity:
            parts.setdefault(valued.position.sector or None, []).append(valued)
    return {name: _sum(valued.weight for valued in members) for name, members in parts.items()}


def _sum(weights: Iterable[Decimal | None]) -> Decimal | None:
    known = [weight for weight in weights if weight is not None]
    return sum(known, ZERO) if known else None
