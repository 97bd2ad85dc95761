"""Edits of a portfolio's positions, many at once: all of them, or none.

Each function is work for one transaction: see src/portfolios/transactions.py. Whoever calls holds the portfolio's lock
(portfolios.lock_for_edit) where there are several portfolios.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import DEFAULT_PORTFOLIO, check_value
from src.domain.revisions import Clash, SaveConflict
from src.domain.symbols import spellings
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import ADD_POSITIONS, SchemaState, require


@dataclass(frozen=True)
class Held:
    """One row of the table, locked. `as_of`: when its price was right, in the server's own time zone."""

    id: int
    portfolio_id: str
    symbol: str
    row: PositionValues
    as_of: datetime | None


@dataclass(frozen=True)
class Remembered:
    """What an undo brings back besides the row: when its price was right, and the signals that had gone with it."""

    as_of: datetime | None = None
    signals: str | None = None


@dataclass(frozen=True)
class Changed:
    """One position as it was and as it is now, under the symbol that the database has.

    `signals`: JSON of those that went with it. `newly_priced`: its price is new to the market.
    """

    symbol: str
    before: PositionValues | None
    after: PositionValues | None
    before_as_of: datetime | None = None
    after_as_of: datetime | None = None
    signals: str | None = None
    newly_priced: bool = False


@dataclass
class _Work:
    """The edits sorted by what is to be done, with the rows that they concern."""

    updates: list[tuple[Held, PositionValues]] = field(default_factory=list)
    prices: dict[str, tuple[Decimal | None, datetime | None]] = field(default_factory=dict)
    removals: list[Held] = field(default_factory=list)
    inserts: list[Changed] = field(default_factory=list)


def apply_edits(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    edits: Sequence[Edit],
    *,
    fill_names: bool = False,
    remembered: Mapping[str, Remembered] | None = None,
) -> list[Changed]:
    """Do as `edits` say, which src/domain/edits.py has checked; what they did, in their order.

    A price that an edit changes is the new one of the symbol in every portfolio; a new position without a price has
    the market's last known one, or none. `fill_names`: a new position without a name or sector gets those that
    another portfolio has. Raises SaveConflict where something is not as an edit saw it, and CapabilityMissing for
    new or removed positions on v1.
    """
    kept = remembered or {}
    if any(edit.before is None or edit.after is None for edit in edits):
        require(state, ADD_POSITIONS)
    rows = _lock(cursor, state, portfolio_id, edits)
    own = {held.symbol: held for held in rows if held.portfolio_id == portfolio_id}
    pairs = [(edit, _find(own, edit)) for edit in edits]
    _check(pairs)
    new = _new_positions(cursor, [edit for edit, held in pairs if held is None], rows, kept, fill_names)
    work = _sort(pairs, new, kept)
    signals = _signals_of(cursor, portfolio_id, work.removals)
    _update(cursor, work.updates)
    set_prices(cursor, [(held.id, held.portfolio_id, held.symbol) for held in rows], work.prices)
    _insert(cursor, portfolio_id, work.inserts, edits)
    _remove(cursor, work.removals)
    _bring_back_signals(cursor, [kept[c.symbol] for c in work.inserts if c.symbol in kept])
    return [_done(edit, held, new, work, signals) for edit, held in pairs]


def set_prices(
    cursor: Cursor,
    rows: Iterable[tuple[int, str, str]],
    prices: Mapping[str, tuple[Decimal | None, datetime | None]],
) -> None:
    """New prices by symbol, with their times (None: now), for all rows (id, portfolio, symbol), which are locked.

    DEFAULT's row, or else one other, goes first, and takes the others with it by its trigger: so each row is
    visited once, and it works while a rollback lets nobody else write to the other portfolios.
    """
    first: dict[str, int] = {}
    later: list[tuple[str, int]] = []
    for row_id, _, symbol in sorted(rows, key=lambda row: row[1] != DEFAULT_PORTFOLIO):
        if symbol not in prices:
            continue
        if symbol in first:
            later.append((symbol, row_id))
        else:
            first[symbol] = row_id
    for some in (list(first.items()), later):
        if some:
            values = {
                "ids": [row_id for _, row_id in some],
                "prices": [prices[symbol][0] for symbol, _ in some],
                "times": [prices[symbol][1] for symbol, _ in some],
            }
            cursor.execute(query("portfolios.edits.price"), values)


