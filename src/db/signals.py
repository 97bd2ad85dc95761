"""Trading signals in the database. Each function is work for one transaction: see src/db/session.py."""

from collections.abc import Mapping
from typing import Any

from src.db import portfolios, positions
from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import Row, query, rows_of
from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.errors import PositionNotFound


def list_all(cursor: Cursor, state: SchemaState, limit: int, portfolio_id: str | None) -> list[Row]:
    if portfolio_id is not None:
        portfolios.check_exists(cursor, state, portfolio_id)
    if not state.multi_portfolio:
        cursor.execute(query("signals.list_v1"), {"limit": limit})
    elif portfolio_id is None:
        cursor.execute(query("signals.list_all"), {"limit": limit})
    else:
        cursor.execute(query("signals.list"), {"limit": limit, "portfolio_id": portfolio_id})
    return rows_of(cursor)


def insert(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str | None,
    symbols: tuple[str, ...],
    values: Mapping[str, Any],
) -> None:
    """Record a signal for a symbol (given in its spellings) that the portfolio (or DEFAULT) holds or watches."""
    target = portfolio_id or DEFAULT_PORTFOLIO
    portfolios.check_exists(cursor, state, target)
    statement = query("signals.insert" if state.multi_portfolio else "signals.insert_v1")
    row = {**values, "portfolio_id": target, "symbols": list(symbols), "preferred": symbols[0]}
    cursor.execute(statement, row)
    if cursor.fetchone() is not None:
        return
    if state.multi_portfolio:
        raise positions.not_found(cursor, target, symbols[0])
    raise PositionNotFound(f"There is no position in {symbols[0]}: a signal needs one. Add it first, with quantity 0.")
