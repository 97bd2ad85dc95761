"""Trading signals in the database. Each function is work for one transaction: see transactions.py."""

from dataclasses import asdict

from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.domain.signal import Signal, SignalValues
from src.errors import PositionNotFound
from src.portfolios import portfolios, positions, rows
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def list_all(cursor: Cursor, state: SchemaState, limit: int, portfolio_id: str | None) -> tuple[Signal, ...]:
    """The newest first, of all portfolios when `portfolio_id` is None. Raises PortfolioNotFound."""
    if portfolio_id is not None:
        portfolios.check_exists(cursor, state, portfolio_id)
    if not state.multi_portfolio:
        cursor.execute(query("portfolios.signals.list_v1"), {"limit": limit})
    elif portfolio_id is None:
        cursor.execute(query("portfolios.signals.list_all"), {"limit": limit})
    else:
        cursor.execute(query("portfolios.signals.list"), {"limit": limit, "portfolio_id": portfolio_id})
    return tuple(map(rows.signal, rows_of(cursor)))


def insert(
    cursor: Cursor,
    state: SchemaState,
    portfolio_id: str | None,
    symbols: tuple[str, ...],
    values: SignalValues,
) -> None:
    """Record a signal for a symbol (given in its spellings) that the portfolio (or DEFAULT) holds or watches."""
    target = portfolio_id or DEFAULT_PORTFOLIO
    portfolios.check_exists(cursor, state, target)
    statement = query("portfolios.signals.insert" if state.multi_portfolio else "portfolios.signals.insert_v1")
    row = {**asdict(values), "portfolio_id": target, "symbols": list(symbols), "preferred": symbols[0]}
    cursor.execute(statement, row)
    if cursor.fetchone() is not None:
        return
    if state.multi_portfolio:
        raise positions.not_found(cursor, target, symbols[0])
    raise PositionNotFound(f"There is no position in {symbols[0]}: a signal needs one. Add it first, with quantity 0.")
