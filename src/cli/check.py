"""`check`: the schema's version, what it can do, what to do next, and the health of every component."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from src.cli.context import Context, done
from src.cli.findings import MARKS, finding_lines, next_words
from src.cli.output import Ending
from src.cli.text import component_advice, current_run_lines, health_lines
from src.errors import (
    Action,
    DatabaseUnavailable,
    HKStrategyError,
    NextStep,
    NotAllowed,
    PrerequisiteError,
    TableLocked,
)
from src.health.model import SILENT, Component, Key, State
from src.health.monitor import inspect_once
from src.journal import runs
from src.journal.model import NEWER_PROGRAM, Phase, RunRecord
from src.migration import engine
from src.migration.findings import Severity
from src.migration.preflight.rules import rules
from src.postgres.errors import Reason, advice
from src.postgres.failures import READ, grants_of_all
from src.postgres.table_locks import TableLock, blocking_locks
from src.schema.versions import SchemaState, SchemaVersion, recommendations

T = TypeVar("T")

EMPTY_ADVICE = "python run_migration.py init --schema v1 (or v3) makes the tables; add --sample for sample data."


def cmd_check(context: Context) -> Ending:
    manager = context.manager()
    found = _inspect(context)
    health = {component.key: _report(component) for component in found}
    try:
        _refuse_silence(found)
        inspection = engine.inspect(context.url)
        info = manager.get_schema_info() if inspection.version is not None else {}
        obstacles = _obstacles(context.url)
    except (DatabaseUnavailable, NotAllowed, TableLocked):
        context.renderer.show("check", {"version": None, "health": health}, ["Health:", *health_lines(found), ""])
        raise
    run = _if_readable(lambda: runs.fetch_current_run(context.url))
    sample = bool(_if_readable(manager.is_sample_data))
    lines = [f"Schema: {inspection.title}", ""]
    if inspection.empty:
        lines += [f"  {EMPTY_ADVICE}", ""]
    if sample:
        lines += ["Sample data: yes. `python run_migration.py remove-sample` removes it.", ""]
    if run is not None:
        lines += [*current_run_lines(run), ""]
    lines += ["Health:", *health_lines(found)]
    capabilities = _feature_lines(info.get("capabilities"))
    if capabilities:
        lines += ["", "Features:", *capabilities]
    lines += _roles_lines(inspection.legacy_roles)
    if inspection.findings:
        lines += ["", "Noticed:", *finding_lines(inspection.findings)]
    recommended = _recommendations(manager.schema_state(), inspection, run) if info else []
    if recommended:
        lines += ["", "Recommended:", *(f"  - {text}" for text in recommended)]
    value = {
        "version": inspection.version,
        "title": inspection.title,
        "sample": sample,
        "health": health,
        "features": info.get("capabilities"),
        "recommendations": recommended,
        "findings": inspection.findings,
        "legacy_roles": inspection.legacy_roles,
        "tables": inspection.tables,
        "run": run,
        "locks": obstacles.locks,
        "missing_grants": obstacles.grants,
    }
    context.renderer.show("check", value, lines)
    return done("", value={"version": inspection.version, "title": inspection.title})


def _report(of: Component) -> dict[str, object]:
    """For programs, with the advice as a person reads it here."""
    return {**of.report(), "advice": component_advice(of)}


_RECOMMENDED = {SchemaVersion.V1: Phase.PHASE1, SchemaVersion.V2: Phase.PHASE2}


def _recommendations(state: SchemaState, inspection: engine.Inspection, run: RunRecord | None) -> list[str]:
    """What to do next; nothing that one of the findings refuses. The warning of the schema stands among those."""
    if run is not None and run.is_unfinished:
        return _about_run(run, inspection)
    phase = None if state.version is None else _RECOMMENDED.get(state.version)
    if phase is not None and _is_refused(phase, inspection):
        return [f"Settle what is marked {MARKS[Severity.REFUSAL]} above first: until then {phase} is refused."]
    found = [one for one in recommendations(state) if one.text != state.warning]
    return [" ".join(filter(None, (one.text, next_words(one.next_step)))) for one in found]


def _about_run(run: RunRecord, inspection: engine.Inspection) -> list[str]:
    """Nothing else is possible before that run has ended."""
    if run.is_running:
        return [f"Wait until run {run.run_id} ({run.phase}) has ended, or pause it."]
    if not run.phase.is_known:
        return [NEWER_PROGRAM]
    if _is_refused(run.phase, inspection):
        return [f"Settle what is marked {MARKS[Severity.REFUSAL]} above first: until then resume is refused."]
    return [f"End run {run.run_id} ({run.phase}) first. {next_words(NextStep(Action.RESUME_OR_UNDO, run.phase))}"]


def _is_refused(phase: Phase, inspection: engine.Inspection) -> bool:
    return any(
        finding.severity is Severity.REFUSAL and phase in rules()[finding.code].phases
        for finding in inspection.findings
    )


@dataclass(frozen=True)
class _Obstacles:
    """What keeps this role from reading, for programs: locks of others, and the GRANT statements that it lacks."""

    locks: tuple[TableLock, ...]
    grants: tuple[str, ...]


def _obstacles(url: str) -> _Obstacles:
    with runs.reading_session(url) as conn:
        return _Obstacles(blocking_locks(conn), grants_of_all(conn, READ))


def _if_readable(read: Callable[[], T]) -> T | None:
    """What `read` says; None where this role may not read it, somebody has locked it, or a newer version of the program
    has changed it: what is missing is shown."""
    try:
        return read()
    except (NotAllowed, TableLocked, PrerequisiteError):
        return None


def _refuse_silence(found: Sequence[Component]) -> None:
    """A server that is reached, and does not answer, need not be waited for again."""
    for part in found:
        if part.key is Key.DATABASE and SILENT in part.details and part.state is State.DOWN:
            raise DatabaseUnavailable(part.message, reason=Reason.SILENT, advice=advice(Reason.SILENT))


def _inspect(context: Context) -> tuple[Component, ...]:
    with suppress(HKStrategyError):  # what is wrong is a part of what is seen
        context.url  # noqa: B018  an embedded server takes its time to start, which no probe waits for
    return inspect_once(context.settings, lambda: context.url, context.manager().cache_status)


def _feature_lines(capabilities: object) -> list[str]:
    """What the schema can do, and what it cannot, with the reason where there is one."""
    if isinstance(capabilities, Mapping):
        lines = []
        for name, value in capabilities.items():
            text = "yes" if value is True else "no" if value is False else str(value)
            lines.append(f"  {str(name).replace('_', ' '):<24} {text}")
        return lines
    return [f"  {text}" for text in _texts(capabilities)]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, Sequence) else []


def _roles_lines(roles: Sequence[str]) -> list[str]:
    return ["", f"v1 clients connect as: {', '.join(roles)}"] if roles else []
