"""The audit has of each command who began it, when, and how it ended; a restore loses none of it."""

import signal
from pathlib import Path

import pytest

from src.backup.api import list_backups, make_backup, restore_backup, verify_backup
from src.errors import BackupError
from src.journal import audit
from src.journal.audit import AuditEntry
from src.journal.model import Phase
from tests.conftest import MakeDatabase
from tests.support.backups import drop_kept_databases, make_clerk_database, quiet
from tests.support.cli_process import ROWS, Cli, execute, fetch, migrate, wait_for
from tests.support.migration_env import MigrationEnv, migration_env

__all__ = ["drop_kept_databases", "make_clerk_database"]


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    made = make_database("v1")
    execute(made, ROWS)
    return made


def outcomes(url: str) -> list[tuple[str, str]]:
    """What the audit has, the oldest first."""
    return [(entry.action, entry.outcome) for entry in reversed(audit.read(url))]


def test_each_command_leaves_its_start_and_its_end(cli: Cli, url: str) -> None:
    migrate(cli, url, "phase1", "--no-backup")
    assert cli(url, "backup").exit_code == 0
    (backup,) = list_backups(cli.folder / "backups")
    assert cli(url, "verify", backup.name).exit_code == 0
    assert cli(url, "restore", backup.name, "--yes").exit_code == 0
    assert cli(url, "delete", backup.name, "--yes").exit_code == 1, "the only verified one"
    commands = ("phase1", "backup", "verify", "restore")
    assert outcomes(url) == [(command, outcome) for command in commands for outcome in ("started", "done")]
    lines = audit.read(url)
    assert {line.role for line in lines} == {"command line"}
    assert all("@" in line.by and line.address == "a script" for line in lines)
    for end, start in zip(lines[::2], lines[1::2], strict=True):
        assert end.detail["task"] == start.detail["task"]
        assert end.detail["message"]
    assert len({line.detail["task"] for line in lines}) == 4
    ends = {line.action: line.detail for line in lines[::2]}
    assert ends["phase1"]["run"] == 1
    assert ends["backup"]["backup"] == ends["verify"]["backup"] == ends["restore"]["backup"] == backup.name
    assert "_before_" in str(ends["restore"]["old_database"])


def test_what_failed_is_reported_with_its_reason(cli: Cli, url: str) -> None:
    assert cli(url, "backup").exit_code == 0
    (backup,) = list_backups(cli.folder / "backups")
    file = next(backup.data.glob("*.gz"))
    file.write_bytes(file.read_bytes()[:-1])
    assert cli(url, "verify", backup.name).exit_code == 1
    assert outcomes(url)[-2:] == [("verify", "started"), ("verify", "failed")]
    assert "not as it was written" in str(audit.read(url)[0].detail["message"])


def test_what_changes_nothing_is_not_in_it(cli: Cli, url: str) -> None:
    for arguments in (("check",), ("plan", "phase1"), ("backups",), ("history",), ("phase2", "--yes")):
        cli(url, *arguments)
    assert audit.read(url) == []
    assert fetch(url, "SELECT to_regnamespace('hk_migration')") == [(None,)]


def test_a_fresh_database_begins_with_its_making(cli: Cli, make_database: MakeDatabase) -> None:
    empty = make_database(None)
    assert cli(empty, "init", "--schema", "v3", "--sample").exit_code == 0
    assert cli(empty, "remove-sample", "--yes").exit_code == 0
    assert outcomes(empty) == [(name, outcome) for name in ("init", "remove-sample") for outcome in ("started", "done")]
    assert audit.read(empty)[-1].detail["schema"] == "v3"


def test_a_command_of_the_dashboard_gets_its_end_only(cli: Cli, url: str) -> None:
    acting = {"HK_STRATEGY_ACTING_FOR": "mei", "HK_STRATEGY_TASK": "0123abcd"}
    assert cli(url, "verify", "nothing", **acting).exit_code == 1
    (line,) = audit.read(url)
    assert (line.by, line.role, line.action, line.outcome) == ("mei", "admin", "verify", "failed")
    assert line.detail["task"] == "0123abcd"
    assert "There is no backup nothing" in str(line.detail["message"])


