"""The DataFrames that older callers get hold what the values hold, in the columns and dtypes that they know."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from src.database_enhanced import DatabaseManager
from src.domain.valuation import ZERO, market_value, unrealized_pnl
from src.market.calendar import sessions
from tests.support.databases import SCHEMAS, Database, ManagerOf, execute

SESSIONS = sessions(datetime(2026, 1, 6, 9, tzinfo=UTC))
SINCE = date(2026, 1, 6)
MONEY, TEXT, WHOLE, TIME = "object", "str", "int64", "datetime64[us]"
# Texts that are empty or missing, quantities of each sign, prices of 0, unknown and with half cents, indicators that
# are known and not.
ODD_ROWS = """
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
VALUES ('0001.HK', '', -3, 10.005, 10.015, NULL, '2026-01-06 10:00'), ('0002.HK', NULL, 7, 1, 0, '', NULL),
       ('0003.HK', '中華煤氣', 1, 0, NULL, 'Energy', '2026-01-06 10:00');
INSERT INTO public.trading_signals (symbol, signal_type, price, volume, rsi, ma_5, created_at)
VALUES ('0001.HK', 'D', 10.015, NULL, 55.5, NULL, NULL), ('0001.HK', 'B', 10, 1000, NULL, 9.999, '2026-01-06 10:00');
INSERT INTO public.price_history (symbol, price, timestamp) VALUES
    ('0005.HK', 39.00, '2026-01-05 06:00'), ('0005.HK', 39.75, '2026-01-06 07:00')
"""
POSITIONS = {
    "symbol": TEXT, "company_name": TEXT, "quantity": WHOLE, "avg_cost": MONEY, "current_price": MONEY,
    "market_value": MONEY, "unrealized_pnl": MONEY, "sector": TEXT, "last_updated": TIME, "portfolio_id": TEXT,
}  # fmt: skip
PORTFOLIOS = {
    "portfolio_id": TEXT, "name": TEXT, "description": TEXT, "created_at": TIME, "updated_at": TIME,
    "total_positions": WHOLE, "active_positions": WHOLE, "total_market_value": MONEY, "total_cost": MONEY,
    "total_unrealized_pnl": MONEY, "priced_positions": WHOLE, "priced_cost": MONEY, "cost_size": MONEY,
    "priced_size": MONEY, "strategy": TEXT, "copied_from": TEXT, "copied_at": TIME, "archived_at": TIME,
}  # fmt: skip
DAY = {
    "day_change": MONEY, "day_change_value": MONEY, "day_change_size": MONEY, "fresh_value": MONEY,
    "value_size": MONEY, "fresh_size": MONEY, "oldest_price_at": "datetime64[us, UTC]",
}  # fmt: skip
SIGNALS = {
    "id": WHOLE, "symbol": TEXT, "signal_type": TEXT, "signal_strength": MONEY, "price": MONEY, "volume": MONEY,
    "rsi": MONEY, "ma_5": MONEY, "ma_20": MONEY, "ma_50": MONEY, "bollinger_upper": MONEY, "bollinger_lower": MONEY,
    "created_at": TIME, "portfolio_id": TEXT,
}  # fmt: skip
PRICE_AGES = {
    "symbol": TEXT, "price": MONEY, "as_of": TIME, "age": "timedelta64[us]", "history_price": MONEY,
    "history_as_of": TIME,
}  # fmt: skip
PRICE_HISTORY = {
    "timestamp": TIME, "price": MONEY, "volume": MONEY, "high": MONEY, "low": MONEY, "open_price": MONEY,
    "close_price": MONEY,
}  # fmt: skip


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manager(database: Database, manager_of: ManagerOf, schema: str) -> DatabaseManager:
    url = database(schema, 18)
    execute(url, ODD_ROWS)
    made = manager_of(url)
    if schema != "v1":
        made.copy_portfolio("DEFAULT", "TRY", "Try", strategy="Growth")
        made.create_portfolio("EMPTY", "Nothing in it")
        made.archive_portfolio("EMPTY")
    return made


def cells(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Missing cells of any kind as None, times as datetimes."""
    columns = [
        [None if pd.isna(cell) else cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell for cell in column]
        for _, column in frame.items()
    ]
    return list(zip(*columns, strict=True))


def same(frame: pd.DataFrame, columns: dict[str, str], expected: Sequence[tuple[Any, ...]]) -> None:
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == columns
    assert list(frame.columns) == list(columns)
    assert cells(frame) == list(expected)
    for (_, dtype), column in zip(columns.items(), zip(*cells(frame), strict=True), strict=False):
        if dtype == MONEY:
            assert all(cell is None or isinstance(cell, Decimal | int) for cell in column), "no amount is a float"


def without_owner(columns: dict[str, str], rows: list[tuple[Any, ...]], schema: str) -> dict[str, Any]:
    """v1 knows no portfolio_id, which is the last column elsewhere."""
    if schema != "v1":
        return {"columns": columns, "expected": rows}
    return {"columns": dict(list(columns.items())[:-1]), "expected": [row[:-1] for row in rows]}


def test_positions(manager: DatabaseManager, schema: str) -> None:
    ids = [one.portfolio_id for one in manager.portfolios()]
    for frame, values in (
        (manager.get_portfolio_positions(), manager.positions()),
        (manager.get_portfolio_positions("DEFAULT"), manager.positions("DEFAULT")),
        (manager.get_positions_of(ids), manager.positions_of(ids)),
    ):
        rows = [
            (
                one.symbol, one.company_name, one.quantity, one.avg_cost, one.price, market_value(one),
                unrealized_pnl(one), one.sector, one.last_updated, one.portfolio_id,
            )
            for one in values
        ]  # fmt: skip
        same(frame, **without_owner(POSITIONS, rows, schema))
    assert len(manager.positions("DEFAULT")) == 7
    assert manager.positions_of([]) == ()
    same(manager.get_positions_of([]), **without_owner(POSITIONS, [], schema))


