"""A plan: ordered steps, without side effects. Reads the catalog, changes nothing, waits for nobody."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg2

from src.backup.api import Estimate, estimate_backup
from src.config import Settings
from src.errors import PrerequisiteError
from src.journal import runs
from src.journal.model import Phase
from src.journal.sessions import long_transactions
from src.migration.findings import Choice, Finding
from src.migration.model import Options, Plan, Step, StepKind, StepMode
from src.migration.plan.estimate import earlier_runs, estimates
from src.migration.preflight.own_schema_rules import NEWER_VERSION, NOT_WHOLE
from src.migration.preflight.rollback_preview import merge_preview, portfolios_to_archive
from src.migration.preflight.rules import EVERY_PHASE, info, refusal
from src.migration.preflight.survey import Survey, survey
from src.migration.steps import checksums, is_true, load_steps
from src.postgres.connection import Connection
from src.postgres.errors import is_moved, is_refused_right
from src.postgres.failures import failure
from src.postgres.queries import query
from src.schema.versions import SchemaVersion

BACKUP = Step(
    "backup",
    "Back up, restore the backup into a scratch database, compare table by table",
    StepKind.BACKUP,
    StepMode.ENGINE,
    (),
    "",
    why="If all else fails there is a copy of everything that is known to restore. Nothing is changed before it does.",
)
MEASURE = Step(
    "measure",
    "Measure: rows, sums and P&L per portfolio before",
    StepKind.PROVE,
    StepMode.ENGINE,
    (),
    "",
    why="What the last step holds the result against: each table's rows and hash, each portfolio's cost, value, P&L.",
)
PROVE = Step(
    "prove",
    "Prove: rows, sums and P&L per portfolio, before and after",
    StepKind.PROVE,
    StepMode.ENGINE,
    (),
    "",
    why="The same figures again, from one snapshot. What clients changed meanwhile is shown apart; anything else fails "
    "the run, which can then be rolled back.",
)

NO_BACKUP_POSSIBLE = refusal(
    "no-backup-possible",
    EVERY_PHASE,
    "No backup can be made. {obstacle}",
    "A phase starts with a verified backup.",
    choices=(Choice.BACKUP_DIR, Choice.NO_BACKUP),
)
PHASE2_FROM_V1 = refusal(
    "phase2-from-v1",
    (Phase.PHASE2,),
    "Phase 2 starts from v2, and this database is v1.",
    "Run phase 1 first.",
    command=("phase1",),
)
FILE_CHANGED = info(
    "file-changed",
    EVERY_PHASE,
    "{file} has changed since this database last saw {phase} ({since}).",
    "Expected after an update of the program; otherwise compare the file with the one you trust.",
)


def configure(conn: Connection, legacy_roles: Sequence[str], options: Options) -> None:
    """Set the choices of this run as settings of the session, for the steps' SQL."""
    with conn.cursor() as cur:
        cur.execute(
            query("migration.plan.planner.configure"),
            (json.dumps(list(legacy_roles)), options.keep.value, "on" if options.restore_archive else "off"),
        )


def plan_phase(conn: Connection, url: str, phase: Phase, options: Options, settings: Settings) -> Plan:
    """What `phase` would do to the database behind `conn` (in autocommit), and what is in its way.

    Where a refusal keeps the rest from being read, a plan without steps has the refusals.
    """
    found = survey(conn, phase, options)
    try:
        return _plan(conn, url, phase, options, settings, found)
    except PrerequisiteError:
        if not found.refused:
            raise
    except psycopg2.Error as error:
        unusable = any(finding.code in (NEWER_VERSION.code, NOT_WHOLE.code) for finding in found.findings)
        if not (found.refused and (is_refused_right(error) or (unusable and is_moved(error)))):
            raise
    return _unread(conn, phase, found)


def _unread(conn: Connection, phase: Phase, found: Survey) -> Plan:
    """The plan of a phase that is refused, and whose steps could not be found out."""
    return Plan(
        phase=phase,
        from_version=found.version or phase.from_version,
        to_version=phase.to_version,
        steps=(),
        findings=found.findings + _wrong_way(phase, found),
        tables=found.tables,
        legacy_roles=found.legacy_roles,
        legacy_clients=found.legacy_clients,
        blockers=long_transactions(conn),
    )


