"""Editing a portfolio's positions, as a trader does it."""

import dataclasses
import os
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from src.config import load_settings
from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit, PositionValues
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase

ROWS = ["0700.HK", "0005.HK", "9988.HK", "0939.HK", "0388.HK", "0823.HK", "2888.HK"]  # by market value, as shown
TENCENT = PositionValues(3100, Decimal("320.500"), "Tencent", "Tech", Decimal("315.200"))


def table_key(app: AppTest) -> str:
    key = app.data_editor[0].key
    assert key is not None
    return key


def type_in(
    app: AppTest, edited: dict[int, dict[str, Any]], *added: dict[str, Any], deleted: tuple[int, ...] = ()
) -> None:
    state = {"edited_rows": edited, "added_rows": list(added), "deleted_rows": list(deleted)}
    app.session_state[table_key(app)] = state
    app.run()


@pytest.fixture
def editing(make_database: MakeDatabase, open_page: OpenPage) -> Any:
    """`editing("v3")`: the database's URL, and the page in its Edit view."""

    def begin(schema: str = "v3") -> tuple[DatabaseManager, AppTest]:
        url = make_database(schema, sample=True)
        app = open_page(url, "portfolio", id="DEFAULT")
        app.session_state["view"] = "Edit"
        app.run()
        return DatabaseManager(url), app

    return begin


def test_nothing_typed_is_nothing_to_save(editing: Any) -> None:
    _, app = editing()
    assert list(app.data_editor[0].value["symbol"])[:7] == ROWS
    assert app.button("save_positions").disabled
    assert "What will change" not in shown(app)


def test_what_will_change_is_shown_before_it_is_saved(editing: Any) -> None:
    manager, app = editing()
    type_in(app, {0: {"quantity": "3,150"}}, {"symbol": "1", "quantity": "500", "avg_cost": "45.5"}, deleted=(1,))
    text = shown(app)
    assert app.button("save_positions").label == "Save (1 changed, 1 added, 1 removed)"
    assert "Quantity 3,100 → 3,150" in text
    assert "added: 500 at 45.500" in text
    assert "removed: 13,428 at 38.500" in text
    assert "Its signals go with it" in text
    assert "50 shares are less than a board lot of 100" in text
    # 2,159,168.00 + 50 × 320.50 + 500 × 45.50 − 13,428 × 38.50
    assert "1,680,965.00" in text
    assert manager.revisions("DEFAULT") == ()


def test_a_save_is_all_of_it_with_who_it_was_and_undo_takes_it_back(editing: Any) -> None:
    manager, app = editing()
    app.text_input("hk_name").set_value("Ann").run()
    type_in(app, {0: {"quantity": "3200", "company_name": "Tencent Holdings"}}, deleted=(1,))
    app.button("save_positions").click().run()
    assert app.success[0].value == "Saved: 1 changed, 1 removed."
    assert "3,200" in shown(app)
    assert "0005.HK" not in shown(app).split("Signals")[0]
    [save] = manager.revisions("DEFAULT")
    assert (save.by, save.kind, len(save.rows)) == ("Ann", "edit", 2)
    app.button("undo_mine").click().run()
    assert "Undone" in app.success[0].value
    assert "2,177,898.90" in shown(app)
    assert not [one for one in app.button if one.key == "undo_mine"]
    assert [save.kind for save in manager.revisions("DEFAULT")] == ["undo", "edit"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({0: {"quantity": "1000000000000"}}, "the database holds at most 2,147,483,647 shares"),
        ({0: {"quantity": "1.5"}}, "whole number of shares"),
        ({0: {"quantity": "many"}}, "is not a number"),
        ({0: {"price": "-5"}}, "must be at least 0.001"),
        ({0: {"company_name": "n" * 300}}, "at most 200 characters"),
        ({0: {"symbol": "0388.HK"}}, "This row is 0700.HK"),
    ],
)
def test_what_cannot_be_stored_is_reported_by_row_and_nothing_can_be_saved(editing: Any, typed: Any, why: str) -> None:
    manager, app = editing()
    type_in(app, {**typed, 1: {"quantity": "5"}})
    assert "Nothing can be saved until this is corrected" in app.error[0].value
    assert why in shown(app)
    assert app.button("save_positions").disabled
    app.button("discard_positions").click().run()
    assert not app.error
    assert "Nothing was saved" in app.info[0].value
    assert manager.revisions("DEFAULT") == ()


