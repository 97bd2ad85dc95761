"""Processes that use the embedded servers, and what tests ask of those."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg2
import pytest

from src.config import PROJECT_ROOT, Settings, load_settings

TIMEOUT_S = 60.0
USER = """
import sys
from src.config import load_settings
from src.embedded.api import database_url
print(database_url(load_settings()), flush=True)
sys.stdin.read()
"""
PARENT = """
import subprocess
from src.config import load_settings
from src.embedded.api import database_url, held_descriptors
url = database_url(load_settings())
child = subprocess.Popen(["/bin/sleep", "600"], stdout=subprocess.DEVNULL, pass_fds=held_descriptors())
print(url, child.pid, flush=True)
"""


def start(script: str, *arguments: str, home: Path | None = None) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
    if home is not None:
        environment["HK_STRATEGY_HOME"] = str(home)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT_ROOT,
        env=environment | {"PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the process ended without a word"
    return line


class User:
    """A process that uses the embedded server, until it is ended or killed."""

    def __init__(self, home: Path) -> None:
        self.process = start(USER, home=home)

    @property
    def url(self) -> str:
        return first_line(self.process)

    def end(self) -> None:
        self.process.communicate("", timeout=TIMEOUT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def settings_for(home: Path, **changes: str) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("HK_STRATEGY_HOME", str(home))
        for name, value in changes.items():
            patch.setenv(name, value)
        return load_settings(home / "no-env-file")


def processes_in(directory: Path) -> list[psutil.Process]:
    """Server processes that work in `directory`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(directory) and process.name() in ("postgres", "valkey-server"):
                found.append(process)
    return found


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "pgdata18" / "postmaster.pid").read_text().splitlines()[0]))


def supervisor(home: Path) -> psutil.Process | None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "src.embedded.supervisor" in command and json.loads(command[-1])["directory"] == str(home):
                return process
    return None


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S:.0f} s: {what}"
        time.sleep(0.05)


def wait_until_gone(home: Path) -> None:
    wait_until(lambda: not processes_in(home / "pgdata18"), "the server is stopped")
    wait_until(lambda: supervisor(home) is None, "the supervisor is through")


def ask(url: str, question: str) -> object:
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]
    finally:
        conn.close()


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg2.OperationalError:
        return False
