"""The output of commands: to a terminal (a bar), to a pipe (plain lines), to a program (JSON, one object per line)."""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Protocol, TextIO

from src.cli.findings import as_json, next_json, next_words
from src.errors import NextStep
from src.journal.model import Event, EventKind, OutcomeState, RunOutcome, StepState
from src.logs import Redact, mask
from src.migration.findings import Finding
from src.migration.model import Step
from src.migration.plan.lock_notes import lock_of
from src.text import duration, milliseconds

# Events whose content the ending repeats.
SHOWN_AT_THE_END = (EventKind.OUTCOME, EventKind.PROOF, EventKind.STALL)


@dataclass(frozen=True)
class Ending:
    """How a command ended: its exit code, one sentence, what to type next.

    `step`: that as a value, for other faces. `advice`: what to do, where that is nothing to type.
    """

    exit_code: int
    state: OutcomeState
    message: str
    next_step: str = ""
    value: object = None
    step: NextStep | None = None
    advice: str = ""


class Renderer(Protocol):
    def expect(self, steps: int) -> None:
        """How many steps a run will have."""

    def show(self, kind: str, value: object, lines: Sequence[str]) -> None:
        """A result: `lines` for a person, `value` for a program."""

    def event(self, event: Event) -> None:
        """An event of a run, while it runs."""

    def progress(self, message: str, done: int | None, total: int | None) -> None:
        """How far something outside of a run is, such as a backup."""

    def end(self, ending: Ending, log_file: Path | None) -> None:
        """The last word."""


