"""Revisions: recording them, reading the change history, undo. Each function is work for one transaction."""

import getpass
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from src.domain.edits import Edit, PositionValues
from src.domain.revisions import RevisedPosition, Revision
from src.errors import InvalidInput
from src.portfolios import own_tables, portfolios
from src.portfolios.edits import Changed, Remembered, apply_edits
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def author(by: str | None) -> str:
    """Who is named: `by`, or this machine's user as user@host."""
    return by or f"{getpass.getuser()}@{socket.gethostname()}"


def lock(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """Make the tables of revisions, and lock the portfolio: one editor at a time. On v1 the positions' locks do."""
    own_tables.ensure(cursor)
    if state.multi_portfolio:
        portfolios.lock_for_edit(cursor, state, portfolio_id)
    else:
        portfolios.check_exists(cursor, state, portfolio_id)


def save(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    edits: Sequence[Edit],
    *,
    by: str,
    kind: str,
    note: str = "",
    digest: str | None = None,
    fill_names: bool = False,
) -> Revision:
    """All edits or none, and the revision that they make. Raises SaveConflict; `by` and the rest: see Revision."""
    lock(cursor, state, portfolio_id)
    changed = apply_edits(cursor, state, portfolio_id, edits, fill_names=fill_names)
    return record(cursor, portfolio_id, by=by, kind=kind, note=note, digest=digest, changed=changed)


def record(
    cursor: Cursor,
    portfolio_id: str,
    *,
    by: str,
    kind: str,
    note: str = "",
    digest: str | None = None,
    undoes: int | None = None,
    changed: Sequence[Changed] = (),
) -> Revision:
    """One revision, in the tables that own_tables.ensure made."""
    values = {
        "portfolio_id": portfolio_id, "by": by, "kind": kind, "note": note, "digest": digest, "undoes": undoes,
    }  # fmt: skip
    cursor.execute(query("portfolios.revisions.record"), values)
    row = cursor.fetchone()
    assert row is not None, "an INSERT that succeeds returns its row"
    if changed:
        rows = json.dumps([_stored(one) for one in changed])
        cursor.execute(query("portfolios.revisions.record_rows"), {"save_id": row[0], "rows": rows})
    saved = tuple(sorted((RevisedPosition(c.symbol, c.before, c.after) for c in changed), key=lambda one: one.symbol))
    return Revision(row[0], portfolio_id, row[1], by, kind, note, digest, None, undoes, saved)


def history(cursor: Cursor, state: SchemaState, portfolio_id: str | None, limit: int) -> tuple[Revision, ...]:
    """Newest first. A deleted portfolio still has a history; PortfolioNotFound for one that never was."""
    found: tuple[Revision, ...] = ()
    if own_tables.readable(cursor):
        cursor.execute(query("portfolios.revisions.list"), {"portfolio_id": portfolio_id, "limit": limit})
        found = _with_rows(cursor, rows_of(cursor))
    if not found and portfolio_id is not None:
        portfolios.check_exists(cursor, state, portfolio_id)
    return found


def undo(cursor: Cursor, state: SchemaState, revision_id: int, *, by: str) -> Revision:
    """Take a revision back, if its positions are still as it left them. Raises SaveConflict, InvalidInput."""
    done = _one(cursor, revision_id)
    lock(cursor, state, done.portfolio_id)
    # Again, now that nobody else can undo it.
    done = _one(cursor, revision_id)
    if not done.rows:
        raise InvalidInput(f"Revision {revision_id} changed no position ({done.kind}), so there is nothing to undo.")
    if done.undone_by is not None:
        raise InvalidInput(f"Revision {revision_id} was undone already, by revision {done.undone_by}.")
    cursor.execute(
        query("portfolios.revisions.made_again"), {"portfolio_id": done.portfolio_id, "save_id": revision_id}
    )
    if (cursor.fetchone() or (False,))[0]:
        raise InvalidInput(
            f"Revision {revision_id} is of an earlier portfolio named {done.portfolio_id}, which was deleted since."
        )
    cursor.execute(query("portfolios.revisions.whole_rows"), {"save_id": revision_id})
    edits, remembered = [], {}
    for symbol, before, after, signals in rows_of(cursor):
        edits.append(Edit(symbol, _row(after), _row(before)))
        if before is not None:
            remembered[symbol] = Remembered(_time(before["price_as_of"]), signals)
    changed = apply_edits(cursor, state, done.portfolio_id, edits, remembered=remembered)
    note = f"revision {revision_id} ({done.kind})"
    return record(cursor, done.portfolio_id, by=by, kind="undo", note=note, undoes=revision_id, changed=changed)


def undone(cursor: Cursor, revision_ids: Iterable[int]) -> dict[int, int]:
    """Which of these revisions are undone, and by which: an undo that was itself undone does not count."""
    wanted = set(revision_ids)
    if not wanted:
        return {}
    cursor.execute(query("portfolios.revisions.undos"), {"first": min(wanted)})
    found: dict[int, int] = {}
    # The newest first: whether an undo holds is known before what it undoes is asked about.
    for undo_id, undoes in rows_of(cursor):
        if undo_id not in found:
            found[undoes] = undo_id
    return {one: found[one] for one in wanted if one in found}


def _one(cursor: Cursor, revision_id: int) -> Revision:
    if own_tables.readable(cursor):
        cursor.execute(query("portfolios.revisions.one"), {"save_id": revision_id})
        for revision in _with_rows(cursor, rows_of(cursor)):
            return revision
    raise InvalidInput(f"There is no revision number {revision_id}.")


def _with_rows(cursor: Cursor, entries: Sequence[tuple[Any, ...]]) -> tuple[Revision, ...]:
    revision_ids = [entry[0] for entry in entries]
    if not revision_ids:
        return ()
    cursor.execute(query("portfolios.revisions.rows"), {"save_ids": revision_ids})
    rows: dict[int, list[RevisedPosition]] = {}
    for revision_id, symbol, before, after in rows_of(cursor):
        rows.setdefault(revision_id, []).append(RevisedPosition(symbol, _row(before), _row(after)))
    undone_by = undone(cursor, revision_ids)
    return tuple(
        Revision(
            revision_id, portfolio_id, at, by, kind, note, digest,
            undone_by.get(revision_id), undoes, tuple(rows.get(revision_id, ())),
        )
        for revision_id, portfolio_id, at, by, kind, note, digest, undoes in entries
    )  # fmt: skip


def _stored(changed: Changed) -> dict[str, Any]:
    return {
        "symbol": changed.symbol,
        "before": _json(changed.before, changed.before_as_of),
        "after": _json(changed.after, changed.after_as_of),
        "signals": changed.signals,
    }


def _json(row: PositionValues | None, as_of: datetime | None) -> dict[str, Any] | None:
    """Amounts as text, which is exact whoever reads it."""
    if row is None:
        return None
    return {
        "quantity": row.quantity,
        "avg_cost": str(row.avg_cost),
        "company_name": row.company_name,
        "sector": row.sector,
        "price": None if row.price is None else str(row.price),
        "price_as_of": None if as_of is None else as_of.isoformat(),
    }


def _row(stored: Mapping[str, Any] | None) -> PositionValues | None:
    if stored is None:
        return None
    price = stored["price"]
    return PositionValues(
        stored["quantity"],
        Decimal(stored["avg_cost"]),
        stored["company_name"],
        stored["sector"],
        None if price is None else Decimal(price),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
