"""Several editors and v1 clients on the same rows at once: nobody gets a deadlock, and no update is lost."""

from collections.abc import Callable
from decimal import Decimal

import psycopg2
import pytest

from src.database_enhanced import DatabaseManager
from src.errors import Conflict, DatabaseUnavailable, InvalidInput, PortfolioNotFound
from tests.support.databases import MULTI, Database, ManagerOf, at_once, execute

SYMBOLS = [f"{code:04d}.HK" for code in range(1, 201)]
OF_DEFAULT = "SELECT 1 FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT'"
COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = 'public.portfolio_positions'::regclass"


@pytest.fixture(params=MULTI)
def url(request: pytest.FixtureRequest, database: Database, pg_version: int) -> str:
    made = database(request.param, pg_version)
    statement = "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price) "
    execute(made, statement + "SELECT s, 100, 10, 20 FROM unnest(%s) s ON CONFLICT DO NOTHING", (SYMBOLS,))
    return made


@pytest.fixture
def manager(url: str, manager_of: ManagerOf) -> DatabaseManager:
    return manager_of(url)


def v1_updates(url: str, rounds: int, first: int) -> Callable[[], None]:
    """A v1 client: prices of ten symbols per transaction, in the same order as v1's other clients."""

    def work() -> None:
        conn = psycopg2.connect(url, application_name="v1")
        with conn.cursor() as cursor:
            for turn in range(rounds):
                start = (first + turn * 37) % (len(SYMBOLS) - 10)
                for symbol in SYMBOLS[start : start + 10]:
                    cursor.execute(
                        "UPDATE portfolio_positions SET current_price = %s WHERE symbol = %s", (30 + turn, symbol)
                    )
                conn.commit()
        conn.close()

    return work


def prices_differ(url: str) -> list[tuple[object, ...]]:
    return execute(
        url,
        "SELECT symbol, array_agg(current_price ORDER BY id) FROM public.portfolio_positions GROUP BY symbol "
        "HAVING count(DISTINCT coalesce(current_price, -1)) > 1",
    )


def test_prices_from_both_sides_end_equal_in_every_portfolio(url: str, manager: DatabaseManager) -> None:
    manager.copy_portfolio("DEFAULT", "A", "A")
    manager.copy_portfolio("DEFAULT", "B", "B")

    def ours(offset: int) -> Callable[[], None]:
        def work() -> None:
            for turn in range(60):
                manager.update_position_price(SYMBOLS[(offset + turn * 37) % len(SYMBOLS)], Decimal(50 + turn))

        return work

    raised = at_once(v1_updates(url, 30, 0), v1_updates(url, 30, 0), ours(0), ours(0))
    assert raised == []
    assert prices_differ(url) == []


def test_copies_while_v1_updates_prices(url: str, manager: DatabaseManager) -> None:
    def copies() -> None:
        for number in range(6):
            assert manager.copy_portfolio("DEFAULT", f"COPY{number}", "Copy") == len(execute(url, OF_DEFAULT))

    raised = at_once(v1_updates(url, 60, 0), v1_updates(url, 60, 0), copies)
    assert raised == []
    assert prices_differ(url) == [], "a copy never keeps a price that was replaced while it was made"
    assert len(manager.get_portfolios()) == 7


def test_two_editors_of_one_position(url: str, manager: DatabaseManager, manager_of: ManagerOf) -> None:
    other = manager_of(url)
    reported: list[Conflict] = []

    def edit(by: DatabaseManager, quantity: int) -> Callable[[], None]:
        def work() -> None:
            try:
                by.change_position("DEFAULT", SYMBOLS[0], quantity=quantity, expected={"quantity": 100})
            except Conflict as conflict:
                reported.append(conflict)

        return work

    raised = at_once(edit(manager, 111), edit(other, 222))
    assert raised == []
    ((quantity,),) = execute(url, "SELECT quantity FROM portfolio_positions WHERE symbol = %s", (SYMBOLS[0],))
    assert quantity in (111, 222)
    assert len(reported) == 1
    assert f"quantity is {quantity} now, not 100" in str(reported[0])


def test_editors_of_the_same_symbols_in_two_portfolios(url: str, manager: DatabaseManager) -> None:
    manager.create_portfolio("A", "A")
    manager.create_portfolio("B", "B")

    def edits(portfolio_id: str, symbols: list[str]) -> Callable[[], None]:
        def work() -> None:
            for symbol in symbols:
                manager.add_position(portfolio_id, symbol, 1, 1)
            for symbol in symbols:
                manager.change_position(portfolio_id, symbol, quantity=2)
            for symbol in symbols:
                manager.remove_position(portfolio_id, symbol)

        return work

    raised = at_once(
        edits("A", SYMBOLS[:30]), edits("B", SYMBOLS[29::-1]), v1_updates(url, 30, 0), edits("DEFAULT", ["8001.HK"])
    )
    assert raised == []
    assert prices_differ(url) == []
    assert execute(url, "SELECT count(*) FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT'") == [(0,)]


