"""What commit e46a308 left: paused runs are resumed and rolled back, its backup is restored, its history is shown."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.database_enhanced import DatabaseManager
from tests.app.conftest import OpenPage, shown, tables
from tests.conftest import MakeDatabase
from tests.field.conftest import Left
from tests.field.field import unpack_backup
from tests.support.cli_process import Cli, fetch, migrate

# What the portfolios held when the dumps were made: rows, quantities, cost.
DEFAULT_AT_FIRST = [("DEFAULT", 12, 780, Decimal("6597.500"))]
V2 = [
    ("DEFAULT", 14, 1280, Decimal("73138.750")),
    ("OWN", 2, 7, Decimal("21.000")),
    ("TECH", 7, 249, Decimal("1396.420")),
    ("TRY", 11, 1250, Decimal("7106.250")),
]
HELD = """
    SELECT portfolio_id::text, count(*), sum(quantity), sum(quantity * avg_cost)
      FROM public.portfolio_positions GROUP BY 1 ORDER BY 1
"""


def record(cli: Cli, url: str, *arguments: str) -> dict[str, Any]:
    """What a command gave, before its outcome."""
    said = cli(url, *arguments, "--json")
    assert said.exit_code == 0, said.all
    return said.records[0]


def version(cli: Cli, url: str) -> object:
    return record(cli, url, "check")["version"]


def assert_proved(cli: Cli, url: str, number: int) -> None:
    """Run `number` is done, and none of its comparisons differs (None: an average that three decimals cannot hold)."""
    (run,) = record(cli, url, "history", str(number))["runs"]
    assert run["state"] == "done"
    assert run["proof"]
    assert not [row for row in run["proof"] if row["equal"] is False], run["proof"]


@pytest.mark.parametrize(
    ("dump", "run", "after", "held"),
    [("v1_paused", 1, "2.0", DEFAULT_AT_FIRST), ("v2_paused", 4, "3.0", V2)],
)
def test_a_paused_run_goes_on_to_its_end(
    left: Left, cli: Cli, dump: str, run: int, after: str, held: list[tuple[object, ...]]
) -> None:
    url = left(dump)
    assert "paused" in cli(url, "check").out
    migrate(cli, url, "resume", "--no-backup")
    assert_proved(cli, url, run)
    assert version(cli, url) == after
    assert fetch(url, HELD) == held


def test_a_paused_phase_1_is_rolled_back(left: Left, cli: Cli) -> None:
    url = left("v1_paused")
    before = fetch(url, "SELECT symbol, quantity, avg_cost FROM portfolio_positions ORDER BY id")
    migrate(cli, url, "rollback", "--no-backup")
    assert version(cli, url) == "1.0"
    assert fetch(url, "SELECT symbol, quantity, avg_cost FROM portfolio_positions ORDER BY id") == before


def test_a_paused_phase_2_is_rolled_back(left: Left, cli: Cli) -> None:
    url = left("v2_paused")
    migrate(cli, url, "rollback", "--to", "v2", "--no-backup")
    assert version(cli, url) == "2.0"
    assert fetch(url, HELD) == V2


def test_an_archive_comes_back(left: Left, cli: Cli) -> None:
    url = left("v1_archive")
    assert version(cli, url) == "1.0"
    migrate(cli, url, "phase1", "--no-backup")
    assert fetch(url, HELD) == V2
    assert_proved(cli, url, 3)


@pytest.mark.parametrize("dump", ["v2_history", "v3_saves"])
def test_back_to_v1_and_forth_again(left: Left, cli: Cli, dump: str) -> None:
    url = left(dump)
    before = fetch(url, HELD)
    migrate(cli, url, "rollback", "--to", "v1", "--no-backup")
    assert version(cli, url) == "1.0"
    migrate(cli, url, "phase1", "--no-backup")
    assert fetch(url, HELD) == before == V2


def test_the_backup_is_listed_verified_and_restored(
    cli: Cli, left: Left, make_database: MakeDatabase, pg_version: int, tmp_path: Path
) -> None:
    name = unpack_backup(tmp_path / "backups")
    url = left("v1_archive")
    (listed,) = record(cli, url, "backups")["backups"]
    assert (listed["name"], listed["schema_version"]) == (name, "2.0")
    assert listed["verified_at"]
    verified = cli(url, "verify", name)
    assert verified.exit_code == 0, verified.all
    migrate(cli, url, "restore", name)
    assert version(cli, url) == "2.0"
    assert fetch(url, HELD) == V2
    empty = make_database(None, version=pg_version)
    migrate(cli, empty, "restore", name)
    assert fetch(empty, HELD) == V2
    runs = record(cli, empty, "history")["runs"]
    assert {run["run_id"] for run in runs} >= {1, 2, 3}, "the history comes along where there was none"


def test_the_history_is_reported(left: Left, cli: Cli) -> None:
    url = left("v2_history")
    reported = record(cli, url, "history")
    runs = {run["run_id"]: run for run in reported["runs"]}
    assert {number: (run["phase"], run["state"]) for number, run in runs.items()} == {
        1: ("phase1", "done"),
        2: ("rollback to v1", "done"),
        3: ("phase1", "done"),
    }
    names = [(one["name"], one["by"], one["outcome"]) for one in reported["happenings"] if one["kind"] == "action"]
    assert ("delete", "anna", "refused") in names
    assert ("interrupt", "anna", "done") in names
    assert any(name == "backup" and outcome == "done" for name, _, outcome in names)
    for number in runs:
        assert_proved(cli, url, number)
    first = record(cli, url, "history", "1")["runs"][0]
    assert first["sql_files"]["own_schema.sql"]
    assert len(first["sql_files"]["migration_v1_to_v2.sql"]) == 64


def test_the_dashboard_shows_the_same_history(left: Left, open_page: OpenPage) -> None:
    app = open_page(left("v2_history"), "system_status")
    reported = tables(app)
    for part in ("Run 1", "Run 2", "Run 3", "anna", "192.0.2.7", "Only an admin may do that."):
        assert part in reported, part
    before = shown(app).count("comparisons equal before and after")
    app.selectbox("history_details").set_value("run-1").run()
    assert not app.exception
    assert shown(app).count("comparisons equal before and after") == before + 1


def test_the_dashboard_shows_a_paused_run(left: Left, open_page: OpenPage) -> None:
    text = shown(open_page(left("v1_paused"), "system_status"))
    assert "paused" in text
    assert "anna asked for it" in text


@pytest.mark.parametrize("dump", ["v2_history", "v3_saves"])
def test_what_was_saved_is_reported_and_can_be_undone(left: Left, dump: str) -> None:
    manager = DatabaseManager(database_url=left(dump))
    try:
        saves = manager.get_saves("DEFAULT")
        assert [(one.kind, one.by, one.note) for one in saves[:4]] == [
            ("undo", "mei", "save 5 (edit)"), ("edit", "tom", ""),
            ("import", "mei", "holdings.csv"), ("edit", "tom", ""),
        ]  # fmt: skip
        manager.undo_save(saves[2].save_id, by="ann")
        held = set(manager.get_portfolio_positions("DEFAULT")["symbol"])
        assert "0005.HK" in held, "what an old undo brought back"
        assert not held & {"1810.HK", "1211.HK"}, "the import is taken back"
    finally:
        manager.close()


@pytest.mark.parametrize("dump", ["v2_history", "v3_saves"])
def test_what_a_copy_was_taken_from_is_reported(left: Left, dump: str, open_page: OpenPage) -> None:
    url = left(dump)
    manager = DatabaseManager(database_url=url)
    try:
        lineage = manager.get_lineage("TRY")
        assert lineage is not None
        assert lineage.parent_id == "DEFAULT"
        assert lineage.base is not None
        assert {(one.symbol, one.quantity) for one in lineage.base} >= {("0001.HK", 10), ("0002.HK", 20)}
        edits = [(one.kind, one.by, one.note) for one in manager.get_saves("TRY")]
        assert ("edit", "mei", "less of 0002") in edits
    finally:
        manager.close()
    text = shown(open_page(url, "portfolio", id="TRY"))
    assert "0002.HK" in text, "what the copy no longer holds is listed"
