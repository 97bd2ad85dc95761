"""The commands that dashboards started: each is a process of its own, and writes its events to its output.

What was started is noted beside that output, in the log folder: every session sees it, and every dashboard, also one
that was started again.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import streamlit as st

from src.cli import detached
from src.config import Settings

# Runs of the migration write their events to the database; the others only here.
OF_A_RUN = ("phase1", "phase2", "rollback", "resume")
NOTE = ".task"
# A clock that was set meanwhile moves the time at which a process was created, as the system reports it, a little.
SAME_PROCESS_S = 2.0
NEWS_S = 15 * 60


def _records(output: Path) -> list[dict[str, Any]]:
    """The JSON lines that a command has written so far."""
    found = []
    for line in output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


@dataclass(frozen=True)
class StartedCommand:
    """A command that a dashboard started. `started` and `created` (of its process): seconds since the epoch."""

    argv: tuple[str, ...]
    by: str
    pid: int
    created: float
    started: float
    output: Path

    @property
    def name(self) -> str:
        """The subcommand of run_migration.py."""
        return self.argv[0]

    @property
    def message(self) -> str:
        """For the page that started it."""
        return f"Started: {' '.join(self.argv)}. It goes on by itself, whatever becomes of this page."

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return bool(alive and abs(process.create_time() - self.created) < SAME_PROCESS_S)
        except psutil.NoSuchProcess:
            return False

    def is_news(self, last_run_at: datetime | None) -> bool:
        """Whether it ended so lately that its outcome is worth a message, and no run has begun since."""
        try:
            ended = self.output.stat().st_mtime
        except FileNotFoundError:
            return False
        overtaken = last_run_at is not None and last_run_at.timestamp() > ended
        return time.time() - ended < NEWS_S and not overtaken

    def progress(self) -> tuple[str, int | None, int | None]:
        """The last thing it said: message, done, total."""
        for record in reversed(_records(self.output)):
            if record.get("message"):
                done, total = record.get("done"), record.get("total")
                whole = isinstance(done, int) and isinstance(total, int)
                return str(record["message"]), done if whole else None, total if whole else None
        return "starting", None, None

    def outcome(self) -> dict[str, object] | None:
        """What it said at its end. None while it runs, or when it ended without an outcome."""
        return detached.last_outcome(self.output)


def _database(settings: Settings) -> str:
    """Distinguishes the databases of dashboards that share a log folder, without saying where they are."""
    return hashlib.sha256((settings.database_url or str(settings.home)).encode()).hexdigest()[:16]


@st.cache_resource(ttl=0.5, show_spinner=False)
def _last(log_dir: str, database: str) -> StartedCommand | None:
    for note in sorted(Path(log_dir).glob(f"*{NOTE}"), key=_age):
        with suppress(OSError, ValueError):
            found = json.loads(note.read_text(encoding="utf-8"))
            if found["database"] == database:
                return StartedCommand(
                    tuple(found["argv"]), found["by"], found["pid"], found["created"], found["started"],
                    note.with_suffix(".out"),
                )  # fmt: skip
    return None


def _age(note: Path) -> float:
    """Sorts the newest first; one that somebody is just deleting last."""
    try:
        return -note.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def last_command(settings: Settings) -> StartedCommand | None:
    """The command for this database that was started last, by whichever dashboard of this log folder."""
    return _last(str(settings.log_dir), _database(settings))


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Whoever is within checks what runs, and starts something, alone: of two at once the second sees the first."""
    settings.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(settings.log_dir / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _last.clear()
        yield
    finally:
        os.close(descriptor)


def start(settings: Settings, url: str, argv: Sequence[str], by: str) -> StartedCommand:
    """Start `run_migration.py` with `argv`, and note it down. Raises PrerequisiteError when no log can be written."""
    launched = detached.launch(settings, url, argv)
    started = created = time.time()
    with suppress(psutil.NoSuchProcess):
        created = psutil.Process(launched.pid).create_time()
    note = {
        "argv": list(argv), "by": by, "pid": launched.pid, "created": created, "started": started,
        "database": _database(settings),
    }  # fmt: skip
    path = launched.output.with_suffix(NOTE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(note, stream)
    _last.clear()
    return StartedCommand(tuple(argv), by, launched.pid, created, started, launched.output)
