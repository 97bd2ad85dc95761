"""Prices, their ages, and what tells that data changed. Each function is work for one transaction."""

from datetime import datetime

from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import Row, query, rows_of


def ages(cursor: Cursor, state: SchemaState) -> list[Row]:
    cursor.execute(query("prices.ages"))
    return rows_of(cursor)


def history(cursor: Cursor, symbols: tuple[str, ...], since: datetime | None) -> list[Row]:
    cursor.execute(query("prices.history"), {"symbols": list(symbols), "since": since})
    return rows_of(cursor)


def data_token(cursor: Cursor, state: SchemaState) -> str:
    """Equal as long as nothing changed; see queries/server.sql for what it is made of."""
    if state.version is None:
        return state.title
    cursor.execute(query("server.token"))
    parts = list(cursor.fetchone() or ())
    if state.multi_portfolio:
        cursor.execute(query("server.portfolios_token"))
        parts += cursor.fetchone() or ()
    schema = f"{state.version}{'' if state.warning is None else '!'}"
    return ":".join([schema, *map(str, parts)])
