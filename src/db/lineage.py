"""Copies and what they were taken from. Each function is work for one transaction: see src/db/session.py."""

from collections.abc import Sequence
from datetime import datetime

from src.db import changes, own, portfolios, saves
from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import query, rows_of
from src.domain.changes import Edit, Row
from src.domain.portfolio import Position
from src.domain.saves import Clash, Lineage, Save, SaveConflict
from src.errors import InvalidInput


def keep_base(cursor: Cursor, portfolio_id: str, source: str, save_id: int | None = None) -> None:
    """Remember the positions of `source` as those that the copy `portfolio_id` is compared with from now on."""
    cursor.execute(query("lineage.keep_base"), {"portfolio_id": portfolio_id, "save_id": save_id})
    row = cursor.fetchone()
    assert row is not None, "the caller has locked the portfolio"
    cursor.execute(query("lineage.keep_positions"), {"base_id": row[0], "source": source})


def get(cursor: Cursor, state: SchemaState, portfolio_id: str) -> Lineage | None:
    """None for a portfolio that is no copy. Raises PortfolioNotFound."""
    if not state.multi_portfolio:
        portfolios.check_exists(cursor, state, portfolio_id)
        return None
    parent = _parent(cursor, state, portfolio_id)
    if parent is None:
        return None
    parent_id, copied_at = parent
    if not own.readable(cursor):
        return Lineage(parent_id, copied_at, None)
    cursor.execute(query("lineage.bases"), {"portfolio_id": portfolio_id})
    bases = rows_of(cursor)
    undone = saves.undone(cursor, (save_id for _, _, save_id in bases if save_id is not None))
    for base_id, taken_at, save_id in bases:
        if save_id not in undone:
            return Lineage(parent_id, taken_at, _positions(cursor, base_id, parent_id))
    return Lineage(parent_id, copied_at, None)


def apply_to_parent(cursor: Cursor, state: SchemaState, portfolio_id: str, edits: Sequence[Edit], *, by: str) -> Save:
    """Edits of the parent, which then is what the copy is compared with."""
    parent_id = _lock_both(cursor, state, portfolio_id)
    changed = changes.apply(cursor, state, parent_id, edits)
    saved = saves.record(cursor, parent_id, by=by, kind="apply", note=f"from {portfolio_id}", changed=changed)
    keep_base(cursor, portfolio_id, parent_id, saved.save_id)
    return saved


def refresh_copy(cursor: Cursor, state: SchemaState, portfolio_id: str, edits: Sequence[Edit], *, by: str) -> Save:
    """Edits of the copy that make it what its parent is. Raises SaveConflict where the parent is something else now."""
    parent_id = _lock_both(cursor, state, portfolio_id)
    changed = changes.apply(cursor, state, portfolio_id, edits)
    saved = saves.record(cursor, portfolio_id, by=by, kind="fresh copy", note=f"of {parent_id}", changed=changed)
    keep_base(cursor, portfolio_id, parent_id, saved.save_id)
    _check_parent(cursor, portfolio_id, parent_id, edits)
    return saved


def _parent(cursor: Cursor, state: SchemaState, portfolio_id: str) -> tuple[str, datetime] | None:
    cursor.execute(query("lineage.parent"), {"portfolio_id": portfolio_id})
    row = cursor.fetchone()
    if row is None:
        raise portfolios.not_found(portfolio_id, portfolios.existing(cursor, state))
    return None if row[0] is None else (row[0], row[1])


def _lock_both(cursor: Cursor, state: SchemaState, portfolio_id: str) -> str:
    """Lock the copy and its parent, always in the same order; the parent's id."""
    own.ensure(cursor)
    parent = _parent(cursor, state, portfolio_id)
    if parent is None:
        raise InvalidInput(f"Portfolio {portfolio_id!r} is not a copy, so it has no parent.")
    for locked in sorted((portfolio_id, parent[0])):
        portfolios.lock_for_edit(cursor, state, locked)
    return parent[0]


def _positions(cursor: Cursor, base_id: int, parent_id: str) -> tuple[Position, ...]:
    cursor.execute(query("lineage.positions"), {"base_id": base_id})
    return tuple(
        Position(symbol, quantity, cost, price, parent_id, name, sector)
        for symbol, quantity, cost, price, name, sector in rows_of(cursor)
    )


def _check_parent(cursor: Cursor, portfolio_id: str, parent_id: str, edits: Sequence[Edit]) -> None:
    """The edits were made from the parent as it was seen; the base has it as it is now, under the lock."""
    values = {"here": [edit.symbol for edit in edits], "portfolio_id": parent_id}
    cursor.execute(query("changes.read"), values)
    now = {row[2]: Row(*row[3:8]) for row in rows_of(cursor)}
    clashes = [
        Clash(edit.symbol, edit.after, now.get(edit.symbol), edit.after)
        for edit in edits
        if not _alike(edit.after, now.get(edit.symbol))
    ]
    if clashes:
        raise SaveConflict(clashes)


def _alike(wanted: Row | None, now: Row | None) -> bool:
    if wanted is None or now is None:
        return wanted is now
    return (wanted.quantity, wanted.avg_cost) == (now.quantity, now.avg_cost)
