"""Restoring into a new database that takes the name: equal to the row; what was there is kept; history stays."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.backup.scratch import drop_database, with_database
from src.config import PROJECT_ROOT
from src.errors import BackupError, BackupNotVerified, PrerequisiteError
from src.postgres.connection import connect
from src.schema.versions import detect
from tests.conftest import MakeDatabase, Servers
from tests.support.backups import (
    EVERYTHING,
    accept_files,
    add_event,
    administer,
    change_everything,
    content,
    data_file,
    database_of,
    databases,
    drop_kept_databases,
    execute,
    make,
    restore,
    value,
    with_history,
)

__all__ = ["drop_kept_databases"]


def test_a_restore_swaps_the_database_and_keeps_the_old_one(
    make_database: MakeDatabase, servers: Servers, pg_version: int, tmp_path: Path
) -> None:
    url = make_database("v1", version=pg_version, sample=True)
    before, backup = content(url), make(url, tmp_path)
    change_everything(url)
    changed = content(url)
    outcome = restore(url, backup, tmp_path)
    assert outcome.how == "swapped"
    assert content(url) == before
    assert value(url, "SELECT to_regclass('public.idx_portfolio_symbol') IS NOT NULL") is True
    assert outcome.old_database is not None
    assert content(with_database(url, outcome.old_database)) == changed
    assert databases(servers[pg_version], outcome.database) == [outcome.database, outcome.old_database]
    assert outcome.tables["public.portfolio_positions"].rows == len(before["portfolio_positions"])
    assert any("DROP DATABASE" in note for note in outcome.notes)
    execute(url, "INSERT INTO public.portfolio_positions (symbol) VALUES ('9999.HK')")  # its sequence goes on
    assert [p.name for p in tmp_path.iterdir()] == [backup.name]


def test_one_of_each_kind_of_object_comes_back(make_database: MakeDatabase, pg_version: int, tmp_path: Path) -> None:
    url = make_database("v3", version=pg_version)
    execute(url, EVERYTHING.read_text(encoding="utf-8"))
    backup = make(url, tmp_path)
    execute(
        url, 'DROP TABLE public.measured CASCADE; DROP SCHEMA trader CASCADE; DROP TABLE public."Mixed Case" CASCADE'
    )
    restore(url, backup, tmp_path)
    assert value(url, "SELECT count(*) FROM trader.portfolio_positions") == 2
    assert value(url, "SELECT nextval('public.tickets')") == 7


def test_a_v1_backup_over_a_v3_database_keeps_the_history(
    make_database: MakeDatabase, pg_version: int, tmp_path: Path
) -> None:
    url = make_database("v1", version=pg_version, sample=True)
    later = make_database("v3", version=pg_version, sample=True)
    backup = make(url, tmp_path)
    with_history(later)
    outcome = restore(later, backup, tmp_path)
    assert outcome.history_kept
    with closing(connect(later)) as conn:
        assert detect(conn).version == "1.0"
    assert content(later) == content(url)
    assert value(later, "SELECT count(*) FROM hk_migration.event") == 2
    add_event(later, "after the restore")
    with pytest.raises(psycopg2.Error, match="append-only"):
        execute(later, "DELETE FROM hk_migration.event")


def test_the_history_of_the_live_database_wins_over_the_backups(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    with_history(url)
    backup = make(url, tmp_path)
    add_event(url, "since the backup")
    restore(url, backup, tmp_path)
    reported = value(url, "SELECT string_agg(message, ', ' ORDER BY event_id) FROM hk_migration.event")
    assert reported == "one, two, since the backup"


def test_settings_grants_and_owner_stay(make_database: MakeDatabase, servers: Servers, tmp_path: Path) -> None:
    url = make_database("v1")
    name = database_of(url)
    backup = make(url, tmp_path)
    administer(
        servers[18],
        f'ALTER DATABASE {name} SET search_path TO "$user", public, "Odd, Name"',
        f"ALTER DATABASE {name} SET work_mem TO '7MB'",
        f"ALTER ROLE trader IN DATABASE {name} SET statement_timeout TO '77s'",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO pg_monitor",
        f"COMMENT ON DATABASE {name} IS 'Ours'",
        f"ALTER DATABASE {name} CONNECTION LIMIT 33",
    )
    query = (
        "SELECT concat_ws('|', current_setting('search_path'), current_setting('work_mem'),"
        " current_setting('statement_timeout'),"
        " (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a),"
        " datconnlimit, shobj_description(oid, 'pg_database'),"
        " pg_get_userbyid(datdba), encoding, datcollate) FROM pg_database WHERE datname = current_database()"
    )
    before = value(url, query)
    outcome = restore(url, backup, tmp_path)
    assert value(url, query) == before
    assert outcome.notes == outcome.notes[-1:], "nothing but where the old database is"


def test_clients_that_connect_again_at_once_do_not_stop_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    backup = make(url, tmp_path)
    stop, reconnected, strange = threading.Event(), [], []

    def client() -> None:
        while not stop.is_set():
            try:
                with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
                    reconnected.append(1)
                    while not stop.is_set():
                        cur.execute("SELECT count(*) FROM portfolio_positions")
                        conn.commit()
            except psycopg2.OperationalError:
                time.sleep(0.001)
            except psycopg2.Error as error:
                strange.append(error)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        outcome = restore(url, backup, tmp_path)
        while len(reconnected) < 8 and not strange:
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert outcome.old_database is not None
    assert strange == []


def test_a_session_that_may_not_be_ended_is_reported_before_anything(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1")
    backup, name = make(url, tmp_path), database_of(url)
    job = psycopg2.connect(with_database(servers[18], name), application_name="night job")
    with closing(job), pytest.raises(PrerequisiteError, match="postgres, night job"):
        restore(url, backup, tmp_path)
    assert databases(servers[18], name) == [name]


def test_a_database_that_a_superuser_visits_is_dropped_once_he_has_left(
    make_database: MakeDatabase, servers: Servers
) -> None:
    """An autovacuum worker is such a visitor: DROP DATABASE … WITH (FORCE) is refused to a role that may not end it."""
    url = make_database("v1")
    scratch = database_of(url) + "_scratch"
    with closing(connect(url, autocommit=True)) as conn, conn.cursor() as cur:
        cur.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(scratch)))
        visitor = psycopg2.connect(with_database(servers[18], scratch))
        timer = threading.Timer(1, visitor.close)
        timer.start()
        drop_database(conn, scratch)
        timer.join()
    assert databases(servers[18], scratch) == []


def test_a_damaged_backup_leaves_the_live_database_alone(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1", sample=True)
    backup = make(url, tmp_path)
    with closing(psycopg2.connect(url)) as client, client.cursor() as cur:
        data = data_file(backup, "price_history")
        data.write_bytes(data.read_bytes()[:-50])
        with pytest.raises(BackupNotVerified, match="damaged"):
            restore(url, backup, tmp_path)
        with pytest.raises(BackupError):
            restore(url, accept_files(backup), tmp_path)
        cur.execute("SELECT count(*) FROM portfolio_positions")
        assert cur.fetchone() == (12,), "the session lives on"
    assert databases(servers[18], database_of(url)) == [database_of(url)]


def test_a_restore_killed_half_way_is_cleaned_up_by_the_next(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1", sample=True)
    before, backup, name = content(url), make(url, tmp_path), database_of(url)
    script = (
        "import sys, time, pathlib\n"
        "from src.backup.api import find_backup, restore_backup\n"
        "def stop(message, done, total):\n"
        "    if message.startswith('Comparing'):\n"
        "        print('half-way', flush=True); time.sleep(600)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "url = sys.stdin.readline().strip()\n"
        "restore_backup(url, find_backup(folder, sys.argv[2]), folder, on_progress=stop)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), backup.name],
        cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(url + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "half-way\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = set(databases(servers[18], name)) - {name}
    assert content(url) == before
    while value(servers[18], f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{left}'"):
        time.sleep(0.05)
    outcome = restore(url, backup, tmp_path)
    assert any(left in note for note in outcome.notes)
    assert databases(servers[18], name) == [name, outcome.old_database]
    assert [p.name for p in tmp_path.iterdir()] == [backup.name]


def test_an_older_servers_backup_on_a_newer_server(make_database: MakeDatabase, tmp_path: Path) -> None:
    old, new = make_database("v1", version=16, sample=True), make_database(None, version=18)
    backup = make(old, tmp_path)
    outcome = restore(new, backup, tmp_path)
    assert content(new) == content(old)
    assert any(backup.database in note for note in outcome.notes)
