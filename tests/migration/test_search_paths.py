"""A session keeps in which schemas it looks names up. One that works this out at the very moment when the views' schema
comes or goes may keep a wrong answer; so each phase leaves a moment between that and what depends on it.
"""

import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from src.journal.model import Event, Phase
from src.migration.run.locks import wait_for_transactions
from src.migration.steps import load_steps
from src.postgres.connection import connect
from tests.conftest import MakeDatabase
from tests.support.load.v1 import create_tables
from tests.support.migration_env import MigrationEnv, migration_env, session, v1_clients_work

SCHEMAS = "SELECT oid::text, nspname::text FROM pg_namespace WHERE nspname = 'trader' OR nspname LIKE 'hk_v1%%'"
VIEWS = "SELECT count(*) FROM pg_class WHERE relkind = 'v' AND relnamespace = %s::oid"


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


@pytest.mark.parametrize(("phase", "switch"), [(Phase.ROLLBACK_V1, "switch"), (Phase.PHASE2, "contract")])
def test_names_lead_past_the_views_before_these_go(v1: MigrationEnv, phase: Phase, switch: str) -> None:
    """Whoever has found the views' schema just before may go on to use it."""
    v1.run(Phase.PHASE1)
    v1.v1("CREATE TABLE notes (id int)")
    ((schema, name),) = v1.rows(SCHEMAS)
    assert name == "trader"
    seen: list[str] = []

    def on_event(event: Event) -> None:
        if event.kind == "step" and event.step == switch and event.detail["state"] == "done":
            ((still, new_name),) = v1.rows(SCHEMAS)
            assert still == schema and new_name != "trader"
            assert v1.rows(VIEWS, schema) == [(5,)]
            assert v1.rows("SELECT to_regclass('public.notes') IS NOT NULL") == [(True,)]
            if phase is Phase.ROLLBACK_V1:
                v1_clients_work(v1)
                for statement in create_tables():
                    v1.v1(statement)
            seen.append(new_name)

    assert v1.run(phase, on_event).state == "done"
    assert len(seen) == 1
    assert v1.rows(SCHEMAS) == []


@pytest.mark.parametrize("phase", [Phase.PHASE1, Phase.ROLLBACK_V2])
def test_the_schema_is_changed_again_by_what_makes_the_views_necessary(v1: MigrationEnv, phase: Phase) -> None:
    """A change makes every session work out anew where it looks names up."""
    if phase is Phase.ROLLBACK_V2:
        v1.run(Phase.PHASE1)
        v1.run(Phase.PHASE2)
    changed_by: dict[str | None, str] = {}

    def on_event(event: Event) -> None:
        if event.kind == "step" and event.detail["state"] == "done":
            for (changed,) in v1.rows("SELECT xmin::text FROM pg_namespace WHERE nspname = 'trader'"):
                changed_by[event.step] = changed

    assert v1.run(phase, on_event).state == "done"
    steps = ("views", "columns", "switch") if phase is Phase.PHASE1 else ("views", "switch")
    assert len({changed_by[step] for step in steps}) == len(steps), changed_by


def test_what_was_under_way_has_ended_before_a_schema_is_relied_on_or_dropped() -> None:
    waiting = {(phase, step.name) for phase in Phase for step in load_steps(phase) if step.waits_for_transactions}
    assert waiting == {(Phase.PHASE1, "columns"), (Phase.PHASE2, "tidy"), (Phase.ROLLBACK_V1, "tidy")}


def test_open_transactions_are_waited_for_and_later_ones_are_not(v1: MigrationEnv) -> None:
    with closing(psycopg2.connect(v1.url)) as open_before, closing(connect(v1.url, autocommit=True)) as conn:
        open_before.cursor().execute("SELECT 1")
        waiting = threading.Thread(target=wait_for_transactions, args=(conn, 600))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        with session(v1.url) as later, later.cursor() as cur:
            cur.execute("BEGIN; SELECT 1")
            open_before.rollback()
            waiting.join(60)
            assert not waiting.is_alive()


def test_a_transaction_that_does_not_end_is_not_waited_for_long(v1: MigrationEnv) -> None:
    with closing(psycopg2.connect(v1.url)) as stays_open, closing(connect(v1.url, autocommit=True)) as conn:
        stays_open.cursor().execute("SELECT 1")
        wait_for_transactions(conn, 0.05)
        assert stays_open.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS
