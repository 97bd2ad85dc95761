"""One portfolio's page, as a trader sees it."""

import psycopg2
import pytest

from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase


def execute(url: str, *statements: str) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    conn.close()


@pytest.mark.parametrize("schema", ["v1", "v3"])
def test_figures_positions_charts_and_signals(make_database: MakeDatabase, open_page: OpenPage, schema: str) -> None:
    app = open_page(make_database(schema, sample=True), "portfolio", id="DEFAULT")
    assert app.title[0].value == "Legacy Portfolio"
    text = shown(app)
    for figure in ("2,177,898.90", "2,159,168.00", "▲ +18,730.90", "+0.87%"):
        assert figure in text
    for cell in ("0700.HK", "Tencent", "3,100", "320.500", "315.200", "977,120.00", "44.87%", "▼ −16,430.00", "−1.65%"):
        assert cell in text
    assert text.index("0700.HK") < text.index("0005.HK") < text.index("0857.HK")
    assert len(app.get("plotly_chart")) == 2
    assert not app.error


def test_signals_come_newest_first(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1", sample=True)
    execute(
        url,
        "DELETE FROM public.trading_signals",
        "INSERT INTO public.trading_signals (symbol, signal_type, signal_strength, price, created_at) VALUES "
        "('0388.HK', 'A', 0.40, 281.1, now() - interval '3 days'), ('0823.HK', 'D', 0.80, 44.2, now())",
    )
    text = shown(open_page(url, "portfolio", id="DEFAULT"))
    signals = text[text.index("Signals, newest first") :]
    assert signals.index("0823.HK") < signals.index("0388.HK")
    assert "80%" in signals
    assert "3 days ago" in signals


def test_an_unknown_portfolio_says_so_and_offers_those_that_exist(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    app = open_page(make_database("v1", sample=True), "portfolio", id="<b>NOPE</b>")
    assert app.title[0].value == "No such portfolio"
    assert "NOPE" in app.warning[0].value
    assert 'href="portfolio?id=DEFAULT"' in shown(app)
    assert not app.error


def test_a_missing_price_is_shown_as_missing_and_totals_say_how_much_is_priced(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database("v1", sample=True)
    execute(url, "UPDATE public.portfolio_positions SET current_price = 0 WHERE symbol = '0700.HK'")
    text = shown(open_page(url, "portfolio", id="DEFAULT"))
    assert "no price known" in text
    assert "10 of 11 positions priced" in text
    assert "1,200,778.90" in text  # what the other positions are worth
    assert "+35,160.90" in text  # and their P&L, without Tencent's cost of 993,550
    assert "of the priced positions" in text


def test_nothing_priced_is_not_worth_zero(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1", sample=True)
    execute(url, "UPDATE public.portfolio_positions SET current_price = NULL")
    app = open_page(url, "portfolio", id="DEFAULT")
    text = shown(app)
    assert '<div class="hk-value"><b>—</b> ' in text
    assert "0 of 11 positions priced" in text
    assert not app.get("plotly_chart")
    assert any("Nothing held has a price" in one.value for one in app.caption)


def test_a_gain_on_a_short_position_is_a_gain(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1")
    execute(
        url,
        "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price) "
        "VALUES ('0001.HK', -100, 50, 40)",
    )
    text = shown(open_page(url, "portfolio", id="DEFAULT"))
    assert "▲ +1,000.00" in text
    assert "+20.00%" in text


def test_text_from_the_database_is_never_markup(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1", sample=True)
    execute(url, "UPDATE public.portfolio_positions SET company_name = '<img src=x>' WHERE symbol = '0700.HK'")
    text = shown(open_page(url, "portfolio", id="DEFAULT"))
    assert "<img" not in text
    assert "&lt;img src=x&gt;" in text


def test_many_positions_come_in_pages(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1")
    execute(
        url,
        "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price) "
        "SELECT lpad(n::text, 4, '0') || '.HK', 10, 1, n FROM generate_series(1, 250) n",
    )
    app = open_page(url, "portfolio", id="DEFAULT")
    assert "0250.HK" in shown(app)
    assert "0100.HK" not in shown(app)
    assert any("100 of 250 positions" in one.value for one in app.caption)
    app.text_input("find").set_value("0042").run()
    assert "0042.HK" in shown(app)


def test_rename_keeps_the_id(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v3", sample=True), "portfolio", id="DEFAULT")
    app.text_input("rename_name_0").set_value("Core holdings")
    app.text_input("rename_strategy_0").set_value("Dividends")
    app.button("rename_submit").click().run()
    assert app.title[0].value == "Core holdings"
    assert any(one.value.startswith("DEFAULT · Dividends") for one in app.caption)


def test_the_old_applications_portfolio_cannot_be_archived(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v3", sample=True), "portfolio", id="DEFAULT")
    assert "Archive" not in [one.label for one in app.button]


def test_v1_offers_no_dead_buttons(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v1", sample=True), "portfolio", id="DEFAULT")
    assert not app.button


def test_the_database_is_down(open_page: OpenPage) -> None:
    app = open_page("postgresql://trader:x@127.0.0.1:9/hk_strategy?connect_timeout=2", "portfolio", id="DEFAULT")
    assert "does not answer" in app.error[0].value
    assert any("System Status" in one.value for one in app.caption)
