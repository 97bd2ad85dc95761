"""The run lock: an advisory lock that a run, or a restore, holds on its database. There is one run at a time."""

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
    """Take the run lock until `conn` (in autocommit) is closed. Raises RunInProgress: whose run it is, and since when.

    The server ends a run's backend a moment after its client is gone: this waits ENDING_S for that.
    """
    deadline = time.monotonic() + ENDING_S
    while not _try_lock(conn):
        if time.monotonic() > deadline:
            raise RunInProgress(_describe_holder(conn))
        time.sleep(0.05)


def _try_lock(conn: Connection) -> bool:
    with conn.cursor() as cur:
        cur.execute("SELECT pg_try_advisory_lock(%s, %s)", (runs.LOCK_CLASS, runs.LOCK_OBJECT))
        row = cur.fetchone()
    return bool(row and row[0])


def _describe_holder(conn: Connection) -> str:
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


# Where client_connection_check_interval works, the server ends an orphaned backend within about a second.
ORPHAN_LIMIT_S = 10.0


def wait_for_orphaned_backend(conn: Connection) -> None:
    """Wait until a run's backend whose client is gone has ended; terminate it after ORPHAN_LIMIT_S.

    The backend of a live run is left alone.
    """
    deadline = time.monotonic() + ORPHAN_LIMIT_S
    while True:
        holder = lock_holder_of_run(conn, LOCK_CLASS, LOCK_OBJECT)
        if holder is None or not _is_orphaned(conn, holder.pid):
            return
        if time.monotonic() > deadline:
            with conn.cursor() as cur:
                cur.execute("SELECT pg_terminate_backend(%s)", (holder.pid,))
            deadline = time.monotonic() + ORPHAN_LIMIT_S
        time.sleep(0.2)


def _is_orphaned(conn: Connection, pid: int) -> bool:
    """Whether backend `pid` executed the newest run, and the journal's connection, which its client holds too, is gone.

    A live run opens its journal before it records its backend's pid. One that is still planning has done neither.
    """
    if not own_schema_exists(conn):
        return False
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.is_orphan"), (str(pid),))
        row = cur.fetchone()
    return bool(row and row[0])