def test_one_that_was_stopped_says_so(cli: Cli, url: str) -> None:
    process = cli.start(url, "backup", "--json")
    wait_for("the start of the backup", lambda: outcomes(url) == [("backup", "started")])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert outcomes(url)[-1] in (("backup", "stopped"), ("backup", "done")), (
        "done: it was through before the signal came"
    )


def test_it_is_no_hindrance_where_it_cannot_be_written(cli: Cli, url: str) -> None:
    (name,) = fetch(url, "SELECT current_database()")[0]
    execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    said = cli(url, "backup")
    assert said.exit_code == 0, said.all
    assert any("audit cannot be written" in log.read_text() for log in cli.logs())
    assert said.all.count("This is not in the audit, and so not in the history. The audit cannot be written.") == 1


@pytest.fixture
def it(url: str, tmp_path: Path) -> MigrationEnv:
    return migration_env(url, tmp_path, rows="")


@pytest.fixture
def clerk(make_clerk_database: object, tmp_path: Path) -> MigrationEnv:
    assert callable(make_clerk_database)
    return migration_env(make_clerk_database(), tmp_path, rows="")


def line(number: int) -> AuditEntry:
    return AuditEntry("mei", "admin", "192.0.2.7", f"action {number}", "done", {"number": number})


@pytest.mark.parametrize("way", ["swapped", "in place"])
def test_a_restore_keeps_what_was_noted_before_and_meanwhile(way: str, request: pytest.FixtureRequest) -> None:
    lab_: MigrationEnv = request.getfixturevalue("it" if way == "swapped" else "clerk")
    folder, url = lab_.settings.backup_dir, lab_.url
    lab_.run(Phase.PHASE1)
    audit.record(url, line(1))
    backup = make_backup(url, folder, schema_version=None, on_progress=quiet)
    audit.record(url, line(2))
    written: list[int] = []

    def interrupt(message: str, done: int | None, total: int | None) -> None:
        written.append(len(written) + 3)
        audit.record(url, line(written[-1]))

    outcome = restore_backup(url, backup, folder, on_progress=interrupt)
    assert outcome.how == way
    found = [entry for entry in reversed(audit.read(url)) if entry.by == "mei"]
    assert sorted(int(str(entry.detail["number"])) for entry in found) == [1, 2, *written]
    assert [entry.at for entry in found] == sorted(entry.at for entry in found if entry.at), "each with its own time"
    audit.record(url, line(0))


def test_a_database_made_for_the_restore_gets_the_history_of_the_backup(
    it: MigrationEnv, make_database: MakeDatabase
) -> None:
    it.run(Phase.PHASE1)
    audit.record(it.url, line(1))
    backup = make_backup(it.url, it.settings.backup_dir, schema_version=None, on_progress=quiet)
    empty = make_database(None)
    audit.record(empty, line(2))
    restore_backup(empty, backup, it.settings.backup_dir, on_progress=quiet)
    assert fetch(empty, "SELECT phase FROM hk_migration.run") == [("phase1",)]
    assert [entry.action for entry in audit.read(empty)] == ["action 2", "action 1"]


def test_a_restore_that_fails_leaves_its_trace_in_the_database_that_stays(it: MigrationEnv, cli: Cli) -> None:
    backup = make_backup(it.url, it.settings.backup_dir, schema_version=None, on_progress=quiet)
    verify_backup(backup, url=it.url, on_progress=quiet)
    (backup.path / "catalog.json").write_text("[]")
    with pytest.raises(BackupError):
        restore_backup(it.url, backup, it.settings.backup_dir, on_progress=quiet)
    audit.record(it.url, line(1))
    assert cli(it.url, "restore", backup.name, "--yes").exit_code == 1
    assert outcomes(it.url) == [("action 1", "done"), ("restore", "started"), ("restore", "failed")]
