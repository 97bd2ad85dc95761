"""Revisions of many positions at once, undo, and the change history, on every schema."""

from dataclasses import replace
from decimal import Decimal

import pytest

from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit, PositionValues
from src.domain.revisions import SaveConflict
from src.errors import CapabilityMissing, InvalidInput, PortfolioNotFound
from tests.support.databases import MULTI, SCHEMAS, Database, ManagerOf, execute
from tests.support.editing import edit_of, new, removal_of, rows_of

TIMES = "SELECT symbol, current_price, last_updated FROM public.portfolio_positions ORDER BY id"
SIGNALS = (
    "SELECT id, symbol, signal_type, signal_strength, price, volume, created_at FROM public.trading_signals ORDER BY id"
)


@pytest.fixture(params=SCHEMAS)
def url(request: pytest.FixtureRequest, database: Database, pg_version: int) -> str:
    return database(request.param, pg_version)


@pytest.fixture
def manager(manager_of: ManagerOf, url: str) -> DatabaseManager:
    return manager_of(url)


@pytest.fixture(params=MULTI)
def multi_url(request: pytest.FixtureRequest, database: Database) -> str:
    return database(request.param, 18)


@pytest.fixture
def multi(manager_of: ManagerOf, multi_url: str) -> DatabaseManager:
    return manager_of(multi_url)


def test_a_save_changes_all_and_says_what_it_did(manager: DatabaseManager) -> None:
    before = rows_of(manager)
    save = manager.save_positions(
        "DEFAULT",
        [
            edit_of(manager, "0700.HK", quantity=3200, avg_cost=Decimal("319.55")),
            edit_of(manager, "0005.HK", company_name="HSBC Holdings", sector=None),
            edit_of(manager, "9988.HK", price=Decimal("120.1")),
        ],
        by="Ada",
        note="after the close",
    )
    after = rows_of(manager)
    assert after["0700.HK"] == PositionValues(3200, Decimal("319.550"), "Tencent", "Tech", Decimal("315.200"))
    assert after["0005.HK"] == replace(before["0005.HK"], company_name="HSBC Holdings", sector=None)
    assert after["9988.HK"].price == Decimal("120.100")
    assert after["0857.HK"] == before["0857.HK"]
    assert (save.portfolio_id, save.by, save.kind, save.note) == ("DEFAULT", "Ada", "edit", "after the close")
    assert save.at.tzinfo is not None
    assert {row.symbol: (row.before, row.after) for row in save.rows} == {
        symbol: (before[symbol], after[symbol]) for symbol in ("0005.HK", "0700.HK", "9988.HK")
    }
    assert manager.revisions("DEFAULT") == (save,)
    assert manager.revisions() == (save,)


def test_nothing_is_saved_before_the_first_save_and_reading_makes_nothing(manager: DatabaseManager, url: str) -> None:
    assert manager.revisions() == ()
    assert manager.get_lineage("DEFAULT") is None
    assert execute(url, "SELECT to_regclass('hk_migration.save')") == [(None,)]
    for unknown in (manager.revisions, manager.get_lineage):
        with pytest.raises(PortfolioNotFound):
            unknown("NOPE")
    with pytest.raises(InvalidInput, match="There is no revision number 7"):
        manager.undo_revision(7)


def test_who_saves_second_is_shown_every_clash_and_nothing_is_changed(manager: DatabaseManager) -> None:
    stale = [
        edit_of(manager, "0700.HK", quantity=1),
        edit_of(manager, "9988.HK", price=Decimal(121)),
        edit_of(manager, "0005.HK", avg_cost=Decimal(2)),
    ]
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3000)])
    manager.update_position_price("9988.HK", Decimal(119))
    seen = rows_of(manager)
    with pytest.raises(SaveConflict, match=r"0700\.HK, 9988\.HK\. Nothing was changed") as reported:
        manager.save_positions("DEFAULT", stale)
    assert [(c.symbol, c.seen, c.now, c.wanted) for c in reported.value.clashes] == [
        (edit.symbol, edit.before, seen[edit.symbol], edit.after) for edit in stale[:2]
    ]
    assert rows_of(manager) == seen
    assert len(manager.revisions()) == 1
    with pytest.raises(SaveConflict, match="quantity is 3000 now, not 3100"):
        manager.save_positions("DEFAULT", stale[:1])


