"""A run's events as a story: which steps are done, which is under way, who is in the way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from src.migration.model import Event
from src.ui import format as fmt
from src.ui.markup import StepLine

LOG_LINES = 200


@dataclass(frozen=True)
class Chapter:
    """One step as it went. `ended_at` is None while it is under way."""

    title: str
    started_at: datetime
    ended_at: datetime | None
    progress: Event | None
    blocked: Event | None


def chapters(events: Sequence[Event]) -> list[Chapter]:
    """The steps in the order they were begun. A step begun again after a pause stands there once more."""
    found: list[Chapter] = []
    for event in events:
        last = found[-1] if found else None
        if event.kind == "step":
            if last and last.ended_at is None:
                found[-1] = Chapter(last.title, last.started_at, event.at, last.progress, None)
            found.append(Chapter(event.message, event.at, None, None, None))
        elif event.kind == "outcome" and last and last.ended_at is None:
            found[-1] = Chapter(last.title, last.started_at, event.at, last.progress, last.blocked)
        elif last and event.kind == "progress":
            found[-1] = Chapter(last.title, last.started_at, last.ended_at, event, None)
        elif last and event.kind == "blocked":
            found[-1] = Chapter(last.title, last.started_at, last.ended_at, last.progress, event)
        elif last and event.kind == "lock":
            found[-1] = Chapter(last.title, last.started_at, last.ended_at, last.progress, None)
    return found


def _note(chapter: Chapter, state: str, now: datetime) -> str:
    parts = [fmt.seconds(((chapter.ended_at or now) - chapter.started_at).total_seconds())]
    if state in ("running", "blocked", "stopped"):
        if chapter.blocked is not None:
            parts.append(chapter.blocked.message)
        elif chapter.progress is not None:
            parts.append(chapter.progress.message)
            if chapter.progress.done is not None and chapter.progress.total:
                parts.append(f"{chapter.progress.done:,} of {chapter.progress.total:,}")
    return " · ".join(parts)


def lines(events: Sequence[Event], state: str, now: datetime) -> list[StepLine]:
    """`state`: that of the run."""
    story = chapters(events)
    drawn = []
    for place, chapter in enumerate(story):
        step = "done"
        if place == len(story) - 1 and state != "done" and state != "undone":
            step = "running" if state == "running" else "stopped"
            if step == "running" and chapter.blocked is not None:
                step = "blocked"
        share = None
        progress = chapter.progress
        if step in ("running", "blocked") and progress is not None and progress.done is not None and progress.total:
            share = progress.done / progress.total
        drawn.append(StepLine(chapter.title, fmt.clock(chapter.started_at), step, _note(chapter, step, now), share))
    return drawn


def longest_stall(events: Sequence[Event]) -> float | None:
    """Milliseconds, of the canary so far; None where it has not measured yet."""
    known = []
    for event in events:
        value = event.detail.get("ms")
        if event.kind == "stall" and isinstance(value, (int, float)):
            known.append(float(value))
    return max(known, default=None)


def log(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Newest first: the box that shows them is filled from below."""
    told = [event for event in events if event.kind != "progress"][-LOG_LINES:]
    return [(fmt.clock(event.at), f"{event.kind:<8}{event.message}") for event in reversed(told)]
