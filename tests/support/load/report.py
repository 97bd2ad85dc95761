"""What a load saw, as plain data. Times are seconds of the system's monotonic clock; durations milliseconds."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.load.ledger import Ledger


@dataclass(frozen=True)
class Failure:
    """A statement that failed. `sqlstate` is "" where the connection broke without one."""

    at: float
    connection: str
    kind: str
    sqlstate: str
    message: str
    window: str = ""

    def __str__(self) -> str:
        return f"[{self.window}] {self.connection} {self.kind}: {self.sqlstate} {self.message}"


@dataclass(frozen=True)
class Window:
    """Figures of the statements that ran between two marks (or overlapped that time)."""

    name: str
    begin: float
    end: float
    statements: int
    failures: int
    longest_ms: float
    longest_kind: str
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Report:
    """`wrong`: answers that came without an error and were not what version 1 promises."""

    statements: int
    reconnects: int
    failures: tuple[Failure, ...]
    failure_count: int
    wrong: tuple[str, ...]
    windows: Mapping[str, Window]
    kinds: Mapping[str, int]
    ledger: Ledger

    @property
    def longest_ms(self) -> float:
        return self.windows["all"].longest_ms

    @property
    def p99_ms(self) -> float:
        return self.windows["all"].p99_ms

    def complaints(self) -> list[str]:
        """All that an owner of the old application would complain about. Empty: it noticed nothing."""
        return [str(failure) for failure in self.failures[:20]] + list(self.wrong[:20])


@dataclass(frozen=True)
class Timings:
    """One connection's statements: begin, duration (s), and the kind's number, in the order of their begin."""

    begin: array[float]
    seconds: array[float]
    kind: array[int]


def window(
    name: str, begin: float, end: float, timings: Sequence[Timings], kinds: Sequence[str], failures: int
) -> Window:
    """Figures over all connections of the statements that overlap [begin, end]."""
    durations: list[float] = []
    longest, longest_kind = 0.0, ""
    for one in timings:
        for t, seconds, kind in zip(one.begin, one.seconds, one.kind, strict=True):
            if t <= end and t + seconds >= begin:
                durations.append(seconds)
                if seconds > longest:
                    longest, longest_kind = seconds, kinds[kind]
    durations.sort()

    def percentile(share: float) -> float:
        return durations[min(len(durations) - 1, int(share * len(durations)))] * 1000 if durations else 0.0

    return Window(
        name, begin, end, len(durations), failures, longest * 1000, longest_kind, percentile(0.5), percentile(0.99)
    )
