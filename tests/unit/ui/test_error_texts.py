"""What a page says of an error, and of a command that has ended, in words of its own."""

import io
import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from src.cli.exit import ending_of
from src.cli.output import JsonRenderer
from src.errors import Action, BackupError, DatabaseUnavailable, HKStrategyError, NextStep, RunPaused, TableLocked
from src.journal.model import Phase
from src.migration.findings import Choice, Choose, Finding, PlanRefused, Severity
from src.ui.system_status.migration.run_view import outcome_text


def outcome(error: HKStrategyError) -> dict[str, Any]:
    """The last record of a command that ended so, as a page reads it."""
    out = io.StringIO()
    JsonRenderer(out).end(ending_of(error), None)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_a_paused_run_is_worded_on_each_face() -> None:
    ended = outcome(RunPaused("Paused: tom asked for it.", NextStep(Action.RESUME_OR_UNDO, Phase.PHASE2)))
    assert ended["next_step"] == (
        "Type: python run_migration.py resume (to go on) or python run_migration.py rollback --to v2 (to undo)."
    )
    assert ended["next"] == {"action": "resume-or-undo", "phase": "phase2"}
    assert outcome_text(ended) == "Paused: tom asked for it. Below, Resume goes on with it and Roll back undoes it."


def test_v1_clients_that_came_meanwhile_are_an_option_there_and_a_box_here() -> None:
    ended = outcome(RunPaused("v1 clients have connected.", NextStep(Action.STOP_V1_CLIENTS, Phase.PHASE2)))
    assert "resume --force" in ended["next_step"]
    assert outcome_text(ended) == (
        "v1 clients have connected. Stop them, or tick the box at Resume, then resume. Roll back undoes the run."
    )


def test_a_refused_plan_names_the_option_there_and_the_control_here() -> None:
    finding = Finding(
        "backup", Severity.REFUSAL, "There is no room.", "Make room.", remedies=(Choose(Choice.BACKUP_DIR),)
    )
    ended = outcome(PlanRefused((finding,)))
    assert ended["message"] == (
        "Nothing was touched. There is no room. Make room. Choose another place with --backup-dir."
    )
    assert outcome_text(ended) == "Nothing was touched. There is no room. Make room. Choose another folder below."


def test_advice_that_holds_on_both_faces_is_kept() -> None:
    ended = outcome(DatabaseUnavailable("PostgreSQL does not answer.", advice="Start PostgreSQL."))
    assert ended["next_step"] == "Start PostgreSQL."
    assert outcome_text(ended) == "PostgreSQL does not answer. Start PostgreSQL."


def test_a_backup_that_is_not_there() -> None:
    ended = outcome(BackupError("There is no backup x.", NextStep(Action.LIST_BACKUPS)))
    assert ended["next_step"] == "`python run_migration.py backups` lists them."
    assert outcome_text(ended) == "There is no backup x. Those that are there are listed below."


def test_check_does_not_send_anybody_to_check() -> None:
    locked = TableLocked("A table is locked.", NextStep(Action.CHECK))
    assert "run_migration.py check" in ending_of(locked, "backup").next_step
    assert ending_of(locked, "check").next_step == ""


@pytest.mark.parametrize(("here", "more"), [(False, "System Status says more."), (True, "The details are below.")])
def test_a_page_says_where_more_is_to_be_found(here: bool, more: str) -> None:
    def script() -> None:
        from src.errors import Action, NextStep, TableLocked
        from src.ui.widgets import components

        with components.error_boundary():
            raise TableLocked("A table is locked.", NextStep(Action.CHECK))

    app = AppTest.from_function(script, default_timeout=60)
    app.session_state["hk_on_system_status"] = here
    app.run()
    assert [error.value for error in app.error] == [f"A table is locked. {more}"]
