"""Short probes of a database: whether it is healthy. They wait neither for locks nor for other sessions."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg2

from src.backup.folders import recorded_folders
from src.backup.make import Estimate, estimate_of
from src.domain.quote import Quote
from src.errors import HKStrategyError, TableLocked
from src.health.server import read_server
from src.journal import runs
from src.journal.model import RunRecord
from src.portfolios import markers, quotes
from src.postgres.connection import Connection, connect, roll_back
from src.postgres.errors import Reason, no_session, server_text
from src.postgres.failures import READ, failure, grants_of_all
from src.postgres.table_locks import TableLock, blocking_locks
from src.schema.catalog import Drift, compare, read_catalog
from src.schema.own_schema import why_unusable
from src.schema.versions import SchemaState, detect_with

T = TypeVar("T")

CONNECT_S = 2
STATEMENT_MS = 1000
LOCK_MS = 350  # well below what a page waits for all of it (monitor.LIMIT_S): it names who holds the lock
PRICES_MS = 10_000  # half a million positions take their time, and nobody waits for it


@dataclass(frozen=True)
class ServerProbe:
    """`details`: as src.health.server.read_server gives them. `locks`: of others, that keep readers out of tables.

    `missing_grants`: the statements that would let this role read all tables, of hk_migration too.
    """

    details: dict[str, Any]
    schema: SchemaState
    locks: tuple[TableLock, ...] = ()
    missing_grants: tuple[str, ...] = ()


@dataclass(frozen=True)
class JournalProbe:
    """What the project noted here. `run`: the last one, whether it ended or not.

    `backup_folders`: those that were chosen for backups of this database. `locked`: why what the fields of these names
    stand for is not known, where somebody has locked it.
    """

    sample: bool
    run: RunRecord | None
    backup_folders: tuple[Path, ...] = ()
    locked: Mapping[str, TableLocked] = field(default_factory=dict)


@dataclass(frozen=True)
class StructureProbe:
    """`drift`: None where the schema is none of the three. `estimate`: of a backup."""

    drift: Drift | None
    estimate: Estimate


def probe_server(url: str) -> ServerProbe:
    """Reads catalogs and statistics only: it needs no lock on a table. Raises DatabaseUnavailable."""
    with _session(url) as conn, conn.cursor() as cursor:
        details, state = read_server(cursor), detect_with(cursor)
        return ServerProbe(details, state, blocking_locks(conn), grants_of_all(conn, READ))


def probe_journal(url: str) -> JournalProbe:
    """Raises DatabaseUnavailable."""
    locked: dict[str, TableLocked] = {}
    with _session(url) as conn, conn.cursor() as cursor:

        def unless_locked(name: str, read: Callable[[], T]) -> T | None:
            try:
                return read()
            except psycopg2.Error as error:
                known = failure(conn, error)
                if not isinstance(known, TableLocked):
                    raise
                locked[name] = known
                # Waited for once is enough: what else is locked is locked by the same, as a rule.
                cursor.execute("SELECT set_config('lock_timeout', '10ms', false)")
                return None

        state = detect_with(cursor)
        sample = unless_locked("sample", lambda: markers.is_sample(cursor, state))
        records = unless_locked("run", lambda: runs.read_runs(conn, limit=1))
        chosen = unless_locked("backup_folders", lambda: recorded_folders(conn))
    return JournalProbe(bool(sample), records[0] if records else None, chosen or (), locked)


def probe_structure(url: str, backup_dir: Path) -> StructureProbe:
    """Raises DatabaseUnavailable."""
    with _session(url) as conn:
        with conn.cursor() as cursor:
            state = detect_with(cursor)
        conn.autocommit = False
        drift = None if state.version is None else compare(state.version, read_catalog(conn))
        conn.rollback()
        return StructureProbe(drift, estimate_of(conn, backup_dir))


def probe_prices(url: str, latest_opens: datetime) -> dict[str, Quote]:
    """As src.portfolios.quotes.quotes has them, of all symbols that have a position. Raises DatabaseUnavailable."""
    with _session(url, PRICES_MS) as conn, conn.cursor() as cursor:
        return {} if detect_with(cursor).version is None else quotes.quotes(cursor, latest_opens, None)


@contextmanager
def _session(url: str, statement_ms: int = STATEMENT_MS) -> Iterator[Connection]:
    options = f"-c statement_timeout={statement_ms} -c lock_timeout={LOCK_MS}"
    conn = connect(url, purpose="health", autocommit=True, options=options, within_s=CONNECT_S)
    try:
        yield conn
    except psycopg2.Error as error:
        roll_back(conn)  # so that the server can still be asked who holds the lock, or which right is missing
        known = why_unusable(conn, error) or failure(conn, error)
        if isinstance(known, HKStrategyError):
            raise known from None
        raise no_session(Reason.OTHER, server_text(error)) from None
    finally:
        conn.close()
