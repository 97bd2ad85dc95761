"""Saving while the schema is migrated and rolled back: nothing half-done, nothing in the wrong portfolio."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit
from src.domain.revisions import SaveConflict
from src.errors import CapabilityMissing
from src.journal.model import Event, Phase
from src.market.calendar import sessions
from src.portfolios import edits
from tests.conftest import MakeDatabase
from tests.support.databases import POSITIONS, Database, ManagerOf, Migrate, at_once, execute
from tests.support.editing import edit_of, new, rows_of
from tests.support.migration_env import Apart, MigrationEnv, migration_env

QUANTITIES = "SELECT portfolio_id, quantity FROM public.portfolio_positions WHERE symbol = '0700.HK' ORDER BY 1"


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path, rows=POSITIONS)


def test_phase_1_runs_in_the_middle_of_a_save(
    v1: MigrationEnv, manager_of: ManagerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The save holds its rows while the phase wants the tables: the phase tries again, and comes after it."""
    manager = manager_of(v1.url)
    manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", quantity=1)])
    saving, go_on = threading.Event(), threading.Event()
    update = edits._update

    def update_and_wait(*given: object) -> None:
        update(*given)  # type: ignore[arg-type]
        saving.set()
        assert go_on.wait(60)

    def save() -> None:
        manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3000, price=Decimal(300))])

    def phase1() -> None:
        assert saving.wait(60)

        def let_go(event: Event) -> None:
            if event.step == "columns":
                go_on.set()

        v1.run(Phase.PHASE1, let_go)

    with monkeypatch.context() as patched:
        patched.setattr(edits, "_update", update_and_wait)
        assert at_once(save, phase1) == []
    assert execute(v1.url, QUANTITIES) == [("DEFAULT", 3000)]
    saved, _ = manager.revisions()
    manager.undo_revision(saved.revision_id)
    assert execute(v1.url, QUANTITIES) == [("DEFAULT", 3100)]
    manager.copy_portfolio("DEFAULT", "TRY", "Try")


def test_who_remembers_v1_meets_only_default_on_v2(
    v1: MigrationEnv, manager_of: ManagerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = manager_of(v1.url)
    before = stale.get_portfolios()
    rows = rows_of(stale)
    v1.run(Phase.PHASE1)
    other = manager_of(v1.url)
    other.copy_portfolio("DEFAULT", "TRY", "Try")
    other.save_positions("TRY", [edit_of(other, "0700.HK", "TRY", quantity=7), new("1810.HK")])
    other.insert_trading_signal("1810.HK", "A", 0.5, 10, portfolio_id="TRY")
    # As if the phase had ended in this very instant.
    state = stale._db._state
    assert state is not None
    monkeypatch.setattr(stale._db, "_cached_state", lambda: state)
    now = sessions(datetime(2026, 1, 12, 8, tzinfo=UTC))
    assert stale.get_portfolios().equals(before)
    assert rows_of(stale) == rows
    assert set(stale.get_trading_signals()["symbol"]) == {"0700.HK", "0005.HK"}
    assert stale.get_overview(now)["total_market_value"][0] == before["total_market_value"][0]
    assert stale.get_value_curves(["DEFAULT"], date(2026, 1, 6))["DEFAULT"].iloc[-1] == pytest.approx(
        float(before["total_market_value"][0]) - 13428 * 39.75 - 2000 * 118.75
    )
    edit = Edit("0700.HK", rows["0700.HK"], replace(rows["0700.HK"], quantity=3000, price=Decimal(301)))
    (saved,) = stale.save_positions("DEFAULT", [edit]).rows
    assert saved.before == rows["0700.HK"]
    assert execute(v1.url, QUANTITIES) == [("DEFAULT", 3000), ("TRY", 7)]
    assert rows_of(other, "TRY")["0700.HK"].price == Decimal(301)
    only_try = Edit("1810.HK", rows_of(other, "TRY")["1810.HK"], replace(rows["0700.HK"], quantity=1))
    with pytest.raises(SaveConflict, match="is not there any more"):
        stale.save_positions("DEFAULT", [only_try])


def test_an_editor_goes_on_through_all_phases(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    """Adds a share and takes it back, and gives the next one a price, on v1, v2, v3 and all between them."""
    url = database("v1", pg_version)
    manager = manager_of(url)
    stop = threading.Event()
    saved = [0]

    def editor() -> None:
        while not stop.is_set():
            save = manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3101)])
            manager.undo_revision(save.revision_id)
            manager.save_positions("DEFAULT", [edit_of(manager, "0005.HK", price=Decimal(40 + saved[0] % 5))])
            saved[0] += 1

    def phases() -> None:
        try:
            for phase in (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1, Phase.PHASE1):
                before = saved[0]
                migrate(url, phase)
                while saved[0] < before + 2 and not failed():
                    stop.wait(0.01)
        finally:
            stop.set()

    raised: list[BaseException] = []

    def failed() -> bool:
        return bool(raised)

    def watched_editor() -> None:
        try:
            editor()
        except BaseException as error:
            raised.append(error)
            raise

    assert at_once(watched_editor, phases) == []
    assert execute(url, QUANTITIES) == [("DEFAULT", 3100)]
    assert len(manager.revisions("DEFAULT", 10_000)) == 3 * saved[0]


@pytest.fixture
def fenced(v1: MigrationEnv) -> Iterator[MigrationEnv]:
    """A rollback that has archived the other portfolios, and has not taken them away yet."""
    v1.run(Phase.PHASE1)
    manager = DatabaseManager(database_url=v1.url)
    manager.copy_portfolio("DEFAULT", "TRY", "Try")
    manager.insert_trading_signal("0700.HK", "A", 0.5, 300, portfolio_id="TRY")
    manager.close()
    run = Apart(v1, Phase.ROLLBACK_V1, hold_at="archive_signals")
    run.wait_for(step="archive_signals", state="started")
    yield v1
    run.let_go()
    assert run.end() == 0


def test_during_a_rollback_default_can_be_saved_and_the_others_say_why_not(
    fenced: MigrationEnv, manager_of: ManagerOf
) -> None:
    manager = manager_of(fenced.url)
    with pytest.raises(CapabilityMissing, match="rollback to the single-portfolio schema is in progress"):
        manager.save_positions("TRY", [edit_of(manager, "0700.HK", "TRY", quantity=1)])
    with pytest.raises(CapabilityMissing, match="only DEFAULT can be changed"):
        manager.create_portfolio("NEW", "New")
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=3000, price=Decimal(300))])
    manager.update_position_price("0005.HK", 41)
    assert execute(fenced.url, QUANTITIES) == [("DEFAULT", 3000), ("TRY", 3100)]
    assert {row.price for owner in ("DEFAULT", "TRY") for row in [rows_of(manager, owner)["0005.HK"]]} == {Decimal(41)}
