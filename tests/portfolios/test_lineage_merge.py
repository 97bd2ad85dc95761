"""Changes of a copy and of its parent carried over to one another, more than once."""

from decimal import Decimal

import pytest

from src.database_enhanced import DatabaseManager
from src.domain.analytics.attribution import attribute
from src.domain.merge import merge, replaced
from src.domain.portfolio import Position
from src.domain.revisions import SaveConflict
from tests.support.databases import MULTI, Database, ManagerOf
from tests.support.editing import edit_of, new, positions_of, removal_of, rows_of


@pytest.fixture(params=MULTI)
def manager(request: pytest.FixtureRequest, database: Database, manager_of: ManagerOf) -> DatabaseManager:
    made = manager_of(database(request.param, 18))
    made.copy_portfolio("DEFAULT", "TRY", "Try")
    return made


def base(manager: DatabaseManager) -> tuple[Position, ...]:
    lineage = manager.get_lineage("TRY")
    assert lineage is not None and lineage.base is not None
    return lineage.base


def apply(manager: DatabaseManager) -> None:
    copy = positions_of(manager, "TRY")
    manager.apply_to_parent("TRY", merge(base(manager), copy, positions_of(manager, "DEFAULT")).edits, seen=copy)


def bring_in(manager: DatabaseManager) -> None:
    parent = positions_of(manager, "DEFAULT")
    manager.refresh_copy("TRY", merge(base(manager), parent, positions_of(manager, "TRY")).edits, seen=parent)


def sides(manager: DatabaseManager) -> set[tuple[str, str]]:
    found = attribute(base(manager), positions_of(manager, "DEFAULT"), positions_of(manager, "TRY"))
    return {(change.side, change.symbol) for change in found.changes}


def test_applying_leaves_what_the_parent_changed_itself_on_its_side(manager: DatabaseManager) -> None:
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5), new("1810.HK", 7)])
    manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", quantity=9)])
    apply(manager)
    parent = rows_of(manager)
    assert (parent["0700.HK"].quantity, parent["1810.HK"].quantity, parent["0005.HK"].quantity) == (5, 7, 9)
    assert sides(manager) == {("parent", "0005.HK")}
    assert not merge(base(manager), positions_of(manager, "TRY"), positions_of(manager, "DEFAULT")).edits
    bring_in(manager)
    assert rows_of(manager, "TRY") == rows_of(manager)
    assert sides(manager) == set()


def test_bringing_in_leaves_what_the_copy_changed_on_its_side(manager: DatabaseManager) -> None:
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    manager.save_positions(
        "DEFAULT", [edit_of(manager, "0700.HK", sector="Games"), removal_of(manager, "9988.HK"), new("1810.HK", 7)]
    )
    bring_in(manager)
    copy = rows_of(manager, "TRY")
    assert (copy["0700.HK"].quantity, copy["0700.HK"].sector) == (5, "Games")
    assert "9988.HK" not in copy
    assert copy["1810.HK"].quantity == 7
    assert sides(manager) == {("copy", "0700.HK")}


def test_a_new_position_gets_the_price_of_the_market_not_of_the_preview(manager: DatabaseManager) -> None:
    manager.save_positions("TRY", [new("1810.HK", 7, price="13.45")])
    copy = positions_of(manager, "TRY")
    edits = merge(base(manager), copy, positions_of(manager, "DEFAULT")).edits
    manager.update_position_price("1810.HK", "14")
    manager.apply_to_parent("TRY", edits, seen=copy)
    assert rows_of(manager)["1810.HK"].price == rows_of(manager, "TRY")["1810.HK"].price == Decimal("14.000")


@pytest.mark.parametrize("changed", ["0005.HK", "1810.HK", "9988.HK"])
def test_a_copy_that_changed_after_the_preview_is_a_conflict(manager: DatabaseManager, changed: str) -> None:
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    copy = positions_of(manager, "TRY")
    edits = merge(base(manager), copy, positions_of(manager, "DEFAULT")).edits
    late = {
        "0005.HK": lambda: edit_of(manager, "0005.HK", "TRY", sector="Banks"),
        "1810.HK": lambda: new("1810.HK"),
        "9988.HK": lambda: removal_of(manager, "9988.HK", "TRY"),
    }
    manager.save_positions("TRY", [late[changed]()])
    before = rows_of(manager)
    with pytest.raises(SaveConflict) as refused:
        manager.apply_to_parent("TRY", edits, seen=copy)
    assert [clash.symbol for clash in refused.value.clashes] == [changed]
    assert rows_of(manager) == before


def test_a_parent_that_changed_after_the_preview_is_a_conflict(manager: DatabaseManager) -> None:
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    parent = positions_of(manager, "DEFAULT")
    edits = replaced(positions_of(manager, "TRY"), parent)
    manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", quantity=9)])
    before = rows_of(manager, "TRY")
    with pytest.raises(SaveConflict):
        manager.refresh_copy("TRY", edits, seen=parent)
    assert rows_of(manager, "TRY") == before
