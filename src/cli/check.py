"""`check`: the schema's version, what it can do, what to do next, and the health of every component."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from src.cli.context import Context, done
from src.cli.findings import MARKS, finding_lines, next_words
from src.cli.output import Ending
from src.cli.text import component_advice, current_run_lines, health_lines
from src.errors import DatabaseUnavailable, HKStrategyError, NotAllowed, PrerequisiteError, TableLocked
from src.health.model import SILENT, Component, Key, State
from src.health.monitor import inspect_once
from src.journal import runs
from src.migration import engine
from src.migration.findings import Severity
from src.migration.recommendations import Recommendation
from src.postgres.errors import Reason, advice
from src.postgres.failures import READ, grants_of_all
from src.postgres.table_locks import TableLock, blocking_locks
from src.schema.versions import features

T = TypeVar("T")

EMPTY_ADVICE = "python run_migration.py init --schema v1 (or v3) makes the tables; add --sample for sample data."


def cmd_check(context: Context) -> Ending:
    manager = context.manager()
    found = _inspect(context)
    health = {component.key: _report(component) for component in found}
    try:
        _refuse_silence(found)
        inspection = engine.inspect(context.url, context.backup_dir)
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
    able = None if inspection.version is None else features(inspection.state)
    if able is not None:
        lines += ["", "Features:", *_feature_lines(able)]
    lines += _roles_lines(inspection.legacy_roles)
    if inspection.findings:
        lines += ["", "Noticed:", *finding_lines(inspection.findings)]
    recommended = [] if inspection.version is None else [_recommended(inspection.recommendation)]
    if recommended:
        lines += ["", "Recommended:", *(f"  - {text}" for text in recommended)]
    value = {
        "version": inspection.version,
        "title": inspection.title,
        "sample": sample,
        "health": health,
        "features": able,
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


def _recommended(found: Recommendation) -> str:
    """Where it stands here what is in the way, and what to type."""
    if not found.refused:
        return " ".join(filter(None, (found.text, next_words(found.next_step))))
    marks = " or ".join(dict.fromkeys(MARKS[one.severity] for one in found.obstacles))
    if all(one.severity is not Severity.REFUSAL for one in found.obstacles):
        return f"Wait until what is marked {marks} above is settled: until then {found.refused} cannot begin."
    return f"Settle what is marked {marks} above first: until then {found.refused} is refused."


@dataclass(frozen=True)
class _Obstacles:
    """What keeps this role from reading, for programs: locks of others, and the GRANT statements that it lacks."""

    locks: tuple[TableLock, ...]
    grants: tuple[str, ...]


def _obstacles(url: str) -> _Obstacles:
    with runs.reading_session(url) as conn:
        return _Obstacles(blocking_locks(conn), grants_of_all(conn, READ))


def _if_readable(read: Callable[[], T]) -> T | None:
    """What `read` says; None where this role may not read it, somebody has locked it, or a part of it is gone or
    changed: what is missing is shown."""
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


def _feature_lines(able: Mapping[str, object]) -> list[str]:
    """What the schema can do, and what it cannot."""
    return [f"  {name.replace('_', ' '):<24} {'yes' if has else 'no'}" for name, has in able.items()]


def _roles_lines(roles: Sequence[str]) -> list[str]:
    return ["", f"v1 clients connect as: {', '.join(roles)}"] if roles else []
