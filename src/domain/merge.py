"""Carrying what was changed in one portfolio over to another, from the positions that both began with. Pure.

A portfolio and its copy have a base: the positions that they last had in common. What is carried over is what the
source changed since; where the target changed the same thing to something else, they disagree, and a person decides.
Quantity and average cost are one thing (a purchase changes both), the company's name and the sector are two more.
Prices are the market's: they are never carried over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from src.domain.edits import Edit, PositionValues, values_by_symbol
from src.domain.portfolio import Position

# What is changed, and carried over, as one.
_PARTS = (("quantity", "avg_cost"), ("company_name",), ("sector",))


@dataclass(frozen=True)
class Disagreement:
    """A symbol that both changed since the base, to different values. None: it is not there.

    `edit` takes the source's side in the target.
    """

    symbol: str
    base: PositionValues | None
    source: PositionValues | None
    target: PositionValues | None
    edit: Edit


@dataclass(frozen=True)
class Merge:
    """`edits` of the target without a disagreement, and what a person has to decide; both by symbol."""

    edits: tuple[Edit, ...]
    disagreements: tuple[Disagreement, ...]

    def all_edits(self) -> tuple[Edit, ...]:
        """`edits`, and the source's side of each disagreement."""
        return tuple(sorted((*self.edits, *(one.edit for one in self.disagreements)), key=lambda edit: edit.symbol))


def merge(base: Sequence[Position], source: Sequence[Position], target: Sequence[Position]) -> Merge:
    """The edits that bring into `target` what `source` changed since `base`."""
    began, ours, theirs = values_by_symbol(base), values_by_symbol(source), values_by_symbol(target)
    edits, disagreements = [], []
    for symbol in sorted({*began, *ours, *theirs}):
        found = _merge_one(symbol, began.get(symbol), ours.get(symbol), theirs.get(symbol))
        if isinstance(found, Edit):
            edits.append(found)
        elif found is not None:
            disagreements.append(found)
    return Merge(tuple(edits), tuple(disagreements))


def replaced(target: Sequence[Position], source: Sequence[Position]) -> tuple[Edit, ...]:
    """The edits that make `target` hold exactly what `source` holds, by symbol."""
    theirs, ours = values_by_symbol(target), values_by_symbol(source)
    found = (_edit(symbol, theirs.get(symbol), ours.get(symbol)) for symbol in sorted({*theirs, *ours}))
    return tuple(edit for edit in found if edit is not None)


def _merge_one(
    symbol: str, base: PositionValues | None, source: PositionValues | None, target: PositionValues | None
) -> Edit | Disagreement | None:
    if _same(source, base) or _same(source, target):
        return None
    if base is None or source is None or target is None:
        edit = _edit(symbol, target, source)
        return edit if edit is None or _same(target, base) else Disagreement(symbol, base, source, target, edit)
    changed = [part for part in _PARTS if _values(source, part) != _values(base, part)]
    disagree = any(_values(target, part) not in (_values(base, part), _values(source, part)) for part in changed)
    taken: dict[str, Any] = {name: getattr(source, name) for part in changed for name in part}
    edit = _edit(symbol, target, replace(target, **taken))
    return Disagreement(symbol, base, source, target, edit) if edit is not None and disagree else edit


def _edit(symbol: str, before: PositionValues | None, after: PositionValues | None) -> Edit | None:
    """None where nothing changes. A new row gets the market's price, whatever that is when it is saved."""
    if _same(before, after):
        return None
    if after is not None:
        after = replace(after, price=None if before is None else before.price)
    return Edit(symbol, before, after)


def _values(row: PositionValues, part: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in part)


def _same(one: PositionValues | None, other: PositionValues | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(_values(one, part) == _values(other, part) for part in _PARTS)
