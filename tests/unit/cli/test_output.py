"""How commands speak to a terminal, a pipe and a program."""

import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from src.cli.output import Ending, JsonRenderer, PlainRenderer, TerminalRenderer, bar, to_json
from src.cli.text import current_run_lines, merged_lines, outcome_lines, plan_lines, proof_lines, run_lines
from src.journal.model import Client, ClientState, Event, Phase, ProofRow, RunOutcome, RunRecord
from src.logs import mask
from src.migration.findings import Finding, Severity
from src.migration.model import MergedSymbol, Options, Plan, Step, StepKind, TableSize

AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
CLIENT = Client(
    4711, "trader", "old app", "10.0.0.7", ClientState.ACTIVE, 0.5, 12.0, "SELECT *\n  FROM portfolio_positions"
)
PLAN = Plan(
    phase=Phase.PHASE1,
    from_version="1.0",
    to_version="2.0",
    steps=(
        Step("views", "Give v1 clients views", StepKind.EXPAND, "transaction", (), "SELECT 1"),
        Step(
            "switch", "Switch", StepKind.SWITCH, "transaction", ("portfolio_positions", "trading_signals"), "SELECT 2"
        ),
    ),
    findings=(Finding("index-invalid", Severity.WARNING, "An index is invalid", "It will be built again."),),
    tables=(TableSize("price_history", 5_000_000, 480_000_000), TableSize("portfolios", -1, 8192)),
    legacy_roles=("trader",),
    legacy_clients=(CLIENT,),
    blockers=(),
    backup_bytes_estimate=120_000_000,
    disk_free_bytes=81_000_000_000,
)
RUN = RunRecord(
    7,
    Phase.PHASE1,
    "1.0",
    "2.0",
    AT,
    None,
    "trader@host pid 12",
    "host",
    "interrupted",
    "",
    "b-1",
    None,
    3,
    12,
    "backfill",
)


def event(kind: str, message: str, done: int | None = None, total: int | None = None, **detail: object) -> Event:
    return Event(AT, 1, kind, "backfill", message, done, total, detail)


