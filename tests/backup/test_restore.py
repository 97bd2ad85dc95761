"""Restoring: the database becomes what it was, equal to the row; nothing that was there is lost; history stays."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql

from src.backup.api import (
    Backup,
    RestoreOutcome,
    TableFingerprint,
    find_backup,
    make_backup,
    restore_backup,
    verify_backup,
)
from src.backup.restore import in_place
from src.backup.scratch import drop_database, with_database
from src.config import PROJECT_ROOT
from src.errors import BackupError, BackupNotVerified, HKStrategyError, PrerequisiteError
from src.journal.runs import ensure_own_schema
from src.postgres.connection import connect
from src.schema.versions import detect
from tests.backup.test_make import EVERYTHING, accept_files, data_file, execute, quiet, value
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers

_numbers = itertools.count(1)


def content(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of public, as text."""
    with closing(connect(url)) as conn, conn.cursor() as cur:
        cur.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
        )
        found: dict[str, list[tuple[object, ...]]] = {}
        for (name,) in cur.fetchall():
            cur.execute(sql.SQL("SELECT (x.*)::text FROM public.{} AS x ORDER BY 1").format(sql.Identifier(name)))
            found[name] = cur.fetchall()
    return found


def backed_up(url: str, folder: Path) -> Backup:
    return make_backup(url, folder, schema_version="1.0", on_progress=quiet)


def restore(url: str, backup: Backup, folder: Path) -> RestoreOutcome:
    return restore_backup(url, backup, folder, on_progress=quiet)


def databases(superuser: str, like: str) -> list[str]:
    with closing(psycopg2.connect(superuser)) as conn, conn.cursor() as cur:
        cur.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", (like,))
        return [str(row[0]) for row in cur.fetchall()]


def database_of(url: str) -> str:
    return str(value(url, "SELECT current_database()"))


def administer(superuser: str, *statements: str) -> None:
    with closing(psycopg2.connect(superuser)) as conn:
        conn.autocommit = True
        with conn.cursor() as cur:
            for statement in statements:
                cur.execute(statement)


