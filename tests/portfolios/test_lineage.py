"""What copies were taken from: kept, brought together again, undone, and still there after a rollback to v1."""

from decimal import Decimal
from pathlib import Path

import pandas as pd
import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from src.backup.api import make_backup, restore_backup
from src.database_enhanced import DatabaseManager
from src.domain.edits import diff, values_of
from src.domain.revisions import SaveConflict
from src.errors import CapabilityMissing, InvalidInput, PortfolioNotFound
from src.journal.model import Phase
from tests.support.databases import MULTI, Database, ManagerOf, Migrate, execute
from tests.support.editing import edit_of, new, positions_of, removal_of, rows_of


@pytest.fixture(params=MULTI)
def url(request: pytest.FixtureRequest, database: Database) -> str:
    return database(request.param, 18)


@pytest.fixture
def manager(manager_of: ManagerOf, url: str) -> DatabaseManager:
    made = manager_of(url)
    made.copy_portfolio("DEFAULT", "TRY", "Try")
    return made


def base_of(manager: DatabaseManager, portfolio_id: str = "TRY") -> dict[str, object]:
    lineage = manager.get_lineage(portfolio_id)
    assert lineage is not None and lineage.base is not None
    return {position.symbol: values_of(position) for position in lineage.base}


def test_a_copy_keeps_what_it_was_taken_from(manager: DatabaseManager) -> None:
    then = rows_of(manager)
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=1)])
    manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", avg_cost=Decimal(1)), new("1810.HK")])
    manager.update_position_price("9988.HK", 130)
    assert base_of(manager) == then
    lineage = manager.get_lineage("TRY")
    assert lineage is not None and lineage.parent_id == "DEFAULT"
    copied_at = manager.get_portfolios().set_index("portfolio_id").loc["TRY", "copied_at"]
    assert pd.Timestamp(lineage.taken_at).tz_convert("UTC").tz_localize(None) == copied_at, "the server is on UTC"
    assert manager.get_lineage("DEFAULT") is None
    with pytest.raises(PortfolioNotFound):
        manager.get_lineage("NOPE")


def test_applied_to_the_parent_and_undone(manager: DatabaseManager) -> None:
    then = rows_of(manager)
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5), new("1810.HK", 7)])
    manager.save_positions("TRY", [removal_of(manager, "0005.HK", "TRY")])
    save = manager.apply_to_parent(
        "TRY", diff(positions_of(manager, "DEFAULT"), positions_of(manager, "TRY")), by="Ada"
    )
    assert (save.portfolio_id, save.kind, save.by, len(save.rows)) == ("DEFAULT", "apply", "Ada", 3)
    assert rows_of(manager) == rows_of(manager, "TRY") == base_of(manager)
    undo = manager.undo_revision(save.revision_id)
    assert rows_of(manager) == then == base_of(manager), "the former base counts again"
    manager.undo_revision(undo.revision_id)
    assert base_of(manager) == rows_of(manager, "TRY")


def test_a_fresh_copy_and_undone(manager: DatabaseManager) -> None:
    then = rows_of(manager)
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    tried = rows_of(manager, "TRY")
    manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", quantity=9), new("1810.HK", 7)])
    save = manager.refresh_copy("TRY", diff(positions_of(manager, "TRY"), positions_of(manager, "DEFAULT")))
    assert (save.portfolio_id, save.kind, len(save.rows)) == ("TRY", "fresh copy", 3)
    assert rows_of(manager, "TRY") == rows_of(manager) == base_of(manager)
    manager.undo_revision(save.revision_id)
    assert rows_of(manager, "TRY") == tried
    assert base_of(manager) == then
    manager.save_positions("TRY", [edit_of(manager, "0005.HK", "TRY", quantity=9)])
    again = manager.refresh_copy("TRY", diff(positions_of(manager, "TRY"), positions_of(manager, "DEFAULT")))
    assert manager.revisions("TRY")[0] == again
    assert rows_of(manager, "TRY") == rows_of(manager) == base_of(manager)


def test_a_fresh_copy_of_a_parent_that_changed_meanwhile_is_a_conflict(manager: DatabaseManager) -> None:
    manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    edits = diff(positions_of(manager, "TRY"), positions_of(manager, "DEFAULT"))
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3000)])
    before = rows_of(manager, "TRY")
    with pytest.raises(SaveConflict, match="quantity is 3000 now, not 3100"):
        manager.refresh_copy("TRY", edits)
    assert rows_of(manager, "TRY") == before
    stale = diff(positions_of(manager, "DEFAULT"), positions_of(manager, "TRY"))
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=2900)])
    with pytest.raises(SaveConflict):
        manager.apply_to_parent("TRY", stale)
    assert rows_of(manager)["0700.HK"].quantity == 2900


