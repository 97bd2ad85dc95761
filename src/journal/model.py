"""The values of the journal: phases, runs, their events and proofs, clients. Frozen data, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from src.errors import NextStep, PrerequisiteError

NEWER_PROGRAM = "A newer version of this program began it: resume or undo it with that version."


class OpenEnum(StrEnum):
    """Text that a database holds, where another version of this program may have written a value unknown here.

    An unknown value is read as its own text. It equals no member and is not listed among them.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = str(value)
        return unknown

    @property
    def is_known(self) -> bool:
        return any(self == member for member in type(self))


class Phase(OpenEnum):
    """A change of the schema by one version. The value stands in hk_migration.run.phase.

    The properties raise PrerequisiteError for a phase that this program does not know.
    """

    PHASE1 = "phase1"
    PHASE2 = "phase2"
    ROLLBACK_V2 = "rollback to v2"
    ROLLBACK_V1 = "rollback to v1"

    @property
    def _facts(self) -> "_PhaseFacts":
        if not self.is_known:
            raise PrerequisiteError(f"This program does not know the phase {self.value!r}. {NEWER_PROGRAM}")
        return _PHASES[self]

    @property
    def from_version(self) -> str:
        """The schema version that it starts from, "1.0" say."""
        return self._facts.from_version

    @property
    def to_version(self) -> str:
        """The schema version that it leads to, "2.0" say."""
        return self._facts.to_version

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of run_migration.py that do it, ("rollback", "--to", "v1") say."""
        return self._facts.arguments

    @property
    def subcommand(self) -> str:
        """The first of `arguments`. An admin types it to confirm."""
        return self.arguments[0]

    @property
    def label(self) -> str:
        """Its name on the dashboard, "Roll back to v1" say."""
        return self._facts.label

    @property
    def opposite(self) -> "Phase":
        """The phase that undoes it."""
        return self._facts.opposite


@dataclass(frozen=True)
class _PhaseFacts:
    from_version: str
    to_version: str
    arguments: tuple[str, ...]
    label: str
    opposite: Phase


_PHASES = {
    Phase.PHASE1: _PhaseFacts("1.0", "2.0", ("phase1",), "Phase 1", Phase.ROLLBACK_V1),
    Phase.PHASE2: _PhaseFacts("2.0", "3.0", ("phase2",), "Phase 2", Phase.ROLLBACK_V2),
    Phase.ROLLBACK_V2: _PhaseFacts("3.0", "2.0", ("rollback", "--to", "v2"), "Roll back to v2", Phase.PHASE2),
    Phase.ROLLBACK_V1: _PhaseFacts("2.0", "1.0", ("rollback", "--to", "v1"), "Roll back to v1", Phase.PHASE1),
}
VERSION_TITLES = {"1.0": "single-portfolio (v1.0)", "2.0": "multi-portfolio (v2.0)", "3.0": "multi-portfolio (v3.0)"}


class RunState(OpenEnum):
    """The state of a run, derived from its events and the run lock.

    `INTERRUPTED`: no process executes it any more, and it has no outcome (killed, power cut). `UNDONE`: a later run, or
    a restore, has undone it, or it failed before its first step.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    UNDONE = "undone"


class EventKind(OpenEnum):
    """The kind of an event of a run."""

    RUN = "run"
    STEP = "step"
    PROGRESS = "progress"
    BLOCKED = "blocked"
    STALL = "stall"
    PROOF = "proof"
    PAUSE = "pause"
    LOG = "log"
    OUTCOME = "outcome"


class StepState(OpenEnum):
    """What an event of kind step says of its step. `SKIPPED`: not needed, or its effect was there already."""

    STARTED = "started"
    DONE = "done"
    SKIPPED = "skipped"


class OutcomeState(OpenEnum):
    """How a run or a command ended.

    `NOTHING`: there was nothing to do. `REFUSED`: prerequisites are not met, and nothing was touched. `BUSY`: another
    run is in progress. `STOPPED`: by a signal. `USAGE`: the arguments are wrong.
    """

    DONE = "done"
    NOTHING = "nothing"
    PAUSED = "paused"
    UNDONE = "undone"
    FAILED = "failed"
    REFUSED = "refused"
    BUSY = "busy"
    STOPPED = "stopped"
    USAGE = "usage"


class AuditOutcome(OpenEnum):
    """How an action of the audit stands or ended."""

    STARTED = "started"
    DONE = "done"
    NOTHING = "nothing"
    REFUSED = "refused"
    FAILED = "failed"
    PAUSED = "paused"
    STOPPED = "stopped"


