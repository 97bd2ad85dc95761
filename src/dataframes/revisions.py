"""Saves of many positions at once, the audit, undo, and what copies were taken from, as DatabaseManager offers them."""

from collections.abc import Sequence

from src.dataframes.base import Methods
from src.domain import portfolio as checks
from src.domain import validation
from src.domain.edits import Edit
from src.domain.portfolio import Position
from src.domain.revisions import Lineage, Revision
from src.errors import InvalidInput
from src.portfolios import lineage, revisions
from src.schema.versions import CHANGE_POSITIONS, COPY_PORTFOLIO

KINDS = ("edit", "import")


class SaveMethods(Methods):
    def save_positions(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        by: str | None = None,
        kind: str = "edit",
        note: str = "",
        digest: str | None = None,
    ) -> Revision:
        """All edits of a portfolio's positions, or none; the save as the audit has it. `kind`: edit, or import.

        What an edit says that was there must be there: quantity, average cost, name, sector, and the price where the
        edit changes it; else SaveConflict, with every clash. A changed price is the new one of the symbol in every
        portfolio. A new position without a price, name or sector gets those that are known of its symbol. On v1
        positions can be changed; new and removed ones raise CapabilityMissing. `by` None: this machine's user.
        """
        if kind not in KINDS:
            raise InvalidInput(f"A save is an edit or an import, not {kind!r}.")
        checked, who = _checked(edits), _author(by)
        if not checked:
            raise InvalidInput("There is nothing to save: no position is changed.")
        text = checks.check_text(note, "The note", 1_000) or ""
        return self._db.write(
            lambda cur, state: revisions.save(
                cur, state, portfolio_id, checked, by=who, kind=kind, note=text, digest=digest, fill_names=True
            ),
            CHANGE_POSITIONS,
        )

    def undo_save(self, save_id: int, *, by: str | None = None) -> Revision:
        """Take a save back, as a save of its own, which can be undone too.

        Removed positions come back with their signals, changed prices with their times. Raises SaveConflict where a
        position is not as the save left it, and InvalidInput where there is nothing (more) to undo.
        """
        who = _author(by)
        return self._db.write(lambda cur, state: revisions.undo(cur, state, save_id, by=who), CHANGE_POSITIONS)

    def get_saves(self, portfolio_id: str | None = None, limit: int = 50) -> tuple[Revision, ...]:
        """Who changed what, newest first, of all portfolios when `portfolio_id` is None. Also of deleted ones."""
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= 10_000:
            raise InvalidInput(f"limit is {limit!r}; it must be a whole number from 1 to 10000.")
        return self._db.read(lambda cur, state: revisions.history(cur, state, portfolio_id, limit))

    def get_lineage(self, portfolio_id: str) -> Lineage | None:
        """What a copy was taken from, and when; None for a portfolio that is no copy. Raises PortfolioNotFound."""
        return self._db.read(lambda cur, state: lineage.get(cur, state, portfolio_id))

    def apply_to_parent(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        seen: Sequence[Position] | None = None,
        by: str | None = None,
    ) -> Revision:
        """Edits of the parent of the copy `portfolio_id` that carry the copy's changes over.

        From then on both are followed from what the copy is at that moment. `seen`: the copy's positions that the edits
        were made from. Raises as save_positions does, and SaveConflict also where the copy is something else than
        `seen` (than what the edits lead to, when that is not given); PortfolioNotFound where the parent is gone.
        """
        checked, who = _checked(edits), _author(by)
        return self._db.write(
            lambda cur, state: lineage.apply_to_parent(cur, state, portfolio_id, checked, by=who, seen=seen),
            COPY_PORTFOLIO,
        )

    def refresh_copy(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        seen: Sequence[Position] | None = None,
        by: str | None = None,
    ) -> Revision:
        """Edits of a copy that make it what its parent is, or bring in what that changed.

        From then on both are followed from what the parent is at that moment. `seen`: the parent's positions that the
        edits were made from; raises as apply_to_parent does.
        """
        checked, who = _checked(edits), _author(by)
        return self._db.write(
            lambda cur, state: lineage.refresh_copy(cur, state, portfolio_id, checked, by=who, seen=seen),
            COPY_PORTFOLIO,
        )


def _checked(given: Sequence[Edit]) -> tuple[Edit, ...]:
    return validation.rows(given)


def _author(by: str | None) -> str:
    return revisions.author(validation.author(by))
