"""A run's event log by sections, one per step: which are done, which is under way, who is in the way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from src.journal.model import Event, EventKind, RunState, StepState
from src.text import plural
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import StepLine, StepMark

LOG_LINES = 200


@dataclass(frozen=True)
class Section:
    """One step as it went. `ended_at` is None while it is under way; `felt`: what clients felt of it, once it is over.

    `done`: it has come to its end, and not to that of the run.
    """

    title: str
    started_at: datetime
    ended_at: datetime | None = None
    progress: Event | None = None
    blocked: Event | None = None
    felt: str = ""
    done: bool = False


def sections(events: Sequence[Event]) -> list[Section]:
    """The steps in the order they were begun. A step begun again after a pause stands there once more."""
    found: list[Section] = []
    for event in events:
        last = found[-1] if found else None
        under_way = last is not None and last.ended_at is None
        if event.kind == EventKind.STEP:
            _turn(found, event, event.step_state or StepState.STARTED)
        elif last is None:
            continue
        elif event.kind == EventKind.OUTCOME and under_way:
            found[-1] = replace(last, ended_at=event.at)
        elif event.kind == EventKind.PROGRESS:
            found[-1] = replace(last, progress=event, blocked=None)
        elif event.kind == EventKind.BLOCKED:
            found[-1] = replace(last, blocked=event)
    return found


def _turn(found: list[Section], event: Event, state: StepState) -> None:
    """A step begins, ends or is passed over."""
    last = found[-1] if found else None
    if last is not None and last.ended_at is None:
        found[-1] = replace(last, ended_at=event.at, blocked=None)
        if state == StepState.DONE:
            found[-1] = replace(found[-1], title=event.message, felt=_felt(event), done=True)
    if state == StepState.STARTED:
        found.append(Section(event.message, event.at))
    elif state == StepState.SKIPPED and event.detail.get("needed", True):
        found.append(Section(event.message, event.at, event.at, done=True))


def _felt(event: Event) -> str:
    parts = []
    tries, held, stall = (event.detail.get(name) for name in ("attempts", "exclusive_ms", "stall_ms"))
    if isinstance(tries, int) and tries and isinstance(held, (int, float)):
        parts.append(f"locked for {fmt.milliseconds(held)} after {plural(tries, 'try', 'tries')}")
    if isinstance(stall, (int, float)) and stall > 0:
        parts.append(f"longest wait of a client {fmt.milliseconds(stall)}")
    return " · ".join(parts)


def _note(section: Section, state: StepMark, now: datetime) -> str:
    parts = [fmt.duration(((section.ended_at or now) - section.started_at).total_seconds())]
    if section.felt:
        parts.append(section.felt)
    if state in (StepMark.RUNNING, StepMark.BLOCKED, StepMark.STOPPED):
        if section.blocked is not None:
            parts.append(_without_title(section.blocked))
        elif section.progress is not None:
            parts.append(_without_title(section.progress))
            if section.progress.done is not None and section.progress.total:
                parts.append(f"{section.progress.done:,} of {section.progress.total:,}")
    return " · ".join(parts)


def _without_title(event: Event) -> str:
    """What it says below the title of its step. An event of an earlier version has only the whole message."""
    return str(event.detail.get("note", event.message))


def lines(events: Sequence[Event], state: RunState, now: datetime) -> list[StepLine]:
    """`state`: that of the run."""
    found = sections(events)
    drawn = []
    for place, section in enumerate(found):
        step = StepMark.DONE
        if place == len(found) - 1 and state not in (RunState.DONE, RunState.UNDONE) and not section.done:
            step = StepMark.RUNNING if state == RunState.RUNNING else StepMark.STOPPED
            if step == StepMark.RUNNING and section.blocked is not None:
                step = StepMark.BLOCKED
        share = None
        progress = section.progress if step in (StepMark.RUNNING, StepMark.BLOCKED) else None
        if progress is not None and progress.done is not None and progress.total:
            share = progress.done / progress.total
        drawn.append(StepLine(section.title, fmt.clock(section.started_at), step, _note(section, step, now), share))
    return drawn


@dataclass(frozen=True)
class LockTries:
    """How the last lock was tried for. `held_ms`: None while it was not had; `queued_ms`: clients queued behind one."""

    title: str
    tries: int
    held_ms: float | None = None
    queued_ms: float = 0.0


def lock_tries(events: Sequence[Event]) -> LockTries | None:
    """The newest; None where no step has needed a lock yet."""
    titles = {event.step: event.message for event in events if event.step_state == StepState.STARTED}
    for event in reversed(events):
        tries = event.detail.get("attempts")
        if not isinstance(tries, int) or not tries:
            continue
        held, queued = (event.detail.get(name) for name in ("exclusive_ms", "queued_ms"))
        return LockTries(
            titles.get(event.step, event.message),
            tries,
            float(held) if isinstance(held, (int, float)) else None,
            float(queued) if isinstance(queued, (int, float)) else 0.0,
        )
    return None


def pause_asked_by(events: Sequence[Event]) -> str | None:
    """Who asked for a pause since the run began, or went on, last."""
    for event in reversed(events):
        if event.kind == EventKind.RUN:
            return None
        if event.kind == EventKind.PAUSE:
            return str(event.detail.get("by", ""))
    return None


def log(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Newest first: the box that shows them is filled from below."""
    logged = [event for event in events if event.kind != EventKind.PROGRESS][-LOG_LINES:]
    return [(fmt.clock(event.at), f"{event.kind:<7} {event.message}{_ended(event)}") for event in reversed(logged)]


def _ended(event: Event) -> str:
    return ": done" if event.step_state == StepState.DONE else ""
