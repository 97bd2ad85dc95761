"""What a failed statement needs the server for: who holds the lock, which GRANT is missing. Reads catalogs only."""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import psycopg2

from src.errors import Action, CapabilityMissing, NextStep, NotAllowed, TableLocked
from src.postgres import errors
from src.postgres.connection import Connection, is_gone
from src.postgres.queries import query
from src.postgres.read_only_setting import read_only_setting
from src.postgres.table_locks import TableLock, Wanted, blocking_locks

# Privileges on each table of a schema, or by the name of the table ("*": on those that are not named).
Rights: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]
READ = ("SELECT",)
READ_AND_ADD = ("SELECT", "INSERT")
READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")


def rights_wanted(
    schema: str,
    rights: Rights,
    schema_rights: Sequence[str] = ("USAGE",),
    *,
    sequences: bool = True,
    without_owner: str | None = None,
) -> dict[str, object]:
    """The values of the statement `postgres.failures.missing_grants`, whose rows are a GRANT and what it is on.

    `rights`: on every table and view of `schema`, or by table ("*": on those not named). `sequences`: the tables'
    sequences are read too, as a dump does. `without_owner`: leave out what belongs to that role.
    """
    by_table = rights if isinstance(rights, Mapping) else {"*": rights}
    return {
        "schema": schema,
        "rights": json.dumps({table: list(words) for table, words in by_table.items()}),
        "schema_rights": list(schema_rights),
        "sequences": sequences,
        "without_owner": without_owner,
    }


def missing_grants(
    conn: Connection,
    schema: str,
    rights: Rights,
    schema_rights: Sequence[str] = ("USAGE",),
    *,
    only: Sequence[str] | None = None,
    sequences: bool = True,
) -> tuple[str, ...]:
    """The GRANT statements that this role lacks for `rights` on every table and view of `schema`, or on those named in
    `rights` or in `only`. None where the schema is not there. `sequences`: those of tables are read too, as by a dump.

    Raises psycopg2.Error.
    """
    if only is not None:
        assert not isinstance(rights, Mapping), "the tables are named once"
        rights = dict.fromkeys(only, rights)
    with conn.cursor() as cur:
        cur.execute(
            query("postgres.failures.missing_grants"), rights_wanted(schema, rights, schema_rights, sequences=sequences)
        )
        return tuple(str(row[0]) for row in cur.fetchall())


def failure(
    conn: Connection,
    error: psycopg2.Error,
    rights: Sequence[str] = READ,
    *,
    only: Sequence[str] | None = None,
    own: Rights = READ,
) -> Exception:
    """The project's own error for `error` of `conn`, with the session that holds the lock, the GRANT that is missing,
    or the place where the session is set read-only.

    `rights`: what was to be done; `only`: with which tables of public. `own`: the rights that it needs in hk_migration.
    An error that nobody foresaw comes back as it is. `conn` must be in no transaction that has failed.
    """
    known = errors.meaning(error)
    if known is None and not errors.is_moved(error) and is_gone(conn):
        known = errors.lost(errors.server_text(error))
    try:
        if isinstance(known, TableLocked):
            wanted = Wanted.READ if set(rights) <= set(READ) else Wanted.WRITE
            known = locked(error, blocking_locks(conn, wanted, only=only))
        elif isinstance(known, NotAllowed):
            known = not_allowed(error, grants_of_all(conn, rights, only=only, own=own, sequences=False))
        elif errors.reason_of(error) is errors.Reason.READ_ONLY:
            known = read_only(conn, error)
    except psycopg2.Error:
        pass  # the error without those details is raised all the same
    unforeseen: Exception = error
    return known or unforeseen


def grants_of_all(
    conn: Connection,
    rights: Sequence[str],
    *,
    only: Sequence[str] | None = None,
    own: Rights = READ,
    sequences: bool = True,
) -> tuple[str, ...]:
    """`missing_grants` of the tables in public (those of `only`), and of `own` in the project's own schema."""
    return (
        *missing_grants(conn, "public", rights, only=only, sequences=sequences),
        *missing_grants(conn, "hk_migration", own, sequences=sequences),
    )


def grants_to_make(conn: Connection) -> tuple[str, ...]:
    """The GRANT statement that this role lacks for making schema hk_migration, where it is not there."""
    with conn.cursor() as cur:
        cur.execute(query("postgres.failures.grants_to_make"))
        return tuple(str(row[0]) for row in cur.fetchall())


def grants_on_database(conn: Connection, rights: Sequence[str]) -> tuple[str, ...]:
    """The GRANT statement that this role lacks for these rights on the database itself. Raises psycopg2.Error."""
    with conn.cursor() as cur:
        cur.execute(query("postgres.failures.missing_on_database"), {"rights": list(rights)})
        return tuple(str(row[0]) for row in cur.fetchall())


def grants_on_schema(conn: Connection, schema: str) -> tuple[str, ...]:
    """The GRANT statement that this role lacks for making tables in `schema`, where that is. Raises psycopg2.Error."""
    return missing_grants(conn, schema, (), ("USAGE", "CREATE"), only=())


def grants_to_record(conn: Connection) -> tuple[str, ...]:
    """The GRANT statements that this role lacks for adding to the audit, or for making schema hk_migration."""
    return (*grants_to_make(conn), *missing_grants(conn, "hk_migration", {"audit": ("INSERT",)}))


def read_only(conn: Connection, error: psycopg2.Error) -> CapabilityMissing:
    """The error for a change where everything is read-only, with what makes it so."""
    setting = read_only_setting(conn)
    advice = errors.advice(errors.Reason.READ_ONLY) if setting is None else setting.advice
    return CapabilityMissing(f"{errors.sentence(errors.Reason.READ_ONLY, errors.server_text(error))} {advice}")


def locked(error: psycopg2.Error, locks: Sequence[TableLock]) -> TableLocked:
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
