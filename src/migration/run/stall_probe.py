"""A canary plays a v1 client while a migration runs, and measures how long its statements wait."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2

from src.errors import DatabaseUnavailable
from src.postgres.connection import connect

PAUSE_S = 0.004
# What v1 clients do, with conditions that no row meets: the locks and the name look-up are the same, no row changes.
STATEMENTS = (
    "SELECT * FROM portfolio_positions WHERE symbol = ''",
    "UPDATE portfolio_positions SET current_price = current_price WHERE symbol = ''",
    "SELECT id FROM trading_signals WHERE symbol = ''",
    "DELETE FROM trading_signals WHERE symbol = ''",
    "SELECT price FROM price_history WHERE symbol = '' LIMIT 1",
)


@dataclass(frozen=True)
class Stall:
    """In milliseconds: the longest and the usual (median) statement since the canary or the lap began."""

    longest_ms: float
    median_ms: float
    statements: int
    failed: int


class Canary:
    """Use as a context manager. It ends by itself when the server goes away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._lap: list[float] = []
        self._all: list[float] = []
        self._failed = 0
        self._thread = threading.Thread(target=self._sing, name="canary", daemon=True)

    def __enter__(self) -> "Canary":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def lap(self) -> Stall:
        """What was measured since the last call."""
        with self._lock:
            measured, self._lap = self._lap, []
            return _stall(measured, 0)

    def longest_of_lap_ms(self) -> float:
        """The longest since the last lap began; that lap goes on."""
        with self._lock:
            return max(self._lap, default=0.0)

    def whole(self) -> Stall:
        """What was measured in all."""
        with self._lock:
            return _stall(self._all, self._failed)

    def _sing(self) -> None:
        try:
            conn = connect(self._url, purpose="canary", autocommit=True)
        except DatabaseUnavailable:
            return
        try:
            with conn.cursor() as cur:
                while not self._stop.is_set():
                    for statement in STATEMENTS:
                        if not self._once(cur.execute, statement) and conn.closed:
                            return
                    self._stop.wait(PAUSE_S)
        finally:
            conn.close()

    def _once(self, execute: Callable[[str], object], statement: str) -> bool:
        started = time.perf_counter()
        try:
            execute(statement)
            succeeded = True
        except psycopg2.Error:
            succeeded = False
        took = (time.perf_counter() - started) * 1000
        with self._lock:
            self._lap.append(took)
            self._all.append(took)
            self._failed += not succeeded
        return succeeded


def _stall(measured: list[float], failed: int) -> Stall:
    if not measured:
        return Stall(0.0, 0.0, 0, failed)
    return Stall(max(measured), sorted(measured)[len(measured) // 2], len(measured), failed)
