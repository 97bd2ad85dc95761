"""Copies and what they were taken from. Each function is work for one transaction: see transactions.py."""

from collections.abc import Sequence
from datetime import datetime

from src.domain.edits import Edit, PositionValues, values_by_symbol
from src.domain.portfolio import Position
from src.domain.revisions import Clash, Lineage, Revision, SaveConflict
from src.errors import InvalidInput
from src.portfolios import own_tables, portfolios, revisions
from src.portfolios.edits import apply_edits
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def keep_base(cursor: Cursor, portfolio_id: str, source: str, save_id: int | None = None) -> None:
    """Remember the positions of `source` as those that the copy `portfolio_id` is compared with from now on."""
    cursor.execute(query("portfolios.lineage.keep_base"), {"portfolio_id": portfolio_id, "save_id": save_id})
    row = cursor.fetchone()
    assert row is not None, "the caller has locked the portfolio"
    cursor.execute(query("portfolios.lineage.keep_positions"), {"base_id": row[0], "source": source})


def get(cursor: Cursor, state: SchemaState, portfolio_id: str) -> Lineage | None:
    """None for a portfolio that is no copy. Raises PortfolioNotFound."""
    if not state.multi_portfolio:
        portfolios.check_exists(cursor, state, portfolio_id)
        return None
    parent = _parent(cursor, state, portfolio_id)
    if parent is None:
        return None
    parent_id, copied_at = parent
    if not own_tables.readable(cursor):
        return Lineage(parent_id, copied_at, None)
    cursor.execute(query("portfolios.lineage.bases"), {"portfolio_id": portfolio_id})
    bases = rows_of(cursor)
    undone = revisions.undone(cursor, (save_id for _, _, save_id in bases if save_id is not None))
    for base_id, taken_at, save_id in bases:
        if save_id not in undone:
            return Lineage(parent_id, taken_at, _positions(cursor, base_id, parent_id))
    return Lineage(parent_id, copied_at, None)


def apply_to_parent(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    edits: Sequence[Edit],
    *,
    by: str,
    seen: Sequence[Position] | None = None,
) -> Revision:
    """Edits of the parent that carry the copy's changes over. What the copy is now, both then have had in common.

    So what the parent changed by itself, and keeps, goes on being a change of the parent. `seen`: the copy as the edits
    were made from it; SaveConflict where it is something else now.
    """
    parent_id = _lock_both(cursor, state, portfolio_id)
    changed = apply_edits(cursor, state, parent_id, edits)
    saved = revisions.record(cursor, parent_id, by=by, kind="apply", note=f"from {portfolio_id}", changed=changed)
    keep_base(cursor, portfolio_id, portfolio_id, saved.revision_id)
    _check_source(cursor, portfolio_id, edits, seen)
    return saved


def refresh_copy(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    edits: Sequence[Edit],
    *,
    by: str,
    seen: Sequence[Position] | None = None,
) -> Revision:
    """Edits of the copy that bring in what its parent is, or what that changed. `seen`: the parent, as above."""
    parent_id = _lock_both(cursor, state, portfolio_id)
    changed = apply_edits(cursor, state, portfolio_id, edits)
    saved = revisions.record(cursor, portfolio_id, by=by, kind="fresh copy", note=f"of {parent_id}", changed=changed)
    keep_base(cursor, portfolio_id, parent_id, saved.revision_id)
    _check_source(cursor, parent_id, edits, seen)
    return saved


def _parent(cursor: Cursor, state: SchemaState, portfolio_id: str) -> tuple[str, datetime] | None:
    cursor.execute(query("portfolios.lineage.parent"), {"portfolio_id": portfolio_id})
    row = cursor.fetchone()
    if row is None:
        raise portfolios.not_found(portfolio_id, portfolios.existing(cursor, state))
    return None if row[0] is None else (row[0], row[1])


def _lock_both(cursor: Cursor, state: SchemaState, portfolio_id: str) -> str:
    """Lock the copy and its parent, always in the same order; the parent's id."""
    own_tables.ensure(cursor)
    parent = _parent(cursor, state, portfolio_id)
    if parent is None:
        raise InvalidInput(f"Portfolio {portfolio_id!r} is not a copy, so it has no parent.")
    for locked in sorted((portfolio_id, parent[0])):
        portfolios.lock_for_edit(cursor, state, locked)
    return parent[0]


def _positions(cursor: Cursor, base_id: int, parent_id: str) -> tuple[Position, ...]:
    cursor.execute(query("portfolios.lineage.positions"), {"base_id": base_id})
    return tuple(
        Position(symbol, quantity, cost, price, parent_id, name, sector)
        for symbol, quantity, cost, price, name, sector in rows_of(cursor)
    )


def _check_source(cursor: Cursor, source_id: str, edits: Sequence[Edit], seen: Sequence[Position] | None) -> None:
    """The edits were made from the source as it was seen; the base has it as it is now, under the lock.

    Where nobody says what was seen, the edits were to make the other side what the source is.
    """
    cursor.execute(query("portfolios.lineage.source"), {"source": source_id})
    now = {row[0]: PositionValues(*row[1:]) for row in rows_of(cursor)}
    if seen is None:
        expected = {edit.symbol: edit.after for edit in edits}
    else:
        was = values_by_symbol(seen)
        expected = {symbol: was.get(symbol) for symbol in sorted(was.keys() | now.keys())}
    clashes = [
        Clash(symbol, row, now.get(symbol), row)
        for symbol, row in expected.items()
        if not _alike(row, now.get(symbol), whole=seen is not None)
    ]
    if clashes:
        raise SaveConflict(clashes)


def _alike(seen: PositionValues | None, now: PositionValues | None, *, whole: bool) -> bool:
    """In quantity and average cost; as a `whole`, in name and sector too. Prices are the market's."""
    if seen is None or now is None:
        return seen is now
    if (seen.quantity, seen.avg_cost) != (now.quantity, now.avg_cost):
        return False
    return not whole or (seen.company_name, seen.sector) == (now.company_name, now.sector)
