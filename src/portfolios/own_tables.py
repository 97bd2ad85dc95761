"""The tables of revisions and lineage, in schema hk_migration: made with the first revision."""

from dataclasses import dataclass

from psycopg2.extensions import quote_ident

from src.errors import ConfigurationError
from src.postgres.connection import Cursor
from src.postgres.queries import query
from src.schema import own_schema

_PART = own_schema.Part.REVISIONS
_TABLES = 4


@dataclass(frozen=True)
class _State:
    role: str
    database: str
    has_schema: bool
    may_create_schema: bool
    may_use: bool
    may_create: bool
    tables: int
    readable: bool
    writable: bool
    owner: str | None
    may_change: bool


def ensure(cursor: Cursor) -> None:
    """Make what is missing, in the caller's transaction. Raises ConfigurationError naming the GRANT that is needed.

    Raises PrerequisiteError where a newer version of the program has written there.
    """
    # Programs that recorded no version made what is the first one now.
    version = own_schema.known(cursor)[_PART] or own_schema.first(_PART)
    state = _state(cursor)
    complete = state.has_schema and state.tables == _TABLES
    if complete and state.may_use and state.writable and version >= own_schema.newest(_PART):
        return
    _check_rights(cursor, state)
    own_schema.upgrade(cursor, _PART)


def readable(cursor: Cursor) -> bool:
    """Whether the tables are there; False before the first revision. Raises ConfigurationError without the right, and
    PrerequisiteError where one is gone that only a person can bring back."""
    state = _state(cursor)
    if state.tables < _TABLES:
        if state.tables:
            own_schema.check_whole(cursor, _PART)
        return False
    if not (state.may_use and state.readable):
        raise _refused(cursor, state, "USAGE ON SCHEMA hk_migration", "SELECT ON ALL TABLES IN SCHEMA hk_migration")
    return True


def _state(cursor: Cursor) -> _State:
    cursor.execute(query("portfolios.own_tables.state"))
    row = cursor.fetchone()
    assert row is not None, "one row, whatever there is"
    return _State(*row)


def _check_rights(cursor: Cursor, state: _State) -> None:
    if not state.has_schema:
        if not state.may_create_schema:
            raise _refused(cursor, state, f"CREATE ON DATABASE {quote_ident(state.database, cursor)}")
    elif state.tables < _TABLES:
        if not (state.may_use and state.may_create):
            raise _refused(cursor, state, "USAGE, CREATE ON SCHEMA hk_migration")
    elif state.may_use and state.writable:
        if not state.may_change:
            raise _refused(cursor, state, quote_ident(str(state.owner), cursor))
    else:
        wanted = "SELECT, INSERT ON ALL TABLES IN SCHEMA hk_migration"
        raise _refused(cursor, state, "USAGE ON SCHEMA hk_migration", wanted)


def _refused(cursor: Cursor, state: _State, *rights: str) -> ConfigurationError:
    role = quote_ident(state.role, cursor)
    grants = " ".join(f"GRANT {right} TO {role};" for right in rights)
    return ConfigurationError(
        f"The change history is kept in the schema hk_migration, where the role {state.role} lacks a right. "
        f"Let the owner of the database run: {grants}"
    )
