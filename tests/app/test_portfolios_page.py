"""The list of portfolios, as a trader sees it."""

import psycopg2
import pytest

from tests.app.conftest import OpenPage, order_of, shown, tables
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
    assert "Old ideas" not in tables(app)
    assert "2,177,898.90" in shown(app)
    app.toggle("archived").set_value(True).run()
    assert "Old ideas" in tables(app)
    assert "archived" in tables(app)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Name", ["Aardvark", "Legacy Portfolio", "Zebra"]),
        ("Market value", ["Legacy Portfolio", "Zebra", "Aardvark"]),
        ("P&L, worst first", ["Zebra", "Aardvark", "Legacy Portfolio"]),
    ],
)
def test_the_list_is_sorted(make_database: MakeDatabase, open_page: OpenPage, order: str, expected: list[str]) -> None:
    url = make_database("v3", sample=True)
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name, strategy) VALUES ('A', 'Aardvark', 'Value'), "
        "('Z', 'Zebra', 'Momentum');"
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('Z', '0001.HK', 10, 60, 50), ('A', '0002.HK', 10, 10, 11)",
    )
    app = open_page(url, "portfolios")
    app.toggle("grouped").set_value(False)
    app.selectbox("order").set_value(order).run()
    assert order_of(tables(app), "Aardvark", "Legacy Portfolio", "Zebra") == expected


def test_the_search_finds_by_strategy(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    execute(url, "INSERT INTO public.portfolios (portfolio_id, name, strategy) VALUES ('Z', 'Zebra', 'Momentum')")
    app = open_page(url, "portfolios")
    app.text_input("search").set_value("moment").run()
    assert "Zebra" in tables(app)
    assert "Legacy Portfolio" not in tables(app)
    app.text_input("search").set_value("nothing like it").run()
    assert not tables(app)
    assert any("No portfolio matches" in one.value for one in app.caption)


BOOKS = (
    "INSERT INTO public.portfolios (portfolio_id, name, strategy) VALUES ('M1', 'Fast', 'Momentum'), "
    "('M2', 'Faster', 'Momentum'), ('I1', 'Calm', 'Income');"
    "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) VALUES "
    "('M1', '0001.HK', 100, 40, 50), ('M2', '0002.HK', 200, 60, 50), ('M2', '0003.HK', 10, 7, 0), "
    "('I1', '0004.HK', 1, 3, 4)"
)


def test_portfolios_are_grouped_by_strategy_with_subtotals(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3")
    execute(url, BOOKS)
    app = open_page(url, "portfolios")
    text = tables(app)
    names = ("Momentum", "Faster", "Fast<", "Income", "Calm", "No strategy", "Legacy Portfolio")
    assert order_of(text, *names) == list(names)
    momentum = text[text.index("Momentum") : text.index("Faster")]
    for figure in ("2 portfolios", "15,000.00", "▼ −1,000.00", "−6.25%", "2 of 3 priced"):
        assert figure in momentum, figure
    app.toggle("grouped").set_value(False).run()
    assert "2 portfolios" not in tables(app)


def test_a_strategy_alone_with_its_totals(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3")
    execute(url, BOOKS)
    app = open_page(url, "portfolios")
    app.selectbox("strategy").set_value("Momentum").run()
    text = tables(app)
    assert "Calm" not in text
    assert "Legacy Portfolio" not in text
    total = text[text.index("<tfoot>") :]
    assert "These 2 together" in total
    assert "15,000.00" in total
    assert "15,004.00" in shown(app)  # above, over all of them
    app.selectbox("strategy").set_value("").run()
    assert "Legacy Portfolio" in tables(app)
    assert "Faster" not in tables(app)


def test_a_long_list_comes_in_pages_of_50_and_a_group_keeps_its_totals(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database("v3")
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name, strategy) "
        "SELECT 'P' || n, 'Book ' || lpad(n::text, 3, '0') || '.', CASE WHEN n > 70 THEN 'Beta' ELSE 'Alpha' END "
        "FROM generate_series(1, 120) n;"
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "SELECT 'P' || n, '0001.HK', 10, 1, 10 FROM generate_series(1, 120) n",
    )
    app = open_page(url, "portfolios")
    app.selectbox("order").set_value("Name").run()
    assert tables(app).count("href=") == 50
    assert any("1 to 50 of 121 portfolios" in one.value for one in app.caption)
    app.get("pagination")[0].set_value(2).run()
    text = tables(app)
    names = ("Alpha", "70 portfolios", "7,000.00", "Book 051.", "Book 070.", "Beta", "50 portfolios", "Book 100.")
    assert order_of(text, *names) == list(names)
    app.text_input("search").set_value("Book 00").run()
    assert tables(app).count("href=") == 9
    assert "These 9 together" in tables(app)


def test_short_positions_count_by_their_size_in_what_is_priced(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database("v3")
    execute(
        url,
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('DEFAULT', '0001.HK', 100, 50, 55), ('DEFAULT', '0002.HK', -100, 50, NULL)",
    )
    for page in ("portfolios", "portfolio"):
        assert "1 of 2 positions priced (50% by cost)" in shown(open_page(url, page))


def test_delete_for_good_asks_for_the_name(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    execute(url, BOOKS)
    app = open_page(url, "portfolios")
    assert "DEFAULT" not in app.selectbox("manage_choice_0").options
    app.selectbox("manage_choice_0").set_value("M1").run()
    app.text_input("delete_name_0").set_value("M1")
    app.button("delete_submit").click().run()
    assert "Type the portfolio's name, Fast, to delete it. Nothing was deleted." in app.error[0].value
    assert "Fast<" in tables(app)
    app.text_input("delete_name_0").set_value("Fast")
    app.button("delete_submit").click().run()
    assert "Fast (M1) is deleted for good, with 1 position." in app.success[0].value
    text = tables(app)
    assert "Fast<" not in text
    assert "Faster" in text
    assert "Legacy Portfolio" in text


def test_archive_and_bring_back_in_the_list(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    execute(url, BOOKS)
    app = open_page(url, "portfolios")
    app.selectbox("manage_choice_0").set_value("I1").run()
    next(one for one in app.button if one.label == "Archive").click().run()
    assert "Calm" not in tables(app)
    app.selectbox("manage_choice_0").set_value("I1").run()
    next(one for one in app.button if one.label == "Bring back").click().run()
    assert "Calm" in tables(app)


def test_figures_explain_themselves(make_database: MakeDatabase, open_page: OpenPage) -> None:
    for page in ("portfolios", "portfolio"):
        text = shown(open_page(make_database("v1", sample=True), page))
        assert '<details class="hk-why"><summary class="hk-label" title="Price × quantity' in text
        assert "How these figures are made" in text


def test_what_is_archived_is_the_choice_of_the_moment_it_is_pressed(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    """Chosen and pressed at once: the button was drawn for the portfolio that was chosen before."""
    url = make_database("v3", sample=True)
    execute(url, "INSERT INTO public.portfolios (portfolio_id, name) VALUES ('ONE', 'First'), ('TWO', 'Second')")
    app = open_page(url, "portfolios")
    app.selectbox("manage_choice_0").set_value("TWO")
    app.button("archive").click().run()
    assert "TWO is archived" in app.success[0].value
    text = tables(app)
    assert "First" in text
    assert "Second" not in text
