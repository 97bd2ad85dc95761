"""Commands that only read, while somebody has locked a table: the holder is named, and all else is shown."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from src.portfolios import own_tables
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, fetch
from tests.support.locks import APPLICATION, EVERY_TABLE, locked, shown_name

pytestmark = pytest.mark.usefixtures("short_lock_waits")


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    """A v2 database with the sample and every table that the project makes."""
    made = make_database("v2", sample=True)
    with closing(psycopg2.connect(made)) as conn, conn, conn.cursor() as cursor:
        own_tables.ensure(cursor)
    return made


def test_the_tables_of_these_tests_are_those_of_the_database(url: str) -> None:
    found = fetch(
        url, "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname ~ '^(public|hk_migration)$'"
    )
    assert sorted(name for (name,) in found) == sorted(EVERY_TABLE)


# What of the health is read from which table of hk_migration.
READ_FROM = {"hk_migration.mark": "Data", "hk_migration.run": "Last run", "hk_migration.event": "Last run"}
# No command that only reads waits for one of these: all are locked at once.
NOT_READ = (
    "hk_migration.archived_position",
    "hk_migration.archived_price",
    "hk_migration.lineage_base",
    "hk_migration.lineage_position",
    "hk_migration.own_write",
    "hk_migration.proof_position",
    "hk_migration.saved_row",
)


@pytest.mark.parametrize(
    "tables", [*((table,) for table in EVERY_TABLE if table not in NOT_READ), NOT_READ], ids="+".join
)
def test_commands_that_read_name_who_has_locked_a_table_and_show_all_else(
    url: str, cli: Cli, tables: tuple[str, ...]
) -> None:
    backup = () if tables == ("hk_migration.save",) else ("--no-backup",)  # its size is not known of a locked table
    with locked(url, *tables) as pid:
        check = cli(url, "check")
        plan, back = cli(url, "plan", "phase2", "--force", *backup), cli(url, "plan", "rollback", *backup)
        history, backups = cli(url, "history"), cli(url, "backups")
    holders = [
        f"{shown_name(table)} is locked by pid {pid} (role trader, application {APPLICATION}) since 20"
        for table in tables
    ]
    assert check.exit_code == 0, check.all
    for holder in holders:
        assert holder in check.out
    assert "Schema: multi-portfolio (v2.0)" in check.out
    for heading in ("Health:", "Features:", "v1 clients connect as: trader", "Noticed:", "Recommended:"):
        assert heading in check.out, heading
    for card in ("Data", "Last run"):
        unknown = card in (READ_FROM.get(table) for table in tables)
        assert (f"  {card:<11}not known" in check.out) == unknown, card
    assert "could not be read in time" not in check.out
    for one in (plan, back):
        assert one.exit_code == 0 or holders[0] in one.err, one.all
        assert "v1 clients connect as: trader" in one.out and "portfolio_positions" in one.out
    assert history.exit_code == 0 or holders[0] in history.err
    assert "phase1" in history.out or tables[0] in ("hk_migration.run", "hk_migration.event")
    assert backups.exit_code == 0 and "No backup in" in backups.out
    everything = "".join(one.all for one in (check, plan, back, history, backups))
    assert not any(text in everything for text in ("took too long", "does not answer", "by someone", "somebody else"))


def test_check_while_the_whole_history_is_locked(url: str, cli: Cli) -> None:
    own = [name for name in EVERY_TABLE if name.startswith("hk_migration.")]
    with locked(url, *own) as pid:
        value = cli(url, "--json", "check").records[0]
    locks: Any = value["locks"]
    assert {(one["table"], one["pid"], one["mode"]) for one in locks} == {
        (name, pid, "ACCESS EXCLUSIVE") for name in own
    }
    assert value["version"] == "2.0" and value["run"] is None
    health: Any = value["health"]
    assert health["database"]["status"] == "healthy" and health["prices"]["status"] == "healthy"


def test_actions_are_shown_while_the_runs_are_locked(url: str, cli: Cli) -> None:
    assert cli(url, "remove-sample", "--yes").exit_code == 0
    with locked(url, "hk_migration.run") as pid:
        said = cli(url, "history")
    assert said.exit_code == 1 and f"hk_migration.run is locked by pid {pid}" in said.err
    assert "remove-sample" in said.out
