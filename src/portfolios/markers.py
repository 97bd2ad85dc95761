"""The server's clock, and what the project noted about this database. Each function is work for one transaction."""

from dataclasses import dataclass
from datetime import datetime

from src.postgres.connection import Cursor
from src.postgres.queries import Row, query
from src.schema.versions import SchemaState


@dataclass(frozen=True)
class ChangeMarkers:
    """What differs when something in the database does. `at`: the server's clock, aware, in its own zone.

    `token`: differs after positions, portfolios, signals, prices or the schema changed. `runs`: after the history of
    runs did, or a run ended without a word.
    """

    state: SchemaState
    at: datetime
    token: str
    sample: bool
    runs: tuple[object, ...]


def change_markers(cursor: Cursor, state: SchemaState) -> ChangeMarkers:
    """Two statements, however much there is; see sql/markers.sql for what they are made of."""
    if state.version is None:
        cursor.execute(query("portfolios.markers.change_unknown"))
    else:
        cursor.execute(
            query("portfolios.markers.change_multi" if state.multi_portfolio else "portfolios.markers.change_single")
        )
    at, own, *parts = _row(cursor)
    sample: object = False
    runs: list[object] = []
    if own:
        cursor.execute(query("portfolios.markers.own_changes"))
        sample, *runs = _row(cursor)
    title = state.title if state.version is None else f"{state.version}{'' if state.warning is None else '!'}"
    return ChangeMarkers(state, at, ":".join([title, *map(str, parts)]), bool(sample), tuple(runs))


def is_sample(cursor: Cursor, state: SchemaState) -> bool:
    """Whether the data was generated as a sample, and not removed since."""
    cursor.execute(query("portfolios.markers.has_marks"))
    if not (cursor.fetchone() or (False,))[0]:
        return False
    cursor.execute(query("portfolios.markers.is_sample"))
    return bool((cursor.fetchone() or (False,))[0])


def others(cursor: Cursor, state: SchemaState) -> tuple[int, ...]:
    """The pids of other programs' database sessions in this database, ascending."""
    cursor.execute(query("portfolios.markers.others"))
    return tuple(_row(cursor)[0])


def clock(cursor: Cursor, state: SchemaState) -> datetime:
    """The server's time, aware, in the zone of the database session."""
    cursor.execute(query("portfolios.markers.clock"))
    at: datetime = _row(cursor)[0]
    return at


def _row(cursor: Cursor) -> Row:
    """Of a statement that has one, whatever there is."""
    row: Row | None = cursor.fetchone()
    assert row is not None
    return row