def to_json(value: object) -> object:
    """Plain JSON values of dataclasses and their contents; money as text, so that no digit is lost."""
    if isinstance(value, Step):
        shown = {"name": value.name, "title": value.title, "why": value.why, "kind": value.kind.value}
        return {**shown, "locks": list(value.locks), "lock_mode": lock_of(value).mode, "sql": value.sql}
    if isinstance(value, RunOutcome):
        outcome = {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
        return {**outcome, "next_step": next_words(value.next_step), "next": next_json(value.next_step)}
    if isinstance(value, NextStep):
        return next_json(value)
    if isinstance(value, Finding):
        return to_json(as_json(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, Path)):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


class Writer:
    """Writes masked lines. A reader that goes away (a closed pipe or terminal) does not end a migration."""

    def __init__(self, stream: TextIO, redact: Redact) -> None:
        self.stream = stream
        self._redact = redact
        self._gone = False

    def write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self.stream.write(mask(self._redact(text)))
            self.stream.flush()
        except (OSError, ValueError):
            self._gone = True
            _discard(self.stream)

    def line(self, text: str = "") -> None:
        self.write(text + "\n")


def _discard(stream: TextIO) -> None:
    """Point the stream's descriptor at /dev/null, or Python complains about it at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


# What programs read as identity: never a secret, and never to be changed by a short password within it.
WORDS_OF_THE_FORMAT = frozenset({"type", "kind", "mode", "phase", "severity", "state", "status", "step", "version"})


def masked(value: object, redact: Redact, key: str = "") -> object:
    """What `to_json` gave, with every text in it masked; the keys and the words of the format stay."""
    if isinstance(value, str):
        return value if key in WORDS_OF_THE_FORMAT else redact(value)
    if isinstance(value, dict):
        return {name: masked(item, redact, name) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, redact, key) for item in value]
    return value


class JsonRenderer:
    def __init__(self, out: TextIO, redact: Redact = mask) -> None:
        self._redact = redact
        self._out = Writer(out, mask)

    def expect(self, steps: int) -> None:
        """The plan, or the run, has shown it already."""

    def _object(self, kind: str, value: object) -> None:
        body = to_json(value)
        record = {"type": kind, **body} if isinstance(body, dict) else {"type": kind, "value": body}
        self._out.line(json.dumps(masked(record, self._redact), ensure_ascii=False))

    def show(self, kind: str, value: object, lines: Sequence[str]) -> None:
        self._object(kind, value)

    def event(self, event: Event) -> None:
        self._object("event", event)

    def progress(self, message: str, done: int | None, total: int | None) -> None:
        self._object("progress", {"message": message, "done": done, "total": total})

    def end(self, ending: Ending, log_file: Path | None) -> None:
        extra = to_json(ending.value)
        body: dict[str, object] = dict(extra) if isinstance(extra, dict) else {}
        body.update(
            state=ending.state,
            exit_code=ending.exit_code,
            message=ending.message,
            next_step=" ".join(filter(None, (ending.advice, ending.next_step))),
            advice=ending.advice,
            next=next_json(ending.step),
            log_file=None if log_file is None else str(log_file),
        )
        self._object("outcome", body)


class StepCount:
    """Which step of how many a run is at; steps that are not needed do not count."""

    def __init__(self) -> None:
        self.total = 0
        self.at = 0

    def see(self, event: Event) -> None:
        if event.step_state == StepState.STARTED:
            self.at += 1
            self.total = max(self.total, self.at) if self.total else 0

    def __str__(self) -> str:
        return f"[{self.at}/{self.total}] " if self.total else ""


class PlainRenderer:
    """One line per thing that happened, for pipes and files. Progress is thinned to every tenth of the way."""

    def __init__(self, out: TextIO, err: TextIO, redact: Redact = mask) -> None:
        self._out = Writer(out, redact)
        self._err = Writer(err, redact)
        self._tenth: tuple[str | None, int] = (None, -1)
        self._count = StepCount()

    def expect(self, steps: int) -> None:
        self._count.total = steps

    def show(self, kind: str, value: object, lines: Sequence[str]) -> None:
        for line in lines:
            self._out.line(line)

    def event(self, event: Event) -> None:
        self._count.see(event)
        if event.kind == EventKind.PROGRESS:
            self.progress(event.message, event.done, event.total)
        elif event.step_state == StepState.STARTED:
            self._out.line(f"{event.at.astimezone():%H:%M:%S} {self._count}{event.message}")
        elif event.kind == EventKind.STEP:
            if not is_idle(event):
                self._out.line(f"{event.at.astimezone():%H:%M:%S}   {step_end(event, 'done')}")
        elif event.kind not in SHOWN_AT_THE_END:
            self._out.line(f"{event.at.astimezone():%H:%M:%S}   {event.message}")

    def progress(self, message: str, done: int | None, total: int | None) -> None:
        tenth = -1 if done is None or not total else done * 10 // total
        if (message, tenth) == self._tenth:
            return
        self._tenth = (message, tenth)
        self._out.line(f"{datetime.now().astimezone():%H:%M:%S}   {message}{portion(done, total)}")

    def end(self, ending: Ending, log_file: Path | None) -> None:
        end_lines(ending, log_file, self._out, self._err)


class TerminalRenderer:
    """A bar, the step and its time on one line that is drawn over; what is finished stays above it."""

    def __init__(self, out: TextIO, err: TextIO, redact: Redact = mask) -> None:
        self._out = Writer(out, redact)
        self._err = Writer(err, redact)
        self._fancy = (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"
        self._count = StepCount()
        self._title: str | None = None
        self._since = time.monotonic()
        self._drawn = False

    def expect(self, steps: int) -> None:
        self._count.total = steps

    def show(self, kind: str, value: object, lines: Sequence[str]) -> None:
        self._clear()
        for line in lines:
            self._out.line(line)

    def event(self, event: Event) -> None:
        self._count.see(event)
        if event.step_state == StepState.STARTED:
            self._begin(event.message)
        elif event.kind == EventKind.STEP:
            if not is_idle(event):
                self._clear()
                self._out.line(f"{self._mark('✓', '+')} {step_end(event, event.message)}")
                self._title = None
        elif event.kind == EventKind.PROGRESS:
            self._draw(event.message, event.done, event.total)
        elif event.kind not in SHOWN_AT_THE_END:
            self._clear()
            self._out.line(f"  {event.message}")
            self._draw(self._title)

    def progress(self, message: str, done: int | None, total: int | None) -> None:
        if self._title != message:
            self._tick()
            self._begin(message)
        self._draw(message, done, total)

    def _begin(self, title: str) -> None:
        self._title, self._since = title, time.monotonic()
        self._draw(title)

    def _tick(self) -> None:
        """What a command outside of a run was busy with is over when it begins something else."""
        if self._title is not None:
            self._clear()
            self._out.line(f"{self._mark('✓', '+')} {self._title}  {duration(time.monotonic() - self._since)}")
        self._title = None

    def _mark(self, fancy: str, plain: str) -> str:
        return fancy if self._fancy else plain

    def _draw(self, text: str | None, done: int | None = None, total: int | None = None) -> None:
        if text is None:
            return
        took = duration(time.monotonic() - self._since)
        filled = bar(done, total, self._fancy) if total else bar(self._count.at - 1, self._count.total, self._fancy)
        line = f"{filled} {self._count}{text}{portion(done, total)}  {took}"
        width = max(20, shutil.get_terminal_size().columns - 1)
        self._out.write(f"\r\x1b[K{line[:width]}")
        self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._drawn = False

    def end(self, ending: Ending, log_file: Path | None) -> None:
        if ending.exit_code == 0:
            self._tick()
        elif self._title is not None:
            self._clear()
            self._out.line(f"{self._mark('✗', 'x')} {self._title}  {duration(time.monotonic() - self._since)}")
        self._clear()
        end_lines(ending, log_file, self._out, self._err)


def is_idle(event: Event) -> bool:
    """A step that this database does not need is not worth a line."""
    return event.step_state == StepState.SKIPPED and not event.detail.get("needed", True)


def step_end(event: Event, title: str) -> str:
    """A step that is over: its time, and what clients felt of it."""
    parts = [title if event.step_state == StepState.DONE else event.message]
    seconds, stall, held = (event.detail.get(key) for key in ("seconds", "stall_ms", "exclusive_ms"))
    if isinstance(seconds, (int, float)):
        parts.append(duration(seconds))
    if isinstance(held, (int, float)):
        parts.append(f"locked for {milliseconds(held)}")
    if isinstance(stall, (int, float)) and stall > 0:
        parts.append(f"longest wait of a client {milliseconds(stall)}")
    return ", ".join(parts)


def end_lines(ending: Ending, log_file: Path | None, out: Writer, err: Writer) -> None:
    """Success goes to the output, anything else to the error stream."""
    writer = out if ending.exit_code == 0 else err
    for text in (ending.message, ending.advice, ending.next_step):
        if text:
            writer.line(text)
    if log_file is not None:
        writer.line(f"Log: {log_file}")


def bar(done: int | None, total: int | None, fancy: bool, width: int = 20) -> str:
    """A bar of `width` cells; unknown progress is an empty one."""
    filled = 0 if done is None or not total else max(0, min(width, done * width // total))
    full, empty = ("█", "░") if fancy else ("#", ".")
    return f"[{full * filled}{empty * (width - filled)}]"


def portion(done: int | None, total: int | None) -> str:
    if done is None:
        return ""
    return f"  {done:,}" if not total else f"  {done:,} of {total:,} ({done * 100 // total} %)"


def choose_renderer(*, as_json: bool, redact: Redact) -> Renderer:
    if as_json:
        return JsonRenderer(sys.stdout, redact)
    if sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb":
        return TerminalRenderer(sys.stdout, sys.stderr, redact)
    return PlainRenderer(sys.stdout, sys.stderr, redact)
