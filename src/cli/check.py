"""`check`: the schema's version, what it can do, what to do next, and the health of every component."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from src.cli.context import Context, done
from src.cli.findings import finding_lines
from src.cli.output import Ending
from src.cli.text import current_run_lines, health_lines
from src.errors import DatabaseUnavailable, HKStrategyError
from src.health.model import SILENT, Component, State
from src.journal import runs
from src.migration import engine

EMPTY_ADVICE = "python run_migration.py init --schema v1 (or v3) makes the tables; add --sample for sample data."


def cmd_check(context: Context) -> Ending:
    manager = context.services.manager(context.settings)
    found = _look(context)
    health = {component.key: component.report() for component in found}
    try:
        _refuse_silence(found)
        inspection = engine.inspect(context.url)
        info = manager.get_schema_info() if inspection.version is not None else {}
        run = runs.fetch_current_run(context.url)
        sample = manager.is_sample_data()
    except DatabaseUnavailable:
        context.renderer.show("check", {"version": None, "health": health}, ["Health:", *health_lines(found), ""])
        raise
    lines = [f"Schema: {inspection.title}", ""]
    if inspection.version is None and not inspection.tables:
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
    recommendations = [text for text in _texts(info.get("migration_recommendations")) if text != info.get("warning")]
    if recommendations:
        lines += ["", "Recommended:", *(f"  - {text}" for text in recommendations)]
    value = {
        "version": inspection.version,
        "title": inspection.title,
        "sample": sample,
        "health": health,
        "features": info.get("capabilities"),
        "recommendations": recommendations,
        "findings": inspection.findings,
        "legacy_roles": inspection.legacy_roles,
        "tables": inspection.tables,
        "run": run,
    }
    context.renderer.show("check", value, lines)
    return done("", value={"version": inspection.version, "title": inspection.title})


def _refuse_silence(found: Sequence[Component]) -> None:
    """A server that is reached, and says nothing, need not be waited for again."""
    for part in found:
        if part.key == "database" and SILENT in part.details and part.state is State.DOWN:
            raise DatabaseUnavailable(part.message)


def _look(context: Context) -> tuple[Component, ...]:
    with suppress(HKStrategyError):  # what is wrong is a part of what is seen
        context.url  # noqa: B018  an embedded server takes its time to start, which no look waits for
    return context.services.look(context.settings, lambda: context.url)


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
