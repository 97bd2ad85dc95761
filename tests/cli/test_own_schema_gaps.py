"""Schema hk_migration of which a part is gone: every command says which, and what to do, and does what it still can."""

import re
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from src.backup.dump_tools import find_tools
from src.database_enhanced import DatabaseManager
from src.errors import PrerequisiteError
from src.schema import own_schema
from tests.conftest import MakeDatabase
from tests.support.cli_process import ROWS, Cli, execute

# What only a person can bring back, and how it is named.
LOST = {
    "DROP TABLE hk_migration.run CASCADE": "table hk_migration.run",
    "DROP TABLE hk_migration.event": "table hk_migration.event",
    "ALTER TABLE hk_migration.run DROP COLUMN phase": "column hk_migration.run.phase",
    "ALTER TABLE hk_migration.event RENAME COLUMN kind TO sort": "column hk_migration.event.kind",
    "ALTER TABLE hk_migration.event DROP COLUMN event_id": "column hk_migration.event.event_id",
    "ALTER TABLE hk_migration.audit DROP COLUMN outcome": "column hk_migration.audit.outcome",
    "ALTER TABLE hk_migration.mark RENAME COLUMN name TO title": "column hk_migration.mark.name",
    "ALTER TABLE hk_migration.archive DROP COLUMN keep": "column hk_migration.archive.keep",
}
# What is made anew, empty.
MADE_ANEW = ("audit", "mark", "own_write", "proof_position", "archived_price", "archive", "archived_merge")
PHASES = ("plan phase2", "phase2 --yes --no-backup", "rollback --to v1 --yes --no-backup")


@pytest.fixture
def url(make_database: MakeDatabase, cli: Cli) -> str:
    """A v2 database with a run, and with actions."""
    url = make_database("v1", rows=ROWS)
    assert cli(url, "phase1", "--yes", "--no-backup").exit_code == 0
    return url


@pytest.mark.parametrize("statement", LOST)
def test_what_is_gone_is_named_with_what_to_do(cli: Cli, url: str, statement: str) -> None:
    execute(url, statement)
    gone = LOST[statement]
    checked = cli(url, "check")
    assert checked.exit_code == 0, checked.all
    assert f"✗ Schema hk_migration is not whole, it lacks {gone}." in checked.out
    assert "Schema: multi-portfolio (v2.0)" in checked.out and "Features:" in checked.out
    assert "run_migration.py phase2" not in checked.out.split("Recommended:")[1]
    for command in PHASES:
        said = cli(url, *command.split())
        assert said.exit_code == 3, said.all
        assert gone in said.all and "DROP TABLE" in said.all, command
    for command in ("history", "history 1", "backups", "backup", "resume --yes", "pause", "prune --keep 3 --yes"):
        said = cli(url, *command.split())
        assert said.exit_code in (0, 3), (command, said.all)
        assert said.exit_code == 0 or f"it lacks {gone}" in said.all, (command, said.all)
        assert "mistake in the program" not in said.all and "PostgreSQL refuses it" not in said.all, (command, said.all)
    assert cli(url, "backup").exit_code == 0, "a backup needs none of it"


@pytest.mark.parametrize(("table", "still"), [("run", "init"), ("event", "init"), ("audit", "16/16")])
def test_the_history_shows_the_rest(make_database: MakeDatabase, cli: Cli, table: str, still: str) -> None:
    url = make_database(None)
    assert cli(url, "init", "--schema", "v1", "--sample").exit_code == 0
    assert cli(url, "phase1", "--yes", "--no-backup").exit_code == 0
    execute(url, f"DROP TABLE hk_migration.{table} CASCADE")
    said = cli(url, "history")
    assert said.exit_code == 0
    assert still in said.out and f"table hk_migration.{table}" in said.out
    (record, _) = cli(url, "history", "--json").records
    (note,) = record["notes"]
    assert f"table hk_migration.{table}" in str(note)


@pytest.mark.parametrize("table", MADE_ANEW)
def test_a_table_whose_loss_does_no_harm_is_made_anew(cli: Cli, url: str, table: str) -> None:
    if table == "proof_position":
        execute(url, "TRUNCATE hk_migration.proof_position")
    execute(url, f"DROP TABLE hk_migration.{table} CASCADE")
    checked = cli(url, "check")
    assert f"! Schema hk_migration lacks table hk_migration.{table}, and what was recorded there." in checked.out
    assert "run_migration.py phase2" in checked.out.split("Recommended:")[1]
    for command in ("history", "backups", "plan phase2", "phase2 --yes --no-backup", "rollback --to v1 --yes"):
        said = cli(url, *command.split())
        assert said.exit_code == 0, (command, said.all)
    assert "lacks table" not in cli(url, "check").out
    assert execute(url, f"SELECT to_regclass('hk_migration.{table}') IS NOT NULL") is not False


