"""The commands that this dashboard started: each is a process of its own, and tells of itself in its output."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import streamlit as st

from src.migration import launch


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


@dataclass
class Task:
    """A command that this dashboard started. Times in seconds since the epoch."""

    argv: tuple[str, ...]
    launched: launch.Launched
    started: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        return self.argv[0]

    @property
    def told(self) -> str:
        """What to say once it is started."""
        return f"Started: {' '.join(self.argv)}. It goes on by itself, whatever becomes of this page."

    @property
    def running(self) -> bool:
        try:
            return bool(psutil.Process(self.launched.pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def progress(self) -> tuple[str, int | None, int | None]:
        """The last thing it said: message, done, total."""
        for record in reversed(_records(self.launched.output)):
            if record.get("message"):
                done, total = record.get("done"), record.get("total")
                whole = isinstance(done, int) and isinstance(total, int)
                return str(record["message"]), done if whole else None, total if whole else None
        return "starting", None, None

    def outcome(self) -> dict[str, object] | None:
        """What it said at its end. None while it runs, or when it died without a word."""
        return launch.last_outcome(self.launched.output)


@st.cache_resource(show_spinner=False)
def _tasks() -> list[Task]:
    return []


def last_task() -> Task | None:
    """The command started last by this process, for every session to see."""
    tasks = _tasks()
    return tasks[-1] if tasks else None


def remember(task: Task) -> None:
    tasks = _tasks()
    tasks.append(task)
    del tasks[:-20]
