"""One at a time: the lock that a run holds on its database, and a restore too."""

import time

from src.db.connection import APPLICATION_NAME, Connection
from src.errors import RunInProgress
from src.migration import history
from src.migration.clients import lock_holder_of_run

RESTORE = "restore"
ENDING_S = 1.0


def keep_others_out(conn: Connection) -> None:
    """Take the lock for as long as `conn` (in autocommit) is open. Raises RunInProgress: whose, since when.

    The server ends the session of a run that is over a moment after its program has gone: that is waited for.
    """
    deadline = time.monotonic() + ENDING_S
    while not _taken(conn):
        if time.monotonic() > deadline:
            raise RunInProgress(_who_is_at_work(conn))
        time.sleep(0.05)


def _taken(conn: Connection) -> bool:
    with conn.cursor() as cur:
        cur.execute("SELECT pg_try_advisory_lock(%s, %s)", (history.LOCK_CLASS, history.LOCK_OBJECT))
        row = cur.fetchone()
    return bool(row and row[0])


def _who_is_at_work(conn: Connection) -> str:
    holder = lock_holder_of_run(conn, history.LOCK_CLASS, history.LOCK_OBJECT)
    if holder is not None and holder.application_name == f"{APPLICATION_NAME} {RESTORE}":
        return f"A restore is in progress on this database (role {holder.role}, pid {holder.pid}). Wait for it to end."
    records = history.read_records(conn, limit=1)
    if records and records[0].state == "running":
        run, since = records[0], records[0].started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return (
            f"Another run is in progress: {run.phase.value}, started by {run.started_by} at {since}. "
            "Wait for it to end."
        )
    who = f"role {holder.role}, {holder.application_name}, pid {holder.pid}" if holder else "a session not visible here"
    return f"Another run is in progress or has just begun ({who}). Wait for it to end."
