"""What the groups of methods share: the database, and changes that leave an entry in the audit."""

from collections.abc import Callable
from typing import TypeVar

from src.domain import validation
from src.portfolios import own_tables, revisions
from src.portfolios.edits import Changed
from src.portfolios.transactions import Database, Work
from src.postgres.connection import Cursor
from src.schema.versions import EDIT_POSITIONS, Capability, SchemaState

T = TypeVar("T")


class Methods:
    """Base of the groups; DatabaseManager has the database."""

    @property
    def _db(self) -> Database:
        raise NotImplementedError

    def _record(self, portfolio_id: str, kind: str, by: str | None, note: str, needs: Capability, work: Work[T]) -> T:
        """Do it, with its entry in the audit."""
        who = revisions.author(validation.author(by))

        def recorded(cur: Cursor, state: SchemaState) -> T:
            own_tables.ensure(cur)
            result = work(cur, state)
            revisions.record(cur, portfolio_id, by=who, kind=kind, note=note)
            return result

        return self._db.write(recorded, needs)

    def _edit(self, portfolio_id: str, by: str | None, work: Callable[[Cursor, SchemaState], list[Changed]]) -> None:
        """Change positions, with their entry in the audit; none where nothing changed."""
        who = revisions.author(validation.author(by))

        def recorded(cur: Cursor, state: SchemaState) -> None:
            revisions.lock(cur, state, portfolio_id)
            changed = work(cur, state)
            if changed:
                revisions.record(cur, portfolio_id, by=who, kind="edit", changed=changed)

        self._db.write(recorded, EDIT_POSITIONS)
