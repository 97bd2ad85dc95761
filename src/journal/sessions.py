"""Other sessions in the database: v1 clients, and sessions that hold locks that a migration needs."""

from collections.abc import Mapping, Sequence

from psycopg2.extensions import connection as Connection

from src.journal.model import Client, ClientState
from src.postgres.queries import Row, query


def legacy_roles(conn: Connection, given: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The roles that v1 clients connect as: those `given`, or else those found, each once.

    Found are the owner of the positions, the role of this connection, roles with a session in this database now, and
    login roles with a right on the positions; in this order, then by name.
    """
    if given:
        return tuple(dict.fromkeys(given))
    return tuple(row[0] for row in _rows(conn, "journal.sessions.legacy_roles", {}))


def legacy_clients(conn: Connection, roles: Sequence[str]) -> tuple[Client, ...]:
    """Sessions of these roles in this database, without those of this program."""
    return tuple(_client(row) for row in _rows(conn, "journal.sessions.sessions", {"roles": list(roles)}))


def lock_holders(conn: Connection, tables: Sequence[str]) -> tuple[Client, ...]:
    """Sessions that hold or await a lock on these tables of schema public, or on compatibility views over them.

    Not this backend. A worker of the server (autovacuum) has its kind as application_name; a prepared
    transaction, which no session owns, has pid 0, and a gid.
    """
    names = [table.removeprefix("public.") for table in tables]
    return tuple(_client(row) for row in _rows(conn, "journal.sessions.lock_holders", {"tables": names}))


def long_transactions(conn: Connection, older_than_s: float = 5.0) -> tuple[Client, ...]:
    """Transactions in this database that are open for longer, oldest first. Prepared ones have pid 0."""
    return tuple(
        _client(row) for row in _rows(conn, "journal.sessions.long_transactions", {"older_than_s": older_than_s})
    )


def lock_holder_of_run(conn: Connection, classid: int, objid: int) -> Client | None:
    """The session that holds the advisory lock with the key (classid, objid). None where none does."""
    key = {"classid": classid & 0xFFFFFFFF, "objid": objid & 0xFFFFFFFF}
    rows = _rows(conn, "journal.sessions.advisory_lock", key)
    return _client(rows[0]) if rows else None


def _rows(conn: Connection, name: str, values: Mapping[str, object]) -> list[Row]:
    with conn.cursor() as cursor:
        # Within a transaction pg_stat_activity is read once; this discards that snapshot.
        cursor.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
        cursor.execute(query(name), values)
        found: list[Row] = cursor.fetchall()
    return found


def _client(row: Row) -> Client:
    pid, role, application, address, state, idle, transaction, query, wait, gid = row
    return Client(
        pid=pid,
        role=role,
        application_name=application,
        address=address,
        state=ClientState(state),
        idle_s=float(idle),
        transaction_s=None if transaction is None else float(transaction),
        query=" ".join(query.split()),
        wait_event=wait,
        gid=gid,
    )