def test_a_price_that_the_edit_leaves_alone_may_move(manager: DatabaseManager) -> None:
    edit = edit_of(manager, "0700.HK", quantity=3000)
    manager.update_position_price("0700.HK", Decimal(320))
    (row,) = manager.save_positions("DEFAULT", [edit]).rows
    assert row.before is not None and row.after is not None
    assert row.before.price == row.after.price == Decimal(320)
    assert rows_of(manager)["0700.HK"] == replace(edit.after or row.after, price=Decimal(320))


def test_an_undo_brings_back_everything_and_can_be_undone(manager: DatabaseManager, url: str) -> None:
    before, times = rows_of(manager), execute(url, TIMES)
    edits = [
        edit_of(manager, "0700.HK", quantity=3200, price=Decimal(321)),
        edit_of(manager, "0005.HK", sector="Banks"),
    ]
    save = manager.save_positions("DEFAULT", edits, by="Ada")
    after = rows_of(manager)
    undo = manager.undo_revision(save.revision_id, by="Bob")
    assert rows_of(manager) == before
    assert execute(url, TIMES) == times, "a price that comes back is as old as it was"
    assert (undo.kind, undo.by, undo.undoes) == ("undo", "Bob", save.revision_id)
    assert [entry.undone_by for entry in manager.revisions()] == [None, undo.revision_id]
    with pytest.raises(InvalidInput, match=f"was undone already, by revision {undo.revision_id}"):
        manager.undo_revision(save.revision_id)
    redo = manager.undo_revision(undo.revision_id)
    assert rows_of(manager) == after
    assert [entry.undone_by for entry in manager.revisions()] == [None, redo.revision_id, None]
    again = manager.undo_revision(save.revision_id)
    assert rows_of(manager) == before
    assert [entry.undone_by for entry in manager.revisions()] == [None, None, redo.revision_id, again.revision_id]


def test_an_undo_does_not_overwrite_what_came_after(manager: DatabaseManager) -> None:
    save = manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3200)])
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3300)])
    with pytest.raises(SaveConflict, match="quantity is 3300 now, not 3200"):
        manager.undo_revision(save.revision_id)
    assert rows_of(manager)["0700.HK"].quantity == 3300


def test_bad_edits_are_refused_and_nothing_is_done(manager: DatabaseManager) -> None:
    seen = rows_of(manager)
    good = edit_of(manager, "0005.HK", quantity=1)
    tencent = seen["0700.HK"]
    for bad in (
        replace(tencent, quantity=10**12),
        replace(tencent, avg_cost=Decimal(-1)),
        replace(tencent, price=Decimal(0)),
        replace(tencent, price=Decimal(-5)),
        replace(tencent, company_name="x" * 201),
        replace(tencent, sector="\x00"),
        replace(tencent, quantity=2**31 - 1),
    ):
        with pytest.raises(InvalidInput, match=r"^0700\.HK: "):
            manager.save_positions("DEFAULT", [good, Edit("0700.HK", tencent, bad)])
    same = Edit("0005.HK", seen["0005.HK"], seen["0005.HK"])
    for nothing in ([], [same]):
        with pytest.raises(InvalidInput, match="nothing to save"):
            manager.save_positions("DEFAULT", nothing)
    for twice in ([good, good], [good, Edit("0700.HK", None, None)]):
        with pytest.raises(InvalidInput):
            manager.save_positions("DEFAULT", twice)
    with pytest.raises(PortfolioNotFound):
        manager.save_positions("'; DROP TABLE x", [good])
    with pytest.raises(InvalidInput, match="edit or an import"):
        manager.save_positions("DEFAULT", [good], kind="undo")
    assert rows_of(manager) == seen
    assert manager.revisions() == ()


