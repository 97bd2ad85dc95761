"""Runs and actions as one history: each listed once, with who, when and how it ended; filtered and written to files."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from src.cli.parser import UsageError, parse
from src.journal.activity import NO_END, ActivityEntry, ActivityFilter, merged
from src.journal.audit import AuditEntry
from src.journal.model import Phase, ProofRow, RunRecord
from src.journal.runs import _person
from src.ui.system_status import history_export

NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def line(seconds: float, action: str, outcome: str, *, by: str = "mei", **detail: object) -> AuditEntry:
    return AuditEntry(by, "admin", "192.0.2.7", action, outcome, detail, at(seconds))


def run(number: int, seconds: float, *, phase: Phase = Phase.PHASE1, state: str = "done") -> RunRecord:
    ended = None if state in ("running", "interrupted") else at(seconds + 40)
    return RunRecord(
        number, phase, "1.0", "2.0", at(seconds), ended, "trader (mei via hk@server)", "mei", state, "It is complete.",
        "20261124T120000Z-hk-v1", 12.5, 9, 9, None, (ProofRow("rows", "1", "1", True),),
    )  # fmt: skip


def test_start_and_end_of_a_command_are_one() -> None:
    (one,) = merged(
        [],
        [
            line(30, "restore", "done", task="a", message="Restored."),
            line(0, "restore", "started", task="a", backup="B"),
        ],
    )
    assert (one.kind, one.name, one.by, one.outcome, one.message) == ("action", "restore", "mei", "done", "Restored.")
    assert (one.began, one.ended, one.seconds, one.backup) == (at(0), at(30), 30.0, "B")
    assert "task" not in one.detail


def test_one_without_an_end_says_so() -> None:
    (one,) = merged([], [line(0, "backup", "started", task="a")])
    assert (one.outcome, one.ended, one.message) == ("begun", None, NO_END)


def test_a_run_is_reported_once_with_where_it_was_started() -> None:
    lines = [line(41, "phase1", "done", task="a", run=7), line(0, "phase1", "started", task="a", phase="phase1")]
    (one,) = merged([run(7, 1)], lines)
    assert (one.kind, one.name, one.by, one.address, one.outcome) == ("run", "phase1", "mei", "192.0.2.7", "done")
    assert one.run is not None


def test_a_run_that_was_killed_belongs_to_the_start_before_it() -> None:
    lines = [line(0, "phase1", "started", task="a")]
    (one,) = merged([run(7, 2, state="interrupted")], lines)
    assert (one.kind, one.outcome, one.address) == ("run", "interrupted", "192.0.2.7")
    apart = merged([run(7, 4000)], lines)
    assert [found.kind for found in apart] == ["run", "action"], "too long after: it was begun by somebody else"


def test_what_was_refused_and_what_resumes_stand_for_themselves() -> None:
    lines = [
        line(100, "resume", "done", task="c", run=7),
        line(90, "resume", "started", task="c", by="ann"),
        line(50, "phase1", "refused", by="tom", why="Only an admin may do this."),
        line(0, "phase1", "started", task="a"),
    ]
    found = merged([run(7, 1)], lines)
    assert [(one.name, one.by, one.outcome) for one in found] == [
        ("resume", "ann", "done"), ("phase1", "tom", "refused"), ("phase1", "mei", "done"),
    ]  # fmt: skip
    assert found[1].message == "Only an admin may do this."
    assert len({one.key for one in found}) == 3


@pytest.mark.parametrize(
    ("started_by", "who"),
    [
        ("trader (mei via hk@server)", "mei"),
        ("trader (hk@server)", "hk@server"),
        ("odd role (a (b) via hk@server)", "a (b)"),
        ("nobody", "nobody"),
    ],
)
def test_who_it_was_in_a_run_from_before_that_was_recorded(started_by: str, who: str) -> None:
    assert _person(started_by, None) == who


def some() -> tuple[ActivityEntry, ...]:
    lines = [
        line(500, "delete", "refused", by="tom", why="=1+1"),
        line(0, "backup", "done", message="Made.", backup="B"),
    ]
    return merged([run(1, 100)], lines)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (ActivityFilter(), ["delete", "phase1", "backup"]),
        (ActivityFilter(kind="run"), ["phase1"]),
        (ActivityFilter(kind="action"), ["delete", "backup"]),
        (ActivityFilter(kind="backup"), ["backup"]),
        (ActivityFilter(by="tom"), ["delete"]),
        (ActivityFilter(outcome="done"), ["phase1", "backup"]),
        (ActivityFilter(since=at(100)), ["delete", "phase1"]),
        (ActivityFilter(kind="action", by="mei", outcome="refused"), []),
    ],
)
def test_filters(wanted: ActivityFilter, names: list[str]) -> None:
    assert [one.name for one in some() if wanted.fits(one)] == names


def test_the_file_for_a_spreadsheet_has_a_line_each_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(history_export.to_csv(some()).decode("utf-8-sig"))))
    assert [row["what"] for row in rows] == ["delete", "phase1", "backup"]
    assert rows[0]["message"] == "'=1+1"
    assert (rows[1]["run"], rows[1]["longest_stall_ms"], rows[1]["proof_equal"], rows[1]["seconds"]) == (
        "1", "12.5", "1", "40.0",
    )  # fmt: skip
    assert rows[2]["began"] == "2026-11-24T04:00:00+00:00"
    assert json.loads(rows[2]["detail"]) == {"backup": "B"}


def test_the_file_for_a_program_has_the_proof_too() -> None:
    found = json.loads(history_export.to_json_file(some()))
    assert [one["name"] for one in found] == ["delete", "phase1", "backup"]
    assert found[1]["run"]["proof"][0]["subject"] == "rows"
    assert history_export.to_json_file(()) == b"[]\n"


def test_how_a_filter_is_typed() -> None:
    assert parse(["history", "--kind", "restore", "--who", "mei", "--outcome", "done"]).wanted == ActivityFilter(
        "restore", "mei", "done"
    )
    day = parse(["history", "--since", "2026-11-24"]).wanted.since
    assert day == datetime(2026, 11, 24).astimezone()
    since = parse(["history", "--since", "7d"]).wanted.since
    assert since is not None
    assert timedelta(days=7) <= datetime.now(UTC) - since < timedelta(days=7, minutes=5)
    for argv, said in (
        (["history", "--since", "soon"], "--since is 'soon'"),
        (["history", "3", "--who", "mei"], "shown as a whole"),
        (["--who", "mei", "check"], "belongs to history"),
    ):
        with pytest.raises(UsageError, match=said):
            parse(argv)