def _plan(conn: Connection, url: str, phase: Phase, options: Options, settings: Settings, found: Survey) -> Plan:
    configure(conn, found.legacy_roles, options)
    begun = runs.unfinished_run(runs.read_runs(conn, limit=1))
    version_from, version_to = phase.from_version, phase.to_version
    both = phase is Phase.ROLLBACK_V1 and found.version == SchemaVersion.V3
    steps = _pending(conn, phase)
    phases = (phase,) * len(steps)
    if both:
        first = _pending(conn, Phase.ROLLBACK_V2)
        steps, phases = first + steps, (Phase.ROLLBACK_V2,) * len(first) + phases
    nothing = None if both else _nothing_to_do(conn, phase, found, steps, begun is not None and begun.phase is phase)
    engine_first = ((BACKUP,) if options.backup else ()) + (MEASURE,)
    planned = () if nothing else (*engine_first, *steps, PROVE)
    phases = () if nothing else ((phase,) * len(engine_first) + phases + (phase,))
    plan = Plan(
        phase=phase,
        from_version=SchemaVersion.V3 if both else version_from,
        to_version=version_to,
        steps=planned,
        findings=found.findings + _wrong_way(phase, found) + _changed_files(conn, phase),
        tables=found.tables,
        legacy_roles=found.legacy_roles,
        legacy_clients=found.legacy_clients,
        blockers=long_transactions(conn),
        archived_portfolios=found.archived_portfolios if phase is Phase.PHASE1 else (),
        nothing_to_do=nothing,
        expected=estimates(tuple(zip(phases, planned, strict=True)), found.tables, earlier_runs(conn)),
        run=begun,
    )
    if nothing:
        return plan
    if phase is Phase.ROLLBACK_V1 and found.version in (SchemaVersion.V2, SchemaVersion.V3):
        plan = replace(plan, merged=merge_preview(conn, options.keep))
        if not plan.refusals:
            plan = replace(plan, archived_portfolios=portfolios_to_archive(conn))
    made_already = begun is not None and begun.phase is phase and begun.backup is not None
    if options.backup and not made_already and not plan.refusals:
        estimate = estimate_backup(url, backup_dir(options, settings))
        plan = replace(plan, backup_bytes_estimate=estimate.needed, disk_free_bytes=estimate.free)
        plan = replace(plan, findings=(*backup_findings(estimate), *plan.findings))
    return plan


def backup_findings(estimate: Estimate) -> tuple[Finding, ...]:
    """The refusal where no backup can be made."""
    return () if estimate.obstacle is None else (NO_BACKUP_POSSIBLE(obstacle=estimate.obstacle),)


def backup_dir(options: Options, settings: Settings) -> Path:
    """Where this run's backup goes."""
    return options.backup_dir or settings.backup_dir


def _pending(conn: Connection, phase: Phase) -> tuple[Step, ...]:
    """The steps of the phase's file whose effect is not there yet."""
    return tuple(
        step
        for step in load_steps(phase)
        if is_true(conn, step.when, default=True) and not (step.done and is_true(conn, step.done))
    )


def _nothing_to_do(conn: Connection, phase: Phase, found: Survey, steps: Sequence[Step], begun: bool) -> str | None:
    """Why there is nothing to do; None if there is. Steps that leave no trace (ANALYZE, say) do not count alone."""
    traces = any(step.done for step in steps)
    version = found.version
    if phase is Phase.PHASE1 and (version == SchemaVersion.V3 or (version == SchemaVersion.V2 and not traces)):
        return f"Nothing to do: the database is {found.title} already."
    if phase is Phase.PHASE2 and version == SchemaVersion.V3 and not traces:
        return f"Nothing to do: the database is {found.title} already."
    if phase is Phase.ROLLBACK_V2 and (version == SchemaVersion.V1 or (version == SchemaVersion.V2 and not traces)):
        return f"Nothing to do: the database is {found.title}, not v3."
    if phase is Phase.ROLLBACK_V1 and version == SchemaVersion.V1 and not (begun or _remains(conn)):
        return f"Nothing to do: the database is {found.title} already."
    return None


def _remains(conn: Connection) -> bool:
    """Whether a v1 database holds something of an unfinished phase 1, or an unfinished rollback to v1."""
    return any(
        is_true(conn, query)
        for query in (
            "SELECT hk_migration.has_column('portfolio_positions', 'legacy_symbol')",
            "SELECT hk_migration.has_column('portfolios', 'archived_at')",
            "SELECT EXISTS (SELECT FROM hk_migration.v1_views())",
            "SELECT NOT hk_migration.constraint_valid('price_history_symbol_fkey')",
            "SELECT NOT hk_migration.constraint_valid('trading_signals_symbol_fkey')",
        )
    )


def _wrong_way(phase: Phase, found: Survey) -> tuple[Finding, ...]:
    if phase is Phase.PHASE2 and found.version == SchemaVersion.V1:
        return (PHASE2_FROM_V1(),)
    return ()


def _changed_files(conn: Connection, phase: Phase) -> tuple[Finding, ...]:
    """Files that are not what they were when this database last saw this phase."""
    earlier = runs.last_checksums(conn, phase)
    return tuple(
        FILE_CHANGED(file=name, phase=phase.value, since=f"{earlier[1]:%Y-%m-%d}")
        for name, digest in checksums(phase).items()
        if earlier and earlier[0].get(name, digest) != digest
    )


def open_plan(url: str, phase: Phase, options: Options, settings: Settings, conn: Connection) -> Plan:
    """`plan_phase`, with the project's own errors."""
    try:
        return plan_phase(conn, url, phase, options, settings)
    except psycopg2.Error as error:
        raise failure(conn, error) from None
