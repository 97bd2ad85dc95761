"""Backups in tests: making, verifying, damaging and restoring them, and reading what a database holds."""

import itertools
import os
import subprocess
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
    make_backup,
    restore_backup,
    verify_backup,
)
from src.backup.manifest import hash_files, write_manifest
from src.config import PROJECT_ROOT
from src.embedded.api import bin_dir
from src.journal.runs import ensure_own_schema
from src.postgres.connection import connect
from tests.conftest import TRADER_PASSWORD, Servers

EVERYTHING = PROJECT_ROOT / "tests" / "backup" / "everything.sql"


def quiet(message: str, done: int | None, total: int | None) -> None:
    pass


def execute(url: str, statements: str) -> None:
    with closing(connect(url)) as conn, conn, conn.cursor() as cur:
        cur.execute(statements)


def value(url: str, query: str) -> object:
    with closing(connect(url)) as conn, conn.cursor() as cur:
        cur.execute(query)
        row = cur.fetchone()
    assert row is not None
    return row[0]


def make(url: str, folder: Path) -> Backup:
    return make_backup(url, folder, schema_version="1.0", on_progress=quiet)


def verify(backup: Backup, url: str) -> Backup:
    return verify_backup(backup, url=url, on_progress=quiet)


def data_file(backup: Backup, table: str) -> Path:
    """The file of the dump with the rows of `table`."""
    listed = subprocess.run(
        [str(bin_dir(18) / "pg_restore"), "--list", str(backup.data)], capture_output=True, text=True, check=True
    ).stdout
    number = next(line.split(";")[0] for line in listed.splitlines() if f"TABLE DATA public {table} " in line)
    return backup.data / f"{number}.dat.gz"


def accept_files(backup: Backup) -> Backup:
    """Write the manifest anew for files that were changed: what a faulty backup would be, not a damaged one."""
    changed = replace(backup, files=hash_files(backup.path))
    write_manifest(changed, backup.path)
    return changed


def superuser_of(servers: Servers, url: str) -> str:
    """The superuser's URL of the database of `url`, on PostgreSQL 18."""
    name = url.split("/")[3].split("?")[0]
    return servers[18].replace("/postgres?", f"/{name}?")


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
