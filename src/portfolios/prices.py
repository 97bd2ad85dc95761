"""Prices and their ages. Each function is work for one transaction."""

from datetime import datetime

from src.domain.quote import PriceAge, RecordedPrice
from src.portfolios import rows
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def ages(cursor: Cursor, state: SchemaState) -> tuple[PriceAge, ...]:
    """Of every symbol that has a position, by symbol."""
    cursor.execute(query("portfolios.prices.ages"))
    return tuple(map(rows.price_age, rows_of(cursor)))


def history(cursor: Cursor, symbols: tuple[str, ...], since: datetime | None) -> tuple[RecordedPrice, ...]:
    """Of one symbol, given in its spellings, oldest first. `since` by the server's clock, without a zone."""
    cursor.execute(query("portfolios.prices.history"), {"symbols": list(symbols), "since": since})
    return tuple(map(rows.recorded_price, rows_of(cursor)))
