"""Who is in the way of a run, by name; and, for an admin who insists, cancelling a statement or ending a session."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import psycopg2.errors

from src.errors import Conflict, PrerequisiteError
from src.journal.model import Client, ClientState
from src.journal.runs import reading_session
from src.migration.preflight.facts import OUR_TABLES
from src.postgres.connection import Connection
from src.postgres.queries import Row, query

OLDER_THAN_S = 5.0


class How(StrEnum):
    """`CANCEL` its running statement: its transaction fails and stays open until it rolls back. `TERMINATE` it."""

    CANCEL = "cancel"
    TERMINATE = "terminate"


_STATEMENTS = {
    How.CANCEL: "migration.preflight.blocking_sessions.cancel",
    How.TERMINATE: "migration.preflight.blocking_sessions.terminate",
}


def in_the_way(url: str) -> tuple[Client, ...]:
    """Clients with a transaction that holds up a run, or may: the oldest first. Never a session of this project.

    They hold or await a lock on a table that a phase locks, or an index build waits for them, or their transaction has
    been open for more than five seconds. Of other roles' sessions a role without pg_read_all_stats sees little.
    Raises DatabaseUnavailable.
    """
    with reading_session(url) as conn:
        return tuple(_client(row) for row in _sessions(conn))


def interrupt(url: str, pid: int, since: datetime, how: How) -> tuple[Client, bool]:
    """Cancel the statement of session `pid`, or end that session, if it still is the one that began at `since`, and in
    the way. Returns it, and whether that has happened (False: it was asked to, and has not within seconds).

    Raises Conflict when it is not in the way any more, PrerequisiteError when this role may not, DatabaseUnavailable.
    """
    with reading_session(url) as conn:
        # Read again just before: a number that was given to somebody else's session meanwhile is not touched.
        client = next((one for one in map(_client, _sessions(conn)) if (one.pid, one.since) == (pid, since)), None)
        if client is None:
            raise Conflict(f"The session with pid {pid} is not in the way any more. Nobody was interrupted.")
        try:
            with conn.cursor() as cur:
                cur.execute(query(_STATEMENTS[how]), {"pid": pid})
                row = cur.fetchone()
        except psycopg2.errors.InsufficientPrivilege:
            raise PrerequisiteError(
                f"This dashboard's role may not interrupt sessions of the role {client.role}. Let an administrator of "
                "the server do it, or have the role pg_signal_backend granted (for a superuser's sessions only a "
                "superuser will do)."
            ) from None
    return client, bool(row and row[0])


def _sessions(conn: Connection) -> list[Row]:
    with conn.cursor() as cur:
        cur.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
        values = {"tables": [*OUR_TABLES], "older_than_s": OLDER_THAN_S}
        cur.execute(query("migration.preflight.blocking_sessions.in_the_way"), values)
        found: list[Row] = cur.fetchall()
    return found


def _client(row: Sequence[object]) -> Client:
    pid, role, application, address, state, idle, transaction, query, wait, since, holds_lock = row
    return Client(
        pid=int(str(pid)),
        role=str(role),
        application_name=str(application),
        address=str(address),
        state=ClientState(str(state)),
        idle_s=float(str(idle)),
        transaction_s=None if transaction is None else float(str(transaction)),
        query=" ".join(str(query).split()),
        wait_event=None if wait is None else str(wait),
        since=since if isinstance(since, datetime) else None,
        holds_lock=bool(holds_lock),
    )
