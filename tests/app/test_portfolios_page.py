"""The list of portfolios, as a trader sees it."""

import psycopg2
import pytest

from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase


def execute(url: str, statement: str) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(statement)
    conn.close()


def test_v1_shows_the_one_portfolio_and_what_phase_1_would_add(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    app = open_page(make_database("v1", sample=True), "portfolios")
    text = shown(app)
    assert "Legacy Portfolio" in text
    assert "2,177,898.90" in text
    assert "+18,730.90" in text
    assert "Phase 1" in text
    assert not app.button
    assert not app.error


def test_v3_creates_a_portfolio_and_shows_it(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    app = open_page(url, "portfolios")
    app.text_input("create_id_0").set_value("TECH")
    app.text_input("create_name_0").set_value("Technology & chips")
    app.text_input("create_strategy_0").set_value("Momentum")
    app.button("create_submit").click().run()
    assert not app.error
    assert app.title[0].value == "Technology & chips"
    assert "without positions yet" in app.success[0].value
    text = shown(open_page(url, "portfolios"))
    assert "Technology &amp; chips" in text
    assert "Momentum" in text


def test_a_copy_has_the_same_positions_and_the_same_totals(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    app = open_page(url, "portfolios")
    app.text_input("copy_id_0").set_value("TRY")
    app.text_input("copy_name_0").set_value("A try")
    app.button("copy_submit").click().run()
    assert app.title[0].value == "A try"
    assert "12 positions" in app.success[0].value
    text = shown(app)
    assert "copied from DEFAULT" in text
    assert "2,177,898.90" in text
    assert "0700.HK" in text
    assert "4,355,797.80" in shown(open_page(url, "portfolios"))


def test_what_is_wrong_in_a_form_stands_in_the_form(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v3"), "portfolios")
    app.text_input("create_name_0").set_value("No id")
    app.button("create_submit").click().run()
    assert app.error[0].value == "The id is missing."
    assert app.text_input("create_name_0").value == "No id"
    app.text_input("create_id_0").set_value("DEFAULT")
    app.button("create_submit").click().run()
    assert "already" in app.error[0].value


def test_an_archived_portfolio_is_out_of_the_list_and_its_totals(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database("v3", sample=True)
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name) VALUES ('OLD', 'Old ideas');"
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "SELECT 'OLD', symbol, 10, 1, current_price FROM public.portfolio_positions WHERE symbol = '0700.HK'",
    )
    app = open_page(url, "portfolio", id="OLD")
    next(one for one in app.button if one.label == "Archive").click().run()
    assert "archived" in app.success[0].value
    app = open_page(url, "portfolios")
    assert "Old ideas" not in shown(app)
    assert "2,177,898.90" in shown(app)
    app.toggle("archived").set_value(True).run()
    assert "Old ideas" in shown(app)


@pytest.mark.parametrize(
    ("order", "first"), [("Name", "Aardvark"), ("Market value", "Legacy Portfolio"), ("Strategy", "Zebra")]
)
def test_the_list_is_sorted(make_database: MakeDatabase, open_page: OpenPage, order: str, first: str) -> None:
    url = make_database("v3", sample=True)
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name, strategy) VALUES ('A', 'Aardvark', 'Value'), "
        "('Z', 'Zebra', 'Momentum')",
    )
    app = open_page(url, "portfolios")
    app.selectbox("order").set_value(order).run()
    text = shown(app)
    found = sorted(("Aardvark", "Zebra", "Legacy Portfolio"), key=text.index)
    assert found[0] == first


def test_the_search_finds_by_strategy(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    execute(url, "INSERT INTO public.portfolios (portfolio_id, name, strategy) VALUES ('Z', 'Zebra', 'Momentum')")
    app = open_page(url, "portfolios")
    app.text_input("search").set_value("moment").run()
    assert "Zebra" in shown(app)
    assert "Legacy Portfolio" not in shown(app)
