"""A copy and its parent, read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.ui.reads import queries
from src.ui.reads.valued import Side


@dataclass(frozen=True)
class Pair:
    """A copy and its parent, both as they are now, of one snapshot, and the positions that they last had in common.

    `base` None: it was not kept. `taken_at`: when they last had them.
    """

    copy: PortfolioEntry
    parent: PortfolioEntry
    now: tuple[Position, ...]
    parent_now: tuple[Position, ...]
    base: tuple[Position, ...] | None
    taken_at: datetime | None


def load(copy: PortfolioEntry, parent: PortfolioEntry) -> Pair:
    """A copy and its parent with their positions, from one snapshot. Raises PortfolioNotFound."""
    found = queries.valuations((copy.portfolio_id, parent.portfolio_id))
    now, parent_now = ([item.position for item in found[one.portfolio_id].positions] for one in (copy, parent))
    return _pair(copy, parent, now, parent_now)


def of(left: Side, right: Side) -> Pair | None:
    """Of two sides of a comparison, where one is a copy of the other."""
    for copy, parent in ((right, left), (left, right)):
        if copy.entry.copied_from == parent.portfolio_id:
            return _pair(copy.entry, parent.entry, copy.positions, parent.positions)
    return None


def _pair(
    copy: PortfolioEntry,
    parent: PortfolioEntry,
    now: Sequence[Position],
    parent_now: Sequence[Position],
) -> Pair:
    lineage = queries.lineage(copy.portfolio_id)
    return Pair(
        copy=copy,
        parent=parent,
        now=tuple(now),
        parent_now=tuple(parent_now),
        base=None if lineage is None else lineage.base,
        taken_at=copy.copied_at if lineage is None else lineage.taken_at,
    )
