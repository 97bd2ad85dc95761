"""Prices and their ages. Each function is work for one transaction."""

from datetime import datetime

from src.postgres.connection import Cursor
from src.postgres.queries import Row, query, rows_of
from src.schema.versions import SchemaState


def ages(cursor: Cursor, state: SchemaState) -> list[Row]:
    cursor.execute(query("portfolios.prices.ages"))
    return rows_of(cursor)


def history(cursor: Cursor, symbols: tuple[str, ...], since: datetime | None) -> list[Row]:
    cursor.execute(query("portfolios.prices.history"), {"symbols": list(symbols), "since": since})
    return rows_of(cursor)
