"""A plan beside a run that has not ended: the run stands first, with what to do about it."""

from typing import Any

import pytest

from src.journal.model import Phase
from src.journal.run_lock import acquire_run_lock
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, Said
from tests.support.health_cases import note_run
from tests.support.locks import locked
from tests.support.migration_env import session

PLANS = pytest.mark.parametrize(
    ("schema", "of_run", "plan"),
    [
        ("v1", Phase.PHASE1, "phase1"),
        ("v2", Phase.PHASE1, "phase1"),
        ("v2", Phase.PHASE1, "phase2"),
        ("v2", Phase.PHASE2, "rollback --to v1"),
        ("v3", Phase.PHASE2, "rollback"),
        ("v3", Phase.ROLLBACK_V2, "phase2"),
    ],
)


def head(said: Said) -> str:
    return said.out.split("\n\n")[0]


@PLANS
@pytest.mark.parametrize("state", [None, "paused", "failed"])
def test_a_run_that_stopped_comes_first(
    make_database: MakeDatabase, cli: Cli, schema: str, of_run: Phase, plan: str, state: str | None
) -> None:
    url = make_database(schema, sample=True)
    run_id = note_run(url, of_run, state)
    said = cli(url, "plan", *plan.split())
    verb = {None: "is interrupted", "paused": "is paused", "failed": "has failed"}[state]
    assert head(said).startswith(f"Run {run_id} ({of_run}) {verb}"), said.out
    assert "python run_migration.py resume" in head(said)
    assert f"python run_migration.py {' '.join(of_run.opposite.arguments)}" in head(said)
    record: Any = cli(url, "--json", "plan", *plan.split()).records[0]
    assert record["run"]["run_id"] == run_id


@PLANS
def test_a_run_that_is_under_way_comes_first(
    make_database: MakeDatabase, cli: Cli, schema: str, of_run: Phase, plan: str
) -> None:
    url = make_database(schema, sample=True)
    run_id = note_run(url, of_run, None)
    with session(url, "hk_strategy migration") as conn:
        acquire_run_lock(conn)
        said = cli(url, "plan", *plan.split())
    assert head(said).startswith(f"Run {run_id} ({of_run}) is running"), said.out
    assert "Wait until it has ended, or pause it: python run_migration.py pause" in head(said)


def test_also_where_a_locked_table_keeps_the_plan_from_being_made(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v1", sample=True)
    run_id = note_run(url, Phase.PHASE1, "paused")
    with locked(url, "public.trading_signals"):
        said = cli(url, "plan", "phase1")
    assert said.exit_code == 1
    assert head(said).startswith(f"Run {run_id} (phase1) is paused")


def test_a_plan_without_a_run_has_none(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v2", sample=True)
    assert head(cli(url, "plan", "phase2")).startswith("Plan: phase2")
    record: Any = cli(url, "--json", "plan", "phase2").records[0]
    assert record["run"] is None