def test_an_audit_that_is_gone_is_written_again(cli: Cli, url: str) -> None:
    execute(url, "DROP TABLE hk_migration.audit")
    said = cli(url, "backup")
    assert said.exit_code == 0 and "not in the audit" not in said.all
    assert "backup" in cli(url, "history").out


@pytest.mark.parametrize("statement", [one for one in LOST if "audit" not in one and "mark" not in one])
def test_what_is_tied_to_it_can_be_given_up(cli: Cli, url: str, statement: str) -> None:
    """Where there is no backup: the statement that is named lets every command work again."""
    execute(url, statement)
    (record, _) = cli(url, "check", "--json").records
    (finding,) = [one for one in record["findings"] if one["code"] == "own-schema-not-whole"]
    execute(url, finding["remedies"][0]["sql"])
    for command in ("check", "history", "phase2 --yes --no-backup", "rollback --to v1 --yes --no-backup"):
        said = cli(url, *command.split())
        assert said.exit_code == 0, (command, said.all)
        assert "not whole" not in said.all


def test_an_older_schema_that_recorded_no_version_is_no_schema_with_gaps(cli: Cli, url: str) -> None:
    execute(url, "COMMENT ON TABLE hk_migration.run IS NULL; DROP TABLE hk_migration.own_write")
    assert "hk_migration lacks" not in cli(url, "check").out
    assert cli(url, "phase2", "--yes", "--no-backup").exit_code == 0


def test_a_rollback_restore_and_init_say_it_too(cli: Cli, url: str) -> None:
    backup = str(cli(url, "backup", "--json").records[-1]["backup"]["name"])
    execute(url, "DROP TABLE hk_migration.event")
    said = cli(url, "restore", backup, "--yes")
    assert said.exit_code == 3 and "it lacks table hk_migration.event" in said.all, said.all


def test_every_table_that_a_version_makes_is_known() -> None:
    """The tables are read from the files of the versions: none is overlooked."""
    known = {name for one in own_schema.versions() for name in own_schema.own_schema_gaps.made_by(one.file)}
    assert known >= {"mark", "run", "event", "audit", "archive", "own_write", "save", "lineage_position"}
    assert len(known) == 16


def test_a_change_history_that_is_not_whole_keeps_nobody_from_a_phase(cli: Cli, url: str) -> None:
    with closing(DatabaseManager(url)) as manager:
        manager.copy_portfolio("DEFAULT", "COPY", "Copy")
        execute(url, "INSERT INTO hk_migration.save (portfolio_id, by, kind) VALUES ('COPY', 'mei', 'edit')")
        execute(url, "INSERT INTO hk_migration.saved_row (save_id, symbol) VALUES (1, '0005.HK')")
        execute(url, "DROP TABLE hk_migration.save CASCADE")
        checked = cli(url, "check").out
        assert "! Schema hk_migration is not whole, it lacks table hk_migration.save: " in checked
        with pytest.raises(PrerequisiteError, match=r"it lacks table hk_migration\.save"):
            manager.revisions("COPY", 10)
        with pytest.raises(PrerequisiteError, match=r"it lacks table hk_migration\.save"):
            manager.add_position("COPY", "0011.HK", 100, 50, "Hang Seng", "Financials")
    assert cli(url, "phase2", "--yes", "--no-backup").exit_code == 0


@pytest.mark.parametrize("table", ["run", "event", "archive"])
def test_a_table_comes_back_from_the_dump_of_a_backup(cli: Cli, url: str, table: str) -> None:
    """As docs/operating.md says."""
    made = cli(url, "backup", "--json").records[-1]["backup"]
    data = Path(str(made["path"])) / "data"
    execute(url, f"DROP TABLE hk_migration.{table} CASCADE")
    pg_restore = find_tools(18, needs_ssl=False).program("pg_restore")
    listed = subprocess.run([pg_restore, "--list", str(data)], capture_output=True, text=True, check=True).stdout
    wanted = [line for line in listed.splitlines() if re.search(rf" hk_migration (TABLE )?{table}[ _]", line)]
    (cli.folder / "list").write_text("\n".join(wanted), encoding="utf-8")
    command = [pg_restore, f"--use-list={cli.folder / 'list'}", f"--dbname={url}", str(data)]
    subprocess.run(command, capture_output=True, check=True)
    checked = cli(url, "check").out
    assert "hk_migration lacks" not in checked and "not whole" not in checked
    assert "15/15" in cli(url, "history").out
    assert cli(url, "phase2", "--yes", "--no-backup").exit_code == 0
    assert cli(url, "rollback", "--to", "v1", "--yes", "--no-backup").exit_code == 0
