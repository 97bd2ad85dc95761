"""What an admin can do next, in the words of the pages: on System Status, whose controls do it, and elsewhere."""

from collections.abc import Mapping

from src.errors import Action, NextStep
from src.journal.model import Phase

_INIT = "On the server's command line: `python run_migration.py init --schema v1` (or v3)."
_RESUME_OR_UNDO = "Below, Resume goes on with it and Roll back undoes it."
HERE = {
    Action.INIT: _INIT,
    Action.CHECK: "The details are below.",
    Action.PHASE1: "Phase 1 can be started below.",
    Action.PHASE2: "Phase 2 can be started below.",
    Action.PHASE2_OR_UNDO: "v1 clients go on working. When they are retired, start Phase 2 below. {undo} undoes it.",
    Action.RESUME: "Resume, below, goes on with it.",
    Action.RESUME_OR_UNDO: _RESUME_OR_UNDO,
    Action.RESUME_OR_UNDO_LATER: f"When it is back: {_RESUME_OR_UNDO[0].lower()}{_RESUME_OR_UNDO[1:]}",
    Action.STOP_V1_CLIENTS: "Stop them, or tick the box at Resume, then resume. Roll back undoes the run.",
    Action.START_AGAIN: "When that is settled, start it again below.",
    Action.UNDO: "{undo}, below, undoes it.",
    Action.MAKE_VIEWS_AGAIN: "Roll back to v1 below, then run Phase 1 again.",
    Action.BACKUP: "Use Make a backup below.",
    Action.LIST_BACKUPS: "Those that are there are listed below.",
    Action.OTHER_BACKUP_DIR: "Name another folder in HK_STRATEGY_BACKUPS, in .env.",
    Action.REMOVE_SAMPLE: "Use Remove the sample data at the end of this page.",
}
_ADMIN = "An admin can settle it on System Status."
ELSEWHERE: Mapping[Action, str] = {
    Action.INIT: "An admin can create the tables on the server's command line.",
    Action.CHECK: "System Status says more.",
    Action.PHASE1: "An admin can run phase 1 on System Status.",
}


def words(step: NextStep | None, *, elsewhere: bool = False) -> str:
    """The words on System Status, or `elsewhere`; empty where there is nothing to do."""
    if step is None:
        return ""
    if elsewhere:
        return ELSEWHERE.get(step.action, _ADMIN)
    return HERE[step.action].format(undo=Phase(step.phase).opposite.label) if step.phase else HERE[step.action]


def from_json(record: object) -> NextStep | None:
    """The next step that a command has printed."""
    if not isinstance(record, dict) or record.get("action") not in [action.value for action in Action]:
        return None
    return NextStep(Action(record["action"]), str(record.get("phase", "")))
