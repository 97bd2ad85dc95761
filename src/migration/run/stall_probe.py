"""The stall probe executes the statements of a v1 client while a migration runs, and measures how long each takes.

Its application name is "hk_strategy canary", and stays so: programs in the field know it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2

from src.errors import DatabaseUnavailable
from src.postgres.connection import connect

PAUSE_S = 0.004
# The statements of v1 clients, with conditions that no row meets: same locks and name resolution, and no row changes.
STATEMENTS = (
    "SELECT * FROM portfolio_positions WHERE symbol = ''",
    "UPDATE portfolio_positions SET current_price = current_price WHERE symbol = ''",
    "SELECT id FROM trading_signals WHERE symbol = ''",
    "DELETE FROM trading_signals WHERE symbol = ''",
    "SELECT price FROM price_history WHERE symbol = '' LIMIT 1",
)


@dataclass(frozen=True)
class Stall:
    """Durations of the probe's statements, in milliseconds, over the whole run or one interval. `failed`: how many."""

    longest_ms: float
    median_ms: float
    statements: int
    failed: int


class StallProbe:
    """A context manager; it measures in a thread of its own, which ends when the connection is lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._interval: list[float] = []
        self._all: list[float] = []
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name="stall probe", daemon=True)

    def __enter__(self) -> "StallProbe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def end_interval(self) -> Stall:
        """The measurements since the last call. The next interval begins."""
        with self._lock:
            measured, self._interval = self._interval, []
            return _stall(measured, 0)

    def longest_of_interval_ms(self) -> float:
        """The longest statement of the current interval, in milliseconds. The interval goes on."""
        with self._lock:
            return max(self._interval, default=0.0)

    def total(self) -> Stall:
        """The measurements of the whole run."""
        with self._lock:
            return _stall(self._all, self._failed)

    def _run(self) -> None:
        try:
            conn = connect(self._url, purpose="canary", autocommit=True)
        except DatabaseUnavailable:
            return
        try:
            with conn.cursor() as cur:
                while not self._stop.is_set():
                    for statement in STATEMENTS:
                        if not self._measure(cur.execute, statement) and conn.closed:
                            return
                    self._stop.wait(PAUSE_S)
        finally:
            conn.close()

    def _measure(self, execute: Callable[[str], object], statement: str) -> bool:
        started = time.perf_counter()
        try:
            execute(statement)
            succeeded = True
        except psycopg2.Error:
            succeeded = False
        took = (time.perf_counter() - started) * 1000
        with self._lock:
            self._interval.append(took)
            self._all.append(took)
            self._failed += not succeeded
        return succeeded


def _stall(measured: list[float], failed: int) -> Stall:
    if not measured:
        return Stall(0.0, 0.0, 0, failed)
    return Stall(max(measured), sorted(measured)[len(measured) // 2], len(measured), failed)
