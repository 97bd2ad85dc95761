"""What only an admin may do. Each action checks that again itself: a button that is not drawn is no protection.

Until accounts exist, an admin is whoever sits at the machine it runs on: the server must listen on loopback.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import streamlit as st

from src.errors import Conflict, HKStrategyError, InvalidInput, RunInProgress
from src.migration import launch
from src.migration.model import UNDO, Keep, Phase
from src.ui import cache
from src.ui.address import is_loopback

REFUSAL = (
    "Actions are offered only when the dashboard listens on loopback (DASHBOARD_ADDRESS=127.0.0.1), until accounts "
    "exist. On the machine itself, run_migration.py does the same."
)
# What an admin types, and what run_migration.py is told.
NAMES = {
    Phase.PHASE1: "phase1",
    Phase.PHASE2: "phase2",
    Phase.ROLLBACK_V2: "rollback",
    Phase.ROLLBACK_V1: "rollback",
}


class NotAllowed(HKStrategyError):
    """Whoever asked may not do it. Nothing was done."""


def may_administer() -> bool:
    """Both what is configured and what Streamlit really listens on must be loopback, and no proxy in between."""
    listening = st.get_option("server.address") or ""
    if not (is_loopback(listening) and is_loopback(cache.settings().dashboard_address)):
        return False
    return not any(name.lower() in ("forwarded", "x-forwarded-for") for name in st.context.headers)


def require() -> None:
    """Raise NotAllowed unless this session may administer."""
    if not may_administer():
        raise NotAllowed(REFUSAL)


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


def _start(argv: Sequence[str]) -> Task:
    require()
    url = cache.database_url()
    task = last_task()
    if task is not None and task.running:
        raise RunInProgress(f"`{task.name}` is still running. Wait until it has ended.")
    cache.forget()
    run = cache.pulse().run
    if run is not None and run.state == "running":
        raise RunInProgress(f"{run.phase} is running since {run.started_at:%H:%M:%S}, started by {run.started_by}.")
    task = Task(tuple(argv), launch.launch(cache.settings(), url, argv))
    tasks = _tasks()
    tasks.append(task)
    del tasks[:-20]
    return task


def _check_typed(typed: str, name: str) -> None:
    if typed.strip() != name:
        raise InvalidInput(f"Type {name} to start it; nothing was started.")


def start_phase(
    phase: Phase,
    typed: str,
    shown_version: str | None,
    *,
    keep: Keep = Keep.MERGE,
    force: bool = False,
    restore_archive: bool = True,
) -> Task:
    """Start a phase or a rollback as a process of its own.

    `shown_version`: the schema version that the admin was looking at. Raises Conflict when the database has moved on.
    """
    require()
    _check_typed(typed, NAMES[phase])
    cache.forget()
    now = cache.pulse()
    if now.problem is not None:
        raise Conflict(now.problem)
    if now.version != shown_version:
        raise Conflict(
            f"The schema is {now.version or 'not recognised'} by now, not {shown_version}: look at the plan again. "
            "Nothing was started."
        )
    argv = [NAMES[phase], "--yes"]
    if phase in (Phase.ROLLBACK_V1, Phase.ROLLBACK_V2):
        argv += ["--to", "v1" if phase is Phase.ROLLBACK_V1 else "v2"]
    if phase is Phase.ROLLBACK_V1:
        argv += ["--keep", keep.value]
    if force and phase is Phase.PHASE2:
        argv.append("--force")
    if not restore_archive and phase is Phase.PHASE1:
        argv += ["--archived", "leave"]
    return _start(argv)


def resume() -> Task:
    return _start(["resume", "--yes"])


def undo_command(phase: Phase) -> str:
    """What undoes an unfinished run of `phase`, as run_migration.py calls it: "rollback --to v1", say."""
    return UNDO[phase]


def undo(phase: Phase, typed: str) -> Task:
    """Undo the unfinished run of `phase`; the admin types the first word of what undoes it."""
    require()
    command = undo_command(phase).split()
    _check_typed(typed, command[0])
    return _start([*command, "--yes"])


def back_up() -> Task:
    return _start(["backup"])


def verify(name: str) -> Task:
    return _start(["verify", name])


def restore(name: str, typed: str) -> Task:
    """Put a backup in the place of the database; the admin types its name."""
    require()
    _check_typed(typed, name)
    return _start(["restore", name, "--yes"])


def remove_sample(typed: str) -> Task:
    require()
    _check_typed(typed, "sample")
    return _start(["remove-sample", "--yes"])
