"""The activity: runs, and actions of the audit, as one list of who did what, when, from where, with what outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from src.errors import TableLocked
from src.journal import audit, runs
from src.journal.audit import AuditEntry
from src.journal.model import AuditOutcome, RunRecord
from src.schema import own_schema

MOST_RUNS, MOST_AUDIT_ENTRIES = 1000, 5000
RUN, ACTION = "run", "action"
AUDIT = "audit"
HISTORY = frozenset({"run", "event", AUDIT})  # the tables of hk_migration that it is made of
BEGUN = "begun"
NO_END = "No end is recorded: it is under way, or was killed."
# Commands that begin a run: they are listed once, as that run. Other commands about a run stay actions.
BEGINS_RUN = frozenset({"phase1", "phase2", "rollback", "undo"})
START_LIMIT = timedelta(minutes=2)  # between the start of a command and that of its run


@dataclass(frozen=True)
class ActivityEntry:
    """One run or one action. Times have a time zone.

    `kind`: RUN or ACTION. `by`: a person, or user@machine for what was typed there. `address`: from where, "" where
    unknown. `outcome`: the state of a run, or the audit's outcome of an action, BEGUN while it has no end. `detail`: of
    the audit.
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
        """Unique in its database."""
        return f"run-{self.run.run_id}" if self.run is not None else f"action-{self.began.timestamp():.6f}"

    @property
    def seconds(self) -> float | None:
        """Its duration. None while it has no end, and for an action that is recorded by its end alone."""
        if self.ended is None or self.ended == self.began:
            return None
        return max((self.ended - self.began).total_seconds(), 0.0)

    @property
    def backup(self) -> str | None:
        named = self.run.backup if self.run is not None else self.detail.get("backup")
        return None if named is None else str(named)


@dataclass(frozen=True)
class ActivityFilter:
    """Which entries to show; None means any. `kind`: RUN, ACTION, or the name of a phase or action, "restore" say."""

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


@dataclass(frozen=True)
class Activity:
    """`entries`: the newest first. `problem`: why the runs, or the actions, are not among them: a table is locked.
    `notes`: what is missing among them because it is gone, and what to do."""

    entries: tuple[ActivityEntry, ...]
    problem: TableLocked | None = None
    notes: tuple[str, ...] = ()


def read(url: str) -> Activity:
    """At most MOST_RUNS runs, and actions of MOST_AUDIT_ENTRIES lines. Raises DatabaseUnavailable, NotAllowed."""
    with runs.reading_session(url) as conn, conn.cursor() as cursor:
        gaps = own_schema.gaps(cursor, own_schema.Part.JOURNAL)
    broken = HISTORY.intersection(gaps.broken)
    records: Sequence[RunRecord] = ()
    lines: Sequence[AuditEntry] = ()
    problem = None
    try:
        records = () if broken - {AUDIT} else runs.fetch_runs(url, MOST_RUNS)
    except TableLocked as error:
        problem = error
    try:
        lines = () if AUDIT in broken else audit.read(url, MOST_AUDIT_ENTRIES)
    except TableLocked as error:
        problem = problem or error
    notes = [gaps.text] if broken else []
    notes += [gaps.made_anew] if HISTORY.intersection(gaps.remade) else []
    return Activity(merged(records, lines), problem, tuple(notes))


def merged(runs: Sequence[RunRecord], lines: Sequence[AuditEntry]) -> tuple[ActivityEntry, ...]:
    """Runs and entries of the audit as one list, newest first. A command that began a run is merged into that run."""
    actions = [_action(group) for group in _by_task(lines)]
    by_run: dict[int, ActivityEntry] = {}
    others = []
    for action in sorted(actions, key=lambda one: one.began):
        run = _run_of(action, runs, by_run)
        if run is None:
            others.append(action)
        else:
            by_run[run.run_id] = action
    found = [*others, *(_run(run, by_run.get(run.run_id)) for run in runs)]
    return tuple(sorted(found, key=lambda one: one.began, reverse=True))


def _by_task(lines: Iterable[AuditEntry]) -> list[list[AuditEntry]]:
    """Entries grouped by command, the start of each before its end."""
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


def _run_of(action: ActivityEntry, runs: Sequence[RunRecord], by_run: Mapping[int, ActivityEntry]) -> RunRecord | None:
    """The run that this command began, or None.

    A command that was killed did not record the run: then it is the first one within START_LIMIT of the command.
    """
    if action.name not in BEGINS_RUN or action.outcome == AuditOutcome.REFUSED:
        return None
    free = [run for run in runs if run.run_id not in by_run and run.started_at >= action.began]
    if "run" in action.detail:
        return next((run for run in free if run.run_id == action.detail["run"]), None)
    after = [run for run in free if run.started_at - action.began < START_LIMIT and action.outcome == BEGUN]
    return min(after, key=lambda run: run.started_at, default=None)


def _run(run: RunRecord, action: ActivityEntry | None) -> ActivityEntry:
    return ActivityEntry(
        kind=RUN, name=str(run.phase), by=run.by, role="" if action is None else action.role,
        address="" if action is None else action.address, began=run.started_at, ended=run.finished_at,
        outcome=run.state, message=run.message, run=run, detail={} if action is None else action.detail,
    )  # fmt: skip
