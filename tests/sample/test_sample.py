"""The sample: the same every time, as the exchange would have it; loaded, marked, and taken away exactly."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg2
import pytest

from src.errors import PrerequisiteError
from src.sample.load import init_database, is_sample, load_sample, remove_sample, session_closes
from src.sample.rows import INDEX, POSITIONS, SYMBOLS, prices, signals
from tests.conftest import MakeDatabase

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
# Valid both before and after 4 August 2025.
STEPS = ((10, "0.01"), (20, "0.02"), (50, "0.1"), (100, "0.05"), (200, "0.1"), (500, "0.2"), (1000, "0.5"))


def fetch(url: str, question: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def count(url: str, table: str) -> object:
    return fetch(url, f"SELECT count(*) FROM {table}")[0][0]


def test_prices_end_at_the_samples_and_cover_two_years() -> None:
    closes = session_closes(NOW)
    rows = prices(closes)
    for symbol, price in [(p.symbol, p.price) for p in POSITIONS] + [(INDEX, Decimal(26000))]:
        history = [row for row in rows if row.symbol == symbol]
        assert history[-1].close_price == price
        assert [row.at for row in history] == closes
    assert 485 <= len(closes) <= 496


def test_prices_depend_on_nothing_but_the_distance_from_the_last_session() -> None:
    many = {(row.symbol, row.close_price, row.volume) for row in prices(session_closes(NOW))}
    few = {(row.symbol, row.close_price, row.volume) for row in prices(session_closes(NOW + timedelta(days=30))[-100:])}
    assert few <= many


def test_known_prices_stay_what_they_are() -> None:
    """A change here changes what everyone sees, and what remove_sample recognises."""
    rows = [row for row in prices(session_closes(NOW)) if row.symbol == "0700.HK"]
    assert [str(row.close_price) for row in rows[-4:]] == ["327.400", "321.600", "314.800", "315.20"]


def test_every_generated_price_is_one_that_the_exchange_takes() -> None:
    final = {position.symbol: position.price for position in POSITIONS}
    for row in prices(session_closes(NOW)):
        assert row.low <= min(row.open_price, row.close_price)
        assert row.high >= max(row.open_price, row.close_price)
        for price in (row.open_price, row.high, row.low, row.close_price):
            step = "0.01" if row.symbol == INDEX else next(step for limit, step in STEPS if price <= limit)
            assert price % Decimal(step) == 0 or price == final.get(row.symbol), row


def test_no_day_moves_like_no_real_one() -> None:
    rows = prices(session_closes(NOW))
    for symbol in (INDEX, *SYMBOLS):
        closes = [row.close_price for row in rows if row.symbol == symbol]
        moves = [float(after / before - 1) for before, after in itertools.pairwise(closes)]
        assert max(abs(move) for move in moves) < 0.12
        assert len({round(move, 4) for move in moves}) > 100, "a price that never moves is no sample"


def test_signals_are_of_all_kinds_and_from_the_prices() -> None:
    rows = prices(session_closes(NOW))
    found = signals(rows)
    assert {signal.signal_type for signal in found} == {"A", "B", "C", "D"}
    assert {signal.symbol for signal in found} == set(SYMBOLS)
    closes = {(row.symbol, row.at): row.close_price for row in rows}
    for signal in found:
        assert closes[signal.symbol, signal.created_at - timedelta(minutes=20)] == signal.price
        assert 0 <= signal.rsi <= 100
        assert signal.bollinger_lower <= signal.ma_20 <= signal.bollinger_upper


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2026, 3, 4, 12, 0, tzinfo=UTC), "2026-03-04T08:00:00+00:00"),
        (datetime(2026, 3, 4, 7, 59, tzinfo=UTC), "2026-03-03T08:00:00+00:00"),
        (datetime(2026, 3, 8, 12, 0, tzinfo=UTC), "2026-03-06T08:00:00+00:00"),
        (datetime(2025, 12, 26, 12, 0, tzinfo=UTC), "2025-12-24T04:00:00+00:00"),
    ],
    ids=["after the close", "before the close", "Sunday", "Christmas, after a half day"],
)
def test_the_last_session_is_one_that_is_over(now: datetime, last: str) -> None:
    assert session_closes(now)[-1].isoformat() == last


def test_v1_keeps_the_prices_of_the_index_in_the_archive(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    assert not is_sample(url), "asked before there is a mark to read"
    load_sample(url, "v1", now=NOW)
    sessions = len(session_closes(NOW))
    assert count(url, "portfolio_positions") == 12
    assert count(url, "price_history") == 12 * sessions
    assert fetch(url, "SELECT DISTINCT symbol, archive_id FROM hk_migration.archived_price") == [(INDEX, None)]
    assert count(url, "hk_migration.archived_price") == sessions
    assert is_sample(url)


def test_v3_holds_them_with_the_others(make_database: MakeDatabase) -> None:
    url = make_database("v3")
    load_sample(url, "v3", now=NOW)
    assert fetch(url, "SELECT max(price) FROM price_history WHERE symbol = '^HSI'") != [(None,)]
    assert fetch(url, "SELECT DISTINCT portfolio_id FROM portfolio_positions") == [("DEFAULT",)]
    assert count(url, "hk_migration.archived_price") == 0


@pytest.mark.parametrize("schema", ["v1", "v3"])
def test_removing_takes_all_of_it(make_database: MakeDatabase, schema: str) -> None:
    url = make_database(schema, sample=True)
    assert "12 positions" in remove_sample(url)
    for table in ("portfolio_positions", "trading_signals", "price_history", "hk_migration.archived_price"):
        assert count(url, table) == 0, table
    assert not is_sample(url)
    assert remove_sample(url) == "There is no sample data in this database."


def test_removing_keeps_what_the_trader_did_without_made_up_prices(make_database: MakeDatabase) -> None:
    url = make_database("v3", sample=True)
    for statement in (
        "INSERT INTO portfolio_positions (symbol, quantity, avg_cost, current_price) VALUES ('0001.HK', 500, 40, 41)",
        "UPDATE portfolio_positions SET quantity = 400 WHERE symbol = '0700.HK'",
        "INSERT INTO portfolios (portfolio_id, name) VALUES ('TECH', 'Tech')",
        "INSERT INTO portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('TECH', '9988.HK', 10, 100, 118.75)",
        "INSERT INTO price_history (symbol, price, volume, timestamp) VALUES ('0700.HK', 333.2, 1, localtimestamp)",
        "INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0700.HK', 'A', 333.2)",
    ):
        fetch(url, statement)
    assert "11 positions" in remove_sample(url)
    question = "SELECT portfolio_id, symbol, quantity, current_price FROM portfolio_positions ORDER BY 1, 2"
    assert fetch(url, question) == [
        ("DEFAULT", "0001.HK", 500, Decimal("41.000")),
        ("DEFAULT", "0700.HK", 400, None),
        ("TECH", "9988.HK", 10, None),
    ]
    assert fetch(url, "SELECT symbol, price FROM price_history") == [("0700.HK", Decimal("333.200"))]
    assert fetch(url, "SELECT symbol, price FROM trading_signals") == [("0700.HK", Decimal("333.200"))]


@pytest.mark.parametrize("schema", ["v1", "v3"])
def test_init_of_an_empty_database(make_database: MakeDatabase, schema: str) -> None:
    url = make_database(None)
    assert schema in init_database(url, schema, False)
    assert count(url, "portfolio_positions") == 0
    assert not is_sample(url)


def test_init_names_what_is_in_the_way_and_touches_nothing(make_database: MakeDatabase) -> None:
    url = make_database(None)
    fetch(url, "CREATE TABLE someone_elses (id int)")
    with pytest.raises(PrerequisiteError, match=r"table public\.someone_elses"):
        init_database(url, "v1", True)
    assert fetch(url, "SELECT to_regnamespace('hk_migration'), to_regclass('portfolio_positions')") == [(None, None)]
