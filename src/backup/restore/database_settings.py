"""What belongs to a database but is not in its dump: settings, rights to connect, the connection limit."""

import re

import psycopg2
from psycopg2 import sql

from src.backup.restore.model import Live
from src.postgres.connection import Connection
from src.postgres.queries import query

# Settings whose value is a list of quoted names: as one literal, the list would be read as one name.
LISTS_OF_NAMES = (
    "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
    "temp_tablespaces", "unix_socket_directories",
)  # fmt: skip


def copy_settings(source: Connection, target: Connection, live: Live) -> list[str]:
    """Copy settings, grants and limits from the database of `source` to that of `target`.

    Returns a sentence for each that this role may not set.
    """
    new = sql.Identifier(target.info.dbname)
    statements = [*_settings(source, new), *_grants(source, new, live), *_limits(source, new)]
    old_name = sql.Identifier(live.database).as_string(target)
    notes = []
    with target.cursor() as cur:
        for statement in statements:
            try:
                cur.execute(statement)
            except psycopg2.Error as error:
                text = statement.as_string(target).replace(new.as_string(target), old_name)
                reason = str(error).splitlines()[0].strip()
                notes.append(f"Not carried over, since the role may not: {text} ({reason})")
    return notes


def _settings(source: Connection, new: sql.Identifier) -> list[sql.Composable]:
    with source.cursor() as cur:
        cur.execute(query("backup.restore.restore.role_settings"))
        rows = cur.fetchall()
    statements: list[sql.Composable] = []
    for role, setting in rows:
        name, _, value = str(setting).partition("=")
        values = _names(value) if name in LISTS_OF_NAMES else [value]
        literals = sql.SQL(", ").join(sql.Literal(part) for part in values)
        whose = sql.SQL("DATABASE {}").format(new)
        if role is not None:
            whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), new)
        quoted_name = sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))
        statements.append(sql.SQL("ALTER {} SET {} TO {}").format(whose, quoted_name, literals))
    return statements


def _names(text: str) -> list[str]:
    """The names of a list such as "$user", public, "Odd, Name"."""
    found = re.finditer(r'"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\s]+)', text)
    return [m["plain"] if m["quoted"] is None else m["quoted"].replace('""', '"') for m in found]


def _grants(source: Connection, new: sql.Identifier, live: Live) -> list[sql.Composable]:
    with source.cursor() as cur:
        cur.execute(query("backup.restore.restore.database_grants"))
        rows = cur.fetchall()
    if not rows:
        return []
    statements: list[sql.Composable] = [sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(new)]
    for role, privilege, grantable in rows:
        if role == live.owner:
            continue
        grantee: sql.Composable = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        statements.append(
            sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(privilege), new, grantee, sql.SQL(" WITH GRANT OPTION" if grantable else "")
            )
        )
    return statements


def _limits(source: Connection, new: sql.Identifier) -> list[sql.Composable]:
    with source.cursor() as cur:
        cur.execute("SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = current_database()")
        limit = int((cur.fetchone() or (-1,))[0])
    return [] if limit < 0 else [sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(new, sql.Literal(limit))]
