"""What is to become of positions: a list of edits, each with what it is based on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from src.domain.portfolio import Position
from src.domain.valuation import known_price
from src.errors import InvalidInput


@dataclass(frozen=True)
class PositionValues:
    """What a trader can set of one position. `avg_cost` and `price` in HKD per share; `price` None: not known."""

    quantity: int
    avg_cost: Decimal
    company_name: str | None = None
    sector: str | None = None
    price: Decimal | None = None


@dataclass(frozen=True)
class Edit:
    """One position, as it was seen and as it shall be. `before` None: it is new; `after` None: it is removed."""

    symbol: str
    before: PositionValues | None
    after: PositionValues | None


def values_of(position: Position) -> PositionValues:
    """What a trader can set of `position`. A price of 0 is None, and so is an empty text."""
    return PositionValues(
        quantity=position.quantity,
        avg_cost=position.avg_cost,
        company_name=position.company_name or None,
        sector=position.sector or None,
        price=known_price(position.price),
    )


def diff(before: Sequence[Position], after: Sequence[Position]) -> tuple[Edit, ...]:
    """The edits that lead from `before` to `after`, by symbol; what stays as it is needs none.

    Raises InvalidInput when a symbol is in one of them twice.
    """
    old, new = values_by_symbol(before), values_by_symbol(after)
    pairs = ((symbol, old.get(symbol), new.get(symbol)) for symbol in sorted(old.keys() | new.keys()))
    return tuple(Edit(symbol, seen, wanted) for symbol, seen, wanted in pairs if seen != wanted)


def values_by_symbol(positions: Iterable[Position]) -> dict[str, PositionValues]:
    """What a trader can set of each position, by symbol. Raises InvalidInput when a symbol is there twice."""
    return {symbol: values_of(position) for symbol, position in by_symbol(positions).items()}


def by_symbol(positions: Iterable[Position]) -> dict[str, Position]:
    """The positions by symbol. Raises InvalidInput when a symbol is there twice."""
    found: dict[str, Position] = {}
    for position in positions:
        if position.symbol in found:
            raise InvalidInput(f"{position.symbol} is there twice: a portfolio has one position per symbol.")
        found[position.symbol] = position
    return found