def test_nothing_to_apply_still_brings_both_together(manager: DatabaseManager) -> None:
    for portfolio_id in ("DEFAULT", "TRY"):
        manager.save_positions(portfolio_id, [edit_of(manager, "0700.HK", portfolio_id, quantity=8)])
    save = manager.refresh_copy("TRY", [])
    assert save.rows == ()
    assert base_of(manager) == rows_of(manager)


def test_what_is_no_copy_or_has_lost_its_parent(manager: DatabaseManager, url: str) -> None:
    with pytest.raises(InvalidInput, match="'DEFAULT' is not a copy"):
        manager.apply_to_parent("DEFAULT", [])
    manager.copy_portfolio("TRY", "GRANDCHILD", "x")
    manager.delete_portfolio("TRY")
    lineage = manager.get_lineage("GRANDCHILD")
    assert lineage is not None and lineage.parent_id == "TRY" and lineage.base is not None
    with pytest.raises(PortfolioNotFound, match="no portfolio 'TRY'"):
        manager.apply_to_parent("GRANDCHILD", [])
    execute(
        url,
        "INSERT INTO public.portfolios (portfolio_id, name, copied_from, copied_at) "
        "VALUES ('OLD', 'Made before bases were kept', 'DEFAULT', '2025-06-01 12:00')",
    )
    old = manager.get_lineage("OLD")
    assert old is not None and old.base is None and old.taken_at.isoformat() == "2025-06-01T12:00:00+00:00"


def test_a_later_copy_of_the_same_name_has_a_base_of_its_own(manager: DatabaseManager) -> None:
    manager.delete_portfolio("TRY")
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=1)])
    manager.create_portfolio("TRY", "Not a copy")
    assert manager.get_lineage("TRY") is None
    manager.delete_portfolio("TRY")
    manager.copy_portfolio("DEFAULT", "TRY", "Again")
    assert base_of(manager) == rows_of(manager)


@pytest.mark.parametrize(("schema", "version"), [("v3", 16), ("v2", 18), ("v3", 18)])
def test_lineage_and_saves_survive_a_rollback_to_v1(
    database: Database, manager_of: ManagerOf, migrate: Migrate, schema: str, version: int
) -> None:
    url = database(schema, version)
    manager = manager_of(url)
    manager.copy_portfolio("DEFAULT", "TRY", "Try")
    save = manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5), new("1810.HK", 7)])
    lineage, rows = manager.get_lineage("TRY"), rows_of(manager, "TRY")
    if schema == "v3":
        migrate(url, Phase.ROLLBACK_V2)
    migrate(url, Phase.ROLLBACK_V1)
    assert manager.get_lineage("DEFAULT") is None
    with pytest.raises(PortfolioNotFound):
        manager.get_lineage("TRY")
    assert [entry.kind for entry in manager.revisions("TRY")] == ["edit", "copy"]
    with pytest.raises(PortfolioNotFound):
        manager.undo_revision(save.revision_id)
    with pytest.raises(CapabilityMissing, match="Phase 1"):
        manager.apply_to_parent("TRY", [])
    on_v1 = manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", quantity=100)])
    manager.undo_revision(on_v1.revision_id)
    migrate(url, Phase.PHASE1)
    assert manager.get_lineage("TRY") == lineage
    assert rows_of(manager, "TRY") == rows
    manager.undo_revision(save.revision_id)
    assert rows_of(manager, "TRY") == rows_of(manager)


def test_a_restored_backup_leaves_the_audit_alone(database: Database, manager_of: ManagerOf, tmp_path: Path) -> None:
    url = database("v3", 18)
    manager = manager_of(url)
    manager.copy_portfolio("DEFAULT", "TRY", "Try")
    early = manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=5)])
    lineage = manager.get_lineage("TRY")

    def quiet(*_: object) -> None:
        pass

    backup = make_backup(url, tmp_path, schema_version="3.0", on_progress=quiet)
    late = manager.save_positions("TRY", [edit_of(manager, "0005.HK", "TRY", quantity=6)])
    outcome = restore_backup(url, backup, tmp_path, on_progress=quiet)
    try:
        assert manager.revisions("TRY")[:2] == (late, early)
        assert manager.get_lineage("TRY") == lineage
        assert rows_of(manager, "TRY")["0005.HK"].quantity == 13428
        with pytest.raises(SaveConflict, match="quantity is 13428 now, not 6"):
            manager.undo_revision(late.revision_id)
        manager.undo_revision(early.revision_id)
        assert rows_of(manager, "TRY") == rows_of(manager)
    finally:
        manager.close()
        drop_kept(url, outcome.old_database or "")


def drop_kept(url: str, name: str) -> None:
    conn = psycopg2.connect(make_dsn(url, dbname="postgres"))
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    conn.close()