def _lock(cursor: Cursor, state: SchemaState, portfolio_id: str, edits: Sequence[Edit]) -> list[Held]:
    everywhere: list[str] = []
    here: list[str] = []
    for edit in edits:
        priced = edit.before is None or (edit.after is not None and edit.after.price != edit.before.price)
        (everywhere if priced else here).extend(_spellings(edit))
    new = [edit.symbol for edit in edits if edit.before is None]
    if new:
        cursor.execute(query("portfolios.edits.lock_new_symbols"), {"symbols": new})
    values = {"portfolio_id": portfolio_id, "here": here, "everywhere": everywhere}
    cursor.execute(query("portfolios.edits.lock" if state.multi_portfolio else "portfolios.edits.lock_v1"), values)
    return [
        Held(row_id, owner, symbol, PositionValues(quantity, cost, name, sector, price), as_of)
        for row_id, owner, symbol, quantity, cost, name, sector, price, as_of in rows_of(cursor)
    ]


def _spellings(edit: Edit) -> tuple[str, ...]:
    """As written first, since that is what the editor saw."""
    return spellings(edit.symbol)[::-1]


def _find(own: Mapping[str, Held], edit: Edit) -> Held | None:
    return next((own[symbol] for symbol in _spellings(edit) if symbol in own), None)


def _check(pairs: Sequence[tuple[Edit, Held | None]]) -> None:
    clashes = []
    for edit, held in pairs:
        now = None if held is None else held.row
        if (edit.before is None) != (now is None) or (edit.before and now and not _same(edit.before, now, edit.after)):
            clashes.append(Clash(edit.symbol, edit.before, now, edit.after))
    if clashes:
        raise SaveConflict(clashes)


def _same(seen: PositionValues, now: PositionValues, wanted: PositionValues | None) -> bool:
    """A price that the edit leaves alone may have moved: it is the market's, and goes on."""
    if wanted is None or wanted.price == seen.price:
        return replace(seen, price=None) == replace(now, price=None)
    return seen == now


def _new_positions(
    cursor: Cursor,
    edits: Sequence[Edit],
    rows: Sequence[Held],
    remembered: Mapping[str, Remembered],
    fill_names: bool,
) -> dict[str, Changed]:
    """The new rows, with the market's prices, names and sectors where the edits have none."""
    if not edits:
        return {}
    symbols = [edit.symbol for edit in edits]
    cursor.execute(query("portfolios.edits.newest_prices"), {"symbols": symbols})
    known: dict[str, tuple[Decimal, datetime | None]] = {s: (price, at) for s, price, at in rows_of(cursor)}
    for edit in edits:
        kept, price = remembered.get(edit.symbol), edit.after.price if edit.after is not None else None
        if kept and price and (edit.symbol not in known or _older(known[edit.symbol][1], kept.as_of)):
            known[edit.symbol] = (price, kept.as_of)
    known |= _prices_of(rows)
    names: dict[str, tuple[str | None, str | None]] = {}
    if fill_names:
        cursor.execute(query("portfolios.edits.known_names"), {"symbols": symbols})
        names = {symbol: (name, sector) for symbol, name, sector in rows_of(cursor)}
    found = {}
    for edit in edits:
        assert edit.after is not None, "an edit says what was there, or what shall be"
        price, as_of = known.get(edit.symbol, (None, None))
        wanted = edit.after.price
        newly_priced = wanted is not None and wanted != price and edit.symbol not in remembered
        if newly_priced:
            price, as_of = wanted, None
        check_value(edit.after.quantity, price, "price")
        name, sector = names.get(edit.symbol, (None, None))
        row = replace(
            edit.after,
            price=price,
            company_name=edit.after.company_name or name,
            sector=edit.after.sector or sector,
        )
        found[edit.symbol] = Changed(edit.symbol, None, row, after_as_of=as_of, newly_priced=newly_priced)
    return found


def _prices_of(rows: Iterable[Held]) -> dict[str, tuple[Decimal, datetime | None]]:
    """The newest price per symbol."""
    found: dict[str, tuple[Decimal, datetime | None]] = {}
    for held in rows:
        price, symbol = held.row.price, held.symbol
        if price is not None and (symbol not in found or _older(found[symbol][1], held.as_of)):
            found[symbol] = (price, held.as_of)
    return found


