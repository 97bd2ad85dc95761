"""Starting, steering and stopping the old application from a test or a measurement."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2

from tests.support.load.ledger import Holding, Ledger
from tests.support.load.report import Failure, Report, Window

ROOT = Path(__file__).resolve().parents[3]
_SYMBOLS = r"SELECT symbol FROM public.portfolio_positions WHERE symbol ~ '^\d+\.HK$' GROUP BY 1 ORDER BY min(id)"


class LoadBroke(Exception):
    """The application's process did not start, or went away."""


class V1Load:
    """The old application, running from `__enter__` until `stop()`, or until the block is left.

    It writes to `symbols` (default: all but the last fifth of the database's) and to new ones that it makes; tests
    are free to use the others: `spare`. `load` numbers the loads that one database sees, 1 to 9. `pause_s`: of each
    connection between two statements; the shorter, the more of the machine it takes.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 4,
        pause_s: float = 0.01,
        reconnect_s: float = 2.0,
        symbols: Sequence[str] | None = None,
        load: int = 1,
        hanging_after_s: float = 30.0,
    ) -> None:
        self._url = url
        known = _known_symbols(url)
        self.symbols = list(symbols) if symbols is not None else known[: len(known) * 4 // 5]
        self.spare = [symbol for symbol in known if symbol not in set(self.symbols)]
        self._settings = {
            "url": url,
            "connections": connections,
            "pause_s": pause_s,
            "reconnect_s": reconnect_s,
            "symbols": self.symbols,
            "load": load,
            "hanging_after_s": hanging_after_s,
        }
        self._marks: list[tuple[str, float]] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "V1Load":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.load.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._send(self._settings)
        self._receive("ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def mark(self, name: str) -> None:
        """Statements from now to the next mark belong to the report's window `name`."""
        self._marks.append((name, time.monotonic()))

    def burst(self, rounds: int) -> int:
        """All connections upsert `rounds` brand-new symbols at the same instants; returns how many tries failed."""
        self._send({"do": "burst", "rounds": rounds})
        return int(self._receive("burst")["failures"])

    def failures(self) -> int:
        """How many statements have failed so far."""
        self._send({"do": "failures"})
        return int(self._receive("failures")["count"])

    def statements(self, kind: str) -> int:
        """How many statements of `kind` have been answered so far."""
        self._send({"do": "statements", "kind": kind})
        return int(self._receive("statements")["count"])

    def expect_merge(self) -> None:
        """From now on other portfolios' positions may be merged into the application's, so it may see them."""
        self._send({"do": "merged"})
        self._receive("merged")

    def run_for(self, seconds: float) -> None:
        """Let it work while nothing else happens."""
        time.sleep(seconds)

    def run_until(self, met: Callable[[], bool], what: str, *, limit_s: float = 300.0) -> None:
        """Let it work until `met`, however slow the machine is. Raises LoadBroke after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while not met():
            if time.monotonic() > deadline:
                raise LoadBroke(f"{what}: not within {limit_s:.0f} s")
            time.sleep(0.05)

    def run_for_more(self, kind: str, count: int) -> None:
        """Let it work until `count` more statements of `kind` have been answered."""
        wanted = self.statements(kind) + count
        self.run_until(lambda: self.statements(kind) >= wanted, f"{count} more of {kind!r}")

    def stop(self) -> Report:
        self._send({"do": "stop", "marks": self._marks})
        report = self._receive("report")["report"]
        assert self._process is not None
        self._process.wait()
        return _report(report)

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise LoadBroke("the old application is not running")
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _receive(self, event: str) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        message: dict[str, Any] = json.loads(line) if line else {"event": "ended"}
        if message["event"] != event:
            raise LoadBroke(f"expected {event!r} from the old application, got {message}")
        return message


def _known_symbols(url: str) -> list[str]:
    conn = psycopg2.connect(url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(_SYMBOLS)
            return [row[0] for row in cursor.fetchall()]
    finally:
        conn.close()


def _ledger(data: dict[str, Any]) -> Ledger:
    return Ledger(
        holdings={s: None if h is None else Holding(**h) for s, h in data["holdings"].items()},
        shared=data["shared"],
        signals={int(token): (row[0], row[1]) for token, row in data["signals"].items()},
        gone={int(token): symbol for token, symbol in data["gone"].items()},
        prices={int(token): (row[0], row[1]) for token, row in data["prices"].items()},
        analyses={int(number): name for number, name in data["analyses"].items()},
        unsure=data["unsure"],
    )


def _report(data: dict[str, Any]) -> Report:
    windows = {w["name"]: Window(**w) for w in data["windows"]}

    def named(failure: dict[str, Any]) -> Failure:
        inside = [w.name for w in windows.values() if w.name != "all" and w.begin <= failure["at"] <= w.end]
        return Failure(**{**failure, "window": inside[-1] if inside else ""})

    return Report(
        statements=data["statements"],
        reconnects=data["reconnects"],
        failures=tuple(named(f) for f in data["failures"]),
        failure_count=data["failure_count"],
        wrong=tuple(data["wrong"]),
        windows=windows,
        kinds=data["kinds"],
        ledger=_ledger(data["ledger"]),
    )
