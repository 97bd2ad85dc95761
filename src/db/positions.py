"""Positions and prices in the database. Each function is work for one transaction: see src/db/session.py."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from src.db import portfolios
from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import Row, query, rows_of
from src.domain.portfolio import check_value
from src.errors import Conflict, InvalidInput, PositionNotFound

_COLUMNS = ("quantity", "avg_cost", "company_name", "sector")


def list_all(cursor: Cursor, state: SchemaState, portfolio_id: str | None) -> list[Row]:
    if portfolio_id is not None:
        portfolios.check_exists(cursor, state, portfolio_id)
    if state.multi_portfolio:
        cursor.execute(query("positions.list"), {"portfolio_id": portfolio_id})
    else:
        cursor.execute(query("positions.list_v1"))
    return rows_of(cursor)


def list_several(cursor: Cursor, state: SchemaState, portfolio_ids: Sequence[str]) -> list[Row]:
    known = set(portfolios.existing(cursor, state))
    for portfolio_id in portfolio_ids:
        if portfolio_id not in known:
            raise portfolios.not_found(portfolio_id, sorted(known))
    if state.multi_portfolio:
        cursor.execute(query("positions.list_several"), {"portfolio_ids": list(portfolio_ids)})
    elif portfolio_ids:
        cursor.execute(query("positions.list_v1"))
    else:
        return []
    return rows_of(cursor)


def update_price(cursor: Cursor, symbols: tuple[str, ...], price: Decimal) -> int:
    """The new price for every row of a symbol (given in its spellings); how many rows."""
    cursor.execute(query("positions.lock_symbols"), {"symbols": list(symbols)})
    ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        raise PositionNotFound(f"No portfolio has a position in {symbols[0]}, so there is no price to update.")
    cursor.execute(query("positions.update_price"), {"ids": ids, "price": price})
    return int(cursor.rowcount)


def add(cursor: Cursor, state: SchemaState, portfolio_id: str, symbol: str, values: Mapping[str, Any]) -> None:
    """A new position. Its price is the market's last known one, or none."""
    portfolios.lock_for_edit(cursor, state, portfolio_id)
    # So that a price update, or a first price, comes before this row, or sees it.
    cursor.execute(query("positions.lock_new_symbol"), {"symbol": symbol})
    cursor.execute(query("positions.lock_symbols"), {"symbols": [symbol]})
    cursor.execute(query("positions.known_price"), {"symbol": symbol})
    price, as_of = cursor.fetchone() or (None, None)
    cursor.execute(query("positions.known_names"), {"symbol": symbol})
    known_name, known_sector = cursor.fetchone() or (None, None)
    check_value(values["quantity"], price, "price")
    row = {
        "portfolio_id": portfolio_id,
        "symbol": symbol,
        "quantity": values["quantity"],
        "avg_cost": values["avg_cost"],
        "company_name": values["company_name"] or known_name,
        "sector": values["sector"] or known_sector,
        "current_price": price,
        "last_updated": as_of,
    }
    cursor.execute(query("positions.insert"), row)
    if cursor.fetchone() is None:
        raise InvalidInput(f"Portfolio {portfolio_id!r} has a position in {symbol} already: change that one.")


def change(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str,
    symbols: tuple[str, ...],
    changes: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    """Change what `changes` names. Raises Conflict where a column is not what `expected` says that it was."""
    portfolios.lock_for_edit(cursor, state, portfolio_id)
    row_id, symbol, current = _find(cursor, portfolio_id, symbols)
    _check_expected(symbol, current, expected)
    new = {**current, **changes}
    check_value(new["quantity"], new["avg_cost"], "cost")
    cursor.execute(query("positions.change"), {"id": row_id, **new})


def remove(
    cursor: Cursor, state: SchemaState, portfolio_id: str, symbols: tuple[str, ...], expected: Mapping[str, Any]
) -> None:
    """Remove a position and its signals."""
    portfolios.lock_for_edit(cursor, state, portfolio_id)
    row_id, symbol, current = _find(cursor, portfolio_id, symbols)
    _check_expected(symbol, current, expected)
    cursor.execute(query("positions.remove"), {"id": row_id})


def _find(cursor: Cursor, portfolio_id: str, symbols: tuple[str, ...]) -> tuple[int, str, dict[str, Any]]:
    key = {"portfolio_id": portfolio_id, "symbols": list(symbols), "preferred": symbols[0]}
    cursor.execute(query("positions.find"), key)
    row = cursor.fetchone()
    if row is None:
        raise not_found(cursor, portfolio_id, symbols[0])
    return row[0], row[1], dict(zip(_COLUMNS, row[2:], strict=True))


def not_found(cursor: Cursor, portfolio_id: str, symbol: str) -> PositionNotFound:
    cursor.execute(query("positions.symbols"), {"portfolio_id": portfolio_id})
    held = [row[0] for row in cursor.fetchall()]
    shown = ", ".join(held[:20]) + (f" and {len(held) - 20} more" if len(held) > 20 else "")
    return PositionNotFound(
        f"Portfolio {portfolio_id!r} has no position in {symbol}. It has: {shown or 'no positions'}."
    )


def _check_expected(symbol: str, current: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for column, before in expected.items():
        if current[column] != before:
            raise Conflict(
                f"Someone else changed {symbol} meanwhile: {column.replace('_', ' ')} is {current[column]} now, "
                f"not {before}. Nothing was changed; look at it again."
            )
