"""The interface of the migration for the command line and the dashboard: inspect, plan, run, resume, pause."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors

from src.config import Settings
from src.errors import (
    Action,
    DatabaseUnavailable,
    MigrationError,
    NextStep,
    NotAllowed,
    PrerequisiteError,
    ProofFailed,
    RunPaused,
    TableLocked,
)
from src.journal import runs
from src.journal.model import (
    NEWER_PROGRAM,
    VERSION_TITLES,
    Event,
    EventKind,
    Keep,
    OutcomeState,
    Phase,
    RunOutcome,
    RunRecord,
    RunState,
)
from src.journal.run_lock import acquire_run_lock, wait_for_orphaned_backend
from src.journal.runs import fetch_current_run, reading_session
from src.migration.findings import PlanRefused
from src.migration.inspection import Inspection, inspect, lacking_rights, make_plan
from src.migration.model import Options, Plan
from src.migration.plan.planner import configure, open_plan
from src.migration.preflight.rights_rules import Need
from src.migration.run.execution import Execution
from src.migration.run.rights import refused_right
from src.migration.run.runner import OnEvent, work_session
from src.migration.steps import checksums
from src.postgres import errors
from src.postgres.connection import Connection, connect, redact
from src.postgres.failures import READ_AND_ADD, failure, missing_grants, not_allowed
from src.schema import own_schema
from src.schema.versions import SchemaVersion

__all__ = [
    "Inspection", "end_unbegun", "inspect", "lacking_rights", "make_plan", "refuse", "request_pause", "resume", "run",
]  # fmt: skip

LOCK_WAIT = "5s"  # a run that nobody can record does not begin


def run(url: str, phase: Phase, options: Options, settings: Settings, on_event: OnEvent) -> RunOutcome:
    """Execute a phase. An unfinished run of the same phase is resumed.

    Raises PrerequisiteError (nothing touched), RunInProgress, RunPaused (resumable), ProofFailed, MigrationError,
    DatabaseUnavailable.
    """
    _end_orphaned_backend(url)
    with _exclusive(url) as work:
        plan = open_plan(url, phase, options, settings, work)
        if plan.nothing_to_do:
            _close_unbegun(work, phase)
            return RunOutcome(None, phase, OutcomeState.NOTHING, plan.nothing_to_do, None, 0.0)
        refuse(plan)
        if plan.from_version == SchemaVersion.V3 and phase is Phase.ROLLBACK_V1:
            return _both_rollbacks(url, work, options, settings, on_event)
        return _begin(url, work, plan, options, settings, on_event)


def end_unbegun(url: str, phase: Phase) -> int | None:
    """Where `phase` has nothing to do: end the run that it would have undone, if one did not end. Returns its number.

    Raises RunInProgress, DatabaseUnavailable.
    """
    if not _unbegun(fetch_current_run(url), phase):
        return None
    _end_orphaned_backend(url)
    with _exclusive(url) as work:
        return _close_unbegun(work, phase)


def resume(url: str, options: Options, settings: Settings, on_event: OnEvent) -> RunOutcome:
    """Resume the unfinished run, with the options it was started with. Raises as `run` does."""
    _end_orphaned_backend(url)
    with _exclusive(url) as work:
        open_run = runs.unfinished_run(runs.read_runs(work, limit=1))
        if open_run is None:
            message = "Nothing to do: no run is paused or interrupted."
            return RunOutcome(None, Phase.PHASE1, OutcomeState.NOTHING, message, None, 0.0)
        stored, _ = runs.read_inputs(work, open_run.run_id)
        options = _stored_options(stored, options, open_run)
        if _half_done(open_run):
            return _second_half(url, work, options, settings, on_event)
        plan = open_plan(url, open_run.phase, options, settings, work)
        refuse(plan)
        outcome = _begin(url, work, replace(plan, nothing_to_do=None), options, settings, on_event)
        return _second_half(url, work, options, settings, on_event) if options.then_v1 else outcome


def request_pause(url: str, by: str) -> RunRecord | None:
    """Ask the run that is running, in any process, to stop at its next safe point. `by`: who asks.

    Returns that run, or None where there is none. Raises DatabaseUnavailable.
    """
    with reading_session(url, READ_AND_ADD, only=()) as conn:
        record = runs.unfinished_run(runs.read_runs(conn, limit=1))
        if record is None or not record.is_running:
            return None
        if runs.pause_asked_by(conn, record.run_id) is None:
            asked = Event(runs.now(), record.run_id, EventKind.PAUSE, None, f"{by} asks for a pause", detail={"by": by})
            with conn.cursor() as cursor:
                own_schema.known(cursor)
            _note(conn, asked)
        return record


def refuse(plan: Plan) -> None:
    """Raise PlanRefused with every refusal of the plan, if it has any."""
    if plan.refusals:
        raise PlanRefused(plan.refusals)


def _begin(
    url: str, work: Connection, plan: Plan, options: Options, settings: Settings, on_event: OnEvent
) -> RunOutcome:
    _prepare(work, plan)
    configure(work, plan.legacy_roles, options)
    earlier = runs.unfinished_run(runs.read_runs(work, limit=1))
    if earlier is not None and _half_done(earlier):
        earlier = None
    resumed = earlier is not None and earlier.phase is plan.phase
    with _journal_connection(url) as journal:
        stored_sums: dict[str, str] = {}
        if resumed and earlier is not None:
            run_id, stored_sums = earlier.run_id, runs.read_inputs(work, earlier.run_id)[1]
        else:
            run_id = _record_run(journal, plan, options, settings)
        execution = Execution(url, work, journal, run_id, plan, options, settings, on_event)
        execution.open(resumed, _changed_files(stored_sums, checksums(plan.phase)))
        return _finish(execution, earlier, resumed, url)


def _record_run(journal: Connection, plan: Plan, options: Options, settings: Settings) -> int:
    """Record the run before its first step. Returns its id."""
    return runs.start_run(
        journal,
        plan.phase,
        from_version=plan.from_version,
        to_version=plan.to_version,
        options=asdict(options) | {"legacy_roles": plan.legacy_roles},
        steps=[{"name": step.name, "title": step.title, "kind": step.kind.value} for step in plan.steps],
        sql_files=checksums(plan.phase),
        acting_for=settings.acting_for,
    )


def _finish(execution: Execution, earlier: RunRecord | None, resumed: bool, url: str) -> RunOutcome:
    """Execute, and record the outcome, which is the last event of every run. Raises as `run` does."""
    phase = execution.plan.phase
    advice = NextStep(Action.RESUME_OR_UNDO, phase)
    started = time.monotonic()
    try:
        execution.proof = tuple(execution.execute())
    except RunPaused as error:
        advice = error.next_step or advice
        execution.end(OutcomeState.PAUSED, f"Paused: {error}", advice, time.monotonic() - started)
        raise RunPaused(f"Paused: {error}", advice) from None
    except ProofFailed as error:
        execution.end(OutcomeState.FAILED, str(error), advice, time.monotonic() - started)
        raise ProofFailed(str(error), advice) from None
    except KeyboardInterrupt:
        execution.end(OutcomeState.PAUSED, "Paused: interrupted.", advice, time.monotonic() - started)
        raise RunPaused("Paused: interrupted.", advice) from None
    except (MigrationError, DatabaseUnavailable, NotAllowed, TableLocked, psycopg2.Error) as error:
        refused = execution.refused_right(error)
        said = refused or error
        raw = f"{errors.server_text_and_detail(said)}." if isinstance(said, psycopg2.Error) else str(said)
        text = redact(" ".join(raw.split()), url)
        if refused is not None and execution.touched:
            execution.end(OutcomeState.PAUSED, f"Paused: {text}", advice, time.monotonic() - started)
            raise RunPaused(f"Paused: {text}", advice) from None
        if isinstance(error, DatabaseUnavailable) or execution.server_is_gone:
            advice = NextStep(Action.RESUME_OR_UNDO_LATER, phase)
            execution.end(
                OutcomeState.PAUSED, f"Paused: the server went away: {text}", advice, time.monotonic() - started
            )
            raise RunPaused(f"Paused: the server went away ({text}).", advice) from None
        if not execution.touched and (earlier is None or resumed):
            # Nothing is left to resume or to undo: the run is over.
            message = f"Failed before its first step, the database is as it was: {text}"
            again = NextStep(Action.START_AGAIN, phase)
            execution.end(OutcomeState.UNDONE, message, again, time.monotonic() - started)
            raise (PrerequisiteError if isinstance(error, PrerequisiteError) else MigrationError)(
                message, again
            ) from None
        execution.end(OutcomeState.FAILED, f"Failed: {text}", advice, time.monotonic() - started)
        raise MigrationError(f"Failed, and all before the failed step stays: {text}", advice) from None
    if earlier is not None and not resumed:
        execution.undone(earlier.run_id)
    name = f"{phase.value[0].upper()}{phase.value[1:]}"
    message = f"{name} is complete: the database is {VERSION_TITLES[execution.plan.to_version]}."
    return execution.end(OutcomeState.DONE, message, _next_step(phase), time.monotonic() - started)


def _unbegun(open_run: RunRecord | None, phase: Phase) -> bool:
    """Whether `phase`, which has nothing to do, would undo the unfinished run."""
    return open_run is not None and open_run.phase.opposite is phase


def _close_unbegun(work: Connection, phase: Phase) -> int | None:
    """End the unfinished run that was killed before its first step: it left nothing to undo. Returns its id."""
    open_run = runs.unfinished_run(runs.read_runs(work, limit=1))
    if open_run is None or not _unbegun(open_run, phase):
        return None
    message = f"Undone: {phase.value} found nothing to undo"
    _note(work, Event(runs.now(), open_run.run_id, EventKind.OUTCOME, None, message, detail={"state": RunState.UNDONE}))
    return open_run.run_id


def _note(conn: Connection, event: Event) -> None:
    """Record one event of a run that this process does not execute. `conn`: in autocommit. Raises NotAllowed."""
    try:
        runs.add_event(conn, event)
    except psycopg2.errors.InsufficientPrivilege as error:
        grants = missing_grants(conn, "hk_migration", {"event": ("SELECT", "INSERT")}, sequences=False)
        raise not_allowed(error, grants) from None


def _both_rollbacks(url: str, work: Connection, options: Options, settings: Settings, on_event: OnEvent) -> RunOutcome:
    """Roll back from v3 to v1: two runs, one after the other, with one backup."""
    options = replace(options, then_v1=True)
    first = open_plan(url, Phase.ROLLBACK_V2, options, settings, work)
    refuse(first)
    _begin(url, work, first, options, settings, on_event)
    return _second_half(url, work, options, settings, on_event)


def _second_half(url: str, work: Connection, options: Options, settings: Settings, on_event: OnEvent) -> RunOutcome:
    options = replace(options, backup=False, then_v1=False)
    second = open_plan(url, Phase.ROLLBACK_V1, options, settings, work)
    refuse(second)
    return _begin(url, work, second, options, settings, on_event)


def _half_done(run_: RunRecord) -> bool:
    """Whether the first half of a rollback from v3 to v1 is complete, and the second half has not begun."""
    return run_.state in (RunState.INTERRUPTED, RunState.RUNNING) and run_.finished_at is not None


def _prepare(work: Connection, plan: Plan) -> None:
    """Create schema hk_migration or bring it up to date, in one transaction.

    Raises TableLocked where somebody keeps runs from being recorded there.
    """
    try:
        with work.cursor() as cur:
            cur.execute("BEGIN")
            cur.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_WAIT,))
            runs.ensure_own_schema(work)
            cur.execute("LOCK TABLE hk_migration.run, hk_migration.event IN ROW EXCLUSIVE MODE")
            cur.execute("COMMIT")
    except psycopg2.errors.LockNotAvailable as error:
        work.cursor().execute("ROLLBACK")
        raise failure(work, error, READ_AND_ADD, only=()) from None
    except psycopg2.errors.InsufficientPrivilege as error:
        work.cursor().execute("ROLLBACK")
        need = Need(frozenset({plan.phase}), plan.legacy_roles, multi=True, dumped=False)
        raise PrerequisiteError(f"Nothing was touched. {refused_right(work, error, need)}") from None


def _next_step(phase: Phase) -> NextStep:
    return NextStep(Action.PHASE2_OR_UNDO if phase is Phase.PHASE1 else Action.UNDO, phase)


def _changed_files(stored: dict[str, str], now: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, digest in stored.items() if name in now and now[name] != digest)


def _stored_options(stored: dict[str, Any], given: Options, run_: RunRecord) -> Options:
    """Options that decide what the run does are those of its start. Those on how it waits may be given again.

    Raises PrerequisiteError where they cannot be read.
    """
    missing = [key for key in ("keep", "restore_archive", "legacy_roles", "backup", "backup_dir", "force")
               if key not in stored]  # fmt: skip
    if missing:
        raise PrerequisiteError(
            f"Run {run_.run_id} cannot be resumed: what it was started with is not recorded ({', '.join(missing)}).",
            NextStep(Action.UNDO, run_.phase),
        )
    return replace(
        given,
        keep=Keep.stored(stored["keep"]),
        restore_archive=bool(stored["restore_archive"]),
        then_v1=bool(stored.get("then_v1", False)),
        legacy_roles=given.legacy_roles or tuple(stored["legacy_roles"]),
        backup=bool(stored["backup"]) and given.backup,
        backup_dir=given.backup_dir or (Path(stored["backup_dir"]) if stored["backup_dir"] else None),
        force=given.force or bool(stored["force"]),
    )


def _end_orphaned_backend(url: str) -> None:
    with reading_session(url) as conn:
        wait_for_orphaned_backend(conn)


@contextmanager
def _journal_connection(url: str) -> Iterator[Connection]:
    conn = connect(url, purpose="journal", autocommit=True)
    try:
        yield conn
    finally:
        conn.close()


@contextmanager
def _exclusive(url: str) -> Iterator[Connection]:
    """The work session, holding the run lock.

    Raises RunInProgress (whose run, since when), and PrerequisiteError where the unfinished run is of an unknown phase,
    a newer version of the program has worked here, schema hk_migration is not whole, or it may not be read.
    """
    with work_session(url) as conn:
        acquire_run_lock(conn)
        with conn.cursor() as cursor:
            own_schema.check_whole(cursor, own_schema.Part.JOURNAL)
        try:
            newest = runs.unfinished_run(runs.read_runs(conn, limit=1))
        except psycopg2.errors.InsufficientPrivilege as error:
            raise PlanRefused(lacking_rights(url)) from error
        if newest is not None and not newest.phase.is_known:
            raise PrerequisiteError(
                f"Run {newest.run_id} ({newest.phase}) {newest.standing}, and this program does not know that phase. "
                f"{NEWER_PROGRAM}"
            )
        yield conn
