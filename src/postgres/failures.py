"""What a failed statement needs the server for: who holds the lock, which GRANT is missing. Reads catalogs only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg2

from src.errors import Action, NextStep, NotAllowed, TableLocked
from src.postgres import errors
from src.postgres.connection import Connection, is_gone
from src.postgres.queries import query

READ = ("SELECT",)
READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class ExclusiveLock:
    """A lock on a table of public that keeps readers out. `pid`: 0 for a prepared transaction.

    `since`: when its transaction began, with a time zone; None where this role may not see it.
    """

    table: str
    pid: int
    role: str
    application_name: str
    since: datetime | None

    def __str__(self) -> str:
        if not self.pid:
            return f"{self.table} is locked by a prepared transaction: see pg_prepared_xacts"
        application = f", application {self.application_name}" if self.application_name else ""
        since = "a time that this role may not see" if self.since is None else f"{self.since:%Y-%m-%d %H:%M:%S %Z}"
        return f"{self.table} is locked by pid {self.pid} (role {self.role}{application}) since {since}"


def exclusive_locks(conn: Connection) -> tuple[ExclusiveLock, ...]:
    """Who keeps readers out of tables of public now. Raises psycopg2.Error."""
    with conn.cursor() as cur:
        cur.execute(query("postgres.failures.exclusive_locks"))
        return tuple(ExclusiveLock(*row) for row in cur.fetchall())


def missing_grants(
    conn: Connection, schema: str, rights: Sequence[str], schema_rights: Sequence[str] = ("USAGE",)
) -> tuple[str, ...]:
    """The GRANT statements that this role lacks for `rights` on every table of `schema`. None where it is not there.

    Raises psycopg2.Error.
    """
    values = {"schema": schema, "rights": list(rights), "schema_rights": list(schema_rights)}
    with conn.cursor() as cur:
        cur.execute(query("postgres.failures.missing_grants"), values)
        return tuple(str(row[0]) for row in cur.fetchall())


def failure(conn: Connection, error: psycopg2.Error) -> Exception:
    """The project's own error for `error` of `conn`, with the session that holds the lock or the GRANT that is missing.

    An error that nobody foresaw comes back as it is. `conn` must be in no transaction that has failed.
    """
    known = errors.meaning(error)
    if known is None and not errors.is_moved(error) and is_gone(conn):
        known = errors.lost(errors.server_text(error))
    try:
        if isinstance(known, TableLocked):
            known = locked(error, exclusive_locks(conn))
        elif isinstance(known, NotAllowed):
            known = not_allowed(error, grants_of_all(conn, READ))
    except psycopg2.Error:
        pass  # the error without those details is raised all the same
    unforeseen: Exception = error
    return known or unforeseen


def grants_of_all(conn: Connection, rights: Sequence[str]) -> tuple[str, ...]:
    """`missing_grants` of the tables in public and of the project's own schema."""
    return (*missing_grants(conn, "public", rights), *missing_grants(conn, "hk_migration", rights))


def locked(error: psycopg2.Error, locks: Sequence[ExclusiveLock]) -> TableLocked:
    """The error for a lock that was not free, naming who holds it."""
    if not locks:
        return TableLocked(f"{errors.sentence(errors.Reason.LOCKED, errors.server_text(error))} Try again in a moment.")
    return TableLocked(f"{'; '.join(map(str, locks))}. Try again when that transaction has ended.")


def not_allowed(error: psycopg2.Error, grants: Sequence[str]) -> NotAllowed:
    """The error for a right that is missing, with the statements that give it."""
    text = errors.sentence(errors.Reason.NOT_ALLOWED, errors.server_text(error))
    if not grants:
        advice = errors.advice(errors.Reason.NOT_ALLOWED)
        return NotAllowed(f"{text} {advice}", NextStep(Action.CHECK), said=text)
    return NotAllowed(f"{text} Let the owner run: {' '.join(grants)}", said=text)
