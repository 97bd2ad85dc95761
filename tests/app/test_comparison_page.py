"""Two portfolios side by side, as a trader sees them."""

import dataclasses
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from src.config import load_settings
from src.database_enhanced import DatabaseManager
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from src.ui.reads import live_state, queries
from tests.app.conftest import MakeAt, OpenPage, shown
from tests.app.html_tables import figures, table
from tests.conftest import MakeDatabase
from tests.support.databases import execute
from tests.support.editing import make_changed_copy


def managed(url: str) -> DatabaseManager:
    return DatabaseManager(database_url=url)


@pytest.fixture
def two(make_database: MakeDatabase) -> str:
    """The sample, and TRY: a copy with half of the HSBC shares, more Tencent, no JD.com, and CLP."""
    url = make_database("v3", sample=True)
    manager = managed(url)
    make_changed_copy(manager)
    manager.close()
    return url


def test_figures_of_both_and_their_difference(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    rows = table(app, "Figures of").rows
    value = rows["Market value, HKD"]
    assert (value["Legacy Portfolio"], value["A try"], value["Difference"]) == (
        "2,177,898.90",
        "2,209,975.60",
        "+32,076.70",
    )
    pnl = rows["Unrealized P&L, HKD"]
    assert (pnl["Legacy Portfolio"], pnl["A try"], pnl["Difference"]) == ("▲ +18,730.90", "▲ +11,907.60", "▼ −6,823.30")
    assert rows["Return on cost"]["Difference"].endswith(" pp")
    assert rows["Positions held"]["Difference"] == "0"
    assert not app.error


def test_swapping_the_sides_turns_the_difference_round(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    app.button("swap").click().run()
    assert table(app, "Figures of").rows["Unrealized P&L, HKD"]["Difference"] == "▲ +6,823.30"
    assert app.query_params["left"] == "TRY"
    assert app.query_params["right"] == "DEFAULT"


def test_what_each_holds(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    rows = table(app, "Holdings of").rows
    assert rows["9618.HK"]["Held by"] == "Legacy Portfolio"
    assert rows["0002.HK"]["Held by"] == "A try"
    assert rows["0005.HK"]["Held by"] == "both"
    assert "0857.HK" not in rows  # watched on both sides, held on neither
    assert rows["0002.HK"]["Difference in P&L"] == "▲ +1,400.00"
    app.segmented_control("held").set_value("Only right").run()
    assert list(table(app, "Holdings of").rows) == ["0002.HK"]
    app.segmented_control("held").set_value("Different").run()
    assert set(table(app, "Holdings of").rows) == {"0005.HK", "0700.HK", "9618.HK", "0002.HK"}


GENERATED = """
SELECT setseed(%(seed)s);
INSERT INTO public.portfolios (portfolio_id, name) VALUES ('P1', 'One'), ('P2', 'Two');
CREATE TEMP TABLE market AS
SELECT lpad(s::text, 4, '0') || '.HK' AS symbol, 'Sector ' || s %% 5 AS sector,
       CASE WHEN random() < 0.85 THEN round((0.001 + random() * 500)::numeric, 3) END AS price
  FROM generate_series(1, 60) s;
INSERT INTO public.portfolio_positions (portfolio_id, symbol, sector, quantity, avg_cost, current_price, last_updated)
SELECT p, symbol, sector,
       CASE WHEN random() < 0.1 THEN 0 WHEN random() < 0.1 THEN -floor(random() * 500)
            ELSE 1 + floor(random() * random() * 13428) END,
       CASE WHEN random() < 0.1 THEN 0 ELSE round((random() * 500)::numeric, 3) END, price, now()
  FROM market, (VALUES ('P1'), ('P2')) v(p) WHERE random() < 0.7
"""
LINES = """
WITH held AS (
    SELECT portfolio_id p, symbol, quantity, coalesce(market_value, 0) AS worth, quantity * avg_cost AS cost,
           CASE WHEN current_price IS NOT NULL THEN unrealized_pnl END AS pnl,
           CASE WHEN current_price IS NOT NULL
                THEN market_value / abs(sum(market_value) FILTER (WHERE current_price IS NOT NULL)
                                        OVER (PARTITION BY portfolio_id)) END AS w
      FROM public.portfolio_positions WHERE quantity <> 0)
SELECT symbol, coalesce(l.quantity, 0), coalesce(r.quantity, 0),
       CASE WHEN l.p IS NULL THEN 0 ELSE l.w END, CASE WHEN r.p IS NULL THEN 0 ELSE r.w END,
       CASE WHEN l.p IS NULL THEN 0 ELSE l.pnl END, CASE WHEN r.p IS NULL THEN 0 ELSE r.pnl END
  FROM (SELECT * FROM held WHERE p = 'P1') l
  FULL JOIN (SELECT * FROM held WHERE p = 'P2') r USING (symbol)
"""
SUMS = """
SELECT portfolio_id, sum(market_value) FILTER (WHERE current_price IS NOT NULL), sum(quantity * avg_cost),
       sum(unrealized_pnl) FILTER (WHERE current_price IS NOT NULL),
       sum(abs(quantity * avg_cost)) FILTER (WHERE current_price IS NOT NULL), count(*)
  FROM public.portfolio_positions WHERE quantity <> 0 AND portfolio_id IN ('P1', 'P2') GROUP BY 1 ORDER BY 1
"""


def number(text: str) -> Decimal | None:
    """What a cell says, exactly; percentages as ratios."""
    plain = text.strip("▲▼+ ").replace("−", "-").replace(",", "")
    if plain == "—":
        return None
    if plain.endswith(("%", " pp")):
        return Decimal(plain.rstrip("% p")) / 100
    return Decimal(plain)


def to(places: str, value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal(places), ROUND_HALF_EVEN)


def less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other


@pytest.mark.parametrize("seed", [0.1, 0.2, 0.3])
def test_every_figure_is_what_sql_makes_of_the_same_rows(
    make_database: MakeDatabase, open_page: OpenPage, seed: float
) -> None:
    url = make_database("v3")
    execute(url, GENERATED, {"seed": seed})
    app = open_page(url, "comparison", left="P1", right="P2")
    lines: dict[str, Any] = {str(symbol): values for symbol, *values in execute(url, LINES)}
    rows = table(app, "Holdings of").rows
    assert rows.keys() == lines.keys()
    for symbol, (q1, q2, w1, w2, pnl1, pnl2) in lines.items():
        row = {column: number(text) for column, text in rows[symbol].items() if column not in ("Symbol", "Held by")}
        assert row == {
            "Quantity, left": q1,
            "Quantity, right": q2,
            "Weight, left": to("0.0001", w1),
            "Weight, right": to("0.0001", w2),
            "Difference in weight": to("0.0001", less(w2, w1)),
            "P&L, left": pnl1,
            "P&L, right": pnl2,
            "Difference in P&L": less(pnl2, pnl1),
        }, symbol
    found = figures(app)
    pairs = [(w1 or Decimal(0), w2 or Decimal(0)) for _, _, w1, w2, _, _ in lines.values()]
    assert number(found["Overlap"]) == to("0.001", sum((min(pair) for pair in pairs), Decimal(0)))
    assert number(found["Active share"]) == to("0.001", sum((abs(a - b) for a, b in pairs), Decimal(0)) / 2)
    one, two = execute(url, SUMS)
    totals = table(app, "Figures of").rows
    for column, (_, worth, cost, pnl, size, held) in (("One", one), ("Two", two)):
        assert number(totals["Market value, HKD"][column]) == worth
        assert number(totals["Cost, HKD"][column]) == cost.quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert number(totals["Unrealized P&L, HKD"][column]) == pnl
        assert number(totals["Return on cost"][column]) == to("0.0001", pnl / size)
        assert number(totals["Positions held"][column]) == held
    assert number(totals["Unrealized P&L, HKD"]["Difference"]) == two[3] - one[3]
    assert number(totals["Market value, HKD"]["Difference"]) == two[1] - one[1]


def test_further_portfolios_stand_in_the_figures_and_the_curves(two: str, open_page: OpenPage) -> None:
    managed(two).copy_portfolio("DEFAULT", "THIRD", "A third")
    app = open_page(two, "comparison", left="DEFAULT", right="TRY", also="THIRD")
    assert table(app, "Figures of").rows["Market value, HKD"]["A third"] == "2,177,898.90"
    assert "A third" in table(app, "Return and risk").rows
    assert not app.warning


def test_curves_say_what_they_are_and_leave_out_what_has_no_price(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    captions = " ".join(one.value for one in app.caption).replace("\\", "")
    assert "Current holdings held constant" in captions
    assert "Left out of A try: 0002.HK (no price by" in captions
    rows = table(app, "Return and risk").rows
    assert set(rows) == {"Legacy Portfolio", "A try", "^HSI"}
    assert rows["Legacy Portfolio"]["Followed"] == "100%"
    assert rows["A try"]["Correlation, left"].startswith("0.9")
    assert len(app.get("plotly_chart")) == 2


def test_few_prices_are_not_enough_history(two: str, open_page: OpenPage) -> None:
    execute(two, "DELETE FROM public.price_history WHERE \"timestamp\" < now() - interval '10 days'")
    rows = table(open_page(two, "comparison", left="DEFAULT", right="TRY"), "Return and risk").rows
    assert rows["A try"]["Volatility"] == "not enough history"
    assert rows["A try"]["Correlation, left"] == "not enough history"


def test_without_any_price_in_the_past_there_is_no_curve(two: str, open_page: OpenPage) -> None:
    execute(two, "DELETE FROM public.price_history")
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    assert any("There are no prices of these holdings" in one.value for one in app.caption)
    assert len(app.get("plotly_chart")) == 1  # the sectors
    assert not app.error


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_portfolio_that_is_not_there_is_said_and_others_are_offered(two: str, open_page: OpenPage, side: str) -> None:
    asked = {"left": "DEFAULT", "right": "TRY", side: "'; DROP ![x](http://evil.example)"}
    app = open_page(two, "comparison", **asked)
    assert "There is no portfolio" in app.warning[0].value
    assert "![x](http" not in app.warning[0].value
    other = "TRY" if side == "left" else "DEFAULT"
    links = table(app, f"Portfolios for the {side} side").links
    wanted = f"comparison?left=DEFAULT&right={other}" if side == "left" else f"comparison?left={other}&right=TRY"
    assert wanted in links
    assert not app.error


def test_a_further_portfolio_that_is_not_there_is_said_and_the_others_are_shown(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="DEFAULT", right="TRY", also="NOPE")
    assert "NOPE" in app.warning[0].value
    assert table(app, "Figures of").rows


def test_the_same_portfolio_on_both_sides_says_so(two: str, open_page: OpenPage) -> None:
    app = open_page(two, "comparison", left="TRY", right="TRY")
    assert "nothing to compare" in app.warning[0].value
    assert "comparison?left=TRY&right=DEFAULT" in table(app, "Portfolios for the right side").links


def test_without_a_choice_the_newest_copy_stands_beside_default(two: str, open_page: OpenPage) -> None:
    managed(two).create_portfolio("AAA", "First by name")
    app = open_page(two, "comparison")
    assert app.query_params["left"] == "DEFAULT"
    assert app.query_params["right"] == "TRY"
    assert "A try" in table(app, "Figures of").caption


def test_the_page_of_holdings_is_in_the_url_and_another_filter_begins_with_the_first(
    two: str, open_page: OpenPage
) -> None:
    execute(
        two,
        "INSERT INTO portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "SELECT 'DEFAULT', lpad(n::text, 4, '0') || '.HK', 100, 10, 11 FROM generate_series(2000, 2129) n",
    )
    app = open_page(two, "comparison", left="DEFAULT", right="TRY", held_page="2")
    assert "101 to 142 of 142 symbols" in shown(app)
    app.segmented_control(key="held").set_value("Only left").run()
    assert "1 to 100 of 131 symbols" in shown(app)


def test_an_empty_portfolio_can_be_compared(two: str, open_page: OpenPage) -> None:
    managed(two).create_portfolio("NEW", "Nothing yet")
    app = open_page(two, "comparison", left="DEFAULT", right="NEW")
    rows = table(app, "Figures of").rows
    assert rows["Market value, HKD"]["Nothing yet"] == "0.00"
    assert figures(app)["Overlap"] == "—"
    assert any("Nothing yet holds nothing" in one.value for one in app.caption)


def test_one_portfolio_alone_says_what_to_do(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v3", sample=True), "comparison")
    assert "Copy it" in app.info[0].value
    assert not app.error


def test_v1_says_what_phase_1_would_bring(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v1", sample=True), "comparison", left="DEFAULT", right="TRY")
    assert "Phase 1" in app.info[0].value
    assert not app.selectbox
    assert not app.error
    assert "System Status" in [one.proto.label for one in app.get("page_link")]


def test_names_from_the_database_are_never_markup(two: str, open_page: OpenPage) -> None:
    managed(two).rename_portfolio("TRY", "<img src=x> ![y](http://evil.example) 🀄")
    execute(
        two,
        "UPDATE public.portfolio_positions SET company_name = '<b>HSBC', sector = '<i>Banks' WHERE symbol = '0005.HK'",
    )
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    for part in app.get("html"):
        assert "<img" not in part.proto.body
        assert "<b>HSBC" not in part.proto.body
    read_as_markdown = [one.value for kind in (app.caption, app.subheader, app.warning, app.markdown) for one in kind]
    assert any("holds" in one or "Left out" in one for one in read_as_markdown)
    assert not any("![y](http" in one for one in read_as_markdown)
    assert "&lt;img src=x&gt;" in shown(app)


@pytest.mark.parametrize("forgotten", [("valuations",), ("overview", "valuations")])
def test_a_rollback_while_the_page_is_open_shows_no_error(
    sample_at: MakeAt, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, forgotten: tuple[str, ...]
) -> None:
    url = sample_at("v2")
    managed(url).copy_portfolio("DEFAULT", "TRY", "A try")
    app = open_page(url, "comparison", left="DEFAULT", right="TRY")
    assert table(app, "Figures of").rows
    seen, forget = queries.live_state(), queries.forget
    names = [(module, name) for module in (queries, live_state) for name in ("live_state", "known")]
    asked = [(module, name, getattr(module, name)) for module, name in names]
    # What the page saw moments ago counts until somebody notices.
    for module, name, _ in asked:
        monkeypatch.setattr(module, name, lambda **_: seen)

    def noticed() -> None:
        for module, name, function in asked:
            monkeypatch.setattr(module, name, function)
        forget()

    monkeypatch.setattr(queries, "forget", noticed)
    settings = dataclasses.replace(load_settings(), database_url=url)
    outcome = engine.run(url, Phase.ROLLBACK_V1, Options(backup=False), settings, lambda event: None)
    assert outcome.state == "done"
    for cached in forgotten:
        getattr(queries, cached).forget()
    app.run()
    assert not app.error
    assert not app.warning
    assert "Phase 1" in app.info[0].value
