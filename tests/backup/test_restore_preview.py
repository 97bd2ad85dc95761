"""What a restore would do is reported before: which rows, which way, who is cut off, what is in the way."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from src.backup.api import Backup, kept_databases, list_backups, make_backup, preview_restore, restore_backup
from src.backup.restore import preview as restore_preview
from src.errors import TableLocked
from src.journal.model import Phase
from src.postgres.connection import Connection, connect
from src.postgres.disk import server_free_bytes
from tests.conftest import MakeDatabase, Servers
from tests.support.backups import database_of, drop_kept_databases, make_clerk_database, quiet, superuser_of
from tests.support.cli_process import Cli, execute
from tests.support.migration_env import OTHER_PORTFOLIOS, MigrationEnv, migration_env, session

__all__ = ["drop_kept_databases", "make_clerk_database"]


@pytest.fixture
def it(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def backed_up(url: str, folder: Path) -> Backup:
    return make_backup(url, folder, schema_version=None, on_progress=quiet)


def test_rows_now_and_then_of_every_table(it: MigrationEnv) -> None:
    folder = it.settings.backup_dir
    backup = backed_up(it.url, folder)
    it.run(Phase.PHASE1)
    it.rows(OTHER_PORTFOLIOS)
    it.rows("DELETE FROM public.trading_signals WHERE portfolio_id = 'DEFAULT' AND id <= 10")
    it.rows("CREATE TABLE public.later (id int)")
    it.rows("DROP TABLE public.portfolio_value_history CASCADE")
    seen = preview_restore(it.url, backup, folder)
    found = {change.table: (change.now, change.then, change.difference) for change in seen.tables}
    assert found["public.portfolio_positions"] == (12 + 6 + 3, 12, -9)
    assert found["public.trading_signals"] == (40 - 10 + 2, 40, 8)
    assert found["public.portfolios"] == (3, None, -3)
    assert found["public.later"] == (0, None, 0)
    assert found["public.portfolio_value_history"] == (None, 1, 1)
    assert not any(name.startswith("hk_migration") for name in found)
    assert (seen.version, seen.backup.schema_version) == ("2.0", "1.0")
    assert any("never verified" in note for note in seen.notes)


def test_a_role_that_may_create_databases_swaps_and_is_reported_who_is_cut_off(it: MigrationEnv) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    with session(it.url, "old app"):
        seen = preview_restore(it.url, backup, it.settings.backup_dir)
    assert seen.way == "swap"
    assert seen.kept_as == f"{database_of(it.url)}_before_<date>_<time>"
    assert [client.application_name for client in seen.clients] == ["old app"]
    assert seen.needed == backup.database_bytes
    assert seen.obstacles == ()


def test_another_role_restores_in_place(make_clerk_database: Callable[..., str], tmp_path: Path) -> None:
    url = make_clerk_database()
    seen = preview_restore(url, backed_up(url, tmp_path), tmp_path)
    assert (seen.way, seen.kept_as, seen.obstacles) == ("in place", None, ())
    assert "may not create databases" in seen.why
    assert seen.free is not None
    assert seen.free > 0


def test_sessions_that_cannot_be_ended_are_in_the_way(it: MigrationEnv, servers: Servers, cli: Cli) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    with closing(psycopg2.connect(superuser_of(servers, it.url))) as conn:
        seen = preview_restore(it.url, backup, it.settings.backup_dir)
        assert len(seen.obstacles) == 1
        assert str(conn.info.backend_pid) in seen.obstacles[0]
        said = cli(it.url, "restore", backup.name, "--yes")
    assert said.exit_code == 3
    assert "nothing was touched" in said.err


def test_a_table_that_takes_long_to_count_is_estimated(it: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    it.rows("ANALYZE public.price_history")
    monkeypatch.setattr(restore_preview, "COUNTING_S", 0.5)
    with closing(connect(it.url)) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE public.price_history IN ACCESS EXCLUSIVE MODE")
        seen = preview_restore(it.url, backup, it.settings.backup_dir)
    change = next(change for change in seen.tables if change.table == "public.price_history")
    assert (change.now, change.about, change.then) == (100, True, 100)


def test_a_table_that_somebody_locks_for_long_is_estimated(it: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_preview, "COUNTING_S", 60.0)
    backup = backed_up(it.url, it.settings.backup_dir)
    it.rows("ANALYZE public.price_history")
    with closing(connect(it.url)) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE public.price_history IN ACCESS EXCLUSIVE MODE")
        seen = preview_restore(it.url, backup, it.settings.backup_dir)
    changes = {change.table: (change.now, change.about) for change in seen.tables}
    assert changes["public.price_history"] == (100, True)
    assert changes["public.trading_signals"] == (40, False), "the others are counted"


def test_counting_leaves_time_for_all_else(it: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    monkeypatch.setattr(restore_preview, "COUNTING_S", 0.002)
    monkeypatch.setattr(restore_preview, "foreign_sessions", lambda conn, name: slow(conn))
    assert preview_restore(it.url, backup, it.settings.backup_dir).obstacles == ()


def slow(conn: Connection) -> list[str]:
    with conn.cursor() as cur:
        cur.execute("SELECT pg_sleep(0.1)")
    return []


def test_what_restores_kept_is_not_waited_for_for_ever(it: MigrationEnv, servers: Servers) -> None:
    restore_backup(it.url, backed_up(it.url, it.settings.backup_dir), it.settings.backup_dir, on_progress=quiet)
    with closing(psycopg2.connect(superuser_of(servers, it.url))) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE pg_catalog.pg_shdescription IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TableLocked):
            kept_databases(it.url)


def test_the_command_shows_it_before_it_asks(it: MigrationEnv, cli: Cli) -> None:
    assert cli(it.url, "backup").exit_code == 0
    (backup,) = list_backups(cli.folder / "backups")
    execute(it.url, "DELETE FROM public.trading_signals WHERE id <= 7")
    said = cli(it.url, "restore", backup.name, "--yes")
    assert said.exit_code == 0, said.all
    shown = said.out
    assert "Schema now: v1.0; then: v1.0." in shown
    (line,) = [line.split() for line in shown.splitlines() if "public.trading_signals" in line]
    assert line == ["public.trading_signals", "33", "40", "+7"]
    assert f"kept as the database {database_of(it.url)}_before_" in shown
    assert "Connected now: nobody" in shown
    assert "DROP DATABASE" in shown, "how to be rid of the old one"


def test_what_is_kept_aside_is_reported_with_how_to_be_rid_of_it(it: MigrationEnv, make_database: MakeDatabase) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    assert kept_databases(it.url) == ()
    outcome = restore_backup(it.url, backup, it.settings.backup_dir, on_progress=quiet)
    (kept,) = kept_databases(it.url)
    assert (kept.name, kept.backup) == (outcome.old_database, backup.name)
    assert kept.bytes is not None
    assert kept.bytes > 1_000_000
    assert kept_databases(make_database("v1")) == (), "that is none of another database"
    with session(it.url.replace(database_of(it.url), "postgres"), "test") as conn, conn.cursor() as cur:
        cur.execute(kept.drop)
    assert kept_databases(it.url) == ()


def test_too_little_room_on_the_servers_disk_is_in_the_way(it: MigrationEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = backed_up(it.url, it.settings.backup_dir)
    with closing(connect(it.url)) as conn:
        seen = server_free_bytes(conn)
    assert seen is not None, "the tests' servers are on this machine"
    assert seen > 0
    monkeypatch.setattr(restore_preview, "server_free_bytes", lambda conn: 1_000_000)
    preview = preview_restore(it.url, backup, it.settings.backup_dir)
    assert preview.free == 1_000_000
    assert any("on the server's disk" in text for text in preview.obstacles)