def test_a_symbol_that_is_an_attack_is_a_symbol_that_is_wrong(editing: Any) -> None:
    _, app = editing()
    type_in(app, {}, {"symbol": "'; DROP TABLE portfolios; --", "quantity": "1", "avg_cost": "1"})
    assert "is not a Hong Kong symbol" in shown(app)
    type_in(app, {}, {"symbol": "<img src=x>", "quantity": "1", "avg_cost": "1"})
    assert "<img" not in shown(app)


def test_emoji_are_a_name_like_others(editing: Any) -> None:
    manager, app = editing()
    type_in(app, {0: {"company_name": "🚀 騰訊"}})
    app.button("save_positions").click().run()
    assert not app.error
    assert "🚀 騰訊" in list(manager.get_portfolio_positions("DEFAULT")["company_name"])


def conflict(editing: Any) -> tuple[DatabaseManager, AppTest]:
    """Someone else changes the quantity of 0700.HK and removes 0005.HK while both are being edited here."""
    manager, app = editing()
    type_in(app, {0: {"avg_cost": "300"}, 1: {"quantity": "1"}, 2: {"quantity": "2100"}})
    manager.change_position("DEFAULT", "0700.HK", quantity=3500)
    manager.remove_position("DEFAULT", "0005.HK")
    app.button("save_positions").click().run()
    return manager, app


def held(manager: DatabaseManager, portfolio_id: str = "DEFAULT") -> dict[str, tuple[int, Decimal]]:
    frame = manager.get_portfolio_positions(portfolio_id)
    return dict(zip(frame["symbol"], zip(frame["quantity"], frame["avg_cost"], strict=True), strict=True))


def test_someone_else_saved_first_both_are_shown_and_nothing_is_overwritten(editing: Any) -> None:
    manager, app = conflict(editing)
    text = shown(app)
    assert "Someone else saved first: 2 positions that you changed are not what they were" in app.warning[0].value
    assert "0700.HK: changed by someone else, changed by you" in text
    assert "0005.HK: removed by someone else, changed by you" in text
    for figure in ("3,100", "3,500", "320.500", "300.000"):
        assert figure in text
    assert app.button("decide").disabled
    assert held(manager)["0700.HK"] == (3500, Decimal("320.500"))
    assert held(manager)["9988.HK"][0] == 2000  # not half of it either


def test_each_row_is_decided_by_itself_and_seen_again_before_it_is_saved(editing: Any) -> None:
    manager, app = conflict(editing)
    for radio in app.radio:
        if "0700.HK" in radio.label:
            radio.set_value("Save mine over it")
        elif "0005.HK" in radio.label:
            radio.set_value("Keep theirs")
    app.run()
    app.button("decide").click().run()
    assert app.button("save_positions").label == "Save (2 changed)"
    assert "Average cost 320.500 → 300.000" in shown(app)
    assert "0005.HK" not in list(app.data_editor[0].value["symbol"])
    app.button("save_positions").click().run()
    found = held(manager)
    assert found["0700.HK"] == (3500, Decimal("300.000"))  # their quantity, my cost
    assert found["9988.HK"][0] == 2100
    assert "0005.HK" not in found


def test_a_change_by_someone_else_is_reported_before_saving_too(editing: Any) -> None:
    manager, app = editing()
    type_in(app, {0: {"avg_cost": "300"}})
    manager.change_position("DEFAULT", "0700.HK", quantity=3500)
    app.run()
    while not app.warning:  # until what the page remembers has run out
        app.run()
    assert "Someone else changed 0700.HK since you opened this table" in app.warning[0].value


