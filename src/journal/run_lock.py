"""One at a time: the lock that a run holds on its database, and a restore too."""

import time

from src.errors import RunInProgress
from src.journal import runs
from src.journal.runs import LOCK_CLASS, LOCK_OBJECT, own_schema_exists
from src.journal.sessions import lock_holder_of_run
from src.postgres.connection import APPLICATION_NAME, Connection
from src.postgres.queries import query

RESTORE = "restore"
ENDING_S = 1.0


def acquire_run_lock(conn: Connection) -> None:
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
        cur.execute("SELECT pg_try_advisory_lock(%s, %s)", (runs.LOCK_CLASS, runs.LOCK_OBJECT))
        row = cur.fetchone()
    return bool(row and row[0])


def _who_is_at_work(conn: Connection) -> str:
    holder = lock_holder_of_run(conn, runs.LOCK_CLASS, runs.LOCK_OBJECT)
    if holder is not None and holder.application_name == f"{APPLICATION_NAME} {RESTORE}":
        return f"A restore is in progress on this database (role {holder.role}, pid {holder.pid}). Wait for it to end."
    records = runs.read_runs(conn, limit=1)
    if records and records[0].is_running:
        run, since = records[0], records[0].started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return (
            f"Another run is in progress: {run.phase.value}, started by {run.started_by} at {since}. "
            "Wait for it to end."
        )
    who = f"role {holder.role}, {holder.application_name}, pid {holder.pid}" if holder else "a session not visible here"
    return f"Another run is in progress or has just begun ({who}). Wait for it to end."


# client_connection_check_interval ends an orphan within about a second; where that is not available, it is ended.
PATIENCE_S = 10.0


def wait_for_orphaned_backend(conn: Connection) -> None:
    """Wait for a run's session whose client is gone to end; end it if it does not. A live run is left alone."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        holder = lock_holder_of_run(conn, LOCK_CLASS, LOCK_OBJECT)
        if holder is None or not _is_orphan(conn, holder.pid):
            return
        if time.monotonic() > deadline:
            with conn.cursor() as cur:
                cur.execute("SELECT pg_terminate_backend(%s)", (holder.pid,))
            deadline = time.monotonic() + PATIENCE_S
        time.sleep(0.2)


def _is_orphan(conn: Connection, pid: int) -> bool:
    """Whether this session executed the newest run, and the journal's session is gone, as it is with the client.

    A live run opens its journal before it writes its session's pid down; one that is still planning has done neither.
    """
    if not own_schema_exists(conn):
        return False
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.is_orphan"), (str(pid),))
        row = cur.fetchone()
    return bool(row and row[0])
