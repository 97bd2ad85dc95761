"""DatabaseManager where there are several portfolios: create, copy, change, archive, delete."""

from decimal import Decimal

import pandas as pd
import pytest

from src.database_enhanced import DatabaseManager
from src.errors import (
    CapabilityMissing,
    Conflict,
    InvalidInput,
    PortfolioExists,
    PortfolioNotFound,
    PositionNotFound,
)
from tests.support.databases import MULTI, V1_COLUMNS, Database, ManagerOf, execute, position


@pytest.fixture(params=MULTI)
def multi_url(request: pytest.FixtureRequest, database: Database, pg_version: int) -> str:
    return database(request.param, pg_version)


@pytest.fixture
def multi(manager_of: ManagerOf, multi_url: str) -> DatabaseManager:
    return manager_of(multi_url)


def test_on_v1_what_is_new_is_refused_with_a_reason(database: Database, manager_of: ManagerOf) -> None:
    manager = manager_of(database("v1", 18))
    for attempt in (
        lambda: manager.create_portfolio("TECH", "Tech"),
        lambda: manager.copy_portfolio("DEFAULT", "TECH", "Tech"),
        lambda: manager.rename_portfolio("DEFAULT", "x"),
        lambda: manager.archive_portfolio("DEFAULT"),
        lambda: manager.restore_portfolio("DEFAULT"),
        lambda: manager.delete_portfolio("TECH"),
        lambda: manager.add_position("DEFAULT", "1810.HK", 1, 1),
        lambda: manager.change_position("DEFAULT", "0700.HK", quantity=1),
        lambda: manager.remove_position("DEFAULT", "0700.HK"),
    ):
        with pytest.raises(CapabilityMissing, match=r"needs schema v2; this database is v1\. Phase 1 makes it v2\."):
            attempt()
    assert len(manager.get_portfolio_positions()) == 4


def test_create_and_find_again(multi: DatabaseManager) -> None:
    assert multi.create_portfolio("TECH", "Tech stocks", "of the future", strategy="Growth") is True
    row = multi.get_portfolios().set_index("portfolio_id").loc["TECH"]
    assert (row["name"], row["description"], row["strategy"]) == ("Tech stocks", "of the future", "Growth")
    assert row["total_positions"] == row["total_market_value"] == row["total_cost"] == 0
    assert len(multi.get_portfolio_positions("TECH")) == 0
    assert list(multi.get_portfolio_positions("TECH").columns) == [*V1_COLUMNS, "portfolio_id"]
    for taken in ("TECH", "tech", "DEFAULT"):
        with pytest.raises(PortfolioExists):
            multi.create_portfolio(taken, "Another")
    for bad_id, bad_name in (("A B", "x"), ("", "x"), ("NEW", " "), ("NEW", "x" * 201)):
        with pytest.raises(InvalidInput):
            multi.create_portfolio(bad_id, bad_name)
    assert len(multi.get_portfolios()) == 2


def test_a_connection_of_scripts_sees_every_portfolio_under_the_plain_names(
    multi: DatabaseManager, multi_url: str
) -> None:
    """It is no v1 client: also where v1's views stand in front of the tables, it finds the tables."""
    multi.copy_portfolio("DEFAULT", "TRY", "A try")
    execute(multi_url, "CREATE SCHEMA IF NOT EXISTS trader; CREATE TABLE trader.notes (note text)")
    with multi.get_connection() as conn, conn.cursor() as cursor:
        cursor.execute("SELECT portfolio_id, count(*) FROM portfolio_positions GROUP BY 1 ORDER BY 1")
        assert cursor.fetchall() == [("DEFAULT", 4), ("TRY", 4)]
        cursor.execute(
            "INSERT INTO portfolio_positions (portfolio_id, symbol, quantity, avg_cost) VALUES ('TRY', '0001.HK', 1, 2)"
            " ON CONFLICT (portfolio_id, symbol) DO NOTHING"
        )
        cursor.execute("SELECT count(*) FROM notes")
        assert cursor.fetchone() == (0,), "what else the role's search_path names is still found"
    assert "0001.HK" in set(multi.get_portfolio_positions("TRY")["symbol"])
    conn = multi.get_connection()
    conn.autocommit = True
    conn.close()


