"""What a plan says of a step's lock is what the step takes."""

from pathlib import Path

import pytest

from src.journal.model import Keep, Phase
from src.migration import engine
from src.migration.model import Options, Step
from src.migration.plan.lock_notes import lock_of
from src.migration.run.runner import Runner
from src.postgres.connection import Cursor
from tests.conftest import MakeDatabase
from tests.support.migration_env import OTHER_PORTFOLIOS, migration_env

MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
WORDS = {"".join(word.capitalize() for word in text.split()) + "Lock": text for text in (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)}  # fmt: skip


def test_no_step_takes_a_stronger_lock_on_clients_tables_than_its_plan_says(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    seen: dict[tuple[str, str], str] = {}
    phase = Phase.PHASE1
    note = Runner._note_writes

    def compare(runner: Runner, cur: Cursor, step: Step) -> None:
        """At the end of the step's transaction, which still holds all its locks."""
        cur.execute(
            "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
            "WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
            "AND c.xmin <> pg_current_xact_id()::xid "
            "AND c.relname IN ('portfolio_positions', 'trading_signals', 'price_history')"
        )
        modes = [mode for (mode,) in cur.fetchall()]
        strongest = max(modes, key=MODES.index, default="AccessShareLock")
        promised = lock_of(step).mode
        assert strongest in MODES
        if MODES.index(strongest) > [WORDS[mode] for mode in MODES].index(promised):
            seen[(phase.value, step.name)] = f"{strongest}, and the plan says {promised}"
        note(runner, cur, step)

    monkeypatch.setattr(Runner, "_note_writes", compare)
    for phase in (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1, Phase.PHASE1):
        if phase is Phase.PHASE2:
            it.rows(OTHER_PORTFOLIOS)
        options = Options(backup=False, keep=Keep.MERGE)
        assert engine.run(it.url, phase, options, it.settings, lambda event: None).state == "done"
    assert seen == {}
