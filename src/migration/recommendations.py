"""What an admin should do next: by the schema version, what the preflight has found, and the run that has not ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.errors import Action, NextStep
from src.journal.model import NEWER_PROGRAM, Phase, RunRecord
from src.migration.findings import Finding, Severity
from src.migration.preflight.rules import rules
from src.migration.preflight.survey import HOLDS_UP
from src.schema.versions import SchemaState, SchemaVersion

_NEXT = {
    SchemaVersion.V1: (
        Phase.PHASE1,
        "Run phase 1 to have several portfolios; v1 clients go on working.",
        Action.PHASE1,
    ),
    SchemaVersion.V2: (Phase.PHASE2, "When no v1 client is left, run phase 2 to complete the schema.", Action.PHASE2),
}


@dataclass(frozen=True)
class Recommendation:
    """`text` says what and why, `next_step` with what. `refused`: what cannot begin before `obstacles` are settled;
    then `text` is empty, since each face says in its own words where those stand."""

    text: str = ""
    next_step: NextStep | None = None
    refused: str = ""
    obstacles: tuple[Finding, ...] = ()


def recommend(
    state: SchemaState, findings: Sequence[Finding], run: RunRecord | None, *, runs_hidden: bool = False
) -> Recommendation:
    """The one thing to do next. `findings`: of a survey for whatever may come next. `run`: the unfinished one;
    `runs_hidden`: whether there is one may not be read."""
    if run is not None and run.is_unfinished:
        return _about_run(run, findings)
    if state.empty:
        return Recommendation("The database is empty: create its tables.", NextStep(Action.INIT))
    if state.version is None:
        return Recommendation(state.warning or "This database is not recognised.")
    if state.version not in _NEXT:
        return Recommendation("Nothing to do: this is the newest schema.")
    phase, text, action = _NEXT[state.version]
    obstacles = _obstacles(phase, findings)
    if not obstacles:
        return Recommendation(text, NextStep(action))
    refused = f"{phase} (or resume, where a run has not ended)" if runs_hidden else phase
    return Recommendation(refused=refused, obstacles=obstacles)


def _about_run(run: RunRecord, findings: Sequence[Finding]) -> Recommendation:
    """Nothing else is possible before that run has ended."""
    if run.is_running:
        return Recommendation(f"Wait until run {run.run_id} ({run.phase}) has ended, or pause it.")
    if not run.phase.is_known:
        return Recommendation(NEWER_PROGRAM)
    obstacles = _obstacles(run.phase, findings)
    if obstacles:
        return Recommendation(refused="resume", obstacles=obstacles)
    return Recommendation(f"End run {run.run_id} ({run.phase}) first.", NextStep(Action.RESUME_OR_UNDO, run.phase))


def _obstacles(phase: Phase, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What keeps this phase from beginning now."""
    return tuple(
        finding
        for finding in findings
        if (finding.severity is Severity.REFUSAL or finding.code in HOLDS_UP) and phase in rules()[finding.code].phases
    )
