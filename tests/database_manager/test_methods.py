"""DatabaseManager as its callers use it, on every schema."""

import warnings
from decimal import Decimal

import pandas as pd
import pytest

from src.database_enhanced import DatabaseManager, SchemaVersion
from src.errors import (
    CapabilityMissing,
    ConfigurationError,
    InvalidInput,
    PortfolioNotFound,
    PositionNotFound,
)
from tests.support.databases import SCHEMAS, V1_COLUMNS, Database, ManagerOf, execute, position


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(database: Database, schema: str, pg_version: int) -> str:
    return database(schema, pg_version)


@pytest.fixture
def manager(manager_of: ManagerOf, url: str) -> DatabaseManager:
    return manager_of(url)


def test_positions_come_by_market_value_with_exact_money(manager: DatabaseManager, schema: str) -> None:
    frame = manager.get_portfolio_positions()
    assert list(frame.columns) == V1_COLUMNS + ([] if schema == "v1" else ["portfolio_id"])
    assert list(frame["symbol"]) == ["0700.HK", "0005.HK", "9988.HK", "0857.HK"]
    assert frame["market_value"][0] == Decimal("977120.00")
    assert isinstance(frame["market_value"][0], Decimal)
    assert frame["unrealized_pnl"][0] == Decimal("-16430.00")
    assert frame["quantity"].dtype == "int64"
    assert frame.equals(manager.get_portfolio_positions("DEFAULT"))


def test_the_only_portfolio_at_first(manager: DatabaseManager) -> None:
    frame = manager.get_portfolios()
    (row,) = frame.to_dict("records")
    assert (row["portfolio_id"], row["name"]) == ("DEFAULT", "Legacy Portfolio")
    assert (row["total_positions"], row["active_positions"], row["priced_positions"]) == (4, 3, 3)
    assert row["total_market_value"] == Decimal("1748383.00")
    assert row["total_cost"] == Decimal("1740528.00")
    assert row["total_unrealized_pnl"] == Decimal("7855.00")


def test_a_price_of_zero_is_no_price(manager: DatabaseManager, url: str) -> None:
    execute(url, "UPDATE public.portfolio_positions SET current_price = 0 WHERE symbol = '0700.HK'")
    frame = manager.get_portfolio_positions()
    assert list(frame["symbol"])[-1] == "0700.HK", "what has no value comes last"
    last = frame.iloc[-1]
    assert last["current_price"] is None
    assert last["market_value"] is None
    assert last["unrealized_pnl"] is None
    (row,) = manager.get_portfolios().to_dict("records")
    assert (row["active_positions"], row["priced_positions"]) == (3, 2)
    assert row["total_unrealized_pnl"] == Decimal("24285.00")
    execute(url, "UPDATE public.portfolio_positions SET current_price = NULL")
    (row,) = manager.get_portfolios().to_dict("records")
    assert row["total_market_value"] is None
    assert row["total_unrealized_pnl"] is None
    assert row["total_cost"] == Decimal("1740528.00")


def test_an_unknown_portfolio_is_named_with_those_that_are(manager: DatabaseManager) -> None:
    with pytest.raises(PortfolioNotFound, match=r"no portfolio 'NOPE'\. There are: DEFAULT"):
        manager.get_portfolio_positions("NOPE")
    with pytest.raises(PortfolioNotFound):
        manager.get_trading_signals(portfolio_id="NOPE")


def test_a_price_reaches_the_symbol_in_any_spelling(manager: DatabaseManager) -> None:
    assert manager.update_position_price("700", 316.2) is True
    assert position(manager, "DEFAULT", "0700.HK")["current_price"] == Decimal("316.200")
    with pytest.raises(PositionNotFound, match=r"No portfolio has a position in 1810\.HK"):
        manager.update_position_price("1810.HK", 10)
    with pytest.raises(InvalidInput):
        manager.update_position_price("0700.HK", 0)


def test_a_symbol_that_was_never_normalised_is_found_as_written(manager: DatabaseManager, url: str) -> None:
    execute(url, "INSERT INTO public.portfolio_positions (symbol, quantity) VALUES ('AAPL', 5)")
    assert manager.update_position_price("AAPL", 200)
    assert position(manager, "DEFAULT", "AAPL")["current_price"] == 200


def test_signals_newest_first(manager: DatabaseManager, schema: str) -> None:
    assert manager.insert_trading_signal("9988.HK", "B", 0.65, 118.5, rsi=55.5, volume=1000, ma_5=pd.NA) is True
    frame = manager.get_trading_signals()
    assert len(frame) == 3
    newest = frame.iloc[0]
    assert (newest["symbol"], newest["signal_type"], newest["signal_strength"]) == ("9988.HK", "B", Decimal("0.65"))
    assert (newest["rsi"], newest["volume"], newest["ma_5"]) == (Decimal("55.50"), 1000, None)
    assert ("portfolio_id" in frame.columns) == (schema != "v1")
    assert len(manager.get_trading_signals(limit=1)) == 1
    assert len(manager.get_trading_signals(portfolio_id="DEFAULT")) == 3
    for limit in (0, -1, "50", True):
        with pytest.raises(InvalidInput):
            manager.get_trading_signals(limit=limit)  # type: ignore[arg-type]


def test_a_signal_needs_a_position(manager: DatabaseManager) -> None:
    with pytest.raises(PositionNotFound, match=r"1810\.HK"):
        manager.insert_trading_signal("1810.HK", "A", 0.5, 10)
    with pytest.raises(PortfolioNotFound):
        manager.insert_trading_signal("0700.HK", "A", 0.5, 10, portfolio_id="NOPE")
    assert len(manager.get_trading_signals()) == 2


