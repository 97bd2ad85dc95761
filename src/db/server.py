"""The server's clock, and what the project noted about this database. Each function is work for one transaction."""

from dataclasses import dataclass
from datetime import datetime

from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.sql import Row, query


@dataclass(frozen=True)
class Signs:
    """What differs when something in the database does. `at`: the server's clock, aware, in its own zone.

    `token`: differs after positions, portfolios, signals, prices or the schema changed. `runs`: after the history of
    runs did, or a run ended without a word.
    """

    state: SchemaState
    at: datetime
    token: str
    sample: bool
    runs: tuple[object, ...]


def signs(cursor: Cursor, state: SchemaState) -> Signs:
    """Two statements, however much there is; see queries/server.sql for what they are made of."""
    if state.version is None:
        cursor.execute(query("server.signs_unknown"))
    else:
        cursor.execute(query("server.signs_multi" if state.multi_portfolio else "server.signs_single"))
    at, own, *parts = _row(cursor)
    sample: object = False
    runs: list[object] = []
    if own:
        cursor.execute(query("server.own_signs"))
        sample, *runs = _row(cursor)
    title = state.title if state.version is None else f"{state.version}{'' if state.warning is None else '!'}"
    return Signs(state, at, ":".join([title, *map(str, parts)]), bool(sample), tuple(runs))


def is_sample(cursor: Cursor, state: SchemaState) -> bool:
    cursor.execute(query("server.has_marks"))
    if not (cursor.fetchone() or (False,))[0]:
        return False
    cursor.execute(query("server.is_sample"))
    return bool((cursor.fetchone() or (False,))[0])


def others(cursor: Cursor, state: SchemaState) -> tuple[int, ...]:
    cursor.execute(query("server.others"))
    return tuple(_row(cursor)[0])


def clock(cursor: Cursor, state: SchemaState) -> datetime:
    cursor.execute(query("server.clock"))
    at: datetime = _row(cursor)[0]
    return at


def _row(cursor: Cursor) -> Row:
    """Of a statement that has one, whatever there is."""
    row: Row | None = cursor.fetchone()
    assert row is not None
    return row
