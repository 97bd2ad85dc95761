"""Reading someone else's database without changing it, and without waiting in anyone's way.

A read-only transaction here is always rolled back, and gives up soon where a lock is not free.
Its statements stand in sql/*.sql under lines `-- == name: what it is for`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from src.postgres.errors import Reason, reason_of
from src.postgres.queries import Row, query

T = TypeVar("T")


class ReadOnlyTransaction:
    """Named queries in a read-only transaction. `unseen`: tables whose rows could not be read just now."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.unseen: list[str] = []

    def rows(self, name: str, values: Mapping[str, object] | None = None, **identifiers: str) -> list[Row]:
        """The rows of a named query; `{name}` in it stands for an identifier."""
        text: sql.Composable = sql.SQL(query(name))
        if identifiers:
            names = {key: sql.Identifier(*value.split(".")) for key, value in identifiers.items()}
            text = sql.SQL(query(name)).format(**names)
        self._cursor.execute(text, values or {})
        found: list[Row] = self._cursor.fetchall()
        return found

    def row(self, name: str, values: Mapping[str, object] | None = None, **identifiers: str) -> Row:
        """The one row of a named query."""
        return self.rows(name, values, **identifiers)[0]

    def rows_of(self, of: str, name: str, values: Mapping[str, object] | None = None, **identifiers: str) -> list[Row]:
        """Rows of a query that reads a user's table; none, with the table noted as unseen, while it is locked."""
        return self.unless_locked(of, lambda: self.rows(name, values, **identifiers))

    def unless_locked(self, of: str, work: Callable[[], list[T]]) -> list[T]:
        """What `work` reads; none, with `of` noted as unseen, where a lock is not free in time."""
        self._cursor.execute("SAVEPOINT hk_read_table")
        try:
            found = work()
        except psycopg2.Error as error:
            if reason_of(error) not in (Reason.LOCKED, Reason.CANCELLED):
                raise
            self._cursor.execute("ROLLBACK TO SAVEPOINT hk_read_table")
            self.unseen.append(of)
            found = []
        self._cursor.execute("RELEASE SAVEPOINT hk_read_table")
        return found


@contextmanager
def read_only(conn: Connection) -> Iterator[ReadOnlyTransaction]:
    """A read-only transaction on `conn`, whether it is in a transaction or not; as it was, afterwards."""
    nested = conn.info.transaction_status != TRANSACTION_STATUS_IDLE
    with conn.cursor() as cursor:
        if nested:
            cursor.execute("SAVEPOINT hk_read")
        elif conn.autocommit:
            cursor.execute("BEGIN")
        try:
            cursor.execute(query("postgres.readonly.begin"))
            yield ReadOnlyTransaction(cursor)
        finally:
            if not conn.closed:
                _end(conn, cursor, nested)


def _end(conn: Connection, cursor: Cursor, nested: bool) -> None:
    if nested:
        cursor.execute("ROLLBACK TO SAVEPOINT hk_read; RELEASE SAVEPOINT hk_read")
    elif conn.autocommit:
        cursor.execute("ROLLBACK")
    else:
        conn.rollback()