def test_a_connection_with_and_without_with(manager: DatabaseManager, url: str) -> None:
    with manager.get_connection() as conn, conn.cursor() as cursor:
        cursor.execute("UPDATE public.portfolio_positions SET sector = 'Internet' WHERE symbol = '0700.HK'")
        conn.commit()
    conn = manager.get_connection()
    with conn.cursor() as cursor:
        cursor.execute("UPDATE public.portfolio_positions SET sector = 'Bank' WHERE symbol = '0005.HK'")
    conn.close()
    assert conn.closed
    sectors = dict(execute(url, "SELECT symbol, sector FROM public.portfolio_positions"))
    assert sectors["0700.HK"] == "Internet"
    assert sectors["0005.HK"] == "Financials", "what was not committed is undone"


def test_a_connection_works_with_pandas(manager: DatabaseManager) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas says that it tests no other drivers than SQLAlchemy's
        with manager.get_connection() as conn:
            frame = pd.read_sql("SELECT symbol FROM portfolio_positions WHERE quantity > %s", conn, params=(0,))
    assert sorted(frame["symbol"]) == ["0005.HK", "0700.HK", "9988.HK"]


def test_schema_info(manager: DatabaseManager, schema: str) -> None:
    info = manager.get_schema_info()
    assert info["version"] == {"v1": "1.0", "v2": "2.0", "v3": "3.0"}[schema]
    assert info["capabilities"]["create_portfolio"] is (schema != "v1")
    (advice,) = info["migration_recommendations"]
    assert {"v1": "phase 1", "v2": "phase 2", "v3": "Nothing to do"}[schema] in advice
    assert manager.detect_schema_version()[0] is SchemaVersion(info["version"])


def test_price_ages_come_from_the_history_that_has_the_price(manager: DatabaseManager) -> None:
    ages = manager.get_price_ages().set_index("symbol")
    assert ages.loc["0700.HK", "as_of"] == pd.Timestamp("2026-01-06 16:00")
    assert ages.loc["0700.HK", "history_price"] == Decimal("315.200")
    assert ages.loc["0005.HK", "as_of"] > pd.Timestamp("2026-01-06 16:00")
    assert pd.isna(ages.loc["0005.HK", "history_as_of"])
    manager.update_position_price("0700.HK", 317)
    later = manager.get_price_ages().set_index("symbol").loc["0700.HK"]
    assert later["price"] == 317
    assert later["as_of"] > pd.Timestamp("2026-01-06 16:00")
    assert len(manager.get_price_history("700")) == 2


def test_the_token_moves_with_the_data_and_only_then(manager: DatabaseManager, url: str) -> None:
    seen = [manager.data_token()]
    assert manager.data_token() == seen[0]
    for statement in (
        "UPDATE portfolio_positions SET current_price = 300 WHERE symbol = '0700.HK'",
        "INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0700.HK', 'A', 1)",
        "INSERT INTO price_history (symbol, price) VALUES ('0700.HK', 300)",
        "DELETE FROM portfolio_positions WHERE symbol = '0857.HK'",
    ):
        execute(url, statement)
        seen.append(manager.data_token())
    assert len(set(seen)) == 5


def test_data_is_a_sample_as_long_as_the_mark_is_there(manager: DatabaseManager, url: str) -> None:
    assert manager.is_sample_data() is False
    execute(url, "CREATE SCHEMA IF NOT EXISTS hk_migration")
    execute(url, "CREATE TABLE IF NOT EXISTS hk_migration.mark (name text PRIMARY KEY, value jsonb)")
    execute(url, "INSERT INTO hk_migration.mark (name, value) VALUES ('sample', '{}')")
    assert manager.is_sample_data() is True


def test_health_of_a_database_without_a_cache(manager: DatabaseManager, schema: str) -> None:
    health = manager.test_connection_health()
    assert set(health) == {"database", "redis", "schema"}
    assert health["database"]["status"] == "healthy"
    assert health["database"]["details"]["role"] == "trader"
    assert health["database"]["details"]["standby"] is False
    assert health["redis"]["status"] == "down"
    assert health["schema"]["status"] == "healthy"
    assert health["schema"]["details"]["version"] == f"{schema[1]}.0"


def test_a_role_without_rights_is_reported_which(database: Database, manager_of: ManagerOf) -> None:
    url = database("v3", 18)
    execute(url, "REVOKE INSERT ON public.portfolios FROM trader")
    with pytest.raises(ConfigurationError, match="lacks a right: permission denied for table portfolios"):
        manager_of(url).create_portfolio("TECH", "Tech")


def test_a_read_only_server_is_read_and_says_so_when_written_to(database: Database, manager_of: ManagerOf) -> None:
    manager = manager_of(f"{database('v3', 18)}&options=-c%20default_transaction_read_only%3Don")
    assert len(manager.get_portfolio_positions()) == 4
    with pytest.raises(CapabilityMissing, match="read-only"):
        manager.create_portfolio("TECH", "Tech")


def test_without_arguments_the_environment_says_which(
    database: Database, cache_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database("v1", 18))
    monkeypatch.setenv("REDIS_URL", cache_url)
    manager = DatabaseManager()
    assert len(manager.get_portfolio_positions()) == 4
    assert manager.set_cache("key", 1) is True
    manager.close()


def test_a_named_database_is_the_only_one_that_is_read(
    database: Database, cache_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.setenv("REDIS_URL", cache_url)
    manager = DatabaseManager(database_url=database("v3", 18))
    assert manager.detect_schema_version()[0] is SchemaVersion.V3
    assert manager.set_cache("key", 1) is False, "the cache of another database is not ours"
    manager.close()
