"""The nouns of a migration. Plain frozen data: no I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path


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


class Kind(StrEnum):
    """The kinds of step, in the words of docs/glossary.md."""

    BACKUP = "backup"
    EXPAND = "expand"
    BACKFILL = "backfill"
    BUILD = "build"
    SWITCH = "switch"
    VALIDATE = "validate"
    CONTRACT = "contract"
    PROVE = "prove"


@dataclass(frozen=True)
class Options:
    """An admin's choices for one run. `then_v1`: it is the first half of a rollback from v3 to v1."""

    backup: bool = True
    backup_dir: Path | None = None
    legacy_roles: tuple[str, ...] = ()
    max_lock_ms: int = 100
    give_up_after_s: float = 300.0
    force: bool = False
    keep: Keep = Keep.MERGE
    restore_archive: bool = True
    then_v1: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a file in migrations/.

    `mode`: "transaction" (one transaction), "autocommit" (a statement that refuses to run in one) or
    "batch" (repeated until `done` is true). `locks`: tables taken ACCESS EXCLUSIVE for the step, never
    queued for. `done`: a query that is true once the step's effect is there. `when`: a query; the step belongs
    to the plan only if it is true. `index`: the index that the step builds. `why`: what it is for, in plain words.
    `grows`: the tables whose size decides how long it takes.
    """

    name: str
    title: str
    kind: Kind
    mode: str
    locks: tuple[str, ...]
    sql: str
    done: str | None = None
    when: str | None = None
    index: str | None = None
    why: str = ""
    grows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """How long a step may take, in seconds. `run_at`: by the run of then, on this database; None: by the bench."""

    seconds: float
    run_at: datetime | None


@dataclass(frozen=True)
class TableSize:
    table: str
    rows_estimate: int
    bytes: int


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
class Finding:
    """Something `check` or a plan noticed. `severity`: "info", "warning" or "refusal"."""

    severity: str
    title: str
    advice: str


@dataclass(frozen=True)
class MergedSymbol:
    """What a rollback to v1 does to one symbol that several portfolios hold. HKD, shares."""

    symbol: str
    portfolios: tuple[str, ...]
    quantity: int
    avg_cost: Decimal
    cost_before: Decimal
    cost_after: Decimal
    value_before: Decimal | None
    value_after: Decimal | None


@dataclass(frozen=True)
class Plan:
    """Ordered steps, without side effects. Empty `steps` means there is nothing to do: `nothing_to_do` says why.

    `archived_portfolios`: those that phase 1 can bring back, or that a rollback to v1 puts into the archive.
    `expected`: of each step, in their order; None for one of which nothing is known.
    """

    phase: Phase
    from_version: str
    to_version: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    tables: tuple[TableSize, ...]
    legacy_roles: tuple[str, ...]
    legacy_clients: tuple[Client, ...]
    blockers: tuple[Client, ...]
    merged: tuple[MergedSymbol, ...] = ()
    archived_portfolios: tuple[str, ...] = ()
    backup_bytes_estimate: int | None = None  # None where it was not looked at: the plan is refused anyway
    disk_free_bytes: int | None = None
    nothing_to_do: str | None = None
    expected: tuple[Expected | None, ...] = ()

    @property
    def expected_s(self) -> float | None:
        """Of all steps together, in seconds. None where that of some is not known."""
        known = [one.seconds for one in self.expected if one is not None]
        return sum(known) if len(known) == len(self.steps) else None

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "refusal")


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