def test_on_v1_adding_and_removing_says_what_it_needs(database: Database, manager_of: ManagerOf) -> None:
    manager = manager_of(database("v1", 18))
    for edit in (new("1810.HK"), removal_of(manager, "0700.HK")):
        with pytest.raises(CapabilityMissing, match=r"Adding or removing a position needs schema v2.*Phase 1"):
            manager.save_positions("DEFAULT", [edit, edit_of(manager, "0005.HK", quantity=1)])
    assert rows_of(manager)["0005.HK"].quantity == 13428


def test_adding_and_removing_and_taking_it_back(multi: DatabaseManager, multi_url: str) -> None:
    before, signals = rows_of(multi), execute(multi_url, SIGNALS)
    save = multi.save_positions("DEFAULT", [new("1810", 500, "12.3"), removal_of(multi, "0700.HK")], digest="ab" * 32)
    assert rows_of(multi)["1810.HK"] == PositionValues(500, Decimal("12.300"))
    assert "0700.HK" not in rows_of(multi)
    assert len(execute(multi_url, SIGNALS)) == 1
    assert save.digest == "ab" * 32
    multi.undo_revision(save.revision_id)
    assert rows_of(multi) == before
    assert execute(multi_url, SIGNALS) == signals, "signals come back as they were"
    with pytest.raises(SaveConflict, match="is there already"):
        multi.save_positions("DEFAULT", [new("0700.HK")])
    with pytest.raises(SaveConflict, match="is not there any more"):
        multi.save_positions("DEFAULT", [Edit("1810.HK", PositionValues(1, Decimal(1)), PositionValues(2, Decimal(1)))])


def test_a_new_position_gets_what_is_known_of_its_symbol(multi: DatabaseManager, multi_url: str) -> None:
    execute(multi_url, "INSERT INTO price_history (symbol, price, timestamp) VALUES ('1810.HK', 13.45, '2026-01-06')")
    multi.create_portfolio("TECH", "Tech")
    multi.save_positions("TECH", [new("0700.HK"), new("1810.HK"), new("3690.HK"), new("0005.HK", price="41")])
    rows = rows_of(multi, "TECH")
    assert rows["0700.HK"] == PositionValues(100, Decimal(10), "Tencent", "Tech", Decimal("315.2"))
    assert rows["1810.HK"].price == Decimal("13.45")
    assert rows["3690.HK"].price is None, "no price is invented"
    assert rows["0005.HK"].price == rows_of(multi)["0005.HK"].price == Decimal(41), "a price is the market's"
    ages = multi.get_price_ages().set_index("symbol")["as_of"]
    assert str(ages["1810.HK"]) == "2026-01-06 00:00:00"


def test_a_removed_position_comes_back_with_the_market_s_price_of_now(multi: DatabaseManager, multi_url: str) -> None:
    multi.copy_portfolio("DEFAULT", "A", "A")
    shared = multi.save_positions("A", [removal_of(multi, "0700.HK", "A")])
    multi.update_position_price("0700.HK", 330)
    multi.undo_revision(shared.revision_id)
    assert rows_of(multi, "A")["0700.HK"].price == Decimal(330)
    multi.save_positions("DEFAULT", [new("1810.HK", price="13")])
    alone = multi.save_positions("DEFAULT", [removal_of(multi, "1810.HK")])
    multi.undo_revision(alone.revision_id)
    assert rows_of(multi)["1810.HK"].price == Decimal(13), "nobody knows better"
    alone = multi.save_positions("DEFAULT", [removal_of(multi, "1810.HK")])
    execute(multi_url, "INSERT INTO price_history (symbol, price, timestamp) VALUES ('1810.HK', 14, now() + '1 hour')")
    multi.undo_revision(alone.revision_id)
    assert rows_of(multi)["1810.HK"].price == Decimal(14)
    assert rows_of(multi)["0700.HK"].price == Decimal(330)


