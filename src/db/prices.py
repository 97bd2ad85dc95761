"""Prices and their ages. Each function is work for one transaction."""

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