def test_a_copy_has_everything_and_remembers_its_parent(multi: DatabaseManager) -> None:
    assert multi.copy_portfolio("DEFAULT", "WHATIF", "What if", "try") == 4
    drop = ["portfolio_id"]
    pd.testing.assert_frame_equal(
        multi.get_portfolio_positions("WHATIF").drop(columns=drop),
        multi.get_portfolio_positions("DEFAULT").drop(columns=drop),
    )
    rows = multi.get_portfolios().set_index("portfolio_id")
    assert rows.loc["WHATIF", "copied_from"] == "DEFAULT"
    assert pd.notna(rows.loc["WHATIF", "copied_at"])
    assert rows.loc["WHATIF", "total_unrealized_pnl"] == rows.loc["DEFAULT", "total_unrealized_pnl"]
    assert len(multi.get_portfolio_positions()) == 8
    multi.rename_portfolio("WHATIF", "What if", strategy="Value")
    assert multi.copy_portfolio("WHATIF", "AGAIN", "Copy of a copy") == 4
    assert multi.copy_portfolio("WHATIF", "OTHER", "Copy of a copy", strategy="Growth") == 4
    strategies = multi.get_portfolios().set_index("portfolio_id")["strategy"]
    assert (strategies["AGAIN"], strategies["OTHER"]) == ("Value", "Growth")
    with pytest.raises(PortfolioExists):
        multi.copy_portfolio("DEFAULT", "WHATIF", "Again")
    with pytest.raises(PortfolioNotFound):
        multi.copy_portfolio("NOPE", "NEW", "New")
    assert len(multi.get_portfolio_positions("WHATIF")) == 4


def test_portfolios_are_apart_and_prices_are_not(multi: DatabaseManager, multi_url: str) -> None:
    multi.copy_portfolio("DEFAULT", "WHATIF", "What if")
    multi.change_position("WHATIF", "0700.HK", quantity=1)
    assert position(multi, "DEFAULT", "0700.HK")["quantity"] == 3100
    multi.update_position_price("0700.HK", 400)
    assert position(multi, "DEFAULT", "0700.HK")["current_price"] == 400
    assert position(multi, "WHATIF", "0700.HK")["market_value"] == 400
    execute(multi_url, "UPDATE portfolio_positions SET current_price = 410 WHERE symbol = '0700.HK'")
    assert position(multi, "WHATIF", "0700.HK")["current_price"] == 410
    multi.remove_position("DEFAULT", "0700.HK")
    assert position(multi, "WHATIF", "0700.HK")["quantity"] == 1
    assert list(multi.get_trading_signals()["symbol"]) == ["0005.HK"], "signals go with their position"


def test_a_signal_belongs_to_one_portfolio(multi: DatabaseManager) -> None:
    multi.copy_portfolio("DEFAULT", "WHATIF", "What if")
    multi.insert_trading_signal("0700.HK", "D", 0.5, 300, portfolio_id="WHATIF")
    assert list(multi.get_trading_signals(portfolio_id="WHATIF")["signal_type"]) == ["D"]
    assert len(multi.get_trading_signals(portfolio_id="DEFAULT")) == 2
    multi.insert_trading_signal("0700.HK", "B", 0.5, 300)
    assert len(multi.get_trading_signals(portfolio_id="DEFAULT")) == 3


def test_adding_changing_and_removing_a_position(multi: DatabaseManager) -> None:
    multi.create_portfolio("TECH", "Tech")
    before = multi.get_portfolios().set_index("portfolio_id").loc["TECH", "updated_at"]
    assert multi.add_position("TECH", "700", "100", "300.5") == "0700.HK"
    added = position(multi, "TECH", "0700.HK")
    assert (added["company_name"], added["sector"]) == ("Tencent", "Tech")
    assert (added["current_price"], added["avg_cost"]) == (Decimal("315.200"), Decimal("300.500"))
    with pytest.raises(InvalidInput, match="already"):
        multi.add_position("TECH", "0700.HK", 1, 1)
    multi.add_position("TECH", "1810.HK", 10, 12.3, "Xiaomi", "Tech")
    unknown = position(multi, "TECH", "1810.HK")
    assert unknown["current_price"] is None, "no price is invented"
    multi.change_position("TECH", "0700.HK", quantity=200, sector="")
    changed = position(multi, "TECH", "0700.HK")
    assert (changed["quantity"], changed["avg_cost"]) == (200, Decimal("300.500"))
    assert pd.isna(changed["sector"])
    assert changed["last_updated"] == added["last_updated"], "the price is as old as it was"
    assert multi.get_portfolios().set_index("portfolio_id").loc["TECH", "updated_at"] > before
    assert multi.remove_position("TECH", "1810") is True
    with pytest.raises(PositionNotFound, match=r"no position in 1810\.HK\. It has: 0700\.HK"):
        multi.remove_position("TECH", "1810.HK")


