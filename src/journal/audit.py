"""The audit: what admins did and were refused, with the outcome. In the append-only table hk_migration.audit."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extras import Json

from src.errors import PrerequisiteError
from src.journal.model import AuditOutcome
from src.journal.runs import ensure_own_schema, reading_session
from src.postgres import errors
from src.postgres.connection import Connection, connect
from src.postgres.failures import READ_AND_ADD, failure, grants_to_record, not_allowed, read_only
from src.postgres.queries import query
from src.schema import own_schema


@dataclass(frozen=True)
class AuditEntry:
    """The start or the end of an admin's action; of one done at once, the end alone.

    `detail`: values that JSON knows. The start and the end of one command have the same `detail["task"]`. `at` has a
    time zone; None until the database has recorded the entry.
    """

    by: str
    role: str
    address: str
    action: str
    outcome: AuditOutcome
    detail: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None


def record(url: str, entry: AuditEntry, *, make: bool = True) -> None:
    """Record `entry`. Creates schema hk_migration where it is missing; with `make` false, records nothing there.

    Raises DatabaseUnavailable, and PrerequisiteError where the role may not write it, or a newer version of the program
    has worked here.
    """
    values = {
        "by": entry.by,
        "role": entry.role,
        "address": entry.address,
        "action": entry.action,
        "detail": Json(dict(entry.detail)),
        "outcome": entry.outcome,
    }
    with closing(connect(url, purpose="audit")) as conn:
        try:
            with conn, conn.cursor() as cur:
                cur.execute("SET LOCAL statement_timeout = '10s'")
                cur.execute("SET LOCAL lock_timeout = '2s'")
                if not exists(conn):
                    if not make:
                        return
                    ensure_own_schema(conn)
                own_schema.known(cur)
                cur.execute(query("journal.audit.add"), values)
        except psycopg2.Error as error:
            raise _not_written(conn, error) from None


def _not_written(conn: Connection, error: psycopg2.Error) -> Exception:
    """Why the audit cannot be written, and what to do. `conn` is in no transaction."""
    known: Exception
    match errors.reason_of(error):
        case errors.Reason.NOT_ALLOWED:
            known = not_allowed(error, grants_to_record(conn))
        case errors.Reason.READ_ONLY:
            known = read_only(conn, error)
        case _:
            return own_schema.why_unusable(conn, error) or failure(conn, error, READ_AND_ADD, only=())
    return PrerequisiteError(f"The audit cannot be written. {known}")


def read(url: str, limit: int = 200) -> list[AuditEntry]:
    """The newest `limit` entries, newest first. Raises DatabaseUnavailable, NotAllowed, TableLocked."""
    with reading_session(url) as conn:
        return read_entries(conn, limit)


def read_entries(conn: Connection, limit: int) -> list[AuditEntry]:
    """As `read`, on the caller's connection. Raises psycopg2.Error."""
    if not exists(conn):
        return []
    with conn.cursor() as cur:
        cur.execute(query("journal.audit.read"), {"limit": limit})
        return [_entry(row) for row in cur.fetchall()]


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    at, by, role, address, action, detail, outcome = row
    known = detail if isinstance(detail, dict) else {}  # whatever JSON another program has left there
    return AuditEntry(by, role, address, action, AuditOutcome(outcome), known, at)


def newest_id(conn: Connection) -> int:
    """The id of the newest entry, 0 where there is none."""
    if not exists(conn):
        return 0
    with conn.cursor() as cur:
        cur.execute("SELECT coalesce(max(audit_id), 0) FROM hk_migration.audit")
        row = cur.fetchone()
    return int(row[0]) if row else 0


def carry_over(source: Connection, target: Connection, after: int) -> int:
    """Copy the entries of `source` with an id above `after` to `target`, in one transaction. Returns how many.

    They get new ids there, and keep their times.
    """
    if not exists(source):
        return 0
    with source.cursor() as cur:
        cur.execute(query("journal.audit.after"), {"after": after})
        rows = cur.fetchall()
    if not rows:
        return 0
    with target, target.cursor() as cur:
        if not exists(target):
            ensure_own_schema(target)
        statement = query("journal.audit.carry")
        for at, by, role, address, action, detail, outcome in rows:
            cur.execute(statement, (at, by, role, address, action, Json(detail), outcome))
    return len(rows)


def exists(conn: Connection) -> bool:
    """Whether the table of the audit is there. Reads the catalog only."""
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('hk_migration.audit') IS NOT NULL")
        row = cur.fetchone()
    return bool(row and row[0])
