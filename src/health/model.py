"""Whether a component of the system is well, in words for whoever has to put it right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from src.errors import HKStrategyError, NextStep, NotAllowed, TableLocked

SILENT = "silent"  # true among the details of what lets itself be reached, and does not answer


class State(StrEnum):
    """DEGRADED: it works, and something should be done about it. DOWN: it does not work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


class Key(StrEnum):
    """Which component. The values are keys of `check --json`."""

    DATABASE = "database"
    POOL = "pool"
    CACHE = "redis"
    SCHEMA = "schema"
    DATA = "data"
    PRICES = "prices"
    BACKUPS = "backups"
    RUN = "run"


@dataclass(frozen=True)
class Trouble:
    """What is not as it should be, and what to do next; `next_step`: with what, for each face to say."""

    message: str
    advice: str
    next_step: NextStep | None = None


def unknown(problem: HKStrategyError | None, *, answers: bool = False) -> str:
    """Why something is not known, for what says beside it that it is not. `answers`: PostgreSQL does."""
    if isinstance(problem, NotAllowed):
        return f"{problem.said} Schema, above, names the statements that help."
    if problem is not None and (answers or isinstance(problem, TableLocked)):
        return str(problem)
    if answers:
        return "It takes longer than usual to read, and is asked again."
    return "It cannot be read while PostgreSQL does not answer."


@dataclass(frozen=True)
class Component:
    """A component of the system. `advice`: the next thing to do, "" where there is none.

    `lines`: the details. `details`: the same as values that JSON knows, for programs. `known`: False
    where another component that is down is in the way of probing this one. `next_step`: with what the advice is
    followed, for each face to say.
    """

    key: Key
    name: str
    state: State
    message: str
    advice: str = ""
    lines: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    known: bool = True
    next_step: NextStep | None = None

    def report(self) -> dict[str, object]:
        """As `check --json` and DatabaseManager.test_connection_health give it."""
        return {
            "status": self.state.value,
            "message": self.message,
            "advice": self.advice,
            "next_step": None if self.next_step is None else self.next_step.action.value,
            "details": dict(self.details),
        }
