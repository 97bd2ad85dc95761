"""Runs and actions as one history: who did what, when, from where, and how it ended."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from src.journal import audit, runs
from src.journal.audit import AuditEntry
from src.journal.model import AuditOutcome, RunRecord

MOST_RUNS, MOST_LINES = 1000, 5000
RUN, ACTION = "run", "action"
BEGUN = "begun"
NO_END = "No end is written down: it is under way, or was killed."
# A command that begins a run of its own: told once, as that run. Others that have to do with a run stay actions.
BEGINS_RUN = frozenset({"phase1", "phase2", "rollback", "undo"})
WITHIN = timedelta(minutes=2)
_ON_BEHALF = re.compile(r"^.*? \((?:(.+?) via )?(.+)\)$")


@dataclass(frozen=True)
class ActivityEntry:
    """One run, or one action. `outcome`: of a run its state, of an action as in the audit, "begun" while it has no end.

    `by`: a person, or user@machine where it was typed. `address`: from where, as far as that is known. Times have a
    time zone. `detail`: what the audit keeps beside.
    """

    kind: str
    name: str
    by: str
    role: str
    address: str
    began: datetime
    ended: datetime | None
    outcome: str
    message: str
    run: RunRecord | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Tells it apart from all others of its database."""
        return f"run-{self.run.run_id}" if self.run is not None else f"action-{self.began.timestamp():.6f}"

    @property
    def seconds(self) -> float | None:
        """None where it has no end yet, or was over at once: then only that was written down."""
        if self.ended is None or self.ended == self.began:
            return None
        return max((self.ended - self.began).total_seconds(), 0.0)

    @property
    def backup(self) -> str | None:
        named = self.run.backup if self.run is not None else self.detail.get("backup")
        return None if named is None else str(named)


@dataclass(frozen=True)
class ActivityFilter:
    """Which happenings. None: any. `kind`: "run", "action", or the name of one, "restore" say."""

    kind: str | None = None
    by: str | None = None
    outcome: str | None = None
    since: datetime | None = None

    def fits(self, one: ActivityEntry) -> bool:
        return (
            (self.kind is None or self.kind in (one.kind, one.name))
            and (self.by is None or self.by == one.by)
            and (self.outcome is None or self.outcome == one.outcome)
            and (self.since is None or one.began >= self.since)
        )


def read(url: str) -> tuple[ActivityEntry, ...]:
    """The newest first: at most MOST_RUNS runs, and actions of MOST_LINES lines. Raises DatabaseUnavailable."""
    return merged(runs.fetch_runs(url, MOST_RUNS), audit.read(url, MOST_LINES))


def merged(runs: Sequence[RunRecord], lines: Sequence[AuditEntry]) -> tuple[ActivityEntry, ...]:
    """Runs and the audit's lines as one list, newest first. A command that began a run is told with it."""
    actions = [_action(group) for group in _by_task(lines)]
    told: dict[int, ActivityEntry] = {}
    left = []
    for action in sorted(actions, key=lambda one: one.began):
        run = _run_of(action, runs, told)
        if run is None:
            left.append(action)
        else:
            told[run.run_id] = action
    found = [*left, *(_run(run, told.get(run.run_id)) for run in runs)]
    return tuple(sorted(found, key=lambda one: one.began, reverse=True))


def _by_task(lines: Iterable[AuditEntry]) -> list[list[AuditEntry]]:
    """Start and end of one command together, in this order."""
    groups: dict[object, list[AuditEntry]] = {}
    for number, line in enumerate(lines):
        groups.setdefault(line.detail.get("task") or number, []).append(line)
    return [sorted(group, key=lambda line: line.outcome != AuditOutcome.STARTED) for group in groups.values()]


def _action(group: Sequence[AuditEntry]) -> ActivityEntry:
    first, last = group[0], group[-1]
    assert first.at is not None and last.at is not None, "they come from the database"
    detail: dict[str, object] = {}
    for line in group:
        detail |= line.detail
    detail.pop("task", None)
    message = str(detail.pop("message", None) or detail.pop("why", None) or "")
    begun = last.outcome == AuditOutcome.STARTED
    return ActivityEntry(
        kind=ACTION, name=first.action, by=first.by, role=first.role, address=first.address, began=first.at,
        ended=None if begun else last.at, outcome=BEGUN if begun else last.outcome,
        message=NO_END if begun else message, detail=detail,
    )  # fmt: skip


def _run_of(action: ActivityEntry, runs: Sequence[RunRecord], told: Mapping[int, ActivityEntry]) -> RunRecord | None:
    """The run that this command began. One that was killed could not say which: it is that which began right after."""
    if action.name not in BEGINS_RUN or action.outcome == AuditOutcome.REFUSED:
        return None
    free = [run for run in runs if run.run_id not in told and run.started_at >= action.began]
    if "run" in action.detail:
        return next((run for run in free if run.run_id == action.detail["run"]), None)
    after = [run for run in free if run.started_at - action.began < WITHIN and action.outcome == BEGUN]
    return min(after, key=lambda run: run.started_at, default=None)


def _run(run: RunRecord, action: ActivityEntry | None) -> ActivityEntry:
    by = person(run.started_by)
    return ActivityEntry(
        kind=RUN, name=str(run.phase), by=by, role="" if action is None else action.role,
        address="" if action is None else action.address, began=run.started_at, ended=run.finished_at,
        outcome=run.state, message=run.message, run=run, detail={} if action is None else action.detail,
    )  # fmt: skip


def person(started_by: str) -> str:
    """Who it was, of "trader (mei via hk@server)": mei; of "trader (hk@server)": hk@server."""
    found = _ON_BEHALF.match(started_by)
    return started_by if found is None else found[1] or found[2]
