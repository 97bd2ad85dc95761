"""What the tests of health share: all components of a database, and an address that never answers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from src.cache import Cache
from src.database_enhanced import DatabaseManager
from src.health.model import Component
from src.health.monitor import Monitor, Seen
from src.journal import runs
from src.journal.model import Event, Phase
from src.postgres.pool import PoolStatus

TIMEOUT_S = 60.0  # a busy machine is not what these tests are about


def monitor_of(
    url: Callable[[], str],
    folder: Path,
    *,
    cache: str | None = None,
    pool: PoolStatus | None = None,
    limit_s: float = TIMEOUT_S,
) -> Monitor:
    asked = Cache(cache)
    return Monitor(url, asked.status, folder, None if pool is None else lambda: pool, limit_s=limit_s)


def read(url: str, folder: Path, **how: Any) -> Seen:
    return monitor_of(lambda: url, folder, **how).read()


def of(seen: Seen, key: str) -> Component:
    return next(component for component in seen.components if component.key == key)


@contextmanager
def black_hole() -> Iterator[str]:
    """The URL of a server that lets everybody connect, and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        yield f"postgresql://trader:s3cret@127.0.0.1:{silent.getsockname()[1]}/hk_strategy"


@contextmanager
def all_taken(manager: DatabaseManager) -> Iterator[None]:
    """Somebody holds every connection of the manager's pool."""
    held = [manager.get_connection() for _ in range(manager.pool_status().size)]
    for conn in held:
        conn.cursor().close()
    try:
        yield
    finally:
        for conn in held:
            conn.close()


def note_run(url: str, phase: Phase, state: str | None) -> int:
    """A run that nobody works on any more; its id. `state`: how it ended; None: it never did."""
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        runs.ensure_own_schema(conn)
        cursor.execute(
            "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
            "VALUES (%s, '1.0', '2.0', 'tester', '{}', '[{\"name\": \"views\"}]', '{}') RETURNING run_id",
            (phase.value,),
        )
        (run_id,) = cursor.fetchone() or (0,)
        if state is not None:
            at = datetime.now(UTC) - timedelta(minutes=5)
            runs.add_event(conn, Event(at, run_id, "outcome", None, "Paused: a test.", detail={"state": state}))
    conn.close()
    return int(run_id)
