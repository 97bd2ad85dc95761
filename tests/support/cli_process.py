"""Running run_migration.py: in a process of its own, or, where the process is not what matters, in this one."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg2

from src.cli.main import run_command
from src.config import PROJECT_ROOT

COMMAND = [sys.executable, str(PROJECT_ROOT / "run_migration.py")]
ROWS = """
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector) VALUES
    ('0005.HK', 'HSBC', 13428, 38.50, 39.75, 'Financials'), ('0700.HK', 'Tencent', 3100, 320.50, 315.20, 'Tech');
INSERT INTO public.trading_signals (symbol, signal_type, price) VALUES ('0005.HK', 'A', 39.75), ('0700.HK', 'B', 315);
INSERT INTO public.price_history (symbol, price) VALUES ('0005.HK', 39.5), ('0700.HK', 315.2);
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    exit_code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Cli:
    """run_migration.py with an environment of its own."""

    environment: dict[str, str]
    folder: Path

    def __call__(self, url: str | None, *arguments: str, text: str = "", **more: str) -> Said:
        """Within this process, which saves the start of another. A mistake of the program fails the test."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self._environment(url, more), clear=True),
            mock.patch.object(sys, "stdin", io.StringIO(text)),
            as_they_were(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                exit_code = run_command(arguments)
            except SystemExit as ended:  # --help ends its process
                exit_code = int(ended.code or 0)
        return Said(exit_code, out.getvalue(), err.getvalue())

    def _environment(self, url: str | None, more: dict[str, str]) -> dict[str, str]:
        return {**self.environment, **more, **({} if url is None else {"DATABASE_URL": url})}

    def start(self, url: str | None, *arguments: str, **more: str) -> subprocess.Popen[str]:
        with default_signals():
            return subprocess.Popen(
                [*COMMAND, *arguments],
                env=self._environment(url, more),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def logs(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("*"))


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_they_were() -> Iterator[None]:
    """What a command sets for its whole process is set back: signals, the hook for errors, the log."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    hook, root, level = sys.excepthook, logging.getLogger(), logging.getLogger().level
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.excepthook = hook
        root.setLevel(level)


@contextmanager
def default_signals() -> Iterator[None]:
    """A child inherits signals that are ignored, as they are when the tests run under nohup: these must not be."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def cli_in(folder: Path, cache_url: str) -> Cli:
    unwanted = ("DATABASE_URL", "REDIS_URL")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted and not k.startswith("PYTEST_XDIST")}
    environment |= {
        "REDIS_URL": cache_url,
        "HK_STRATEGY_HOME": str(folder / "home"),
        "HK_STRATEGY_LOGS": str(folder / "logs"),
        "HK_STRATEGY_BACKUPS": str(folder / "backups"),
    }
    return Cli(environment, folder)


def migrate(cli: Cli, url: str, *arguments: str) -> Said:
    """A run that has to succeed."""
    said = cli(url, *arguments, "--yes")
    assert said.exit_code == 0, said.all
    return said


def execute(url: str, statements: str) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(statements)
    conn.close()


def fetch(url: str, query: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    conn.close()
    return rows


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)
