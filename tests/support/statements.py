"""Counting the statements that a DatabaseManager, or a page, sends to PostgreSQL.

    with plural() as sent:
        manager.get_overview(sessions)
    assert len(sent) == 1

Covers every manager of this process, so also the pages that AppTest runs. What each transaction sends anyway (its lock
timeout, and a read of the schema where none is remembered) is not counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from src.postgres.connection import Connection, Cursor
from src.postgres.pool import Pool
from src.postgres.queries import query


@contextmanager
def counted() -> Iterator[list[str]]:
    """The texts of the statements sent within the `with`, in order. Those of leased connections are counted too."""
    sent: list[str] = []
    take, give_back = Pool.take, Pool.give_back

    class Recorder(Cursor):
        def execute(self, statement: Any, values: Any = None) -> Any:
            text = str(statement)
            if text != query("schema.versions.detect") and not text.startswith("SET LOCAL lock_timeout"):
                sent.append(text)
            return super().execute(statement, values)

    def recorded(pool: Pool, *, checked: bool = False) -> Connection:
        conn = take(pool, checked=checked)
        conn.cursor_factory = Recorder
        return conn

    def plain_again(pool: Pool, conn: Connection, *, used_by_others: bool = False) -> None:
        conn.cursor_factory = Cursor
        give_back(pool, conn, used_by_others=used_by_others)

    with patch.object(Pool, "take", recorded), patch.object(Pool, "give_back", plain_again):
        yield sent
