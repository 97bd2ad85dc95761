"""What moved in the latest session, and which prices are old: on both pages, by the exchange's sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from src.domain.price_age import TradingSessions
from src.market import calendar
from src.ui.widgets import format as fmt
from tests.app.conftest import MakeAt, OpenPage, execute, shown, tables
from tests.conftest import MakeDatabase

PRICED = """
INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price, last_updated) VALUES
  ('0001.HK', 1000, 50, 55, %(now)s::timestamptz), ('0002.HK', 100, 50, 50, %(old)s::timestamptz),
  ('0003.HK', -200, 10, 9, %(now)s::timestamptz), ('0004.HK', 10, 10, NULL, NULL),
  ('0005.HK', 0, 10, 30, %(now)s::timestamptz), ('0006.HK', 10, 10, 20, %(now)s::timestamptz);
INSERT INTO public.price_history (symbol, price, timestamp) VALUES
  ('0001.HK', 54, %(before)s::timestamptz), ('0001.HK', 55, %(now)s::timestamptz),
  ('0002.HK', 49, %(older)s::timestamptz), ('0002.HK', 50, %(old)s::timestamptz),
  ('0003.HK', 10, %(before)s::timestamptz), ('0003.HK', 9, %(now)s::timestamptz),
  ('0006.HK', 19, %(older)s::timestamptz)
"""


def moments(sessions: TradingSessions) -> dict[str, datetime]:
    """now: in the latest session; before: at the close of the one before; old and older: two and four before that."""
    recent = sessions.recent
    return {
        "now": recent[-1].opens + timedelta(seconds=1),
        "before": recent[-2].closes,
        "old": recent[-4].closes,
        "older": recent[-6].closes,
    }


@pytest.fixture
def sessions() -> TradingSessions:
    return calendar.sessions(datetime.now(UTC))


@pytest.fixture
def priced(make_database: MakeDatabase, sessions: TradingSessions) -> str:
    """Two positions that moved (0001 by +1,000, 0003, short, by +200), one with a price three sessions old, one without
    any, a watch row, and one whose previous close is too old to say what it moved by."""
    url = make_database("v1")
    execute(url, PRICED, values=moments(sessions))
    return url


def row(text: str, symbol: str) -> str:
    """The HTML of one row of a table."""
    return text[text.index(f">{symbol}<") :].split("</tr>")[0]


def test_each_position_says_what_it_moved_and_how_old_its_price_is(
    priced: str, open_page: OpenPage, sessions: TradingSessions
) -> None:
    text = tables(open_page(priced, "portfolio", id="DEFAULT"))
    first = row(text, "0001.HK")
    assert "▲ +1,000.00" in first
    assert "+1.85%" in first
    assert 'title="(55.000 − 54.000) × 1,000"' in first
    assert fmt.day(sessions.latest.day) in first
    assert "sessions old" not in first
    assert "3 sessions old" in row(text, "0002.HK")
    assert "hk-warn" in row(text, "0002.HK")
    assert "▲ +200.00" in row(text, "0003.HK")
    assert "price −10.00%" in row(text, "0003.HK")
    assert "no price known" in row(text, "0004.HK")
    assert "watched" in row(text, "0005.HK")
    for symbol in ("0002.HK", "0006.HK"):
        assert "Needs a price of the latest session" in row(text, symbol)
    total = text[text.index("<tfoot>") :]
    assert "▲ +1,200.00" in total


@pytest.mark.parametrize("page", ["portfolio", "portfolios"])
def test_the_headline_says_what_moved_and_of_how_much_that_is_known(
    priced: str, open_page: OpenPage, sessions: TradingSessions, page: str
) -> None:
    """Priced by size: 55,000 + 5,000 + 1,800 + 200. Known day change: 56,800. Of the latest session: 57,000."""
    text = shown(open_page(priced, page))
    assert "▲ +1,200.00" in text
    assert "+2.31% · of 92% of the value" in text
    latest = fmt.day(sessions.latest.day)
    assert f"priced on {latest}; oldest: 3 sessions old; 1 without a price" in text
    assert '<div class="hk-value hk-warn"><b>92%</b></div>' in text
    assert "4 of 5 positions priced" in text


def test_no_close_of_the_session_before_is_not_a_change_of_zero(priced: str, open_page: OpenPage) -> None:
    execute(priced, "DELETE FROM public.price_history")
    for page in ("portfolio", "portfolios"):
        text = shown(open_page(priced, page))
        figure = text[text.index("<span>Day change</span>") :].split("hk-figure")[0]
        assert '<div class="hk-value"><b>—</b></div>' in figure
        assert "with a close of" in figure


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_the_sample_has_a_day_a_curve_and_ages_on_every_version(
    sample_at: MakeAt, open_page: OpenPage, version: str
) -> None:
    url = sample_at(version)
    text = shown(open_page(url, "portfolios"))
    assert text.count('class="hk-curve"') == 1
    assert "<span>Day change</span>" in text
    portfolio = open_page(url, "portfolio", id="DEFAULT")
    assert "sessions old" not in row(tables(portfolio), "0700.HK")
    assert not portfolio.error


def test_the_oldest_price_comes_first_when_asked_for(priced: str, open_page: OpenPage) -> None:
    app = open_page(priced, "portfolio", id="DEFAULT")
    app.selectbox("sort").set_value("Oldest price").run()
    text = tables(app)
    assert min(("0001.HK", "0002.HK", "0003.HK", "0006.HK"), key=text.index) == "0002.HK"
    app.selectbox("sort").set_value("Day change").run()
    assert tables(app).index("0001.HK") < tables(app).index("0003.HK") < tables(app).index("0002.HK")


def test_a_curve_holds_todays_holdings_constant(
    make_database: MakeDatabase, open_page: OpenPage, sessions: TradingSessions
) -> None:
    url = make_database("v3")
    values = {"first": sessions.recent[0].closes, "last": sessions.previous.closes}
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name) VALUES ('UP', 'Risen'), ('DOWN', 'Fallen');"
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('UP', '0001.HK', 10, 1, 15), ('DOWN', '0002.HK', 10, 1, 5);"
        "INSERT INTO public.price_history (symbol, price, timestamp) VALUES "
        "('0001.HK', 10, %(first)s::timestamptz), ('0001.HK', 15, %(last)s::timestamptz),"
        "('0002.HK', 10, %(first)s::timestamptz), ('0002.HK', 5, %(last)s::timestamptz)",
        values=values,
    )
    text = tables(open_page(url, "portfolios"))
    rows = {name: text[text.index(name) :].split("</tr>")[0] for name in ("Risen", "Fallen", "Legacy Portfolio")}
    assert "+50.0%" in rows["Risen"]
    assert "−50.0%" in rows["Fallen"]
    assert "hk-curve" not in rows["Legacy Portfolio"]
