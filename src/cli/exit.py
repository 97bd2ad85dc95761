"""How a command ends: exit codes, and the words for errors."""

import sys
from collections.abc import Sequence
from contextlib import suppress

from src.cli.findings import advice
from src.cli.output import Ending
from src.errors import (
    CapabilityMissing,
    DatabaseUnavailable,
    EmbeddedUnavailable,
    HKStrategyError,
    MigrationError,
    NextStep,
    RunInProgress,
    RunPaused,
    TableLocked,
)
from src.health.server import EMBEDDED_ADVICE
from src.journal.model import OutcomeState
from src.logs import Redact
from src.migration.findings import PlanRefused
from src.postgres.connection import redact as redact_url

NEXT_STEPS = {
    NextStep.INIT: "Create the tables: python run_migration.py init --schema v1 (or v3).",
    NextStep.CHECK: "See what differs: python run_migration.py check.",
    NextStep.PHASE1: "Type: python run_migration.py phase1.",
}
EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_PREREQUISITE, EXIT_BUSY = range(5)


def ending_of(error: HKStrategyError) -> Ending:
    """The exit code and the words for an error that this project raises on purpose."""
    if isinstance(error, RunPaused):
        hint = error.next_step or "To go on: python run_migration.py resume"
        return Ending(EXIT_FAILED, OutcomeState.PAUSED, str(error), hint)
    if isinstance(error, RunInProgress):
        return Ending(EXIT_BUSY, OutcomeState.BUSY, str(error))
    if isinstance(error, PlanRefused):
        reasons = " ".join(f"{finding.title} {advice(finding)}" for finding in error.findings)
        return Ending(EXIT_PREREQUISITE, OutcomeState.REFUSED, f"Nothing was touched. {reasons}")
    if isinstance(error, MigrationError):
        state = OutcomeState.REFUSED if error.exit_code == EXIT_PREREQUISITE else OutcomeState.FAILED
        return Ending(error.exit_code, state, str(error), error.next_step)
    if isinstance(error, EmbeddedUnavailable):
        return Ending(EXIT_FAILED, OutcomeState.FAILED, str(error), EMBEDDED_ADVICE)
    if isinstance(error, DatabaseUnavailable):
        return Ending(EXIT_FAILED, OutcomeState.FAILED, str(error), error.advice)
    if isinstance(error, CapabilityMissing) and error.next_step is not None:
        return Ending(EXIT_PREREQUISITE, OutcomeState.REFUSED, str(error), NEXT_STEPS[error.next_step])
    if isinstance(error, TableLocked):
        return Ending(EXIT_FAILED, OutcomeState.FAILED, str(error))
    return Ending(EXIT_PREREQUISITE, OutcomeState.REFUSED, str(error))


def redactor(*urls: str | None) -> Redact:
    """Masks the passwords of these URLs in any text."""
    known = [url for url in urls if url]

    def redact(text: str) -> str:
        for url in known:
            text = redact_url(text, url)
        return text

    return redact


def without_url(argv: Sequence[str]) -> list[str]:
    """The arguments as they may be written to a log."""
    shown: list[str] = []
    hide = False
    for argument in argv:
        shown.append("****" if hide else "--database-url=****" if argument.startswith("--database-url=") else argument)
        hide = argument == "--database-url"
    return shown


def flush_output() -> None:
    """Before the process ends, so that a closed pipe does not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
