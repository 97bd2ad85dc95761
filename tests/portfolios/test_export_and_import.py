"""Export and import through a real database: whatever older programs stored comes back as it was."""

from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.database_enhanced import DatabaseManager
from src.domain.portfolio import Position
from src.transfer.exporting import to_csv
from src.transfer.importing import ImportPreview, preview
from src.transfer.mapping import guess
from src.transfer.reading import read
from tests.conftest import MakeDatabase

NASTY = [
    "",
    " x ",
    "=1+1",
    "-1",
    "+1",
    "@x",
    "\tt",
    "\rr",
    "'q",
    '"',
    'a","b',
    "a;b",
    "a\r\nb",
    "🚀",
    "騰訊",
    "N/A",
    "-",
]
INSERT = """INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector)
            VALUES (%s, %s, %s, %s, %s, %s)"""
texts = st.none() | st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
                                                     max_size=40)  # fmt: skip
money = st.decimals(min_value=0, max_value=9_999, places=3)
stored = st.lists(
    st.tuples(
        st.integers(1, 99_999).map(lambda code: f"{code:04}.HK"),
        texts,
        st.integers(-99_999, 99_999),
        money,
        st.none() | money,
        texts,
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


def store(url: str, rows: list[tuple[Any, ...]]) -> None:
    """As an older program does: with nothing checked but what the table checks."""
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("DELETE FROM public.portfolios WHERE portfolio_id <> 'DEFAULT'")
        cursor.execute("DELETE FROM public.portfolio_positions")
        for row in rows:
            cursor.execute(INSERT, row)
    conn.close()


def held(manager: DatabaseManager, portfolio_id: str) -> tuple[Position, ...]:
    return manager.positions(portfolio_id)


def imported(data: bytes, current: tuple[Position, ...]) -> ImportPreview:
    table = read(data)
    return preview(table, guess(table.columns), current)


@pytest.fixture
def shared(make_database: MakeDatabase) -> Any:
    """One database for all examples: each begins by emptying it."""
    url = make_database("v3")
    manager = DatabaseManager(url)
    yield url, manager
    manager.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=stored)
def test_what_is_stored_comes_back_and_goes_into_another_portfolio_alike(
    rows: list[tuple[Any, ...]], shared: tuple[str, DatabaseManager]
) -> None:
    url, manager = shared
    store(url, rows)
    before = held(manager, "DEFAULT")
    data = to_csv(before)
    again = imported(data, before)
    assert (again.edits, again.errors, again.unchanged) == ((), (), len(rows))

    manager.create_portfolio("COPY", "Copy")
    manager.save_positions("COPY", imported(data, ()).edits, kind="import")
    copy = {one.symbol: one for one in held(manager, "COPY")}
    assert len(copy) == len(rows)
    for one in before:
        other = copy[one.symbol]
        assert (one.quantity, one.avg_cost, one.price) == (other.quantity, other.avg_cost, other.price)
        assert (one.company_name or "").strip() == (other.company_name or "").strip()
    assert held(manager, "DEFAULT") == before
    assert imported(data, tuple(copy.values())).errors == ()


def test_an_import_is_undone_as_one_with_prices_and_signals(make_database: MakeDatabase) -> None:
    manager = DatabaseManager(make_database("v3", sample=True))
    before = held(manager, "DEFAULT")
    rows = "Symbol,Quantity,Cost,Price\n700,3200,321,400\n5,1,,\n1,500,45,50\n"
    found = imported(rows.encode(), before)
    save = manager.save_positions("DEFAULT", found.edits, by="Ann", kind="import", digest=found.digest)
    assert [(one.digest, len(one.rows)) for one in manager.revisions("DEFAULT")] == [(found.digest, 3)]
    after = {one.symbol: one for one in held(manager, "DEFAULT")}
    assert (after["0700.HK"].quantity, after["0700.HK"].price) == (3200, Decimal(400))
    assert imported(rows.encode(), tuple(after.values())).edits == ()
    manager.undo_revision(save.revision_id)
    assert set(held(manager, "DEFAULT")) == set(before)
    manager.close()
