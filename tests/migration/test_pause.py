"""A pause that somebody asks for, from whatever process: the run stops where it is safe, soon, and can be resumed."""

from pathlib import Path

import pytest

from src.errors import RunPaused
from src.journal import runs
from src.journal.model import Event, Phase, RunRecord
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli
from tests.support.migration_env import Apart, MigrationEnv, migration_env, session, v1_clients_work, wait_until, writer

INDEX = "portfolio_positions_legacy_symbol_key"


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def pause(it: MigrationEnv) -> None:
    assert engine.request_pause(it.url, "anna") is not None


def paused(it: MigrationEnv, run: Apart) -> RunRecord:
    """The run that has paused as anna asked for it."""
    run.end()
    assert (run.reported[-1]["kind"], run.reported[-1]["step"]) == ("raised", "RunPaused")
    assert "anna asked for it" in run.reported[-1]["message"] and "resume" in run.reported[-1]["message"]
    record = runs.fetch_current_run(it.url)
    assert record is not None and record.state == "paused"
    assert "anna asked for it" in record.message
    return record


def test_between_two_steps(v1: MigrationEnv) -> None:
    run = Apart(v1, Phase.PHASE1, hold_at="portfolios")
    run.wait_for(step="portfolios", state="started")
    pause(v1)
    pause(v1)
    run.let_go()
    record = paused(v1, run)
    assert record.current_step == "portfolios"
    assert v1.rows("SELECT to_regclass('public.portfolios') IS NOT NULL") == [(True,)], "that step is done"
    assert v1.rows("SELECT hk_migration.has_column('portfolio_positions', 'legacy_symbol')") == [(False,)]
    v1_clients_work(v1)
    # The wish was for that part of the run: it is no reason to stop again.
    assert v1.resume().state == "done"
    assert v1.rows("SELECT count(*) FROM hk_migration.event WHERE kind = 'pause'") == [(1,)]


def test_while_it_tries_for_a_lock(v1: MigrationEnv) -> None:
    with session(v1.url, "month-end report") as reader, reader.cursor() as cur:
        cur.execute("BEGIN; SELECT * FROM portfolio_positions")
        run = Apart(v1, Phase.PHASE1)
        run.wait_for(kind="blocked")
        pause(v1)
        assert paused(v1, run).current_step == "columns"
    assert v1.rows("SELECT hk_migration.has_column('portfolio_positions', 'legacy_symbol')") == [(False,)]
    assert v1.resume().state == "done"


def test_an_index_build_that_waits_for_a_client_is_cancelled(v1: MigrationEnv) -> None:
    run = Apart(v1, Phase.PHASE1, hold_at="index_legacy_symbol")
    run.wait_for(step="index_legacy_symbol", state="started")
    with writer(v1):
        run.let_go()
        wait_until(
            lambda: v1.rows(
                "SELECT 1 FROM pg_stat_progress_create_index "
                "WHERE current_locker_pid <> 0 AND datname = current_database()"
            ),
            "the build waits for the client", run.process,
        )  # fmt: skip
        pause(v1)
        assert paused(v1, run).current_step == "index_legacy_symbol"
    waits = "SELECT message LIKE '%waiting for pid ' || (detail->>'waiting_for') || ' %' FROM hk_migration.event"
    assert v1.rows(f"{waits} WHERE detail ? 'waiting_for' LIMIT 1") == [(True,)]
    v1_clients_work(v1)
    assert v1.resume().state == "done"
    assert v1.rows("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []


def test_between_two_batches(v1: MigrationEnv) -> None:
    with session(v1.url) as client, client.cursor() as cur:
        run = Apart(v1, Phase.PHASE1, hold_at="backfill")
        run.wait_for(step="backfill", state="started")
        cur.execute("BEGIN; SELECT * FROM portfolio_positions WHERE symbol = '0001.HK' FOR UPDATE")
        run.let_go()
        wait_until(
            lambda: v1.rows("SELECT 1 FROM public.portfolio_positions WHERE legacy_symbol IS NOT NULL"),
            "the first batch",
        )
        pause(v1)
        assert "after 11 rows of" in paused(v1, run).message
    assert v1.resume().state == "done"


def test_in_the_middle_of_the_backup(v1: MigrationEnv) -> None:
    def on_event(event: Event) -> None:
        if event.step == "backup" and event.kind == "step":
            pause(v1)

    with pytest.raises(RunPaused, match=r"anna asked for it.*in the middle of the backup"):
        engine.run(v1.url, Phase.PHASE1, Options(), v1.settings, on_event)
    assert v1.rows("SELECT to_regclass('public.portfolios') IS NULL") == [(True,)]
    assert v1.resume().state == "done"


def test_there_is_nothing_to_pause(v1: MigrationEnv, cli: Cli) -> None:
    assert engine.request_pause(v1.url, "anna") is None
    assert v1.run(Phase.PHASE1).state == "done"
    assert engine.request_pause(v1.url, "anna") is None
    said = cli(v1.url, "pause")
    assert (said.exit_code, said.out.strip()) == (0, "Nothing to do: no run of this database is under way.")


def test_the_command_asks_the_run_of_another_process(v1: MigrationEnv, cli: Cli) -> None:
    run = Apart(v1, Phase.PHASE1, hold_at="columns")
    run.wait_for(step="columns", state="started")
    said = cli(v1.url, "pause", "--json")
    outcome = said.records[-1]
    assert (said.exit_code, outcome["state"]) == (0, "done")
    assert "was asked to pause" in str(outcome["message"]) and "'columns'" in str(outcome["message"])
    run.let_go()
    run.end()
    record = runs.fetch_current_run(v1.url)
    assert record is not None and record.state == "paused"
