"""Revisions: what was saved, by whom, and what clashed with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from src.domain.edits import PositionValues
from src.domain.portfolio import Position
from src.errors import Conflict

# What a revision was. Those of the second line change no position of their portfolio, and cannot be undone.
POSITION_KINDS = ("edit", "import", "undo", "apply", "fresh copy")
PORTFOLIO_KINDS = ("create", "copy", "rename", "archive", "restore", "delete")


@dataclass(frozen=True)
class RevisedPosition:
    """One position as it was and as it became. `before` None: it was added; `after` None: it was removed."""

    symbol: str
    before: PositionValues | None
    after: PositionValues | None


@dataclass(frozen=True)
class Revision:
    """One entry of the change history: all of its positions were saved together. `at` is aware.

    `digest`: SHA-256 of the file that was imported. `undoes`: the revision that this one took back. `undone_by`: the
    one that took this one back, and was not taken back itself.
    """

    revision_id: int
    portfolio_id: str
    at: datetime
    by: str
    kind: str
    note: str = ""
    digest: str | None = None
    undone_by: int | None = None
    undoes: int | None = None
    rows: tuple[RevisedPosition, ...] = ()

    @property
    def save_id(self) -> int:
        """`revision_id`, by the name that older callers know."""
        return self.revision_id


@dataclass(frozen=True)
class Clash:
    """One position that someone else changed first: as it was `seen`, as it is `now`, as it was `wanted`. None: not
    there."""

    symbol: str
    seen: PositionValues | None
    now: PositionValues | None
    wanted: PositionValues | None


class SaveConflict(Conflict):
    """Someone else saved first; nothing was changed. `clashes` has every position concerned."""

    def __init__(self, clashes: Sequence[Clash]) -> None:
        self.clashes = tuple(clashes)
        names = [clash.symbol for clash in self.clashes]
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        which = f" {shown} {_difference(self.clashes[0])}" if len(names) == 1 else f" {shown}."
        super().__init__(f"Someone else changed this meanwhile:{which} Nothing was changed; check it again.")


@dataclass(frozen=True)
class Lineage:
    """Where a copy came from. `taken_at` is aware: when it was copied, or brought together with its parent again.

    `base`: the parent's positions at that time, with the prices of that time; None where they were not kept.
    """

    parent_id: str
    taken_at: datetime
    base: tuple[Position, ...] | None


def _difference(clash: Clash) -> str:
    if clash.now is None:
        return "is not there any more."
    if clash.seen is None:
        return "is there already."
    for name in ("quantity", "avg_cost", "company_name", "sector", "price"):
        seen, now = getattr(clash.seen, name), getattr(clash.now, name)
        if seen != now:
            return f"({name.replace('_', ' ')} is {now} now, not {seen})."
    return "is not what it was."
