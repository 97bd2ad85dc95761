"""Starting run_migration.py as a process of its own, which survives whoever started it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.config import PROJECT_ROOT, Settings
from src.logs import new_log_file


@dataclass(frozen=True)
class Launched:
    """A detached command. `output`: the file with its JSON lines; `last_outcome` reads the last of them."""

    pid: int
    output: Path


def launch(settings: Settings, url: str | None, argv: Sequence[str]) -> Launched:
    """Start `run_migration.py --json` with `argv`, in a session of its own, without a terminal.

    The database is that of `settings`: where none is configured, the child joins the embedded server itself, and so
    keeps it alive when its starter ends; `url` matters only where `settings` has a database_url. Neither is in the
    arguments, which every user of the machine can read. Raises PrerequisiteError when no log can be written.
    """
    if any(argument.split("=")[0] == "--database-url" for argument in argv):
        raise ValueError("the database goes into the environment, not into the arguments")
    name = next((argument for argument in argv if not argument.startswith("-")), "run")
    output = new_log_file(settings.log_dir, f"detached-{name}", suffix=".out")
    command = [sys.executable, str(PROJECT_ROOT / "run_migration.py"), "--json", *argv]
    with output.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=PROJECT_ROOT,
            env=child_environment(settings, url),
            start_new_session=True,
        )
    # Somebody has to wait for it, or it stays in the process list as a zombie for as long as its starter lives.
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return Launched(process.pid, output)


def child_environment(settings: Settings, url: str | None) -> dict[str, str]:
    """The environment that makes a child see these `settings`, whatever `.env` says."""
    return {
        **os.environ,
        "DATABASE_URL": "" if settings.database_url is None else (url or settings.database_url),
        "REDIS_URL": settings.redis_url or "",
        "HK_STRATEGY_HOME": str(settings.home),
        "HK_STRATEGY_BACKUPS": str(settings.backup_dir),
        "HK_STRATEGY_LOGS": str(settings.log_dir),
        "HK_STRATEGY_ACTING_FOR": settings.acting_for or "",
        "HK_STRATEGY_TASK": settings.task or "",
    }


def last_outcome(output: Path) -> dict[str, object] | None:
    """The outcome that a launched command has written, or None while it has not (or died before it could)."""
    try:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("type") == "outcome":
            return record
    return None
