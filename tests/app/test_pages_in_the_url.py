"""Long lists of a portfolio: which page is shown is in the URL, and another portfolio or file begins with the first."""

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from src.database_enhanced import DatabaseManager
from src.journal import audit
from src.journal.audit import AuditEntry
from tests.app.conftest import OpenPage, execute, shown
from tests.app.html_tables import table
from tests.app.test_import_export import upload
from tests.conftest import MakeDatabase
from tests.support.editing import new

MANY = (
    "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
    "SELECT p, lpad(n::text, 4, '0') || '.HK', 100, 10, 11 FROM generate_series(5001, 5120) n, "
    "unnest(ARRAY['TRY', 'TWO']) p"
)


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    """DEFAULT has two copies, each with 120 positions more."""
    made = make_database("v3", sample=True)
    manager = DatabaseManager(made)
    for name in ("TRY", "TWO"):
        manager.copy_portfolio("DEFAULT", name, f"{name} as a copy")
    manager.close()
    execute(made, MANY)
    return made


@pytest.fixture
def manager(url: str) -> Iterator[DatabaseManager]:
    found = DatabaseManager(url)
    yield found
    found.close()


def choose(app: AppTest, portfolio_id: str) -> None:
    app.selectbox("choice TRY").set_value(portfolio_id).run()
    assert not app.exception


@pytest.mark.parametrize("of", ["portfolio", "comparison"])
def test_changes_and_trades_since_the_copy(url: str, open_page: OpenPage, of: str) -> None:
    which = {"id": "TRY"} if of == "portfolio" else {"left": "DEFAULT", "right": "TRY"}
    app = open_page(url, of, **which, changes_page="2", trades_page="3")
    text = shown(app)
    assert "51 to 100 of 120 changes, the largest part first" in text
    assert "101 to 120 of 120 trades" in text
    assert len(table(app, "Changes since the copy").rows) == 50 + 1, "and the sum of all"
    assert next(iter(table(app, "Trades from parent").rows)) == "5101.HK"


def test_another_portfolio_begins_with_the_first_page_of_each_list(url: str, open_page: OpenPage) -> None:
    app = open_page(url, "portfolio", id="TRY", changes_page="2", trades_page="3", position_page="2")
    choose(app, "TWO")
    text = shown(app)
    assert "TWO as a copy" in text
    for list_ in ("1 to 50 of 120 changes", "1 to 50 of 120 trades", "1 to 100 of"):
        assert list_ in text, list_


def test_another_side_of_a_comparison_begins_with_the_first_page(url: str, open_page: OpenPage) -> None:
    app = open_page(url, "comparison", left="DEFAULT", right="TRY", changes_page="2", held_page="2")
    assert "51 to 100 of 120 changes" in shown(app) and "101 to" in shown(app)
    app.selectbox("right TRY").set_value("TWO").run()
    assert "1 to 50 of 120 changes" in shown(app) and "1 to 100 of" in shown(app)
    app = open_page(url, "comparison", left="DEFAULT", right="TRY", held_page="2")
    app.button("swap").click().run()
    assert "1 to 100 of" in shown(app)


def test_the_change_history(url: str, manager: DatabaseManager, open_page: OpenPage) -> None:
    for portfolio_id in ("TRY", "TWO"):
        for number in range(22):
            manager.change_position(portfolio_id, "0005.HK", quantity=1000 + number)
    app = open_page(url, "portfolio", id="TRY", view="History", saves_page="2")
    text = shown(app)
    assert "21 to 23 of 23 revisions" in text
    assert "revision" in text and "Copied by" in text, "the oldest one is on the last page"
    choose(app, "TWO")
    assert "1 to 20 of 23 revisions" in shown(app)


def test_where_older_revisions_are_not_listed_the_history_says_so(
    url: str, manager: DatabaseManager, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(24):
        manager.change_position("TRY", "0005.HK", quantity=1000 + number)
    monkeypatch.setattr("src.ui.reads.queries.MOST_REVISIONS", 22)
    assert "1 to 20 of the newest 22 revisions" in shown(open_page(url, "portfolio", id="TRY", view="History"))


def test_what_a_file_will_change(url: str, manager: DatabaseManager, open_page: OpenPage) -> None:
    rows = "".join(f"{number};100;10\n" for number in range(6001, 6251))
    app = open_page(url, "portfolio", id="TRY", view="Import", review_page="3")
    upload(app, f"symbol;quantity;avg_cost\n{rows}".encode())
    assert "201 to 250 of 250 changes; the figures below are of all" in shown(app)
    upload(app, f"symbol;quantity;avg_cost\n{rows}6300;100;10\n".encode(), "another.csv")
    assert "1 to 100 of 251 changes" in shown(app)
    app.get("pagination")[0].set_value(2).run()
    app.button("import_positions").click().run()
    assert "review_page" not in app.session_state or app.session_state["review_page"] == 1
    manager.save_positions("TRY", [new("6301.HK")], by="another")


def test_another_order_of_positions_begins_with_the_first_page(url: str, open_page: OpenPage) -> None:
    app = open_page(url, "portfolio", id="TRY", position_page="2")
    assert "101 to 132 of 132 positions" in shown(app)
    app.selectbox("sort").set_value("Symbol").run()
    assert "1 to 100 of 132 positions" in shown(app)


def test_another_order_or_grouping_of_portfolios_begins_with_the_first_page(url: str, open_page: OpenPage) -> None:
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name, strategy, archived_at) "
        "SELECT 'P' || n, 'Book ' || n, 'Income', CASE WHEN n = 1 THEN now() END FROM generate_series(1, 120) n",
    )
    for change in (
        lambda app: app.selectbox("order").set_value("Name"),
        lambda app: app.toggle("grouped").set_value(False),
        lambda app: app.toggle("archived").set_value(True),
    ):
        app = open_page(url, "portfolios")
        app.get("pagination")[0].set_value(2).run()
        assert "51 to 100 of" in shown(app)
        change(app).run()
        assert "1 to 50 of" in shown(app)


def test_another_filter_of_the_activity_begins_with_the_first_page(url: str, open_page: OpenPage) -> None:
    for number in range(45):
        audit.record(url, AuditEntry("ann", "admin", "a script", f"action {number}", "done"))
    app = open_page(url, "system_status", history_page="2")
    assert "16 to 30 of 45 entries" in shown(app)
    app.selectbox("history_by").set_value("ann").run()
    assert "1 to 15 of 45 entries" in shown(app)
