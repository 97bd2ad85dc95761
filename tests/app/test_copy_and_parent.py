"""A copy's page: what was changed on either side, what that is worth, and bringing both together."""

from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from src.database_enhanced import DatabaseManager
from tests.app.conftest import MakeAt, OpenPage, execute
from tests.app.html_tables import figures, table
from tests.support.editing import edit_of, make_changed_copy

CHANGES, TRADES = "Changes since the copy", "Trades from parent to copy"
TOGETHER = "together TRY"


def money(text: str) -> Decimal:
    return Decimal(text.lstrip("▲▼ ").replace("−", "-").replace(",", ""))


def changed(url: str) -> None:
    """TRY: half of HSBC, more Tencent at another cost, no JD.com, CLP; and since then DEFAULT: more of 0388.HK."""
    manager = DatabaseManager(url)
    make_changed_copy(manager)
    manager.change_position("DEFAULT", "0388.HK", quantity=400)
    manager.close()


@pytest.fixture(params=["v2", "v3"])
def url(request: pytest.FixtureRequest, sample_at: MakeAt) -> str:
    made = sample_at(request.param)
    changed(made)
    return made


@pytest.fixture
def v3(sample_at: MakeAt) -> str:
    made = sample_at("v3")
    changed(made)
    return made


def held(url: str, portfolio_id: str) -> dict[str, tuple[int, Decimal]]:
    manager = DatabaseManager(url)
    frame = manager.get_portfolio_positions(portfolio_id)
    manager.close()
    return {row["symbol"]: (row["quantity"], row["avg_cost"]) for row in frame.to_dict("records")}


def choose(app: AppTest, way: str) -> AppTest:
    return app.segmented_control(TOGETHER).set_value(way).run()


def test_every_change_and_its_part_add_up_to_the_difference(url: str, open_page: OpenPage) -> None:
    app = open_page(url, "portfolio", id="TRY")
    found = table(app, CHANGES)
    parts = {name: money(row["Part of the P&L difference"]) for name, row in found.rows.items()}
    whole = parts.pop("All 6 changes")
    assert parts == {
        "0005.HK": Decimal("-8375.00"),
        "0700.HK": Decimal("5600.00"),  # the cost
        "0700.HK'": Decimal("-4770.00"),  # the quantity
        "9618.HK": Decimal("-678.30"),
        "0002.HK": Decimal("1400.00"),
        "0388.HK": Decimal("-550.00"),
    }
    manager = DatabaseManager(url)
    pnl = manager.get_portfolios().set_index("portfolio_id")["total_unrealized_pnl"]
    manager.close()
    assert sum(parts.values()) == whole == pnl["TRY"] - pnl["DEFAULT"]
    assert money(figures(app)["Difference"]) == whole
    assert found.rows["0388.HK"]["Changed in"] == "DEFAULT"
    assert found.rows["9618.HK"]["Change"] == "removed"
    assert not app.error


def test_the_same_stands_on_comparison_with_a_way_to_the_copys_page(v3: str, open_page: OpenPage) -> None:
    for left, right in (("DEFAULT", "TRY"), ("TRY", "DEFAULT")):
        app = open_page(v3, "comparison", left=left, right=right)
        assert "All 6 changes" in table(app, CHANGES).rows
        links = [one.proto for one in app.get("page_link")]
        assert [one.query_string for one in links if "fresh copy" in one.label] == ["id=TRY"]


def test_the_trades_their_costs_and_what_the_exchange_minds(v3: str, open_page: OpenPage) -> None:
    app = open_page(v3, "portfolio", id="TRY")
    rows = table(app, TRADES).rows
    sell = rows["0005.HK"]
    assert sell["Trade"] == "Sell\u00a06,700"
    assert sell["Consideration"] == "266,325.00"
    assert sell["Costs"] == "300.83"  # 267 + 7.19 + 0.40 + 15.05 + 11.19
    assert "300 of the 6,700 shares" in sell["Warnings"]
    assert "steps of 0.02" in sell["Warnings"]
    assert sell["Break-even"] == "38.560"
    assert rows["0388.HK"]["Trade"] == "Sell\u00a0100"
    assert rows["0002.HK"]["Warnings"] == ""  # its lot is not known
    total = next(row for name, row in rows.items() if name.startswith("All"))
    assert money(total["Costs"]) == sum(money(row["Costs"]) for row in rows.values() if row is not total)
    assert figures(app)["Costs of the trades"] == total["Costs"]


def test_apply_to_the_parent(url: str, open_page: OpenPage) -> None:
    app = choose(open_page(url, "portfolio", id="TRY"), "Apply to the parent")
    preview = table(app, "What will be changed in DEFAULT").rows
    assert {symbol: row["Change"] for symbol, row in preview.items()} == {
        "0002.HK": "added",
        "0005.HK": "quantity",
        "0700.HK": "quantity, average cost",
        "9618.HK": "removed",
    }
    app.button("together_save").click().run()
    assert "4 positions changed in DEFAULT" in app.success[0].value
    parent = held(url, "DEFAULT")
    assert parent["0700.HK"] == (4000, Decimal("319.100"))
    assert "9618.HK" not in parent
    assert parent["0388.HK"][0] == 400  # the parent's own change stays
    rows = table(app, CHANGES).rows
    assert [name for name in rows if not name.startswith("All")] == ["0388.HK"]
    assert "Apply to the parent" not in app.segmented_control(TOGETHER).options