def test_a_price_that_moves_meanwhile_is_no_conflict(editing: Any) -> None:
    manager, app = editing()
    type_in(app, {0: {"quantity": "3200"}})
    manager.update_position_price("0700.HK", 333)
    app.button("save_positions").click().run()
    assert "Saved" in app.success[0].value
    assert held(manager)["0700.HK"][0] == 3200
    prices = manager.get_portfolio_positions("DEFAULT").set_index("symbol")["current_price"]
    assert prices["0700.HK"] == 333


def test_what_was_typed_is_there_after_another_view_was_open(editing: Any) -> None:
    _, app = editing()
    type_in(app, {0: {"quantity": "3200"}}, {"symbol": "1", "quantity": "5", "avg_cost": "1"}, deleted=(1,))
    app.segmented_control("view").set_value("Positions").run()
    assert "not saved yet" in shown(app)
    app.segmented_control("view").set_value("Edit").run()
    assert app.button("save_positions").label == "Save (1 changed, 1 added, 1 removed)"
    assert app.data_editor[0].value["quantity"].iloc[0] == "3200"


def test_a_new_price_says_that_it_is_the_markets(editing: Any) -> None:
    manager, app = editing()
    type_in(app, {0: {"price": "320.1"}})
    assert any("changes in every portfolio" in one.value for one in app.caption)
    assert "prices there go in steps of 0.20" in shown(app)
    app.button("save_positions").click().run()
    assert manager.get_portfolio_positions("DEFAULT").set_index("symbol")["current_price"]["0700.HK"] == Decimal(
        "320.100"
    )


def test_v1_edits_what_v1_can_and_says_what_needs_v2(editing: Any) -> None:
    manager, app = editing("v1")
    assert app.data_editor[0].editing_mode == "fixed"
    assert any("adding and removing them needs v2" in one.value for one in app.caption)
    assert "System Status" in [one.label for one in app.page_link]
    type_in(app, {0: {"quantity": "3200", "price": "320"}})
    app.button("save_positions").click().run()
    assert "Saved: 1 changed" in app.success[0].value
    assert held(manager)["0700.HK"][0] == 3200
    app.button("undo_mine").click().run()
    assert held(manager)["0700.HK"][0] == 3100


def phase1(url: str) -> None:
    settings = dataclasses.replace(load_settings(), database_url=url)
    outcome = engine.run(url, Phase.PHASE1, Options(backup=False), settings, lambda event: None)
    assert outcome.state == "done"


def test_v2_edits_one_portfolio_and_no_other(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v2", sample=True)
    manager = DatabaseManager(url)
    manager.create_portfolio("TECH", "Technology")
    manager.save_positions("TECH", [Edit("0700.HK", None, TENCENT)], by="Ann")
    app = open_page(url, "portfolio", id="TECH")
    app.segmented_control("view").set_value("Edit").run()
    type_in(app, {0: {"quantity": "1"}}, {"symbol": "5", "quantity": "400", "avg_cost": "38"})
    app.button("save_positions").click().run()
    assert "Saved: 1 changed, 1 added" in app.success[0].value
    assert held(manager)["0700.HK"][0] == 3100
    assert held(manager, "TECH") == {"0700.HK": (1, Decimal("320.500")), "0005.HK": (400, Decimal("38.000"))}
    # Known from the other portfolio: a price is the market's.
    assert "39.750" in shown(app)


def test_what_was_typed_on_v1_is_there_when_the_database_has_become_v2(editing: Any) -> None:
    manager, app = editing("v1")
    type_in(app, {0: {"quantity": "3200"}})
    phase1(os.environ["DATABASE_URL"])
    while app.data_editor[0].editing_mode == "fixed":
        app.run()
    assert app.button("save_positions").label == "Save (1 changed)"
    app.button("save_positions").click().run()
    assert held(manager)["0700.HK"][0] == 3200
