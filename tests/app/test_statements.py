"""How many statements a page takes: as many for a large database as for a small one."""

import pytest

from src.database_enhanced import DatabaseManager
from src.ui.reads import live_state, queries
from tests.app.conftest import OpenPage, execute
from tests.conftest import MakeDatabase
from tests.support.statements import counted

BOOKS = """
INSERT INTO public.portfolios (portfolio_id, name, strategy)
SELECT 'P' || n, 'Book ' || n, 'Strategy ' || n %% 3 FROM generate_series(1, %(books)s) n;
INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price, last_updated)
SELECT 'P' || n, lpad(s::text, 4, '0') || '.HK', 100, 10, 11, now()
  FROM generate_series(1, %(books)s) n, generate_series(1, %(positions)s) s;
INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price)
SELECT portfolio_id, symbol, 'A', 10 FROM public.portfolio_positions;
INSERT INTO public.price_history (symbol, price, timestamp)
SELECT DISTINCT symbol, 10, now() - d * interval '1 day' FROM public.portfolio_positions, generate_series(1, 5) d
"""
# A page's own, and what every page asks: schema, clock, data token, mark of the sample, run.
MOST = {"portfolios": 8, "portfolio": 12, "comparison": 11}


@pytest.fixture(autouse=True)
def _one_poll(settings_env: pytest.MonkeyPatch) -> None:
    """However long the machine takes to draw the page: nothing is asked again meanwhile."""
    settings_env.setattr(live_state, "FRESH_S", 600.0)


@pytest.mark.parametrize("page", MOST)
def test_more_portfolios_and_positions_take_no_more_statements(
    make_database: MakeDatabase, open_page: OpenPage, page: str
) -> None:
    counts = []
    for books, positions in ((2, 2), (60, 40)):
        url = make_database("v3")
        execute(url, BOOKS, values={"books": books, "positions": positions})
        with counted() as said:
            app = open_page(url, page, id="P1", left="P1", right="P2")
            queries.forget()
            said.clear()
            app.run()
        assert not app.error
        counts.append(said)
    small, large = counts
    assert sorted(large) == sorted(small)
    assert len(large) <= MOST[page], large


@pytest.mark.parametrize(("view", "most"), [("Edit", 11), ("Import", 11), ("History", 17)])
def test_more_positions_and_saves_take_no_more_statements_in_a_view(
    make_database: MakeDatabase, open_page: OpenPage, view: str, most: int
) -> None:
    counts = []
    for positions, saves in ((2, 2), (40, 15)):
        url = make_database("v3")
        execute(url, BOOKS, values={"books": 2, "positions": positions})
        manager = DatabaseManager(url)
        for quantity in range(saves):
            manager.change_position("P1", "0001.HK", quantity=quantity)
        manager.close()
        with counted() as said:
            app = open_page(url, "portfolio", id="P1")
            app.segmented_control("view").set_value(view).run()
            queries.forget()
            said.clear()
            app.run()
        assert not app.error
        counts.append([one for one in said if not one.startswith("SET ")])
    small, large = counts
    assert sorted(large) == sorted(small)
    assert len(large) <= most, large


@pytest.mark.parametrize(("page", "most"), [("portfolio", 16), ("comparison", 13)])
def test_a_copy_takes_no_more_statements_however_much_was_changed(
    make_database: MakeDatabase, open_page: OpenPage, page: str, most: int
) -> None:
    counts = []
    for positions in (2, 40):
        url = make_database("v3")
        execute(url, BOOKS, values={"books": 2, "positions": positions})
        manager = DatabaseManager(url)
        manager.copy_portfolio("P1", "TRY", "A try")
        manager.close()
        execute(url, "UPDATE public.portfolio_positions SET quantity = 50 WHERE portfolio_id = 'TRY'")
        with counted() as said:
            app = open_page(url, page, id="TRY", left="P1", right="TRY", also="P2")
            queries.forget()
            said.clear()
            app.run()
        assert not app.error
        counts.append(said)
    small, large = counts
    assert sorted(large) == sorted(small)
    assert len(large) <= most, large
