"""A killed client does not stop its statement: the server may still work for a run whose process is gone."""

import time

from src.db.connection import Connection
from src.migration.clients import lock_holder_of_run
from src.migration.history import LOCK_CLASS, LOCK_OBJECT, own_schema_exists

# client_connection_check_interval ends an orphan within about a second; where that is not available, it is ended.
PATIENCE_S = 10.0


def wait_for_orphan(conn: Connection) -> None:
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
        cur.execute(
            "SELECT (SELECT detail->>'pid' FROM hk_migration.event WHERE kind = 'run' ORDER BY event_id DESC LIMIT 1) "
            "= %s AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'hk_strategy journal')",
            (str(pid),),
        )
        row = cur.fetchone()
    return bool(row and row[0])