@pytest.fixture(autouse=True)
def drop_kept_databases(servers: Servers) -> Iterator[None]:
    """What restores of this process keep aside, with nobody to drop it after a test."""
    yield
    for version in servers:
        for name in databases(servers[version], ""):
            mine = f"_{os.getpid()}_" in name
            if mine and ("_before_" in name or "_restore_" in name):
                administer(servers[version], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def make_clerk_database(servers: Servers) -> Iterator[Callable[..., str]]:
    """A v1 database of a role that may not create databases."""
    made: list[tuple[int, str]] = []

    def build(version: int = 18) -> str:
        name = f"clerk_{os.getpid()}_{next(_numbers)}"
        made.append((version, name))
        role = f"CREATE ROLE {name} LOGIN PASSWORD '{TRADER_PASSWORD}'"
        administer(servers[version], role, f"CREATE DATABASE {name} OWNER {name}")
        host = servers[version].split("host=", 1)[1]
        url = f"postgresql://{name}:{quote(TRADER_PASSWORD, safe='')}@/{name}?host={host}"
        execute(url, (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8"))
        execute(
            url,
            "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost)"
            " VALUES ('0700.HK', 5, 320.5), ('0005.HK', 7, 1);"
            "INSERT INTO public.price_history (symbol, price) SELECT '0700.HK', g FROM generate_series(1, 1000) g",
        )
        return url

    yield build
    for version, name in made:
        administer(servers[version], f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


def change_everything(url: str) -> None:
    execute(
        url,
        "DELETE FROM public.portfolio_positions WHERE symbol = '0700.HK';"
        "UPDATE public.portfolio_positions SET quantity = quantity + 1;"
        "CREATE TABLE public.later (id int); ALTER TABLE public.portfolio_positions ADD COLUMN later text;"
        "DROP INDEX public.idx_portfolio_symbol",
    )


def with_history(url: str) -> None:
    with closing(connect(url)) as conn, conn, conn.cursor() as cur:
        ensure_own_schema(conn)
        cur.execute(
            "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files)"
            " VALUES ('phase1', '1.0', '2.0', 'me', '{}', '[]', '{}')"
        )
        cur.execute(
            "INSERT INTO hk_migration.event (run_id, kind, message, detail)"
            " VALUES (1, 'log', 'one', '{}'), (1, 'outcome', 'two', '{\"state\": \"done\"}')"
        )
        cur.execute("INSERT INTO hk_migration.archive (keep) VALUES ('merge')")


def add_event(url: str, message: str) -> None:
    execute(url, f"INSERT INTO hk_migration.event (run_id, kind, message) VALUES (1, 'log', '{message}')")


def test_a_restore_swaps_the_database_and_keeps_the_old_one(
    make_database: MakeDatabase, servers: Servers, pg_version: int, tmp_path: Path
) -> None:
    url = make_database("v1", version=pg_version, sample=True)
    before, backup = content(url), backed_up(url, tmp_path)
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
    backup = backed_up(url, tmp_path)
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
    backup = backed_up(url, tmp_path)
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
    backup = backed_up(url, tmp_path)
    add_event(url, "since the backup")
    restore(url, backup, tmp_path)
    told = value(url, "SELECT string_agg(message, ', ' ORDER BY event_id) FROM hk_migration.event")
    assert told == "one, two, since the backup"


def test_settings_grants_and_owner_stay(make_database: MakeDatabase, servers: Servers, tmp_path: Path) -> None:
    url = make_database("v1")
    name = database_of(url)
    backup = backed_up(url, tmp_path)
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
    backup = backed_up(url, tmp_path)
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


def test_a_session_that_may_not_be_ended_is_told_before_anything(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1")
    backup, name = backed_up(url, tmp_path), database_of(url)
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
    backup = backed_up(url, tmp_path)
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
    before, backup, name = content(url), backed_up(url, tmp_path), database_of(url)
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
    backup = backed_up(old, tmp_path)
    outcome = restore(new, backup, tmp_path)
    assert content(new) == content(old)
    assert any(backup.database in note for note in outcome.notes)


def test_in_place_where_no_database_may_be_created(
    make_clerk_database: Callable[..., str], servers: Servers, pg_version: int, tmp_path: Path
) -> None:
    url = make_clerk_database(pg_version)
    with_history(url)
    before, backup = content(url), backed_up(url, tmp_path)
    change_everything(url)
    add_event(url, "since the backup")
    execute(
        url,
        "CREATE TYPE public.mood AS ENUM ('bull'); CREATE DOMAIN public.share AS int; CREATE SCHEMA extra;"
        "CREATE TABLE extra.moods (m public.mood);"
        "CREATE FUNCTION public.later(int) RETURNS int LANGUAGE sql AS 'SELECT $1';"
        "CREATE MATERIALIZED VIEW public.sums AS SELECT sum(quantity) FROM public.portfolio_positions;"
        "CREATE AGGREGATE public.product(int) (SFUNC = int4mul, STYPE = int); SELECT lo_from_bytea(0, 'x')",
    )
    changed = content(url)
    outcome = restore(url, backup, tmp_path)
    assert outcome.how == "in place"
    assert content(url) == before
    assert value(url, "SELECT count(*) FROM hk_migration.event") == 3
    assert value(url, "SELECT count(*) FROM pg_type WHERE typname IN ('mood', 'share')") == 0
    assert outcome.old_database is None
    assert outcome.safety_backup is not None
    execute(url, "INSERT INTO public.portfolio_positions (symbol) VALUES ('9999.HK')")
    assert databases(servers[pg_version], database_of(url)) == [database_of(url)]
    safety = find_backup(tmp_path, outcome.safety_backup)
    assert safety.verified_at is not None
    restore(url, safety, tmp_path)
    assert content(url) == changed, "the way back works too"


def test_in_place_an_unequal_restore_changes_nothing(make_clerk_database: Callable[..., str], tmp_path: Path) -> None:
    url = make_clerk_database()
    backup = backed_up(url, tmp_path)
    execute(url, "DELETE FROM public.portfolio_positions WHERE symbol = '0005.HK'")
    before = content(url)
    tables = dict(backup.tables)
    tables["public.portfolio_positions"] = TableFingerprint(2, "0123456789abcdef")
    with pytest.raises(BackupNotVerified, match=r"rows of table public\.portfolio_positions differ"):
        restore(url, replace(backup, tables=tables), tmp_path)
    assert content(url) == before
    path = data_file(backup, "price_history")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(HKStrategyError):
        restore(url, accept_files(backup), tmp_path)
    assert content(url) == before


def test_in_place_never_loses_what_clients_write_meanwhile(
    make_clerk_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_clerk_database()
    backup = backed_up(url, tmp_path)

    def verify_while_a_client_writes(fresh: Backup, **rest: object) -> Backup:
        execute(url, "INSERT INTO public.price_history (symbol, price) VALUES ('0700.HK', 0.009)")
        return verify_backup(fresh, url=url, on_progress=quiet)

    monkeypatch.setattr(in_place, "verify_backup", verify_while_a_client_writes)
    with pytest.raises(PrerequisiteError, match="CREATEDB"):
        restore(url, backup, tmp_path)
    assert value(url, "SELECT count(*) FROM public.price_history WHERE price = 0.009") == 3


def test_in_place_waits_for_a_gap_without_holding_clients_up(
    make_clerk_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_clerk_database()
    backup = backed_up(url, tmp_path)
    monkeypatch.setattr(in_place, "LOCK_TIMEOUT_S", 0.3)
    with closing(connect(url)) as reader, reader.cursor() as cur:
        cur.execute("SELECT count(*) FROM public.portfolio_positions")
        with pytest.raises(PrerequisiteError, match="no gap"):
            restore(url, backup, tmp_path)
        cur.execute("UPDATE public.portfolio_positions SET quantity = 1")
        reader.commit()
    restore(url, backup, tmp_path)
    assert value(url, "SELECT sum(quantity) FROM public.portfolio_positions") == 12
