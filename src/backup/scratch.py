"""Databases for a restore: created like another one, filled by pg_restore, dropped."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from src.backup.dump_tools import Target, Tools, run_tool
from src.backup.fingerprint import Content, fix_settings, read_content
from src.backup.manifest import Backup
from src.errors import BackupError, DatabaseUnavailable, PrerequisiteError
from src.postgres.connection import Connection, connect
from src.postgres.queries import query

JOBS = 2
MAINTENANCE = ("postgres", "template1")
DROP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class DatabaseFacts:
    """A database's size in bytes, and what CREATE DATABASE needs to make one like it."""

    bytes: int
    encoding: str
    locale: Mapping[str, str]


def with_database(url: str, name: str) -> str:
    """`url` with another database's name; works for every form that libpq reads."""
    return str(make_dsn(**(parse_dsn(url) | {"dbname": name})))


@contextmanager
def session(url: str, *, purpose: str, autocommit: bool = True) -> Iterator[Connection]:
    """A connection, closed at the end."""
    conn = connect(url, purpose=purpose, autocommit=autocommit)
    try:
        yield conn
    finally:
        conn.close()


def maintenance_url(url: str, database: str) -> str:
    """A URL to another database of the same server, from which `database` can be renamed or dropped."""
    with session(url, purpose="restore") as conn, conn.cursor() as cur:
        cur.execute(query("backup.scratch.other_databases"), (database,))
        names = [str(row[0]) for row in cur.fetchall()]
    for name in (*(n for n in MAINTENANCE if n in names), *(n for n in names if n not in MAINTENANCE)):
        try:
            connect(with_database(url, name), purpose="restore").close()
        except DatabaseUnavailable:
            continue
        return with_database(url, name)
    raise PrerequisiteError(
        f"To swap databases, a connection to another one than {database} is needed, and the role may connect to "
        f"none. Let it connect to the database postgres."
    )


def describe_database(conn: Connection) -> DatabaseFacts:
    """The database that `conn` is connected to."""
    with conn.cursor() as cur:
        cur.execute(query("backup.scratch.database"))
        row = cur.fetchone()
    if row is None:
        raise BackupError("PostgreSQL does not know the database that this is connected to.")
    keys = ("collate", "ctype", "provider", "locale", "rules")
    return DatabaseFacts(int(row[0]), str(row[1]), dict(zip(keys, map(str, row[2:]), strict=True)))


def create_database(
    conn: Connection,
    name: str,
    encoding: str,
    locale: Mapping[str, str],
    *,
    owner: str | None = None,
    any_locale: bool = False,
) -> None:
    """CREATE DATABASE with that encoding and locale.

    `any_locale`: use the C locale where the server does not have that one.
    """
    start = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}")
    parts: list[sql.Composable] = [start.format(sql.Identifier(name), sql.Literal(encoding))]
    if owner is not None:
        parts.append(sql.SQL("OWNER {}").format(sql.Identifier(owner)))
    tries = [_locale_clause(locale)]
    if any_locale:
        tries.append(sql.SQL("LOCALE 'C'"))
    with conn.cursor() as cur:
        for number, clause in enumerate(tries, start=1):
            try:
                cur.execute(sql.SQL(" ").join([*parts, clause]))
                return
            except psycopg2.Error as error:
                if number == len(tries):
                    raise BackupError(f"The database {name} cannot be created: {str(error).strip()}") from None


def _locale_clause(locale: Mapping[str, str]) -> sql.Composable:
    text: sql.Composable = sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(
        sql.Literal(locale["collate"]), sql.Literal(locale["ctype"])
    )
    names = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}
    if locale["provider"] in names:
        provider, parameter = names[locale["provider"]]
        text += sql.SQL(" LOCALE_PROVIDER {} {} {}").format(
            sql.SQL(provider), sql.SQL(parameter), sql.Literal(locale["locale"])
        )
    if locale["rules"]:
        text += sql.SQL(" ICU_RULES {}").format(sql.Literal(locale["rules"]))
    return text


def drop_database(conn: Connection, name: str) -> None:
    """Drop a database of ours, with the sessions that this role may end. Raises BackupError if others stay in it.

    FORCE refuses where a superuser's process is in the database, an autovacuum worker too; without FORCE the server
    ends that worker. So both are tried in turn, for up to 15 s.
    """
    database = sql.Identifier(name)
    deadline = time.monotonic() + DROP_TIMEOUT_S
    with conn.cursor() as cur:
        while True:
            for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "DROP DATABASE IF EXISTS {}"):
                try:
                    cur.execute(sql.SQL(statement).format(database))
                    return
                except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectInUse) as error:
                    reason = str(error).strip()
            if time.monotonic() > deadline:
                raise BackupError(f"The database {name} cannot be dropped; it is not needed any more: {reason}")
            time.sleep(0.2)


def fill(
    backup: Backup, tools: Tools, target: Target, options: Sequence[str] = (), keep_open: tuple[int, ...] = ()
) -> None:
    """Restore the backup into the empty database that `target` names. Raises BackupError at the first error."""
    command = [
        tools.program("pg_restore"), "--exit-on-error", f"--jobs={JOBS}", "--no-password", "--no-tablespaces", *options,
        f"--dbname={target.dbname_argument}", str(backup.data),
    ]  # fmt: skip
    run_tool(command, target, keep_open=keep_open)


def content_of(url: str, *, skip_schema: str | None = None) -> Content:
    """What a database holds that nobody writes to."""
    first, second = connect(url, purpose="verify"), connect(url, purpose="verify")
    try:
        for conn in (first, second):
            conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
            fix_settings(conn)
        return read_content([first, second], skip_schema=skip_schema)
    finally:
        first.close()
        second.close()
