"""What the integration tests share."""

import threading
from collections.abc import Callable
from contextlib import closing, suppress

import pandas as pd
import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from src.database_enhanced import DatabaseManager
from src.journal.model import Phase

POSITIONS = """
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector) VALUES
    ('0005.HK', 'HSBC', 13428, 38.50, 39.75, 'Financials'),
    ('0700.HK', 'Tencent', 3100, 320.50, 315.20, 'Tech'),
    ('9988.HK', 'Alibaba', 2000, 115.00, 118.75, 'Tech'),
    ('0857.HK', 'PetroChina', 0, 7.50, 7.80, 'Energy');
INSERT INTO public.trading_signals (symbol, signal_type, signal_strength, price) VALUES
    ('0700.HK', 'A', 0.80, 314.00), ('0005.HK', 'C', 0.40, 39.50);
INSERT INTO public.price_history (symbol, price, timestamp) VALUES
    ('0700.HK', 310.00, '2026-01-05 16:00'), ('0700.HK', 315.20, '2026-01-06 16:00')
"""
V1_COLUMNS = [
    *("symbol", "company_name", "quantity", "avg_cost", "current_price", "market_value", "unrealized_pnl", "sector"),
    "last_updated",
]
SCHEMAS = ("v1", "v2", "v3")
MULTI = ("v2", "v3")
Migrate = Callable[[str, Phase], None]
Database = Callable[[str, int], str]
ManagerOf = Callable[..., DatabaseManager]


def execute(url: str, statement: str, values: object = None) -> list[tuple[object, ...]]:
    """One statement in a session of its own: how another program would do it."""
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def lasting_role(superuser: str, name: str) -> str:
    """A role with the password "x" that stays until the server goes: several workers may ask for it at once."""
    with closing(psycopg2.connect(superuser)) as conn:
        conn.autocommit = True
        with conn.cursor() as cursor, suppress(psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(name)))
    return name


def position(manager: DatabaseManager, portfolio_id: str, symbol: str) -> pd.Series:
    frame = manager.get_portfolio_positions(portfolio_id)
    (row,) = (row for _, row in frame.iterrows() if row["symbol"] == symbol)
    return row


def at_once(*works: Callable[[], None]) -> list[BaseException]:
    """Run all, each in a thread; what they raised."""
    raised: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        gate.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test, which fails on any
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def database_name(url: str) -> str:
    return str(parse_dsn(url)["dbname"])
