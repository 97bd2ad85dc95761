"""The server's clock, and what the project noted about this database. Each function is work for one transaction."""

from datetime import datetime

from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import query


def is_sample(cursor: Cursor, state: SchemaState) -> bool:
    cursor.execute(query("server.has_marks"))
    if not (cursor.fetchone() or (False,))[0]:
        return False
    cursor.execute(query("server.is_sample"))
    return bool((cursor.fetchone() or (False,))[0])


def clock(cursor: Cursor, state: SchemaState) -> datetime:
    cursor.execute(query("server.clock"))
    row = cursor.fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
