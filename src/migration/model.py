"""The values of the migration: options, steps, findings, plans. Frozen data, no I/O."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from src.journal.model import Client, Keep, Phase, RunRecord
from src.migration.findings import Finding, Severity


class StepKind(StrEnum):
    """The kinds of step, in the words of docs/glossary.md."""

    BACKUP = "backup"
    EXPAND = "expand"
    BACKFILL = "backfill"
    BUILD = "build"
    SWITCH = "switch"
    VALIDATE = "validate"
    CONTRACT = "contract"
    PROVE = "prove"


class StepMode(StrEnum):
    """How a step is executed.

    `TRANSACTION`: in one transaction. `AUTOCOMMIT`: a statement that cannot run in a transaction. `BATCH`: repeated,
    each time in a transaction, until the step's `done` is true. `ENGINE`: by Python code; no file has such a step.
    """

    TRANSACTION = "transaction"
    AUTOCOMMIT = "autocommit"
    BATCH = "batch"
    ENGINE = "engine"


@dataclass(frozen=True)
class Options:
    """An admin's choices for one run.

    `max_lock_ms`: how long clients may queue behind one attempt to lock. `give_up_after_s`: how long a step tries, in
    seconds. `force`: phase 2 starts although v1 clients are connected. `then_v1`: this is the first half of a rollback
    from v3 to v1.
    """

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
    """One step of a phase: of a file in migrations/, or of the engine itself.

    `locks`: tables that it locks in ACCESS EXCLUSIVE mode, without queueing for them. `lock`: for a step without
    `locks`, the strongest lock that it takes on a table of clients, in PostgreSQL's words. `done`: a query that is true
    once the step has had its effect. `when`: a query; the step belongs to the plan only if it is true. `index`: the
    index that it builds. `why`: its purpose, in plain words. `grows`: the tables whose size decides how long it takes.
    `refuses_v1_clients`: it does not begin while one is connected. `waits_for_transactions`: it begins when those have
    ended that were open, or a second later. `repeat`: a query; the steps that have it run again,
    as a group, while it is true.
    """

    name: str
    title: str
    kind: StepKind
    mode: StepMode
    locks: tuple[str, ...]
    sql: str
    done: str | None = None
    when: str | None = None
    index: str | None = None
    why: str = ""
    grows: tuple[str, ...] = ()
    lock: str = "ACCESS SHARE"
    refuses_v1_clients: bool = False
    waits_for_transactions: bool = False
    repeat: str | None = None


@dataclass(frozen=True)
class StepEstimate:
    """How long a step may take, in seconds. `run_at`: by the run of then, on this database; None: by the bench."""

    seconds: float
    run_at: datetime | None


@dataclass(frozen=True)
class TableSize:
    table: str
    rows_estimate: int
    bytes: int


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
    `expected`: the estimate of each step, in their order; None for one of which nothing is known. `run`: one that has
    not ended, which comes first.
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
    backup_bytes_estimate: int | None = None  # None where the plan is refused: it is not estimated then
    disk_free_bytes: int | None = None
    nothing_to_do: str | None = None
    expected: tuple[StepEstimate | None, ...] = ()
    run: RunRecord | None = None

    @property
    def expected_s(self) -> float | None:
        """Of all steps together, in seconds. None where that of some is not known."""
        known = [one.seconds for one in self.expected if one is not None]
        return sum(known) if len(known) == len(self.steps) else None

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.REFUSAL)
