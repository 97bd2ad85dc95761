"""Fresh databases, and the sample data in them.

The sample's prices end at the last trading session of the Hong Kong exchange that is over, so that charts are fresh;
apart from their dates they are the same every time (src/sample/rows.py). On v1, whose price_history holds prices of
positions only, those of ^HSI wait in hk_migration.archived_price, from where phase 1 brings them in.

Each function takes a database URL, and then commits by itself, or a connection, in whose transaction it stays.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import psycopg2

from src.config import PROJECT_ROOT
from src.errors import HKStrategyError, PrerequisiteError, TableLocked
from src.journal.runs import ensure_own_schema
from src.market.calendar import between
from src.postgres.connection import Connection, connect
from src.postgres.errors import is_locked, is_refused_right
from src.postgres.failures import (
    READ_AND_WRITE,
    failure,
    grants_of_all,
    grants_on_database,
    grants_on_schema,
    grants_to_make,
    missing_grants,
    not_allowed,
)
from src.postgres.table_locks import Wanted, blocking_locks
from src.sample import database
from src.sample.rows import prices, signals
from src.schema import own_schema
from src.schema.versions import BASE_TABLES
from src.text import plural

YEARS = timedelta(days=731)
LOCK_WAIT = "2s"  # somebody who holds a table for longer is named, and not waited for

Target = Connection | str


class FreshSchema(StrEnum):
    """A schema that an empty database can get."""

    V1 = "v1"
    V3 = "v3"


SCHEMA_FILES = {FreshSchema.V1: "init.sql", FreshSchema.V3: "init_multi_portfolio.sql"}


def load_sample(target: Target, schema: str, *, now: datetime | None = None) -> None:
    """Load the sample into the fresh tables of `schema` ("v1" or "v3"), and mark it as sample data."""
    rows = prices(session_closes(now or datetime.now(UTC)))
    with _opened(target) as conn:
        ensure_own_schema(conn)
        database.load(conn, rows, signals(rows), index_prices=FreshSchema(schema) is not FreshSchema.V1)


def is_sample(target: Target) -> bool:
    """Whether the database holds sample data."""
    with _opened(target, _grants_to_remove) as conn:
        return database.mark(conn) is not None


def remove_sample(target: Target) -> str:
    """Delete the sample, all at once; what was done. What a trader added or changed stays, without made-up prices.

    Raises TableLocked or Conflict, naming who is in the way; NotAllowed, CapabilityMissing, PrerequisiteError.
    """
    with _opened(target, _grants_to_remove) as conn:
        mark = database.mark(conn)
        if mark is None:
            return "There is no sample data in this database."
        with conn.cursor() as cursor:
            own_schema.known(cursor)
        since, until = (datetime.fromisoformat(mark[name]) for name in ("first_session", "last_session"))
        # Prices depend on how many there are, not on when: the dates need not be those that were loaded.
        rows = prices([until] * int(mark["sessions"]))
        removed, prices_removed = database.remove(conn, rows, signals(rows), since, until)
        kept = len(mark["symbols"]) - removed
        prices_gone = plural(prices_removed, "price")
        message = f"Removed the sample data: {plural(removed, 'position')}, their signals and {prices_gone}."
        return message + (
            f" {plural(kept, 'position stays', 'positions stay')}: changed or removed before." if kept else ""
        )


def init_database(target: Target, schema: str, sample: bool) -> str:
    """Create the tables of `schema` in an empty database, with the sample if wanted, all at once; what was done.

    Raises PrerequisiteError, naming what is there, when the database is not empty.
    """
    statements = (PROJECT_ROOT / "migrations" / SCHEMA_FILES[FreshSchema(schema)]).read_text(encoding="utf-8")
    with _opened(target) as conn:
        found = database.contents(conn)
        if found:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise PrerequisiteError(
                f"The database is not empty: it holds {', '.join(found[:5])}{more}. Nothing was touched. "
                "Create an empty database, and set DATABASE_URL to it."
            )
        database.create_schema(conn, statements)
        ensure_own_schema(conn)
        database.clear_mark(conn)
        if sample:
            load_sample(conn, schema)
    return f"Created a fresh {schema} database{' with the sample data' if sample else ''}."


def session_closes(now: datetime) -> list[datetime]:
    """When each trading session of two years ended, up to the last one that is over at `now`."""
    known = between((now - YEARS).date(), now.date() + timedelta(days=1))
    closes = [session.closes.astimezone(UTC) for session in known]
    return [moment for moment in closes if now - YEARS <= moment <= now]


@contextlib.contextmanager
def _opened(target: Target, grants: Callable[[Connection], Sequence[str]] | None = None) -> Iterator[Connection]:
    """The connection, or one of its own with the project's errors: TableLocked, naming who holds what, after LOCK_WAIT;
    NotAllowed, with the GRANT that is missing; CapabilityMissing where everything is read-only.

    `grants`: the GRANT statements that the role lacks for what is done; by default, to make everything.
    """
    if not isinstance(target, str):
        yield target
        return
    conn = connect(target, purpose="sample")
    try:
        with conn:
            with conn.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_WAIT,))
            yield conn
    except psycopg2.Error as error:
        raise _explained(conn, error, grants or _grants_to_make) from None
    finally:
        conn.close()


def _grants_to_make(conn: Connection) -> tuple[str, ...]:
    own = missing_grants(conn, "hk_migration", READ_AND_WRITE, ("USAGE", "CREATE"))
    return (*grants_on_schema(conn, "public"), *grants_to_make(conn), *own)


def _grants_to_remove(conn: Connection) -> tuple[str, ...]:
    """The rows to compare with are in a temporary table."""
    own = dict.fromkeys(("mark", "archived_price"), ("SELECT", "INSERT", "DELETE"))
    tables = grants_of_all(conn, READ_AND_WRITE, only=sorted(BASE_TABLES), own=own, sequences=False)
    return (*grants_on_database(conn, ("TEMPORARY",)), *tables)


def _explained(conn: Connection, error: psycopg2.Error, grants: Callable[[Connection], Sequence[str]]) -> Exception:
    """`conn` is in no transaction."""
    newer = own_schema.why_unusable(conn, error)
    if newer is not None:
        return newer
    tables = sorted(BASE_TABLES)
    if is_locked(error) and not blocking_locks(conn, Wanted.WRITE, only=tables):
        return TableLocked(f"{database.in_the_way(conn)} Nothing was changed; try again when that has ended.")
    if is_refused_right(error):
        return not_allowed(error, grants(conn))
    return failure(conn, error, READ_AND_WRITE, only=tables)


def main(arguments: list[str]) -> int:
    """`python -m src.sample.load URL`: what the embedded server's supervisor runs on the first start."""
    try:
        with _opened(arguments[0]) as conn:
            if not database.contents(conn):
                init_database(conn, FreshSchema.V1, True)
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
