"""What is written down of runs, and of who is connected. Plain frozen data: no I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """What an admin can ask for."""

    PHASE1 = "phase1"
    PHASE2 = "phase2"
    ROLLBACK_V2 = "rollback to v2"
    ROLLBACK_V1 = "rollback to v1"


TITLES = {"1.0": "single-portfolio (v1.0)", "2.0": "multi-portfolio (v2.0)", "3.0": "multi-portfolio (v3.0)"}


# What to type to do a phase, and to undo it.
COMMANDS = {
    Phase.PHASE1: "phase1",
    Phase.PHASE2: "phase2",
    Phase.ROLLBACK_V2: "rollback --to v2",
    Phase.ROLLBACK_V1: "rollback --to v1",
}


OPPOSITE = {
    Phase.PHASE1: Phase.ROLLBACK_V1,
    Phase.PHASE2: Phase.ROLLBACK_V2,
    Phase.ROLLBACK_V2: Phase.PHASE2,
    Phase.ROLLBACK_V1: Phase.PHASE1,
}


UNDO = {phase: COMMANDS[opposite] for phase, opposite in OPPOSITE.items()}


class Keep(StrEnum):
    """What a rollback to v1 does with the portfolios that v1 cannot hold (all are archived first)."""

    MERGE = "merge"
    DEFAULT = "default"


@dataclass(frozen=True)
class Client:
    """A database session of someone else. Ages in seconds.

    `since`: when it began; with the pid it names this session and no other. None where that was not asked for, or this
    role may not see it. `holds_lock`: on a table that a phase locks, or awaits one.
    """

    pid: int
    role: str
    application_name: str
    address: str
    state: str
    idle_s: float
    transaction_s: float | None
    query: str
    wait_event: str | None = None
    since: datetime | None = None
    holds_lock: bool = False


@dataclass(frozen=True)
class Event:
    """One line of a run's story. `kind`: run, step, progress, blocked, stall, proof, pause, log, outcome.

    `done`/`total` are set for progress. `detail` is JSON-serialisable.
    """

    at: datetime
    run_id: int | None
    kind: str
    step: str | None
    message: str
    done: int | None = None
    total: int | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ProofRow:
    """One comparison before/after. `equal` is None where a difference is as it may be; `note` says why: what clients
    changed meanwhile, or what rounding an average cost makes.

    `about`: "table" or "portfolio", or "" for what is neither. `difference`: after minus before. `digests`: of a table,
    before and after.
    """

    subject: str
    before: str
    after: str
    equal: bool | None
    note: str = ""
    about: str = ""
    difference: str = ""
    digests: tuple[str, str] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `state`: done, nothing, paused or failed. Times in seconds, stalls in milliseconds.

    `longest_stall_ms`: the longest that the canary's statements waited. `exclusive_ms`: the longest time
    that ACCESS EXCLUSIVE locks were held.
    """

    run_id: int | None
    phase: Phase
    state: str
    message: str
    next_step: str
    seconds: float
    longest_stall_ms: float | None = None
    exclusive_ms: float | None = None
    backup: str | None = None
    proof: tuple[ProofRow, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """A run as the history tells it. `state`: running, interrupted, paused, failed, done or undone.

    `interrupted`: nobody works on it any more, though it never ended (killed, power cut). `sql_files`: SHA-256 of each
    file that it executed, as it was when the run began.
    """

    run_id: int
    phase: Phase
    from_version: str
    to_version: str
    started_at: datetime
    finished_at: datetime | None
    started_by: str
    state: str
    message: str
    backup: str | None
    longest_stall_ms: float | None
    steps_done: int
    steps_total: int
    current_step: str | None
    proof: tuple[ProofRow, ...] = ()
    sql_files: Mapping[str, str] = field(default_factory=dict)
