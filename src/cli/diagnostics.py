"""test_migration.py from inside: parse, diagnose, print."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from src.cli.exit import EXIT_FAILED, ending_of, flush_output, redactor, refuse_usage
from src.cli.findings import next_words
from src.cli.output import Ending, Renderer, choose_renderer
from src.cli.parser import UsageError, UsageParser
from src.config import Settings, load_settings
from src.diagnostics.model import Result
from src.diagnostics.runner import diagnose
from src.errors import HKStrategyError
from src.journal.model import OutcomeState
from src.logs import report_unexpected_errors


def run_diagnostics(
    argv: Sequence[str], database_url: Callable[[Settings], str], cache_url: Callable[[Settings], str | None]
) -> int:
    """Returns the exit code; everything has been said."""
    try:
        arguments = _parser().parse_args(argv)
        if arguments.database_url == "":
            raise UsageError("--database-url is empty.")
    except UsageError as error:
        return refuse_usage(error, argv)
    if arguments.database_url is not None:
        os.environ["DATABASE_URL"] = arguments.database_url
    renderer = choose_renderer(as_json=arguments.json, redact=redactor(os.environ.get("DATABASE_URL")))
    try:
        settings = load_settings()
        redact = redactor(settings.database_url, settings.redis_url)
        renderer = choose_renderer(as_json=arguments.json, redact=redact)
        report_unexpected_errors(
            redact, None, lambda text: renderer.end(Ending(EXIT_FAILED, OutcomeState.FAILED, text), None)
        )
        ending = _diagnose(settings, renderer, database_url, cache_url)
    except HKStrategyError as error:
        ending = ending_of(error)
    except KeyboardInterrupt:
        ending = Ending(EXIT_FAILED, OutcomeState.STOPPED, "Stopped. No trace is left.")
    renderer.end(ending, None)
    flush_output()
    return ending.exit_code


def _diagnose(
    settings: Settings,
    renderer: Renderer,
    database_url: Callable[[Settings], str],
    cache_url: Callable[[Settings], str | None],
) -> Ending:
    def show(result: Result) -> None:
        worded = _with_words(result)
        renderer.show("check", worded, _lines(worded))

    results = diagnose(database_url(settings), settings, cache_url(settings), show)
    failures = [result for result in results if not result.passed]
    counts = {"checks": len(results), "failed": len(failures)}
    if failures:
        message = f"{len(failures)} of {len(results)} checks failed: {', '.join(r.name for r in failures)}."
        return Ending(EXIT_FAILED, OutcomeState.FAILED, message, value=counts)
    return Ending(0, OutcomeState.DONE, f"All {len(results)} checks passed.", value=counts)


def _lines(result: Result) -> list[str]:
    lines = [f"{'ok  ' if result.passed else 'FAIL'}  {result.name}: {result.reason}"]
    return [*lines, f"      {result.advice}"] if result.advice else lines


def _with_words(result: Result) -> Result:
    """The advice with what to type."""
    worded = " ".join(filter(None, (result.advice, next_words(result.next_step))))
    return replace(result, advice=worded)


def _parser() -> argparse.ArgumentParser:
    parser = UsageParser(
        prog="python test_migration.py",
        description="Examines the configured database, whatever its version, and leaves no trace.",
        epilog="exit codes: 0 all checks passed; 1 some failed; 2 usage. Rather set DATABASE_URL than type the URL.",
        allow_abbrev=False,
    )
    parser.add_argument("--database-url", metavar="URL", help="the database; wins over DATABASE_URL")
    parser.add_argument("--json", action="store_true", help="one JSON object per line, the last one the outcome")
    return parser
