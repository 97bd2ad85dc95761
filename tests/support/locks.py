"""Somebody who holds a table: the locks that tests wait for, and all tables that can be locked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql

from src.migration.preflight.facts import OUR_TABLES
from src.postgres.queries import sql_file
from src.schema import own_schema

APPLICATION = "nightly import"
OWN_TABLES = tuple(
    f"hk_migration.{name}"
    for version in own_schema.versions()
    for name in re.findall(
        r"CREATE TABLE IF NOT EXISTS hk_migration\.(\w+)", sql_file("schema", f"own_schema_versions/{version.file}")
    )
)
EVERY_TABLE = (*(f"public.{name}" for name in OUR_TABLES), *OWN_TABLES)


def shown_name(table: str) -> str:
    """As messages name it: a table of public without its schema."""
    return table.removeprefix("public.")


@contextmanager
def locked(url: str, *tables: str, mode: str = "ACCESS EXCLUSIVE", application: str = APPLICATION) -> Iterator[int]:
    """Somebody holds these tables ("schema.name") in that mode; the pid."""
    conn = psycopg2.connect(url, application_name=application)
    names = sql.SQL(", ").join(sql.Identifier(*table.split(".")) for table in tables)
    conn.cursor().execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(names, sql.SQL(mode)))
    try:
        yield conn.info.backend_pid
    finally:
        conn.close()