class Keep(StrEnum):
    """What a rollback to v1 does with the portfolios that v1 cannot hold (all are archived first)."""

    MERGE = "merge"
    DEFAULT = "default"

    @classmethod
    def stored(cls, value: object) -> Self:
        """What a database holds. Raises PrerequisiteError for a value that this program does not know."""
        for one in cls:
            if one == value:
                return one
        raise PrerequisiteError(f"This program does not know the choice {value!r} of that run. {NEWER_PROGRAM}")


class ClientState(OpenEnum):
    """What a database session does, as pg_stat_activity says it.

    `NOT_VISIBLE`: this role may not see it. `PREPARED`: a prepared transaction, which no session owns.
    """

    ACTIVE = "active"
    IDLE = "idle"
    IDLE_IN_TRANSACTION = "idle in transaction"
    ABORTED = "idle in transaction (aborted)"
    NOT_VISIBLE = "not visible"
    PREPARED = "prepared"


@dataclass(frozen=True)
class Client:
    """A database session of someone else. Ages in seconds.

    `since`: when it began; with the pid it names this session and no other. None where that was not asked for, or this
    role may not see it. `holds_lock`: on a table that a phase locks, or awaits one. `gid`: of a prepared transaction.
    """

    pid: int
    role: str
    application_name: str
    address: str
    state: ClientState
    idle_s: float
    transaction_s: float | None
    query: str
    wait_event: str | None = None
    since: datetime | None = None
    holds_lock: bool = False
    gid: str | None = None


@dataclass(frozen=True)
class Event:
    """One entry of a run's event log.

    `at` has a time zone. `done` and `total` are set for progress: rows, blocks or bytes. `detail` is JSON-serialisable.
    """

    at: datetime
    run_id: int | None
    kind: EventKind
    step: str | None
    message: str
    done: int | None = None
    total: int | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def step_state(self) -> StepState | None:
        """What it says of its step. None for an event of another kind."""
        state = self.detail.get("state")
        return StepState(str(state)) if self.kind == EventKind.STEP and state is not None else None


class ProofSubject(OpenEnum):
    """What a comparison is about."""

    TABLE = "table"
    PORTFOLIO = "portfolio"
    OTHER = ""


@dataclass(frozen=True)
class ProofRow:
    """One comparison before/after. `equal` is None where a difference is as it may be; `note` says why: what clients
    changed meanwhile, or what rounding an average cost makes.

    `difference`: after minus before. `digests`: of a table,
    before and after. `name`: of the table; "" for what is none, and where an earlier version recorded the row.
    """

    subject: str
    before: str
    after: str
    equal: bool | None
    note: str = ""
    about: ProofSubject = ProofSubject.OTHER
    difference: str = ""
    digests: tuple[str, str] | None = None
    name: str = ""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. Times in seconds, stalls in milliseconds.

    `longest_stall_ms`: the longest that a statement of the stall probe took. `exclusive_ms`: the longest time that
    ACCESS EXCLUSIVE locks were held. `run_id`: None where there was nothing to do.
    """

    run_id: int | None
    phase: Phase
    state: OutcomeState
    message: str
    next_step: NextStep | None
    seconds: float
    longest_stall_ms: float | None = None
    exclusive_ms: float | None = None
    backup: str | None = None
    proof: tuple[ProofRow, ...] = ()


UNFINISHED = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED, RunState.FAILED})


@dataclass(frozen=True)
class RunRecord:
    """A run as hk_migration holds it. Times have a time zone, stalls are in milliseconds.

    `started_by`: the role of the database, and who used it. `by`: the person, or user@machine. `sql_files`: SHA-256 of
    each file that it executed, as it was when the run began. `longest_stall_ms`: the longest
    that a statement of the stall probe took.
    """

    run_id: int
    phase: Phase
    from_version: str
    to_version: str
    started_at: datetime
    finished_at: datetime | None
    started_by: str
    by: str
    state: RunState
    message: str
    backup: str | None
    longest_stall_ms: float | None
    steps_done: int
    steps_total: int
    current_step: str | None
    proof: tuple[ProofRow, ...] = ()
    sql_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def standing(self) -> str:
        """Its state as the verb of a sentence: "is paused", "has failed"."""
        return "has failed" if self.state == RunState.FAILED else f"is {self.state}"

    @property
    def is_running(self) -> bool:
        """Whether a process executes it now."""
        return self.state == RunState.RUNNING

    @property
    def is_unfinished(self) -> bool:
        """Whether it is running, or waits for an admin to resume or to undo it."""
        return self.state in UNFINISHED

    @property
    def is_resumable(self) -> bool:
        """Whether it has stopped before its end: an admin can resume or undo it."""
        return self.is_unfinished and not self.is_running

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do: it is done, or undone."""
        return self.state in (RunState.DONE, RunState.UNDONE)