class Terminal(io.TextIOWrapper):
    """What a terminal that speaks UTF-8 was sent."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")

    def text(self) -> str:
        self.flush()
        self.seek(0)
        return self.read()


def records(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_plan_shows_all_that_an_admin_should_know() -> None:
    text = "\n".join(plan_lines(PLAN, Options()))
    for part in (
        "single-portfolio (v1.0)",
        "multi-portfolio (v2.0)",
        "ACCESS EXCLUSIVE (for some milliseconds, tried for and never queued for: portfolio_positions,",
        "How long is not known.",
        "v1 clients go on working, in sessions opened before, during and after",
        "Not possible any more:",
        "never queued for",
        "100 ms",
        "price_history",
        "5,000,000",
        "480 MB",
        "unknown",
        "120 MB",
        "81.0 GB free",
        "trader (old app) from 10.0.0.7",
        "in a transaction for 12.0 s",
        "SELECT * FROM portfolio_positions",
        "nobody",
        "An index is invalid",
        "It will be built again.",
    ):
        assert part in text
    assert "cannot start" not in text


def test_a_plan_without_backup_says_it_out_loud() -> None:
    assert "NONE" in "\n".join(plan_lines(PLAN, Options(backup=False)))


def test_a_refused_plan_says_that_nothing_was_touched() -> None:
    refused = replace(
        PLAN, findings=(Finding("no-create", Severity.REFUSAL, "The role may not create schemas", "GRANT CREATE"),)
    )
    text = "\n".join(plan_lines(refused, Options()))
    assert "✗ The role may not create schemas" in text
    assert "Nothing has been touched" in text


def test_a_plan_with_nothing_to_do_says_why() -> None:
    assert plan_lines(replace(PLAN, steps=(), findings=(), nothing_to_do="It is v2 already."), Options()) == [
        "It is v2 already."
    ]


def test_a_merge_shows_cost_value_and_rounding() -> None:
    merged = MergedSymbol(
        "0700.HK", ("DEFAULT", "TECH"), 3, Decimal("333.333"), Decimal("1000.00"), Decimal("1000.00"), None, None
    )
    text = "\n".join(merged_lines([merged, replace(merged, symbol="0005.HK", cost_after=Decimal("999.99"))]))
    assert "DEFAULT, TECH" in text
    assert "+0.00" in text
    assert "-0.01" in text
    assert "no price" in text


def test_proof_distinguishes_equal_different_and_explained() -> None:
    rows = [ProofRow("rows", "1", "1", True), ProofRow("P&L", "1", "2", False), ProofRow("x", "1", "2", None, "3 rows")]
    lines = proof_lines(rows)
    assert lines[1].endswith("equal")
    assert lines[2].endswith("DIFFERS")
    assert lines[3].endswith("explained: 3 rows")


def test_an_outcome_shows_the_stall_and_the_backup() -> None:
    outcome = RunOutcome(1, Phase.PHASE1, "done", "Done.", "", 75.2, 8.25, 6.5, "b-1")
    text = "\n".join(outcome_lines(outcome))
    assert "Longest wait of a client: 8.2 ms" in text
    assert "Backup: b-1" in text
    assert "1 min 15 s" in text


def test_an_interrupted_run_says_what_to_type() -> None:
    text = "\n".join(current_run_lines(RUN))
    assert "3 of 12 steps done, at step 'backfill'" in text
    assert "run_migration.py resume" in text
    assert "run_migration.py rollback" in text
    assert "resume" not in "\n".join(current_run_lines(replace(RUN, state="running")))


def test_history_lists_runs_and_says_when_there_is_none() -> None:
    assert "3/12" in run_lines([RUN])[1]
    assert run_lines([]) == ["No run yet."]


def test_json_is_one_object_per_line_and_the_last_is_the_outcome() -> None:
    out = io.StringIO()
    renderer = JsonRenderer(out)
    renderer.show("plan", PLAN, [])
    renderer.event(event("progress", "rows", done=3, total=9))
    renderer.end(Ending(0, "done", "Done.", "", {"run_id": 1}), Path("/x/run.log"))
    plan, progress, last = records(out)
    assert plan["type"] == "plan"
    assert plan["phase"] == "phase1"
    assert (progress["type"], progress["done"], progress["total"]) == ("event", 3, 9)
    assert last["type"] == "outcome"
    assert last["exit_code"] == 0
    assert last["run_id"] == 1
    assert last["log_file"] == "/x/run.log"


def test_json_keeps_every_digit_of_money() -> None:
    assert to_json({"cost": Decimal("10.100")}) == {"cost": "10.100"}


def test_plain_lines_hold_no_control_characters_and_thin_progress_out() -> None:
    out, err = io.StringIO(), io.StringIO()
    renderer = PlainRenderer(out, err)
    renderer.expect(12)
    renderer.event(event("step", "Views", state="started"))
    renderer.event(event("step", "Views", state="done", seconds=0.5))
    renderer.event(event("step", "Import: not needed", state="skipped", needed=False))
    renderer.event(event("step", "Fill legacy_symbol", state="started"))
    for done in range(1, 1001):
        renderer.event(event("progress", "rows", done=done, total=1000))
    renderer.event(event("blocked", "Switch: 45 tries for the lock. pid 4711"))
    renderer.event(event("step", "Switch", state="done", seconds=2.0, exclusive_ms=6.5, stall_ms=8.25))
    renderer.end(Ending(0, "done", "Done."), None)
    lines = out.getvalue().splitlines()
    assert "[2/12] Fill legacy_symbol" in out.getvalue()
    assert lines[1].endswith("  done, 500 ms")
    assert lines[-2].endswith("  done, 2.0 s, locked for 6.5 ms, longest wait of a client 8.2 ms")
    assert 10 <= len([line for line in lines if "rows" in line]) <= 12
    assert "pid 4711" in out.getvalue()
    assert "not needed" not in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
    assert err.getvalue() == ""


def test_failure_goes_to_the_error_stream() -> None:
    out, err = io.StringIO(), io.StringIO()
    PlainRenderer(out, err).end(Ending(1, "paused", "Paused.", "Type resume"), Path("/x.log"))
    assert out.getvalue() == ""
    assert err.getvalue().splitlines() == ["Paused.", "Type resume", "Log: /x.log"]


def test_a_terminal_sees_bar_step_and_time_on_one_line() -> None:
    out = Terminal()
    renderer = TerminalRenderer(out, io.StringIO())
    renderer.expect(4)
    renderer.event(event("step", "Fill legacy_symbol", state="started"))
    renderer.event(event("progress", "Fill legacy_symbol", done=500, total=1000))
    renderer.event(event("step", "Fill legacy_symbol", state="done", seconds=1.0))
    renderer.event(event("step", "Switch", state="started"))
    renderer.event(event("step", "Switch", state="done", seconds=1.0))
    renderer.end(Ending(0, "done", "Done."), None)
    text = out.text()
    assert "[██████████░░░░░░░░░░] [1/4] Fill legacy_symbol  500 of 1,000 (50 %)" in text
    assert "[█████░░░░░░░░░░░░░░░] [2/4] Switch" in text
    assert "✓ Fill legacy_symbol, 1.0 s" in text
    assert "✓ Switch, 1.0 s" in text
    # What is drawn over stays within the line: one that wraps could not be erased.
    drawn: Sequence[str] = [part for part in text.split("\r\x1b[K") if part.startswith("[")]
    assert drawn
    assert all(len(part.split("\n")[0]) < 80 for part in drawn)


def test_a_failed_step_is_not_ticked() -> None:
    out = Terminal()
    renderer = TerminalRenderer(out, io.StringIO())
    renderer.event(event("step", "Switch", state="started"))
    renderer.end(Ending(1, "failed", "No."), None)
    text = out.text()
    assert "✗ Switch" in text
    assert "✓" not in text


@pytest.mark.parametrize(("done", "total", "cells"), [(None, None, 0), (0, 5, 0), (5, 5, 4), (9, 5, 4), (1, 0, 0)])
def test_the_bar_never_overflows(done: int | None, total: int | None, cells: int) -> None:
    assert bar(done, total, fancy=False, width=4) == f"[{'#' * cells}{'.' * (4 - cells)}]"


def test_a_closed_pipe_does_not_end_the_command() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        renderer = PlainRenderer(stream, io.StringIO())
        for _ in range(3):
            renderer.event(event("log", "x" * 70_000))
        renderer.end(Ending(0, "done", "Done."), None)


def test_no_password_is_shown() -> None:
    out = io.StringIO()
    renderer = JsonRenderer(out, mask)
    renderer.event(event("log", "postgresql://trader:s3cret@host/db and password=s3cret host=x"))
    assert "s3cret" not in out.getvalue()
    assert "trader:****@host/db" in out.getvalue()


def test_a_short_password_does_not_garble_the_json_that_programs_read() -> None:
    out = io.StringIO()
    renderer = JsonRenderer(out, lambda text: text.replace("e", "****"))
    renderer.end(Ending(0, "done", "the password is e", ""), None)
    outcome = json.loads(out.getvalue())
    assert (outcome["type"], outcome["state"], outcome["exit_code"]) == ("outcome", "done", 0)
    assert "e" not in outcome["message"]
