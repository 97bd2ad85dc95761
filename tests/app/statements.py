"""Which SQL statements this process sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import cursor

from src.db import pool


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The statements of connections that are opened from now on, one a line of text, in the order they were sent."""
    said: list[str] = []

    class Recording(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            said.append(" ".join(str(query).split()))
            super().execute(query, vars)

    connect = psycopg2.connect

    def recording(*args: Any, **named: Any) -> Any:
        return connect(*args, **{"cursor_factory": Recording, **named})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg2, "connect", recording)
        # What a connection has when it comes back to the pool.
        patch.setattr(pool, "Cursor", Recording)
        yield said
