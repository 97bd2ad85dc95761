"""The sample's rows in a database. Everything here happens in the caller's transaction."""

import json
import random
import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2.errors
from psycopg2.extras import execute_values

from src.errors import Conflict
from src.postgres.connection import Connection
from src.postgres.queries import query
from src.sample.rows import INDEX, POSITIONS, SYMBOLS, PriceRow, SignalRow
from src.text import listed

LOCK_LIMIT_S = 10.0


def contents(conn: Connection) -> list[str]:
    """What is in the database, by kind and name; nothing when it is empty."""
    with conn.cursor() as cursor:
        cursor.execute(query("sample.database.contents"))
        return [row[0] for row in cursor.fetchall()]


def create_schema(conn: Connection, statements: str) -> None:
    """Run the statements of a file whose names may lack a schema: they mean public."""
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = public")
        cursor.execute(statements)


def mark(conn: Connection) -> dict[str, Any] | None:
    """What was loaded as sample data, and is still there; None when there is none."""
    with conn.cursor() as cursor:
        cursor.execute(query("sample.database.marked"))
        row = cursor.fetchone()
        if row is None or not row[0]:
            return None
        cursor.execute(query("sample.database.mark"))
        row = cursor.fetchone()
    return None if row is None else dict(row[0])


def load(conn: Connection, prices: Sequence[PriceRow], signals: Sequence[SignalRow], *, index_prices: bool) -> None:
    """Insert the sample and mark it. Needs the project's own schema.

    `index_prices`: whether price_history can hold prices of what is no position; else they go to
    hk_migration.archived_price.
    """
    last = prices[-1].at
    with conn.cursor() as cursor:
        held = [(p.symbol, p.company_name, p.quantity, p.avg_cost, p.price, p.sector, last) for p in POSITIONS]
        execute_values(cursor, query("sample.database.positions"), held)
        execute_values(cursor, query("sample.database.signals"), [_signal_values(row) for row in signals])
        elsewhere = [] if index_prices else [row for row in prices if row.symbol == INDEX]
        here = [row for row in prices if index_prices or row.symbol != INDEX]
        execute_values(cursor, query("sample.database.prices"), [_price_values(row) for row in here], page_size=1000)
        if elsewhere:
            values = [_price_values(row) for row in elsewhere]
            execute_values(cursor, query("sample.database.archived_prices"), values, page_size=1000)
        value = {
            "symbols": list(SYMBOLS),
            "index": INDEX,
            "sessions": sum(row.symbol == INDEX for row in prices),
            "first_session": prices[0].at.isoformat(),
            "last_session": last.isoformat(),
            "note": "made up, to try things out",
        }
        cursor.execute(query("sample.database.set_mark"), {"value": json.dumps(value)})
        cursor.execute(query("sample.database.analyze"))


def clear_mark(conn: Connection) -> None:
    """The database is not marked as holding sample data any more."""
    with conn.cursor() as cursor:
        cursor.execute(query("sample.database.clear_mark"))


def remove(
    conn: Connection, prices: Sequence[PriceRow], signals: Sequence[SignalRow], since: datetime, until: datetime
) -> tuple[int, int]:
    """Delete what `load` inserted and nobody changed since: (positions, prices) deleted.

    `prices` and `signals` are those that were loaded; `since` and `until` their first and last session. Positions
    that stay lose the made-up price. Raises Conflict when others hold the rows.
    """
    with conn.cursor() as cursor:
        cursor.execute(query("sample.database.lock_tables"))
        lock_positions(conn, SYMBOLS)
        cursor.execute(query("sample.database.expect"))
        execute_values(cursor, query("sample.database.expected"), _expected(prices, signals), page_size=1000)
        limits = {"since": since, "until": until}
        cursor.execute(query("sample.database.remove_signals"), limits)
        cursor.execute(query("sample.database.remove_prices"), limits)
        removed = cursor.rowcount
        cursor.execute(query("sample.database.remove_archived_prices"), limits)
        removed += cursor.rowcount
        cursor.execute(query("sample.database.has_portfolios"))
        row = cursor.fetchone()
        name = (
            "sample.database.remove_positions" if row is not None and row[0] else "sample.database.remove_positions_v1"
        )
        cursor.execute(query(name))
        positions = cursor.rowcount
        cursor.execute(query("sample.database.forget_prices"))
        cursor.execute(query("sample.database.clear_mark"))
        return positions, removed


def lock_positions(conn: Connection, symbols: Sequence[str]) -> None:
    """Lock all rows of these symbols, without ever waiting for one while holding another."""
    deadline = time.monotonic() + LOCK_LIMIT_S
    with conn.cursor() as cursor:
        while True:
            cursor.execute("SAVEPOINT hk_sample_lock")
            try:
                cursor.execute(query("sample.database.lock"), {"symbols": list(symbols)})
            except psycopg2.errors.LockNotAvailable:
                cursor.execute("ROLLBACK TO SAVEPOINT hk_sample_lock")
                if time.monotonic() > deadline:
                    raise Conflict(
                        "Another session is changing the sample's positions, and has not finished for "
                        f"{LOCK_LIMIT_S:.0f} seconds. {in_the_way(conn)} Nothing was removed; try again."
                    ) from None
                time.sleep(random.uniform(0.01, 0.1))
            else:
                cursor.execute("RELEASE SAVEPOINT hk_sample_lock")
                return


def in_the_way(conn: Connection) -> str:
    """Who else has locked the sample's tables, or rows of them. Raises psycopg2.Error."""
    with conn.cursor() as cursor:
        cursor.execute(query("sample.database.writers"))
        found = [
            f"pid {pid} (role {role}, application {application or 'unknown'})" if pid
            else "a prepared transaction (see pg_prepared_xacts)"
            for pid, role, application in cursor.fetchall()
        ]  # fmt: skip
    return f"In the way: {listed(found)}." if found else "Who is in the way cannot be seen any more."


def _price_values(row: PriceRow) -> tuple[object, ...]:
    prices = (row.high, row.low, row.open_price, row.close_price)
    return (row.symbol, row.close_price, row.volume, *prices, row.at)


def _signal_values(row: SignalRow) -> tuple[object, ...]:
    start = (row.symbol, row.signal_type, row.signal_strength, row.price, row.volume, row.rsi)
    return (*start, row.ma_5, row.ma_20, row.ma_50, row.bollinger_upper, row.bollinger_lower, row.created_at)


def _expected(prices: Sequence[PriceRow], signals: Sequence[SignalRow]) -> list[tuple[object, ...]]:
    none: Decimal | None = None
    rows: list[tuple[object, ...]] = [
        ("price", row.symbol, row.close_price, row.volume, None, none, None) for row in prices
    ]
    rows += [("signal", row.symbol, row.price, row.volume, None, none, row.signal_type) for row in signals]
    rows += [("position", p.symbol, p.price, None, p.quantity, p.avg_cost, None) for p in POSITIONS]
    return rows