def _older(one: datetime | None, other: datetime | None) -> bool:
    return one is None or (other is not None and one < other)


def _sort(
    pairs: Sequence[tuple[Edit, Held | None]], new: Mapping[str, Changed], remembered: Mapping[str, Remembered]
) -> _Work:
    work = _Work()
    for edit, held in pairs:
        if held is None:
            added = new[edit.symbol]
            work.inserts.append(added)
            if added.newly_priced and added.after is not None:
                work.prices[edit.symbol] = (added.after.price, None)
        elif edit.after is None:
            work.removals.append(held)
        else:
            work.updates.append((held, edit.after))
            if edit.before is not None and edit.after.price != edit.before.price:
                back = remembered.get(edit.symbol, Remembered())
                work.prices[held.symbol] = (edit.after.price, back.as_of)
    return work


def _signals_of(cursor: Cursor, portfolio_id: str, removals: Sequence[Held]) -> dict[str, str]:
    if not removals:
        return {}
    cursor.execute(query("portfolios.edits.lock_for_removal"), {"ids": [held.id for held in removals]})
    symbols = [held.symbol for held in removals]
    cursor.execute(query("portfolios.edits.signals"), {"portfolio_id": portfolio_id, "symbols": symbols})
    return dict(rows_of(cursor))


def _update(cursor: Cursor, updates: Sequence[tuple[Held, PositionValues]]) -> None:
    if not updates:
        return
    values = {
        "ids": [held.id for held, _ in updates],
        "quantities": [row.quantity for _, row in updates],
        "costs": [row.avg_cost for _, row in updates],
        "names": [row.company_name for _, row in updates],
        "sectors": [row.sector for _, row in updates],
    }
    cursor.execute(query("portfolios.edits.update"), values)


def _insert(cursor: Cursor, portfolio_id: str, inserts: Sequence[Changed], edits: Sequence[Edit]) -> None:
    rows = [(added.symbol, added.after, added) for added in inserts if added.after is not None]
    if not rows:
        return
    values = {
        "portfolio_id": portfolio_id,
        "symbols": [symbol for symbol, _, _ in rows],
        "names": [row.company_name for _, row, _ in rows],
        "quantities": [row.quantity for _, row, _ in rows],
        "costs": [row.avg_cost for _, row, _ in rows],
        "prices": [row.price for _, row, _ in rows],
        "sectors": [row.sector for _, row, _ in rows],
        "times": [added.after_as_of for _, _, added in rows],
        "now": [added.newly_priced or row.price is None for _, row, added in rows],
    }
    cursor.execute(query("portfolios.edits.insert"), values)
    inserted = {symbol for (symbol,) in rows_of(cursor)}
    if len(inserted) == len(rows):
        return
    # A v1 client, which does not take the portfolio's lock, was faster.
    missed = {edit.symbol: edit for edit in edits if edit.before is None and edit.symbol not in inserted}
    cursor.execute(query("portfolios.edits.read"), {"portfolio_id": portfolio_id, "here": list(missed)})
    now = {row[2]: PositionValues(*row[3:8]) for row in rows_of(cursor)}
    raise SaveConflict([Clash(symbol, None, now.get(symbol), edit.after) for symbol, edit in missed.items()])


def _remove(cursor: Cursor, removals: Sequence[Held]) -> None:
    if removals:
        cursor.execute(query("portfolios.edits.remove"), {"ids": [held.id for held in removals]})


def _bring_back_signals(cursor: Cursor, remembered: Sequence[Remembered]) -> None:
    signals = [kept.signals for kept in remembered if kept.signals]
    if signals:
        cursor.execute(query("portfolios.edits.insert_signals"), {"signals": signals})


def _done(
    edit: Edit,
    held: Held | None,
    new: Mapping[str, Changed],
    work: _Work,
    signals: Mapping[str, str],
) -> Changed:
    if held is None:
        return new[edit.symbol]
    if edit.after is None:
        return Changed(held.symbol, held.row, None, held.as_of, signals=signals.get(held.symbol))
    price, as_of = work.prices.get(held.symbol, (held.row.price, held.as_of))
    return Changed(held.symbol, held.row, replace(edit.after, price=price), held.as_of, as_of)
