"""Positions and prices in the database. Each function is work for one transaction: see transactions.py."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position, check_value
from src.errors import Conflict, InvalidInput, PositionNotFound
from src.portfolios import edits, portfolios, rows
from src.portfolios.edits import Changed
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def list_all(cursor: Cursor, state: SchemaState, portfolio_id: str | None) -> tuple[Position, ...]:
    """By market value descending, unpriced last. Of all portfolios when None. Raises PortfolioNotFound."""
    if portfolio_id is not None:
        portfolios.check_exists(cursor, state, portfolio_id)
    if state.multi_portfolio:
        cursor.execute(query("portfolios.positions.list"), {"portfolio_id": portfolio_id})
    else:
        cursor.execute(query("portfolios.positions.list_v1"))
    return tuple(map(rows.position, rows_of(cursor)))


def list_several(cursor: Cursor, state: SchemaState, portfolio_ids: Sequence[str]) -> tuple[Position, ...]:
    """Of all of these portfolios together, by market value descending. Raises PortfolioNotFound."""
    known = set(portfolios.existing(cursor, state))
    for portfolio_id in portfolio_ids:
        if portfolio_id not in known:
            raise portfolios.not_found(portfolio_id, sorted(known))
    if state.multi_portfolio:
        cursor.execute(query("portfolios.positions.list_several"), {"portfolio_ids": list(portfolio_ids)})
    elif portfolio_ids:
        cursor.execute(query("portfolios.positions.list_v1"))
    else:
        return ()
    return tuple(map(rows.position, rows_of(cursor)))


def update_price(cursor: Cursor, symbols: tuple[str, ...], price: Decimal) -> None:
    """The new price for every row of a symbol, which is given in its spellings."""
    cursor.execute(query("portfolios.positions.lock_symbols"), {"symbols": list(symbols)})
    found = rows_of(cursor)
    if not found:
        raise PositionNotFound(f"No portfolio has a position in {symbols[0]}, so there is no price to update.")
    edits.set_prices(cursor, [(row[0], row[1], row[2]) for row in found], dict.fromkeys(symbols, (price, None)))


def add(cursor: Cursor, state: SchemaState, portfolio_id: str, symbol: str, values: Mapping[str, Any]) -> list[Changed]:
    """A new position in a portfolio that is locked. Its price is the market's last known one, or none."""
    if _find(cursor, portfolio_id, (symbol,)) is not None:
        raise InvalidInput(f"Portfolio {portfolio_id!r} has a position in {symbol} already: change that one.")
    return edits.apply_edits(
        cursor, state, portfolio_id, [Edit(symbol, None, PositionValues(**values))], fill_names=True
    )


def change(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    symbols: tuple[str, ...],
    wanted: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> list[Changed]:
    """Change what `wanted` names, in a portfolio that is locked.

    Raises Conflict where a column is not what `expected` says that it was.
    """
    symbol, row = _get(cursor, portfolio_id, symbols)
    _check_expected(symbol, row, expected)
    edit = Edit(symbol, row, replace(row, **wanted))
    assert edit.after is not None
    check_value(edit.after.quantity, edit.after.avg_cost, "cost")
    return [] if edit.after == row else edits.apply_edits(cursor, state, portfolio_id, [edit])


def remove(
    cursor: Cursor, state: SchemaState, portfolio_id: str, symbols: tuple[str, ...], expected: Mapping[str, Any]
) -> list[Changed]:
    """Remove a position and its signals from a portfolio that is locked."""
    symbol, row = _get(cursor, portfolio_id, symbols)
    _check_expected(symbol, row, expected)
    return edits.apply_edits(cursor, state, portfolio_id, [Edit(symbol, row, None)])


def _find(cursor: Cursor, portfolio_id: str, symbols: tuple[str, ...]) -> tuple[str, PositionValues] | None:
    key = {"portfolio_id": portfolio_id, "symbols": list(symbols), "preferred": symbols[0]}
    cursor.execute(query("portfolios.positions.find"), key)
    found = cursor.fetchone()
    return None if found is None else (found[0], PositionValues(*found[1:]))


def _get(cursor: Cursor, portfolio_id: str, symbols: tuple[str, ...]) -> tuple[str, PositionValues]:
    found = _find(cursor, portfolio_id, symbols)
    if found is None:
        raise not_found(cursor, portfolio_id, symbols[0])
    return found


def not_found(cursor: Cursor, portfolio_id: str, symbol: str) -> PositionNotFound:
    """The error to raise; it names up to 20 of the portfolio's positions."""
    cursor.execute(query("portfolios.positions.symbols"), {"portfolio_id": portfolio_id})
    held = [row[0] for row in cursor.fetchall()]
    shown = ", ".join(held[:20]) + (f" and {len(held) - 20} more" if len(held) > 20 else "")
    return PositionNotFound(
        f"Portfolio {portfolio_id!r} has no position in {symbol}. It has: {shown or 'no positions'}."
    )


def _check_expected(symbol: str, row: PositionValues, expected: Mapping[str, Any]) -> None:
    for column, before in expected.items():
        if getattr(row, column) != before:
            raise Conflict(
                f"Someone else changed {symbol} meanwhile: {column.replace('_', ' ')} is {getattr(row, column)} now, "
                f"not {before}. Nothing was changed; check it again."
            )