def test_one_symbol_inserted_by_v1_and_by_us_at_the_same_time(url: str, manager: DatabaseManager) -> None:
    manager.copy_portfolio("DEFAULT", "A", "A")
    new = [f"{code:04d}.HK" for code in range(9001, 9041)]
    refused: list[str] = []
    serves_v1 = ("legacy_symbol",) in execute(url, COLUMNS)
    insert = "INSERT INTO portfolio_positions (symbol, quantity, current_price) VALUES (%s, 1, 5) "
    upsert = insert + "ON CONFLICT (symbol) DO UPDATE SET quantity = excluded.quantity"

    def v1() -> None:
        conn = psycopg2.connect(url)
        conn.autocommit = True
        with conn.cursor() as cursor:
            for symbol in new:
                try:
                    cursor.execute(upsert if serves_v1 else insert, (symbol,))
                except psycopg2.errors.UniqueViolation:
                    if serves_v1:
                        raise
        conn.close()

    def ours(portfolio_id: str) -> Callable[[], None]:
        def work() -> None:
            for symbol in new:
                try:
                    manager.add_position(portfolio_id, symbol, 1, 1)
                except InvalidInput as error:
                    refused.append(str(error))

        return work

    assert at_once(v1, ours("DEFAULT"), ours("A")) == []
    assert all("Portfolio 'DEFAULT' has a position in" in text for text in refused)
    statement = "SELECT count(*) FROM public.portfolio_positions WHERE symbol >= '9001.HK' AND symbol < '9041.HK'"
    assert execute(url, statement) == [(80,)]
    if serves_v1:
        assert prices_differ(url) == [], "our row has the price that came with v1's"


def test_a_position_is_removed_while_its_portfolio_is_copied_and_deleted(url: str, manager: DatabaseManager) -> None:
    manager.copy_portfolio("DEFAULT", "A", "A")

    def remove() -> None:
        for symbol in SYMBOLS[:20]:
            try:
                manager.remove_position("A", symbol)
            except PortfolioNotFound:
                break

    def copy_and_delete() -> None:
        for number in range(3):
            manager.copy_portfolio("A", f"B{number}", "B")
        manager.delete_portfolio("A")

    assert at_once(remove, copy_and_delete) == []
    left = execute(url, "SELECT DISTINCT portfolio_id FROM public.portfolio_positions ORDER BY 1")
    assert left == [("B0",), ("B1",), ("B2",), ("DEFAULT",)]


def test_a_row_that_someone_holds_for_good_is_a_conflict_and_not_a_hang(
    url: str, manager: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.portfolios.transactions.RETRY_FOR_S", 0.3)
    holder = psycopg2.connect(url)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE portfolio_positions SET current_price = 1 WHERE symbol = %s", (SYMBOLS[5],))
    try:
        for attempt in (
            lambda: manager.update_position_price(SYMBOLS[5], 2),
            lambda: manager.copy_portfolio("DEFAULT", "A", "A"),
            lambda: manager.remove_position("DEFAULT", SYMBOLS[5]),
        ):
            with pytest.raises(Conflict, match="Someone else is changing these rows"):
                attempt()
    finally:
        holder.rollback()
        holder.close()
    assert len(manager.get_portfolios()) == 1, "the copy that did not come about left nothing behind"
    assert manager.update_position_price(SYMBOLS[5], 2)


def test_connections_that_are_lost_are_replaced(url: str, manager: DatabaseManager) -> None:
    """As after a restart of the server: every connection of the pool is dead, and was in use just now."""
    calls: list[Callable[[], object]] = [
        manager.get_portfolio_positions,
        lambda: manager.update_position_price(SYMBOLS[0], 7),
        lambda: manager.detect_schema_version(force_refresh=True),
    ]
    for call in calls:
        for lease in [manager.get_connection() for _ in range(3)]:
            lease.close()
        execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name LIKE 'hk_strategy%'",
        )
        call()
    assert execute(url, "SELECT current_price FROM portfolio_positions WHERE symbol = %s", (SYMBOLS[0],)) == [(7,)]


def test_a_statement_that_takes_too_long_is_reported(url: str, manager_of: ManagerOf) -> None:
    manager = manager_of(url)
    with manager.get_connection() as conn, conn.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
    short_timeout = DatabaseManager(database_url=url)
    short_timeout._db._pool._options = "-c statement_timeout=100"
    holder = psycopg2.connect(url)
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE public.portfolio_positions IN ACCESS EXCLUSIVE MODE")
    try:
        with pytest.raises(DatabaseUnavailable, match="took too long"):
            short_timeout.get_portfolio_positions()
    finally:
        holder.close()
        short_timeout.close()
