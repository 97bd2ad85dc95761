"""run_migration.py from inside: settings, log, command, exit code. Errors become sentences here, and only here."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg2

from src.cli.commands import COMMANDS
from src.cli.context import Context
from src.cli.exit import EXIT_FAILED, ending_of, redactor, refuse_usage, without_url
from src.cli.findings import next_words
from src.cli.output import Ending, Renderer, choose_renderer
from src.cli.parser import ASKING, Arguments, UsageError, parse
from src.config import Settings, load_settings
from src.errors import Action, HKStrategyError, MigrationError, NextStep
from src.journal.model import OutcomeState
from src.logs import report_unexpected_errors, start_run_log, stop_run_log
from src.postgres import errors

# These change something, or take long: each has a log file of its own.
LOGGED = (
    "init", "phase1", "phase2", "rollback", "resume", "backup", "verify", "restore", "delete", "prune", "remove-sample",
)  # fmt: skip

SEE_STATE = NextStep(Action.CHECK)

log = logging.getLogger("hk_strategy.cli")


def run_command(argv: Sequence[str]) -> int:
    """Run one command. Returns the exit code; everything has been said."""
    try:
        arguments = parse(argv)
        _refuse_pipe(arguments)
    except UsageError as error:
        return refuse_usage(error, argv)
    if arguments.database_url is not None:
        # For everything from here on, children included: no part of the tool may use another database.
        os.environ["DATABASE_URL"] = arguments.database_url
    renderer = choose_renderer(as_json=arguments.json, redact=redactor(os.environ.get("DATABASE_URL")))
    log_file: Path | None = None
    try:
        settings = load_settings()
        redact = redactor(settings.database_url, settings.redis_url)
        renderer = choose_renderer(as_json=arguments.json, redact=redact)
        if arguments.command in LOGGED:
            log_file = start_run_log(settings.log_dir, arguments.command, redact)
            log.info("run_migration.py %s", " ".join(without_url(argv)))
        report_unexpected_errors(redact, log_file, partial(_say_unexpected, renderer, log_file, arguments.command))
        ending = _attempt(arguments, settings, renderer)
    except HKStrategyError as error:
        ending = ending_of(error)
    log.info("exit code %d, %s: %s %s", ending.exit_code, ending.state, ending.message, ending.next_step)
    renderer.end(ending, log_file)
    if log_file is not None:
        stop_run_log(log_file)
    return ending.exit_code


def _say_unexpected(renderer: Renderer, log_file: Path | None, command: str, text: str) -> None:
    renderer.end(_broken_off(OutcomeState.FAILED, text, command), log_file)


def _broken_off(state: OutcomeState, text: str, command: str) -> Ending:
    """The end of a command that nobody foresaw: the state of the database is not known."""
    return Ending(EXIT_FAILED, state, text, next_words(SEE_STATE, within=command), step=SEE_STATE)


def _refuse_pipe(arguments: Arguments) -> None:
    """A pipe cannot answer: it is refused before anything is read."""
    if arguments.command in ASKING and not arguments.yes and not sys.stdin.isatty():
        raise UsageError(
            f"`{arguments.command}` asks before it changes anything, and nobody can be asked here. "
            "Nothing was touched. Add --yes to do it without a question."
        )


def _attempt(arguments: Arguments, settings: Settings, renderer: Renderer) -> Ending:
    stop_on_signals()
    context = Context(arguments, settings, renderer)
    ending = _do(context)
    context.end(ending)
    return ending


def _do(context: Context) -> Ending:
    try:
        return COMMANDS[context.arguments.command](context)
    except HKStrategyError as error:
        if not isinstance(error, MigrationError):
            log.info("%s", type(error).__name__, exc_info=True)
        return ending_of(error, context.arguments.command)
    except psycopg2.Error as error:
        log.exception("PostgreSQL refuses it")
        text = errors.sentence(errors.Reason.OTHER, errors.server_text(error))
        return _broken_off(OutcomeState.FAILED, text, context.arguments.command)
    except OSError as error:
        log.exception("the operating system refused")
        where = f" ({error.filename})" if error.filename else ""
        return Ending(
            EXIT_FAILED, OutcomeState.FAILED, f"The operating system refused: {error.strerror or error}{where}."
        )
    except KeyboardInterrupt:
        log.info("stopped by a signal")
        return _broken_off(OutcomeState.STOPPED, "Stopped.", context.arguments.command)


def stop_on_signals() -> None:
    """SIGTERM and SIGHUP do what Ctrl-C does: cancel the statement and say how to go on. nohup is respected."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    with suppress(ValueError):  # not the main thread: signals are someone else's business
        signal.signal(signal.SIGTERM, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, stop)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            return
        signal.signal(signal.SIGINT, stop)
