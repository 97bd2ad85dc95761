"""What a copy's changes are worth: its P&L less its parent's, in parts.

Both sides are followed from the base (the parent's positions when the copy was taken) to now, at the current price of
each symbol. A change's part is the P&L after it less the P&L before it, each rounded to the cent as everywhere, so the
parts of one symbol add up to what its P&L has moved by, without a remainder. The copy's parts count for the difference,
the parent's against it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from src.domain.edits import by_symbol
from src.domain.portfolio import Position
from src.domain.valuation import ZERO, known_price, total, unrealized_pnl


class LineageSide(StrEnum):
    """Who changed a position since the copy was taken."""

    COPY = "copy"
    PARENT = "parent"


class ChangeKind(StrEnum):
    """What is another than in the base. `COST`: the average cost."""

    ADDED = "added"
    REMOVED = "removed"
    QUANTITY = "quantity"
    COST = "cost"


@dataclass(frozen=True)
class Stake:
    """Shares and their average cost (HKD per share)."""

    quantity: int
    avg_cost: Decimal


@dataclass(frozen=True)
class Change:
    """One change since the base. `before` None: added; `after` None: removed.

    A quantity and a cost that changed both are two changes, the quantity first, at the old cost. `part`: HKD to the
    cent, of P&L(copy) − P&L(parent); None where the symbol has no price.
    """

    symbol: str
    company_name: str | None
    side: LineageSide
    kind: ChangeKind
    before: Stake | None
    after: Stake | None
    part: Decimal | None


@dataclass(frozen=True)
class Attribution:
    """`changes` by symbol, the copy's before the parent's. HKD to the cent.

    `copy_pnl` and `parent_pnl` are of what has a price, as in valuation.Totals. `difference` is P&L(copy) −
    P&L(parent), and the sum of all parts that are known; None when there are changes and no part is. `unpriced`:
    changed symbols that lack a price, whose parts are not in it. `base_kept` False: the base is not known, and the
    parent's positions now stand for it.
    """

    changes: tuple[Change, ...]
    copy_pnl: Decimal | None
    parent_pnl: Decimal | None
    difference: Decimal | None
    unpriced: tuple[str, ...]
    base_kept: bool


def attribute(
    base: Sequence[Position] | None,
    parent: Sequence[Position],
    copy: Sequence[Position],
    prices: Mapping[str, Decimal | None] | None = None,
) -> Attribution:
    """The parts of the P&L difference, from `base` to `parent` and `copy` as they are now.

    Prices in the base are of then, and not used.

    One price per symbol, since a price belongs to the market: the copy's, else the parent's, else that in `prices` (for
    symbols that neither has any more). Raises InvalidInput when a side has a symbol twice.
    """
    now = {LineageSide.COPY: by_symbol(copy), LineageSide.PARENT: by_symbol(parent)}
    then = now[LineageSide.PARENT] if base is None else by_symbol(base)
    current = _prices(now[LineageSide.COPY], now[LineageSide.PARENT], prices or {})
    changes: list[Change] = []
    for symbol in sorted(then.keys() | now[LineageSide.COPY].keys() | now[LineageSide.PARENT].keys()):
        for side in LineageSide:
            old, new = then.get(symbol), now[side].get(symbol)
            changes.extend(_changes(side, symbol, old, new, current.get(symbol)))
    parts = [change.part for change in changes if change.part is not None]
    return Attribution(
        changes=tuple(changes),
        copy_pnl=_pnl_of(now[LineageSide.COPY], current),
        parent_pnl=_pnl_of(now[LineageSide.PARENT], current),
        difference=sum(parts, Decimal("0.00")) if parts or not changes else None,
        unpriced=tuple(sorted({change.symbol for change in changes if change.part is None})),
        base_kept=base is not None,
    )


def _prices(
    copy: Mapping[str, Position], parent: Mapping[str, Position], others: Mapping[str, Decimal | None]
) -> dict[str, Decimal | None]:
    found = {symbol: known_price(price) for symbol, price in others.items()}
    for side in (parent, copy):
        for symbol, position in side.items():
            found[symbol] = known_price(position.price) or found.get(symbol)
    return found


def _pnl_of(side: Mapping[str, Position], current: Mapping[str, Decimal | None]) -> Decimal | None:
    return total([replace(position, price=current[symbol]) for symbol, position in side.items()]).unrealized_pnl


def _changes(
    side: LineageSide, symbol: str, old: Position | None, new: Position | None, price: Decimal | None
) -> Iterator[Change]:
    name = next((position.company_name for position in (new, old) if position and position.company_name), None)
    for kind, before, after in _steps(_stake(old), _stake(new)):
        moved = _less(_pnl(symbol, after, price), _pnl(symbol, before, price))
        part = moved if moved is None or side is LineageSide.COPY else ZERO - moved
        yield Change(symbol, name, side, kind, before, after, part)


def _stake(position: Position | None) -> Stake | None:
    return None if position is None else Stake(position.quantity, position.avg_cost)


def _steps(old: Stake | None, new: Stake | None) -> Iterator[tuple[ChangeKind, Stake | None, Stake | None]]:
    if old is None or new is None:
        if old is not new:
            yield (ChangeKind.ADDED if old is None else ChangeKind.REMOVED), old, new
        return
    between = replace(old, quantity=new.quantity)
    if between.quantity != old.quantity:
        yield ChangeKind.QUANTITY, old, between
    if new.avg_cost != between.avg_cost:
        yield ChangeKind.COST, between, new


def _pnl(symbol: str, stake: Stake | None, price: Decimal | None) -> Decimal | None:
    """No shares, no P&L, whatever the price."""
    if stake is None or stake.quantity == 0:
        return Decimal("0.00")
    return unrealized_pnl(Position(symbol, stake.quantity, stake.avg_cost, price))


def _less(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    return None if whole is None or part is None else whole - part
