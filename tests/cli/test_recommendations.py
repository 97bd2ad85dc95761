"""What `check` and DatabaseManager recommend next: from the same findings, and nothing that would be refused."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.config import Settings
from src.database_enhanced import DatabaseManager
from tests.conftest import MakeDatabase
from tests.support.cli_process import ROWS, Cli, execute

UNFINISHED = (
    "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
    "VALUES ('phase1', '1.0', '2.0', 'x', '{}', '[]', '{}')"
)


def recommended(cli: Cli, url: str) -> str:
    return cli(url, "check").out.split("Recommended:")[1]


def by_the_manager(url: str, backups: Path) -> str:
    settings = Settings(url, None, Path("/nowhere"), backups, Path("/nowhere/logs"), "127.0.0.1", 8501)
    with closing(DatabaseManager(settings=settings)) as manager:
        (text,) = manager.get_schema_info()["migration_recommendations"]
    return str(text)


def test_no_phase_while_the_backup_folder_cannot_be_used(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v1", rows=ROWS)
    (cli.folder / "file").write_text("in the way", encoding="utf-8")
    folder = cli.folder / "file" / "backups"
    said = cli(url, "check", HK_STRATEGY_BACKUPS=str(folder))
    assert "✗ No backup can be made." in said.out
    assert "run_migration.py phase1" not in said.out.split("Recommended:")[1]
    assert "until then phase1 is refused" in said.out.split("Recommended:")[1]
    assert "No backup can be made." in by_the_manager(url, folder)
    assert "Run phase 1" in by_the_manager(url, cli.folder / "backups")


@pytest.mark.usefixtures("short_lock_waits")
@pytest.mark.parametrize("table", ["portfolio_positions", "trading_signals", "price_history"])
def test_no_phase_while_somebody_has_locked_a_table(make_database: MakeDatabase, cli: Cli, table: str) -> None:
    url = make_database("v1", rows=ROWS)
    with closing(psycopg2.connect(url, application_name="nightly import")) as holder:
        lock = sql.SQL("LOCK TABLE public.{} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table))
        holder.cursor().execute(lock)
        pid = holder.info.backend_pid
        text = recommended(cli, url)
        assert "run_migration.py phase1" not in text
        assert "until then phase1 cannot begin" in text
        assert f"{table} is locked by pid {pid}" in by_the_manager(url, cli.folder / "backups")
    assert "run_migration.py phase1" in recommended(cli, url)


def test_an_unfinished_run_comes_first(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v1", sample=True)
    execute(url, UNFINISHED)
    assert "run_migration.py resume" in recommended(cli, url)
    assert "End run 1 (phase1) first." in by_the_manager(url, cli.folder / "backups")
    execute(url, "REVOKE INSERT ON hk_migration.event FROM trader")
    assert "until then resume is refused" in recommended(cli, url)
    said = by_the_manager(url, cli.folder / "backups")
    assert "resume is refused" in said and "GRANT INSERT ON hk_migration.event TO trader" in said


def test_nothing_is_recommended_to_the_manager_that_is_refused(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v1", sample=True)
    execute(url, "REVOKE SELECT ON hk_migration.event FROM trader")
    assert "until then phase1 (or resume, where a run has not ended) is refused" in recommended(cli, url)
    assert "GRANT SELECT ON hk_migration.event TO trader" in by_the_manager(url, cli.folder / "backups")