def test_a_position_takes_its_first_price_from_the_price_history(multi: DatabaseManager, multi_url: str) -> None:
    execute(multi_url, "INSERT INTO price_history (symbol, price, timestamp) VALUES ('1810.HK', 13.45, '2026-01-06')")
    multi.add_position("DEFAULT", "1810.HK", 100, 12)
    row = position(multi, "DEFAULT", "1810.HK")
    assert row["current_price"] == Decimal("13.450")
    assert row["last_updated"] == pd.Timestamp("2026-01-06")


def test_what_cannot_be_a_position_is_refused(multi: DatabaseManager) -> None:
    multi.create_portfolio("TECH", "Tech")
    for symbol, quantity, cost in (
        ("AAPL", 1, 1),
        ("^HSI", 1, 1),
        ("1810.HK", 10**12, 1),
        ("1810.HK", 1.5, 1),
        ("1810.HK", 1, -1),
        ("1810.HK", 1, 10**8),
        ("1810.HK", None, 1),
        ("1810.HK", 1, None),
        ("1810.HK", 2**31 - 1, 1000),
        ("0700.HK", 2**31 - 1, 0),
    ):
        with pytest.raises(InvalidInput):
            multi.add_position("TECH", symbol, quantity, cost)
    assert len(multi.get_portfolio_positions("TECH")) == 0


def test_a_price_too_high_for_the_holding_changes_nothing(multi: DatabaseManager) -> None:
    multi.change_position("DEFAULT", "0700.HK", quantity=20_000_000)
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        multi.update_position_price("0700.HK", 600)
    assert position(multi, "DEFAULT", "0700.HK")["current_price"] == Decimal("315.200")


def test_who_saves_second_is_reported(multi: DatabaseManager) -> None:
    multi.change_position("DEFAULT", "0700.HK", quantity=3000, expected={"quantity": 3100, "avg_cost": "320.5"})
    with pytest.raises(Conflict, match="quantity is 3000 now, not 3100"):
        multi.change_position("DEFAULT", "0700.HK", quantity=2900, expected={"quantity": 3100})
    with pytest.raises(Conflict):
        multi.remove_position("DEFAULT", "0700.HK", expected={"quantity": 3100})
    assert position(multi, "DEFAULT", "0700.HK")["quantity"] == 3000


def test_rename_archive_restore_delete(multi: DatabaseManager, multi_url: str) -> None:
    multi.copy_portfolio("DEFAULT", "WHATIF", "What if")
    multi.insert_trading_signal("0700.HK", "D", 0.5, 300, portfolio_id="WHATIF")

    def row() -> pd.Series:
        return multi.get_portfolios().set_index("portfolio_id").loc["WHATIF"]

    created = row()
    multi.rename_portfolio("WHATIF", "Experiment", description="risky", strategy="Momentum")
    multi.rename_portfolio("WHATIF", "Experiment 2")
    assert (row()["name"], row()["description"], row()["strategy"]) == ("Experiment 2", "risky", "Momentum")
    assert row()["updated_at"] > created["updated_at"]
    multi.archive_portfolio("WHATIF")
    assert pd.notna(row()["archived_at"])
    multi.restore_portfolio("WHATIF")
    assert pd.isna(row()["archived_at"])
    multi.delete_portfolio("WHATIF")
    assert list(multi.get_portfolios()["portfolio_id"]) == ["DEFAULT"]
    assert execute(multi_url, "SELECT count(*) FROM public.trading_signals") == [(2,)]
    assert execute(multi_url, "SELECT count(*) FROM public.portfolio_positions") == [(4,)]
    for refused in (multi.delete_portfolio, multi.archive_portfolio):
        with pytest.raises(InvalidInput, match="DEFAULT is the portfolio of the single-portfolio application"):
            refused("DEFAULT")
    for gone in (multi.delete_portfolio, multi.archive_portfolio, multi.restore_portfolio):
        with pytest.raises(PortfolioNotFound):
            gone("WHATIF")
    with pytest.raises(PortfolioNotFound):
        multi.rename_portfolio("WHATIF", "x")