def test_a_price_is_changed_in_every_portfolio_and_back(multi: DatabaseManager, multi_url: str) -> None:
    multi.copy_portfolio("DEFAULT", "A", "A")
    times = execute(multi_url, TIMES)
    save = multi.save_positions("A", [edit_of(multi, "0700.HK", "A", price=Decimal("316.4"))])
    assert rows_of(multi)["0700.HK"].price == Decimal("316.4")
    multi.undo_revision(save.revision_id)
    assert execute(multi_url, TIMES) == times
    save = multi.save_positions("A", [edit_of(multi, "0700.HK", "A", price=None)])
    assert rows_of(multi)["0700.HK"].price is None
    multi.undo_revision(save.revision_id)
    assert execute(multi_url, TIMES) == times


def test_every_change_is_in_the_audit(multi: DatabaseManager) -> None:
    multi.create_portfolio("TECH", "Tech", by="Ada")
    multi.add_position("TECH", "1810", 10, 12, by="Ada")
    multi.change_position("TECH", "1810", quantity=20, by="Bob")
    multi.change_position("TECH", "1810", quantity=20, by="Bob")
    multi.remove_position("TECH", "1810", by="Bob")
    multi.rename_portfolio("TECH", "Technology", by="Bob")
    multi.archive_portfolio("TECH")
    multi.restore_portfolio("TECH")
    multi.copy_portfolio("TECH", "TRY", "Try", by="Ada")
    multi.delete_portfolio("TECH", by="Eve")
    entries = [(entry.portfolio_id, entry.kind, entry.by, len(entry.rows)) for entry in multi.revisions()]
    nobody = entries[2][2]
    assert "@" in nobody
    assert entries == [
        ("TECH", "delete", "Eve", 0),
        ("TRY", "copy", "Ada", 0),
        ("TECH", "restore", nobody, 0),
        ("TECH", "archive", nobody, 0),
        ("TECH", "rename", "Bob", 0),
        ("TECH", "edit", "Bob", 1),
        ("TECH", "edit", "Bob", 1),
        ("TECH", "edit", "Ada", 1),
        ("TECH", "create", "Ada", 0),
    ]
    assert len(multi.revisions("TECH")) == 8, "the history of a deleted portfolio stays"
    assert len(multi.revisions("TECH", limit=2)) == 2
    with pytest.raises(InvalidInput, match="changed no position"):
        multi.undo_revision(multi.revisions("TRY")[0].revision_id)


def test_a_deleted_portfolio_cannot_be_undone_into(multi: DatabaseManager) -> None:
    multi.create_portfolio("TECH", "Tech")
    save = multi.save_positions("TECH", [new("1810.HK")])
    multi.delete_portfolio("TECH")
    with pytest.raises(PortfolioNotFound):
        multi.undo_revision(save.revision_id)
    multi.create_portfolio("TECH", "Another")
    multi.save_positions("TECH", [new("1810.HK")])
    with pytest.raises(InvalidInput, match="an earlier portfolio named TECH"):
        multi.undo_revision(save.revision_id)
    assert list(rows_of(multi, "TECH")) == ["1810.HK"]


def test_the_audit_is_append_only(multi: DatabaseManager, multi_url: str) -> None:
    multi.copy_portfolio("DEFAULT", "A", "A")
    multi.save_positions("A", [new("1810.HK")])
    for table in ("save", "saved_row", "lineage_base", "lineage_position"):
        for statement in ("DELETE FROM hk_migration.{}", "TRUNCATE hk_migration.{} CASCADE"):
            with pytest.raises(Exception, match="append-only"):
                execute(multi_url, statement.format(table))


def test_a_symbol_that_was_never_normalised_can_be_edited(manager: DatabaseManager, url: str) -> None:
    execute(url, "INSERT INTO public.portfolio_positions (symbol, quantity, current_price) VALUES ('AAPL', 5, 7)")
    execute(url, "INSERT INTO public.portfolio_positions (symbol, quantity) VALUES ('700', 1)")
    manager.save_positions("DEFAULT", [edit_of(manager, "AAPL", quantity=6), edit_of(manager, "700", quantity=2)])
    rows = rows_of(manager)
    assert (rows["AAPL"].quantity, rows["700"].quantity, rows["0700.HK"].quantity) == (6, 2, 3100)
