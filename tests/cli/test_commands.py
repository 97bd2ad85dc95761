"""run_migration.py end to end: what it answers, its exit codes, and what it leaves behind."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg2
import pytest

from src.journal import runs
from src.journal.model import Phase
from src.migration.steps import checksums
from tests.conftest import MakeDatabase
from tests.support.cli_process import ROWS, Cli, execute, fetch, migrate, wait_for
from tests.support.health_cases import black_hole

QUICK = ("--no-backup", "--legacy-role", "trader")


@pytest.fixture
def v1(make_database: MakeDatabase) -> str:
    url = make_database("v1")
    execute(url, ROWS)
    return url


@pytest.fixture
def blocked(v1: str) -> Iterator[str]:
    """A database where a reader, idle in its transaction, keeps a phase from its first exclusive lock."""
    reader = psycopg2.connect(v1)
    with reader.cursor() as cursor:
        cursor.execute("SELECT * FROM public.portfolio_positions")
    yield v1
    reader.close()


def started(cli: Cli, url: str, *arguments: str) -> subprocess.Popen[str]:
    """A phase that is under way, and waits for the blocking reader."""
    process = cli.start(url, *arguments, *QUICK, "--yes")

    def is_blocked() -> bool:
        assert process.poll() is None, process.communicate()
        run = runs.fetch_current_run(url)
        return run is not None and any(e.kind == "blocked" for _, e in runs.fetch_events(url, run.run_id))

    wait_for("the run meets the reader", is_blocked)
    return process


def execute_alone(url: str, statement: str) -> None:
    conn = psycopg2.connect(url)
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(statement)
    conn.close()


def test_there_and_back_again(make_database: MakeDatabase, cli: Cli, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(url, ROWS)
    assert "single-portfolio (v1.0)" in cli(url, "check").out
    for command, title in (
        (("phase1", "--legacy-role", "trader"), "multi-portfolio (v2.0)"),
        (("phase2", "--no-backup"), "multi-portfolio (v3.0)"),
        (("rollback", "--no-backup", "--legacy-role", "trader"), "multi-portfolio (v2.0)"),
        (("rollback", "--no-backup"), "single-portfolio (v1.0)"),
    ):
        said = migrate(cli, url, *command)
        assert title in said.out
        assert title in cli(url, "check").out
    history = cli(url, "history").out
    assert history.count("done") == 4
    assert fetch(url, "SELECT count(*), sum(quantity) FROM public.portfolio_positions") == [(2, 16528)]


def test_the_history_of_one_run_shows_its_outcome_checksums_and_proof(v1: str, cli: Cli) -> None:
    migrate(cli, v1, "phase1", *QUICK)
    said = cli(v1, "history", "1")
    assert said.exit_code == 0, said.all
    for name, digest in checksums(Phase.PHASE1).items():
        assert f"{digest}  {name}" in said.out
    assert "Outcome: Phase1 is complete" in said.out
    assert "DEFAULT, unrealized P&L, HKD" in said.out
    (record, outcome) = cli(v1, "history", "1", "--json").records
    assert isinstance(record["runs"], list)
    assert record["runs"][0]["sql_files"] == checksums(Phase.PHASE1)
    assert outcome["exit_code"] == 0
    assert "There is no run 2" in cli(v1, "history", "2").err
    assert cli(v1, "history", "last").exit_code == 2


def test_nothing_to_do_is_no_failure_and_says_why(v1: str, cli: Cli) -> None:
    for command in (("rollback", "--yes"), ("resume", "--yes"), ("plan", "rollback"), ("remove-sample", "--yes")):
        said = cli(v1, *command)
        assert said.exit_code == 0, said.all
        assert "Nothing to do" in said.out
    migrate(cli, v1, "phase1", *QUICK)
    again = cli(v1, "phase1", "--yes")
    assert again.exit_code == 0
    assert "Nothing to do" in again.out
    assert "multi-portfolio (v2.0)" in again.out


@pytest.mark.parametrize(
    "command", [["phase1"], ["phase2"], ["rollback"], ["resume"], ["restore", "x"], ["remove-sample"]]
)
def test_a_pipe_without_yes_is_refused_and_nothing_is_touched(v1: str, cli: Cli, command: list[str]) -> None:
    said = cli(v1, *command, text="phase1\ny\n")
    assert said.exit_code == 2
    assert "--yes" in said.err
    assert fetch(v1, "SELECT to_regnamespace('hk_migration')") == [(None,)]
    assert cli.logs() == []


def test_usage_is_reported(cli: Cli) -> None:
    said = cli(None, "phase3")
    assert said.exit_code == 2
    assert "phase3" in said.err
    assert "Traceback" not in said.all
    secret = cli(None, "check", "--databse-url", "postgresql://trader:s3cret@/hk")
    assert secret.exit_code == 2
    assert "s3cret" not in secret.all


def test_a_server_that_is_down_is_no_version(cli: Cli, tmp_path: Path) -> None:
    url = f"postgresql://trader:s3cret@/hk?host={tmp_path}"
    for command in (
        ("check",),
        ("plan", "phase1"),
        ("phase1", "--yes"),
        ("history",),
        ("backup",),
        ("resume", "--yes"),
    ):
        said = cli(url, *command)
        assert said.exit_code == 1, said.all
        assert "does not answer" in said.all
        assert "v1.0" not in said.all and "single-portfolio" not in said.all
        assert "s3cret" not in said.all
        assert "Traceback" not in said.all


def test_check_shows_the_health_of_every_part_and_names_drift(v1: str, cli: Cli) -> None:
    execute(v1, "DROP INDEX public.idx_signals_created")
    assert "missing: index idx_signals_created on trading_signals" in cli(v1, "check").out
    health = cli(v1, "--json", "check").records[0]["health"]
    assert list(health) == ["database", "redis", "schema", "data", "prices", "backups", "run"]
    assert {part["status"] for part in health.values()} <= {"healthy", "degraded", "down"}
    assert health["database"]["details"]["standby"] is False
    assert health["schema"]["details"]["differences"] == ["missing: index idx_signals_created on trading_signals"]


def test_check_of_a_database_that_is_down_says_what_is_down(cli: Cli) -> None:
    said = cli("postgresql://trader:s3cret@127.0.0.1:9/hk_strategy", "check")
    assert said.exit_code != 0
    assert "PostgreSQL down       PostgreSQL does not answer" in said.out
    assert "Start PostgreSQL, or correct DATABASE_URL, in .env." in said.out
    assert "s3cret" not in said.out + said.err


def test_check_says_that_a_server_never_answers(cli: Cli) -> None:
    with black_hole() as url:
        said = cli(url, "check")
    assert said.exit_code != 0
    # The second where the machine is so slow that the time for all of it is over first.
    assert re.search(r"PostgreSQL down       PostgreSQL (does not answer in time:|has not answered for )", said.out)
    assert "firewall" in said.out
    assert "timeout expired" in said.err


def test_check_does_not_send_the_reader_to_check(v1: str, cli: Cli) -> None:
    execute(v1, "CREATE TABLE public.portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200))")
    said = cli(v1, "check").out
    assert said.count("Parts of the multi-portfolio schema are there already (table portfolios)") == 2, (
        "health, noticed"
    )
    noticed = said[said.index("Noticed:") :]
    assert "run_migration.py check" not in noticed


def test_an_empty_database_is_reported_as_empty(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database(None)
    said = cli(url, "check")
    assert said.exit_code == 0
    assert "Schema: empty" in said.out
    assert "init --schema v1" in said.out
    assert "v1.0" not in said.out
    assert cli(url, "phase1", "--yes").exit_code == 3


@pytest.mark.parametrize(("schema", "title"), [("v1", "single-portfolio (v1.0)"), ("v3", "multi-portfolio (v3.0)")])
def test_init_fills_an_empty_database_only(make_database: MakeDatabase, cli: Cli, schema: str, title: str) -> None:
    url = make_database(None)
    assert cli(url, "init", "--schema", schema).exit_code == 0
    assert title in cli(url, "check").out
    again = cli(url, "init", "--schema", schema)
    assert again.exit_code == 3
    assert "not empty" in again.err


def test_sample_data_is_marked_until_it_is_removed(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database(None)
    assert cli(url, "init", "--schema", "v1", "--sample").exit_code == 0
    assert "Sample data: yes" in cli(url, "check").out
    assert fetch(url, "SELECT count(*) FROM public.portfolio_positions") == [(12,)]
    assert migrate(cli, url, "remove-sample").out
    assert "Sample data" not in cli(url, "check").out
    assert fetch(url, "SELECT count(*) FROM public.portfolio_positions") == [(0,)]


def test_the_option_wins_over_the_environment_for_everything(v1: str, make_database: MakeDatabase, cli: Cli) -> None:
    other = make_database("v1")
    said = cli(other, "--database-url", v1, "phase1", *QUICK, "--yes")
    assert said.exit_code == 0, said.all
    assert "multi-portfolio (v2.0)" in cli(other, "check", "--database-url", v1).out
    assert "single-portfolio (v1.0)" in cli(other, "check").out
    assert fetch(other, "SELECT to_regnamespace('hk_migration')") == [(None,)]


def test_prerequisites_that_are_not_met_touch_nothing(v1: str, cli: Cli, make_database: MakeDatabase) -> None:
    early = cli(v1, "phase2", "--yes")
    assert early.exit_code == 3
    assert "python run_migration.py phase1" in early.err
    odd = make_database(None)
    execute(odd, "CREATE TABLE public.portfolio_positions (id int)")
    refused = cli(odd, "phase1", "--yes")
    assert refused.exit_code == 3
    assert refused.err.strip()
    assert "Schema: not recognised\n" in cli(odd, "check").out
    for url in (v1, odd):
        assert fetch(url, "SELECT to_regnamespace('hk_migration')") == [(None,)]


def test_a_role_without_rights_is_reported_which(v1: str, servers: Mapping[int, str], cli: Cli) -> None:
    role = f"guest_{os.getpid()}"
    superuser = servers[18].replace("/postgres?", v1[v1.index("@/") + 1 : v1.index("?") + 1])
    execute(
        superuser, f"CREATE ROLE {role} LOGIN PASSWORD 'gu3st'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    )
    said = cli(re.sub(r"//[^@]*@", f"//{role}:gu3st@", v1), "phase1", "--yes")
    execute(superuser, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert said.exit_code == 3, said.all
    assert re.search(r"own|CREATE|right", said.err)
    assert "gu3st" not in said.all


def test_phase2_is_refused_while_v1_clients_are_connected(v1: str, cli: Cli) -> None:
    migrate(cli, v1, "phase1", *QUICK)
    client = psycopg2.connect(v1, application_name="old app")
    refused = cli(v1, "phase2", "--no-backup", "--yes")
    assert refused.exit_code == 3, refused.all
    assert "old app" in refused.all
    assert "multi-portfolio (v2.0)" in cli(v1, "check").out
    forced = cli(v1, "phase2", "--no-backup", "--yes", "--force")
    client.close()
    assert forced.exit_code == 0, forced.all


def test_a_second_run_is_reported_whose_the_first_is_and_since_when(blocked: str, cli: Cli) -> None:
    first = started(cli, blocked, "phase1")
    try:
        run = runs.fetch_current_run(blocked)
        assert run is not None
        second = cli(blocked, "phase1", "--yes")
        assert second.exit_code == 4, second.all
        assert run.started_by in second.err
        assert f"{run.started_at.astimezone():%Y-%m-%d %H:%M}" in second.err
        assert "running" in cli(blocked, "check").out
        assert cli(blocked, "resume", "--yes").exit_code == 4
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_pauses_and_says_what_to_type(v1: str, cli: Cli, number: signal.Signals) -> None:
    reader = psycopg2.connect(v1)
    with reader.cursor() as cursor:
        cursor.execute("SELECT * FROM public.portfolio_positions")
    process = started(cli, v1, "phase1")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Paused" in err
    assert "python run_migration.py resume" in err
    check = cli(v1, "check").out
    assert "paused" in check
    assert "python run_migration.py resume" in check
    reader.close()
    resumed = cli(v1, "resume", "--yes")
    assert resumed.exit_code == 0, resumed.all
    assert "multi-portfolio (v2.0)" in cli(v1, "check").out


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_a_killed_run_is_reported_then_resumed_or_undone(blocked: str, cli: Cli, way: str) -> None:
    process = started(cli, blocked, "phase1")
    process.kill()
    process.communicate(timeout=60)
    wait_for("the run is seen as interrupted", lambda: "interrupted" in cli(blocked, "check").out)
    execute(
        blocked,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE state = 'idle in transaction' AND datname = current_database()",
    )
    said = cli(blocked, way, "--yes", *(("--no-backup",) if way == "rollback" else ()))
    assert said.exit_code == 0, said.all
    title = "multi-portfolio (v2.0)" if way == "resume" else "single-portfolio (v1.0)"
    check = cli(blocked, "check").out
    assert title in check
    assert "interrupted" not in check


def test_what_is_reported_to_undo_a_run_killed_in_its_backup_ends_it(v1: str, cli: Cli) -> None:
    """Nothing was done yet, so there is nothing to undo; the run must not be reported for ever."""
    process = cli.start(v1, "phase1", "--yes", "--legacy-role", "trader")
    assert process.stdout is not None
    assert any("Back up" in line for line in process.stdout)
    process.kill()
    process.communicate()
    wait_for("the run is interrupted", lambda: "is interrupted" in cli(v1, "check").out)
    assert "rollback --to v1" in cli(v1, "check").out
    said = cli(v1, "rollback", "--to", "v1", "--yes")
    assert said.exit_code == 0, said.all
    assert "Nothing to do" in said.out and "Run 1, which had not begun, is over." in said.out
    assert "Run 1" not in cli(v1, "check").out


def test_backups_are_made_listed_verified_and_restored(v1: str, cli: Cli) -> None:
    assert "No backup" in cli(v1, "backups").out
    made = cli(v1, "backup")
    assert made.exit_code == 0, made.all
    (record,) = [r for r in cli(v1, "--json", "backups").records if r["type"] == "backups"]
    listed = record["backups"]
    assert isinstance(listed, list)
    name = str(listed[0]["name"])
    assert name in made.out
    assert f"restore {name}" in made.out
    assert "verified" in cli(v1, "backups").out
    assert cli(v1, "verify", name).exit_code == 0
    execute(v1, "DELETE FROM public.portfolio_positions")
    restored = cli(v1, "restore", name, "--yes")
    assert restored.exit_code == 0, restored.all
    assert fetch(v1, "SELECT count(*) FROM public.portfolio_positions") == [(2,)]
    kept = re.search(r"is kept as (\S+)\.", restored.out)
    assert kept
    execute_alone(v1, f'DROP DATABASE "{kept[1]}"')
    unknown = cli(v1, "verify", "nonsense")
    assert unknown.exit_code in (1, 3)
    assert "nonsense" in unknown.err


def test_a_backup_that_cannot_be_made_stops_the_phase(v1: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("in the way")
    said = cli(v1, "phase1", "--yes", "--legacy-role", "trader")
    assert said.exit_code == 3, said.all
    assert str(tmp_path / "backups") in said.all
    assert "No run yet" in cli(v1, "history").out
    assert "single-portfolio (v1.0)" in cli(v1, "check").out
