"""Two portfolios side by side, as a trader sees them."""

import dataclasses
from decimal import Decimal

import pytest

from src.config import load_settings
from src.database_enhanced import DatabaseManager
from src.migration import service
from src.migration.model import Options, Phase
from src.ui import cache
from tests.app.conftest import MakeAt, OpenPage, shown
from tests.app.html_tables import figures, table
from tests.conftest import MakeDatabase
from tests.integration.helpers import execute


def managed(url: str) -> DatabaseManager:
    return DatabaseManager(database_url=url)


@pytest.fixture
def two(make_database: MakeDatabase) -> str:
    """The sample, and TRY: a copy with half of the HSBC shares, more Tencent, no JD.com, and CLP."""
    url = make_database("v3", sample=True)
    manager = managed(url)
    manager.copy_portfolio("DEFAULT", "TRY", "A try")
    manager.change_position("TRY", "0005.HK", quantity=6728)
    manager.change_position("TRY", "0700.HK", quantity=4000, avg_cost="319.10")
    manager.remove_position("TRY", "9618.HK")
    manager.add_position("TRY", "0002.HK", 500, "61.25", "CLP", "Utilities")
    manager.update_position_price("0002.HK", "64.05")
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


def test_every_figure_is_what_sql_makes_of_the_same_rows(two: str, open_page: OpenPage) -> None:
    execute(two, "UPDATE public.portfolio_positions SET current_price = NULL WHERE symbol = '1810.HK'")
    execute(two, "UPDATE public.portfolio_positions SET quantity = -133 WHERE symbol = '9618.HK'")
    app = open_page(two, "comparison", left="DEFAULT", right="TRY")
    shares = dict(
        execute(
            two,
            "WITH w AS (SELECT portfolio_id, symbol, market_value / sum(market_value) OVER (PARTITION BY portfolio_id)"
            " AS w FROM public.portfolio_positions WHERE quantity <> 0 AND current_price > 0),"
            " p AS (SELECT coalesce(l.symbol, r.symbol) s, coalesce(l.w, 0) l, coalesce(r.w, 0) r"
            "  FROM (SELECT * FROM w WHERE portfolio_id = 'DEFAULT') l"
            "  FULL JOIN (SELECT * FROM w WHERE portfolio_id = 'TRY') r ON r.symbol = l.symbol)"
            " SELECT 'Overlap', sum(least(l, r)) FROM p UNION ALL SELECT 'Active share', sum(abs(l - r)) / 2 FROM p",
        )
    )
    found = figures(app)
    for name, share in shares.items():
        assert isinstance(share, Decimal)
        assert found[str(name)] == f"{share * 100:.1f}%"
    rows = table(app, "Holdings of").rows
    expected = execute(
        two,
        "SELECT l.symbol, r.quantity - l.quantity, r.unrealized_pnl - l.unrealized_pnl"
        "  FROM public.portfolio_positions l JOIN public.portfolio_positions r ON r.symbol = l.symbol"
        " WHERE l.portfolio_id = 'DEFAULT' AND r.portfolio_id = 'TRY' AND l.quantity <> 0 AND l.current_price > 0",
    )
    assert len(expected) == 9
    for symbol, _, pnl in expected:
        assert rows[str(symbol)]["Difference in P&L"].lstrip("▲▼ ").replace("−", "-") in (f"{pnl:+,.2f}", f"{pnl:,.2f}")
    assert rows["1810.HK"]["Difference in P&L"] == "—"
    assert rows["1810.HK"]["Weight, left"] == "—"
    worth = table(app, "Figures of")
    assert "10 of 11 positions priced" in worth.notes["Market value, HKD"]["Legacy Portfolio"]


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


@pytest.mark.parametrize("forgotten", [("_valuations",), ("_overview", "_valuations")])
def test_a_rollback_while_the_page_is_open_shows_no_error(
    sample_at: MakeAt, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, forgotten: tuple[str, ...]
) -> None:
    url = sample_at("v2")
    managed(url).copy_portfolio("DEFAULT", "TRY", "A try")
    app = open_page(url, "comparison", left="DEFAULT", right="TRY")
    assert table(app, "Figures of").rows
    pulse, seen, forget = cache.pulse, cache.pulse(), cache.forget
    # What the page saw moments ago counts until somebody notices.
    monkeypatch.setattr(cache, "pulse", lambda: seen)

    def noticed() -> None:
        monkeypatch.setattr(cache, "pulse", pulse)
        forget()

    monkeypatch.setattr(cache, "forget", noticed)
    settings = dataclasses.replace(load_settings(), database_url=url)
    outcome = service.run(url, Phase.ROLLBACK_V1, Options(backup=False), settings, lambda event: None)
    assert outcome.state == "done"
    for cached in forgotten:
        getattr(cache, cached).clear()
    app.run()
    assert not app.error
    assert not app.warning
    assert "Phase 1" in app.info[0].value
