"""`make stop`: the dashboards of this checkout, then the embedded servers."""

import logging
import os
import sys

import psutil

from src.config import PROJECT_ROOT, load_settings
from src.embedded.api import stop
from src.errors import HKStrategyError


def processes_of(script: str) -> list[psutil.Process]:
    """Running Pythons whose script is `script` of this checkout."""
    found = []
    wanted = os.path.realpath(PROJECT_ROOT / script)
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            names = [
                os.path.realpath(os.path.join(process.cwd(), word)) for word in arguments[1:] if word.endswith(script)
            ]
            if "python" in process.name() and wanted in names and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            continue
    return found


def main() -> int:
    """Stop them, and print what was stopped. Returns 1, with nothing stopped, while a migration command runs."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    migrations = processes_of("run_migration.py")
    if migrations:
        sys.stderr.write(
            f"A migration command is running (pid {migrations[0].pid}): wait until it is through, or end it with "
            f"`kill -INT {migrations[0].pid}`; an interrupted migration can be resumed.\n"
        )
        return 1
    dashboards = processes_of("dashboard.py")
    for process in dashboards:
        process.terminate()
    _, left = psutil.wait_procs(dashboards, timeout=10)
    for process in left:
        process.kill()
    try:
        stopped = ["dashboard"] * bool(dashboards) + stop(load_settings())
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Stopped: {', '.join(stopped)}.\n" if stopped else "Nothing was running.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