def test_positions_are_the_rows_of_the_table(manager: DatabaseManager) -> None:
    """Market value and P&L are computed from the values, and are the generated columns to the cent."""
    with manager.get_connection() as conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0), "
            "CASE WHEN current_price <> 0 THEN market_value END, CASE WHEN current_price <> 0 THEN unrealized_pnl END, "
            "sector, last_updated FROM public.portfolio_positions WHERE coalesce(to_jsonb(portfolio_positions) ->> "
            "'portfolio_id', 'DEFAULT') = 'DEFAULT' ORDER BY 6 DESC NULLS LAST, symbol"
        )
        stored = cursor.fetchall()
    frame = manager.get_portfolio_positions("DEFAULT")
    assert [row[:9] for row in cells(frame)] == stored
    assert [str(row[5]) for row in cells(frame)] == [str(row[5]) for row in stored], "with two decimals"


def portfolio_cells(one: Any) -> tuple[Any, ...]:
    totals = one.totals
    return (
        one.portfolio_id, one.name, one.description, one.created_at, one.updated_at, totals.position_count,
        totals.held_count, totals.market_value, totals.cost_basis, totals.unrealized_pnl, totals.priced_count,
        totals.priced_cost, totals.cost_size, totals.priced_size, one.strategy, one.copied_from, one.copied_at,
        one.archived_at,
    )  # fmt: skip


def test_portfolios_and_the_day(manager: DatabaseManager, schema: str) -> None:
    found, entries = manager.portfolios(), manager.overview(SESSIONS)
    assert len(found) == (1 if schema == "v1" else 3)
    same(manager.get_portfolios(), PORTFOLIOS, [portfolio_cells(one) for one in found])
    assert [{**vars(one), "day": None} for one in entries] == [{**vars(one), "day": None} for one in found]
    rows = [
        (
            *portfolio_cells(one), one.day.change, one.day.covered_value or ZERO, one.day.covered_size,
            one.day.fresh_value, one.day.priced_size, one.day.fresh_size, one.day.oldest_at,
        )
        for one in entries
    ]  # fmt: skip
    same(manager.get_overview(SESSIONS), PORTFOLIOS | DAY, rows)
    assert entries[0].day.change is not None
    assert entries[0].day.fresh_value


def test_signals(manager: DatabaseManager, schema: str) -> None:
    values = manager.signals()
    rows = [
        (
            one.signal_id, one.symbol, *(getattr(one.values, field.name) for field in fields(one.values)),
            one.created_at, one.portfolio_id,
        )
        for one in values
    ]  # fmt: skip
    same(manager.get_trading_signals(), **without_owner(SIGNALS, rows, schema))
    assert [(one.symbol, one.values.signal_type, one.values.volume, one.values.rsi) for one in values[:1]] == [
        ("0001.HK", "D", None, Decimal("55.50"))
    ]
    same(manager.get_trading_signals(limit=1), **without_owner(SIGNALS, rows[:1], schema))


def test_prices(manager: DatabaseManager) -> None:
    ages = manager.price_ages()
    frame = manager.get_price_ages()
    # The clock goes on between the two.
    same(frame.assign(age=pd.Series([one.age for one in ages], dtype="timedelta64[us]")), PRICE_AGES, [
        tuple(getattr(one, field.name) for field in fields(one)) for one in ages
    ])  # fmt: skip
    history = manager.price_history("700")
    assert [one.price for one in history] == [Decimal("310.000"), Decimal("315.200")]
    rows = [tuple(getattr(one, field.name) for field in fields(one)) for one in history]
    same(manager.get_price_history("700"), PRICE_HISTORY, rows)


def test_closes_and_curves(manager: DatabaseManager) -> None:
    closes = manager.closes(["0700.HK", "9988.HK"], SINCE)
    assert dict(zip(closes["0700.HK"].days, closes["0700.HK"].prices, strict=True)) == {0: 310.0, 1: 315.2}
    frame = manager.get_closes(["0700.HK", "9988.HK"], SINCE)
    assert str(frame.index.dtype) == TIME
    assert frame["0700.HK"].to_list() == [310.0, 315.2]
    assert frame["9988.HK"].isna().all()
    held = manager.holdings_and_closes(["DEFAULT"], SINCE)
    assert held.quantities["DEFAULT"]["0700.HK"] == 3100
    curve = manager.get_value_curves(["DEFAULT"], SINCE)["DEFAULT"]
    assert curve.to_list() == [3100 * price + 13428 * 39.75 for price in (310.0, 315.2)]


def test_the_names_that_older_callers_know_give_the_same_values(manager: DatabaseManager, schema: str) -> None:
    opens = SESSIONS.latest.opens
    assert manager.get_quotes(opens) == manager.quotes(opens)
    assert manager.get_saves() == manager.revisions()
    assert manager.get_lineage("DEFAULT") is None
    if schema != "v1":
        assert manager.get_lineage("TRY") == manager.lineage("TRY")
        manager.change_position("TRY", "0700.HK", quantity=1)
        made = manager.revisions("TRY")[0]
        assert made.save_id == made.revision_id
        assert manager.undo_save(made.save_id).undoes == made.revision_id
