"""How a command ends: exit codes, and the words for errors."""

import sys
from collections.abc import Sequence
from contextlib import suppress

from src.cli.findings import advice, next_words
from src.cli.output import Ending, choose_renderer
from src.errors import (
    Action,
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
from src.logs import Redact, mask
from src.migration.findings import PlanRefused
from src.postgres.connection import redact as redact_url

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_PREREQUISITE, EXIT_BUSY = range(5)


def ending_of(error: HKStrategyError, within: str = "") -> Ending:
    """The exit code and the words for an error that this project raises on purpose. `within`: the command."""
    code, state, message, step = EXIT_PREREQUISITE, OutcomeState.REFUSED, str(error), error.next_step
    text, neutral = next_words(step, within=within), ""
    value: object = None
    match error:
        case RunPaused():
            step = step or NextStep(Action.RESUME)
            code, state, text = EXIT_FAILED, OutcomeState.PAUSED, next_words(step)
        case RunInProgress():
            code, state = EXIT_BUSY, OutcomeState.BUSY
        case PlanRefused():
            reasons = " ".join(f"{finding.title} {advice(finding)}" for finding in error.findings)
            message, value = f"Nothing was touched. {reasons}", {"findings": error.findings}
        case MigrationError():
            code = error.exit_code
            state = OutcomeState.REFUSED if code == EXIT_PREREQUISITE else OutcomeState.FAILED
        case EmbeddedUnavailable():
            code, state, neutral = EXIT_FAILED, OutcomeState.FAILED, EMBEDDED_ADVICE
        case DatabaseUnavailable():
            code, state, neutral = EXIT_FAILED, OutcomeState.FAILED, error.advice
        case TableLocked():
            code, state = EXIT_FAILED, OutcomeState.FAILED
    return Ending(code, state, message, text, value, step, neutral)


def refuse_usage(error: Exception, argv: Sequence[str]) -> int:
    """Show what is wrong with the command line, before its options are known. Returns the exit code."""
    ending = Ending(EXIT_USAGE, OutcomeState.USAGE, str(error))
    choose_renderer(as_json="--json" in argv, redact=mask).end(ending, None)
    return EXIT_USAGE


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
