"""A killed client does not stop its statement: the server may still work for a run whose process is gone."""

import time

from src.db.connection import Connection
from src.migration.clients import lock_holder_of_run

# client_connection_check_interval ends an orphan within about a second; where that is not available, it is ended.
PATIENCE_S = 10.0


def wait_for_orphan(conn: Connection, lock_class: int, lock_object: int) -> None:
    """Wait for a run's session whose client is gone to end; end it if it does not. A live run is left alone.

    A live one is known by its journal: that session of the same client is there too.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        holder = lock_holder_of_run(conn, lock_class, lock_object)
        if holder is None or _journal_is_there(conn):
            return
        if time.monotonic() > deadline:
            with conn.cursor() as cur:
                cur.execute("SELECT pg_terminate_backend(%s)", (holder.pid,))
            deadline = time.monotonic() + PATIENCE_S
        time.sleep(0.2)


def _journal_is_there(conn: Connection) -> bool:
    with conn.cursor() as cur:
        cur.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'hk_strategy journal')"
        )
        row = cur.fetchone()
    return bool(row and row[0])