def test_what_both_changed_is_shown_and_one_side_chosen(v3: str, open_page: OpenPage) -> None:
    manager = DatabaseManager(v3)
    manager.change_position("DEFAULT", "0005.HK", quantity=20000)
    app = choose(open_page(v3, "portfolio", id="TRY"), "Apply to the parent")
    row = table(app, "Changed on both sides")
    assert (row.rows["0005.HK"]["TRY now"], row.rows["0005.HK"]["DEFAULT now"]) == ("6,728", "20,000")
    assert row.rows["0005.HK"]["In common before"] == "13,428"
    assert "0005.HK" not in table(app, "What will be changed in DEFAULT").rows
    app.radio("side Apply to the parent").set_value("Take TRY's").run()
    assert "0005.HK" in table(app, "What will be changed in DEFAULT").rows
    app.button("together_save").click().run()
    assert held(v3, "DEFAULT")["0005.HK"][0] == 6728
    manager.close()


def test_bring_in_what_the_parent_changed(v3: str, open_page: OpenPage) -> None:
    app = choose(open_page(v3, "portfolio", id="TRY"), "Bring in the parent's changes")
    assert list(table(app, "What will be changed in TRY").rows) == ["0388.HK"]
    app.button("together_save").click().run()
    copy = held(v3, "TRY")
    assert copy["0388.HK"][0] == 400
    assert copy["0005.HK"][0] == 6728


def test_take_a_fresh_copy_and_undo_it(v3: str, open_page: OpenPage) -> None:
    before = held(v3, "TRY")
    app = choose(open_page(v3, "portfolio", id="TRY"), "Take a fresh copy")
    assert any("takes its signals" in one.value for one in app.caption)
    app.button("together_save").click().run()
    assert held(v3, "TRY") == held(v3, "DEFAULT")
    assert any("Nothing was changed on either side" in one.value for one in app.caption)
    manager = DatabaseManager(v3)
    manager.undo_revision(manager.revisions("TRY")[0].revision_id)
    assert held(v3, "TRY") == before
    manager.close()


def test_someone_else_saves_first_and_nothing_is_changed(v3: str, open_page: OpenPage) -> None:
    app = choose(open_page(v3, "portfolio", id="TRY"), "Apply to the parent")
    manager = DatabaseManager(v3)
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=1)])
    manager.close()
    app.button("together_save").click().run()
    assert "Someone else changed this meanwhile" in app.error[0].value
    assert held(v3, "DEFAULT")["0005.HK"][0] == 13428
    assert "0700.HK" in table(app, "Changed on both sides").rows  # the preview is a new one


def test_a_copy_without_its_base_says_what_stands_for_it(v3: str, open_page: OpenPage) -> None:
    execute(
        v3,
        "INSERT INTO public.portfolios (portfolio_id, name, copied_from, copied_at) "
        "VALUES ('OLD', 'Old', 'DEFAULT', now())",
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('OLD', '0005.HK', 1, 38.5, 39.75)",
    )
    app = open_page(v3, "portfolio", id="OLD")
    assert any("were not kept" in one.value for one in app.caption)
    rows = table(app, CHANGES).rows
    assert {row["Changed in"] for name, row in rows.items() if not name.startswith("All")} == {"OLD"}


def test_a_changed_symbol_without_a_price_is_named_and_left_out_of_the_sum(v3: str, open_page: OpenPage) -> None:
    execute(v3, "UPDATE public.portfolio_positions SET current_price = NULL WHERE symbol = '0005.HK'")
    app = open_page(v3, "portfolio", id="TRY")
    rows = table(app, CHANGES)
    assert rows.rows["0005.HK"]["Part of the P&L difference"] == "—"
    parts = [money(row["Part of the P&L difference"]) for name, row in rows.rows.items() if name != "0005.HK"]
    assert sum(parts[:-1]) == parts[-1]
    assert any("No price is known of 0005.HK" in one.value for one in app.caption)


def test_a_parent_that_is_gone_is_said(v3: str, open_page: OpenPage) -> None:
    manager = DatabaseManager(v3)
    manager.copy_portfolio("TRY", "LATER", "A copy of the copy")
    manager.delete_portfolio("TRY")
    manager.close()
    app = open_page(v3, "portfolio", id="LATER")
    assert any("is not there any more" in one.value for one in app.caption)
    assert not app.error


@pytest.mark.parametrize("seed", [0.4, 0.5])
def test_parts_of_any_changes_add_up_to_what_sql_makes_of_the_difference(
    sample_at: MakeAt, open_page: OpenPage, seed: float
) -> None:
    url = sample_at("v3")
    manager = DatabaseManager(url)
    manager.copy_portfolio("DEFAULT", "TRY", "A try")
    execute(
        url,
        "SELECT setseed(%(seed)s)",
        "DELETE FROM public.portfolio_positions WHERE random() < 0.2",
        "UPDATE public.portfolio_positions SET quantity = floor(random() * 13428 - 1000) WHERE random() < 0.5",
        "UPDATE public.portfolio_positions SET avg_cost = round((random() * 400)::numeric, 3) WHERE random() < 0.5",
        "UPDATE public.portfolio_positions SET current_price = NULL WHERE symbol IN ('0823.HK', '1810.HK')",
        values={"seed": seed},
    )
    pnl = manager.get_portfolios().set_index("portfolio_id")["total_unrealized_pnl"]
    manager.close()
    rows = dict(table(open_page(url, "portfolio", id="TRY"), CHANGES).rows)
    whole = money(rows.pop(f"All {len(rows) - 1} changes")["Part of the P&L difference"])
    parts = [row["Part of the P&L difference"] for row in rows.values()]
    assert whole == pnl["TRY"] - pnl["DEFAULT"]
    assert sum(money(part) for part in parts if part != "—") == whole
    assert len(parts) > 8
