"""A database that lets nobody in, or not everything be read: what is in the way is named, all else is shown."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql

from src.config import PROJECT_ROOT, Settings
from src.errors import Action, NextStep, RunPaused
from src.journal.model import Event, Phase
from src.migration import engine
from src.migration.model import Options
from src.migration.preflight.facts import OPTIONAL_TABLES, V1_TABLES
from tests.conftest import MakeDatabase, Servers
from tests.support.cli_process import ROWS, Cli, execute, fetch
from tests.support.databases import database_name, lasting_role
from tests.support.fixtures import Database

APPLICATION = "nightly import"


@contextmanager
def locked(url: str, table: str) -> Iterator[int]:
    """Somebody holds ACCESS EXCLUSIVE on a table; the pid."""
    conn = psycopg2.connect(url, application_name=APPLICATION)
    conn.cursor().execute(sql.SQL("LOCK TABLE public.{} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
    yield conn.info.backend_pid
    conn.close()


@pytest.fixture
def reader(servers: Servers) -> str:
    """A role that may only SELECT in public, once `let_read` has granted it."""
    return lasting_role(servers[18], "hk_reader")


def let_read(url: str, role: str) -> str:
    """The URL of the same database for that role."""
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    return f"postgresql://{role}:x@{url.rpartition('@')[2]}"


@pytest.mark.parametrize(
    ("schema", "table"),
    [("v1", "trading_signals"), ("v2", "trading_signals"), ("v2", "portfolio_positions"), ("v3", "portfolios")],
)
def test_check_names_who_has_locked_a_table(database: Database, cli: Cli, schema: str, table: str) -> None:
    url = database(schema, 18)
    with locked(url, table) as pid:
        said = cli(url, "check")
        value = cli(url, "--json", "check").records[0]
    assert said.exit_code == 0, said.all
    assert f"{table} is locked by pid {pid} (role trader, application {APPLICATION}) since 20" in said.out
    assert "does not answer" not in said.all
    assert f"(v{schema[1]}.0)" in said.out and "Features:" in said.out
    assert value["locks"][0]["pid"] == pid
    schema: Any = value["health"]
    assert schema["schema"]["status"] == "degraded"
    assert f"{table} is locked by pid {pid}" in schema["schema"]["message"]
    found: Any = value["findings"]
    assert [one["facts"]["tables"] for one in found if one["code"] == "tables-locked"] in ([[table]], [])
    assert "the tables" not in said.out.split("Noticed:")[-1]


def test_the_finding_of_a_locked_table_names_exactly_that_table(database: Database, cli: Cli) -> None:
    url = database("v2", 18)
    with locked(url, "trading_signals") as pid:
        said = cli(url, "check")
    assert "The rows of trading_signals could not be read: someone has locked them." in said.out
    assert f"trading_signals is locked by pid {pid}" in said.out.split("Noticed:")[1]


def test_other_commands_do_not_call_a_locked_table_a_server_that_is_down(database: Database, cli: Cli) -> None:
    url = database("v2", 18)
    with locked(url, "trading_signals") as pid:
        for command in (("plan", "phase2"), ("phase2", "--yes", "--no-backup"), ("history",)):
            said = cli(url, *command)
            assert "does not answer" not in said.all and "went away" not in said.all, said.all
            assert "Is the server running" not in said.all
            assert said.exit_code == 0 or f"locked by pid {pid}" in said.all, said.all


def test_check_of_a_role_that_may_only_read_public_names_the_grant(database: Database, cli: Cli, reader: str) -> None:
    url = let_read(database("v2", 18), reader)
    said = cli(url, "check")
    assert said.exit_code == 0, said.all
    assert "Traceback" not in said.all
    assert "Schema: multi-portfolio (v2.0)" in said.out
    assert f"GRANT USAGE ON SCHEMA hk_migration TO {reader};" in said.out
    assert f"GRANT SELECT ON ALL TABLES IN SCHEMA hk_migration TO {reader};" in said.out
    assert f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA hk_migration TO {reader};" in said.out
    for card in ("Data", "Last run"):
        assert f"  {card:<11}not known  " in said.out


def test_nothing_is_recommended_that_is_refused(database: Database, cli: Cli, reader: str) -> None:
    url = database("v1", 18)
    assert "run_migration.py phase1" in cli(url, "check").out.split("Recommended:")[1]
    said = cli(let_read(url, reader), "check")
    recommended = said.out.split("Recommended:")[1]
    assert "run_migration.py phase1" not in recommended
    assert "Settle what is marked ✗ above first: until then phase1 is refused." in recommended


def test_the_statements_that_check_names_let_the_role_read_everything(
    database: Database, cli: Cli, reader: str
) -> None:
    """One round is enough: tables and sequences are named together."""
    url = database("v2", 18)
    as_reader = f"postgresql://{reader}:x@{url.rpartition('@')[2]}"
    before = cli(as_reader, "--json", "check").records[0]
    grants: Any = before["missing_grants"]
    health: Any = before["health"]
    assert health["schema"]["status"] == "degraded"
    assert all(grant in health["schema"]["advice"] for grant in grants)
    execute(url, " ".join(grants))
    after = cli(as_reader, "--json", "check").records[0]
    assert after["missing_grants"] == []
    health = after["health"]
    assert {health[key]["status"] for key in ("schema", "data", "run")} == {"healthy"}
    assert "may not read" not in health["backups"]["message"]


def test_the_history_of_a_role_without_rights_names_the_grant(database: Database, cli: Cli, reader: str) -> None:
    said = cli(let_read(database("v2", 18), reader), "history")
    assert said.exit_code == 3, said.all
    assert f"GRANT USAGE ON SCHEMA hk_migration TO {reader};" in said.all
    assert "Traceback" not in said.all


@pytest.mark.parametrize(
    ("revoke", "grant"),
    [
        ("REVOKE SELECT ON public.trading_signals FROM trader", "GRANT SELECT ON public.trading_signals TO trader"),
        ("REVOKE INSERT ON hk_migration.event FROM trader", "GRANT INSERT ON hk_migration.event TO trader"),
        ("REVOKE CREATE ON SCHEMA public FROM PUBLIC, trader", "GRANT CREATE ON SCHEMA public TO trader"),
    ],
)
def test_a_right_revoked_in_the_middle_of_a_phase_pauses_it(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path, revoke: str, grant: str
) -> None:
    url = make_database("v1")
    execute(url, ROWS)
    name = database_name(url)
    owner = servers[18].replace("/postgres?", f"/{name}?")
    execute(owner, "ALTER SCHEMA public OWNER TO postgres; GRANT ALL ON SCHEMA public TO trader")
    settings = Settings(None, None, tmp_path, tmp_path / "backups", tmp_path / "logs", "127.0.0.1", 8501)
    options = Options(backup=False, legacy_roles=("trader",))
    done: list[str] = []

    def revoke_after_the_second_step(event: Event) -> None:
        if event.kind == "step" and event.detail.get("state") == "done":
            done.append(str(event.step))
            if len(done) == 2:
                execute(owner, revoke)

    with pytest.raises(RunPaused) as reported:
        engine.run(url, Phase.PHASE1, options, settings, revoke_after_the_second_step)
    assert grant in str(reported.value)
    assert reported.value.next_step == NextStep(Action.RESUME_OR_UNDO, Phase.PHASE1)
    execute(owner, grant)
    outcome = engine.resume(url, options, settings, lambda event: None)
    assert outcome.state == "done"


def test_tables_in_another_schema_of_the_search_path_are_no_empty_database(
    make_database: MakeDatabase, cli: Cli
) -> None:
    url = make_database(None)
    text = (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8")
    execute(url, f"CREATE SCHEMA app; SET search_path = app; {text.replace('public.', 'app.')}")
    said = cli(f"{url}&options=-csearch_path%3Dapp", "check")
    assert "empty" not in said.out.split("Health:")[0]
    assert "init --schema" not in said.out
    assert "app.portfolio_positions" in said.out
    assert "ALTER TABLE app.portfolio_positions SET SCHEMA public" in said.out
    (record, _) = cli(f"{url}&options=-csearch_path%3Dapp", "check", "--json").records
    found = [one for one in record["findings"] if one["code"] == "table-elsewhere"]
    assert [one["facts"]["table"] for one in found] == [
        f"app.{table}" for table in sorted((*V1_TABLES, *OPTIONAL_TABLES))
    ]
    moves = [one["remedies"][0]["sql"] for one in found]
    assert "ALTER TABLE app.portfolio_positions SET SCHEMA public" in moves
    refused = cli(f"{url}&options=-csearch_path%3Dapp", "phase1", "--yes")
    assert refused.exit_code == 3, refused.all
    assert "app.portfolio_positions" in refused.all
    execute(url, "; ".join(moves))
    assert "Schema: single-portfolio (v1.0)" in cli(url, "check").out
    left = "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r'"
    assert fetch(url, left) == [], "what was named is all that was there"


def test_diagnostics_name_who_has_locked_a_table(database: Database, cli: Cli) -> None:
    url = database("v2", 18)
    with locked(url, "trading_signals") as pid:
        process = subprocess.run(
            [sys.executable, str(PROJECT_ROOT / "test_migration.py")],
            env={**cli.environment, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert process.returncode == 1
    assert f"trading_signals is locked by pid {pid} (role trader, application {APPLICATION}) since 20" in process.stdout
    assert "does not answer" not in process.stdout and "Traceback" not in process.stderr


@pytest.mark.parametrize("table", ["trading_signals", "portfolio_positions"])
def test_a_backup_names_who_holds_a_table_and_does_not_wait_for_ever(database: Database, cli: Cli, table: str) -> None:
    url = database("v2", 18)
    with locked(url, table) as pid:
        said = cli(url, "backup")
    assert said.exit_code == 1, said.all
    assert f"{table} is locked by pid {pid} (role trader, application {APPLICATION}) since 20" in said.all
    assert "Traceback" not in said.all
    assert list((cli.folder / "backups").glob("*")) == [], "nothing of it is left"
    assert cli(url, "backup").exit_code == 0


COMMANDS = pytest.mark.parametrize("command", [("check",), ("history",), ("plan", "phase2"), ("phase2", "--yes")])


@COMMANDS
@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("sslmode=banana", "sslmode"),
        ("port=99999", "port"),
        ("service=nosuch", "service"),
        ("timezone=Asia/Hong_Kong", "timezone"),
        ("keepalives=banana", "keepalives"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(cli: Cli, setting: str, named: str, command: tuple[str, ...]) -> None:
    said = cli(f"postgresql://trader:s3cr3t@127.0.0.1/hk?{setting}", *command)
    assert said.exit_code == 3, said.all
    assert f"Correct {named} in DATABASE_URL, in .env." in said.all
    assert not any(one in said.all for one in ("s3cr3t", "Start PostgreSQL", "Traceback", "server running"))


@COMMANDS
@pytest.mark.parametrize(
    ("spoil", "next_step"),
    [
        (lambda url: f"{url}&options=-c%20nosuch%3D1", "Correct the setting that it names in DATABASE_URL, in .env"),
        (lambda url: url.replace("/test_", "/gone_"), "Correct the database's name in DATABASE_URL, in .env"),
        (lambda url: url.replace("s3cret", "wr0ng"), "Correct the role and its password in DATABASE_URL, in .env"),
    ],
)
def test_why_the_server_refuses_is_said_once(
    database: Database, cli: Cli, spoil: Callable[[str], str], next_step: str, command: tuple[str, ...]
) -> None:
    said = cli(spoil(database("v2", 18)), *command)
    assert said.exit_code == 1, said.all
    assert next_step in said.all
    assert not any(one in said.all for one in ("wr0ng", "s3cret", "Start PostgreSQL", "Traceback", "meanwhile"))


def test_the_right_to_connect_is_named(make_database: MakeDatabase, servers: Servers, cli: Cli) -> None:
    url = make_database("v2")
    name = database_name(url)
    execute(servers[18].replace("/postgres?", f"/{name}?"), f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC, trader")
    said = cli(url, "check")
    assert said.exit_code == 1, said.all
    assert f'GRANT CONNECT ON DATABASE "{name}" TO "trader";' in said.all
    assert "lists those that are missing" not in said.all


READ_ONLY = "-c default_transaction_read_only=on"


def test_a_read_only_session_names_where_that_is_set(database: Database, cli: Cli) -> None:
    url = database("v1", 18)
    for said in (
        cli(f"{url}&options={quote(READ_ONLY)}", "plan", "phase1"),
        cli(url, "plan", "phase1", PGOPTIONS=READ_ONLY),
    ):
        assert said.exit_code == 3, said.all
        assert "It is set by " in said.err and "Take it out there." in said.err
        assert "ALTER DATABASE" not in said.all and "ALTER ROLE" not in said.all
    assert "options in DATABASE_URL, in .env" in cli(f"{url}&options={quote(READ_ONLY)}", "check").out
    assert "PGOPTIONS, in the environment" in cli(url, "check", PGOPTIONS=READ_ONLY).out


NEWER = "This database was last used by a newer version of this program."


def test_a_schema_of_a_newer_program_is_refused_with_what_to_do(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v2")
    execute(url, "COMMENT ON TABLE hk_migration.run IS 'HK Strategy: version 900'")
    for command in (("plan", "phase2"), ("phase2", "--yes", "--no-backup"), ("rollback", "--to", "v1", "--yes")):
        said = cli(url, *command)
        assert said.exit_code == 3, said.all
        assert f"✗ {NEWER}" in said.out
        assert "Update this one, or use that version." in said.err
    assert cli(url, "history").exit_code == 0


@pytest.mark.parametrize("changed", ["", "ALTER TABLE hk_migration.event RENAME COLUMN kind TO sort"])
@pytest.mark.parametrize("schema", ["v1", "v2"])
def test_check_shows_a_newer_program_and_recommends_nothing_that_is_refused(
    make_database: MakeDatabase, cli: Cli, schema: str, changed: str
) -> None:
    url = make_database(schema, sample=True)
    execute(url, f"COMMENT ON TABLE hk_migration.run IS 'HK Strategy: version 900'; {changed}")
    said = cli(url, "check")
    assert said.exit_code == 0, said.all
    assert f"✗ {NEWER}\n    Update this one, or use that version." in said.out
    assert "run_migration.py phase" not in said.out.split("Recommended:")[1]
    planned = cli(url, "plan", "phase1" if schema == "v1" else "phase2", "--json")
    assert planned.exit_code == 3, planned.all
    found: Any = planned.records[0]["findings"]
    assert found[0]["code"] == "newer-version"
    assert found[0]["facts"]["parts"] == ["journal has version 900, known is 1"]


def test_a_run_and_a_version_that_are_not_known_are_findings(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v2", sample=True)
    execute(
        url,
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase3', '3.0', '4.0', 'x', '{}', '[]', '{}')",
    )
    for command in (("check",), ("plan", "phase2")):
        assert "✗ Run" in cli(url, *command).out and "(phase3) is interrupted" in cli(url, *command).out
    assert "A newer version of this program began it" in cli(url, "check").out.split("Recommended:")[1]
    execute(url, "COMMENT ON TABLE hk_migration.run IS 'HK Strategy: version two'")
    said = cli(url, "plan", "phase2")
    assert said.exit_code == 3
    assert "COMMENT ON TABLE hk_migration.run IS NULL" in said.err


@pytest.mark.parametrize("command", ["plan phase1", "phase1 --yes --no-backup"])
def test_a_plan_names_who_has_locked_a_table_and_does_not_wait_for_it(
    make_database: MakeDatabase, cli: Cli, command: str
) -> None:
    url = make_database("v1", rows=ROWS)
    with locked(url, "trading_signals") as pid:
        said = cli(url, *command.split())
    assert said.exit_code == 1, said.all
    assert f"trading_signals is locked by pid {pid}" in said.all
    assert "took too long" not in said.all


@pytest.mark.parametrize("command", ["check", "backups", "history", "plan phase2"])
def test_a_locked_history_is_named_with_who_holds_it(make_database: MakeDatabase, cli: Cli, command: str) -> None:
    url = make_database("v2", sample=True)
    holder = psycopg2.connect(url, application_name=APPLICATION)
    pid = holder.info.backend_pid
    holder.cursor().execute("LOCK TABLE hk_migration.run, hk_migration.event IN ACCESS EXCLUSIVE MODE")
    said = cli(url, *command.split())
    holder.close()
    assert "took too long" not in said.all
    if command != "backups":
        assert f"hk_migration.run is locked by pid {pid}" in said.all
