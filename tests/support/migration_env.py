"""Driving the engine in tests: a database with something in it, runs, runs that are killed, and other sessions."""

import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn, parse_dsn

from src.cli.findings import next_words
from src.config import Settings
from src.errors import MigrationError
from src.journal.model import Event, Phase, RunOutcome
from src.migration import engine
from src.migration.model import Options

_numbers = itertools.count(1)

# 12 symbols, each with signals and prices, in the words of a v1 client.
V1_ROWS = """
INSERT INTO portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector)
SELECT lpad(i::text, 4, '0') || '.HK', 'Company ' || i, i * 10, i + 0.125, i + 0.25, 'Sector ' || i % 3
  FROM generate_series(1, 12) i;
INSERT INTO trading_signals (symbol, signal_type, price, created_at)
SELECT lpad((1 + i % 12)::text, 4, '0') || '.HK', 'A', i, '2025-01-01'::timestamp + i * interval '1 hour'
  FROM generate_series(1, 40) i;
INSERT INTO price_history (symbol, price, timestamp)
SELECT lpad((1 + i % 12)::text, 4, '0') || '.HK', i, '2025-01-01'::timestamp + i * interval '1 hour'
  FROM generate_series(1, 100) i;
INSERT INTO portfolio_analyses (name, start_date, end_date) VALUES ('Q1', '2025-01-01', '2025-03-31');
INSERT INTO portfolio_value_history (analysis_id, trade_date, total_value) VALUES (1, '2025-01-02', 123.45);
"""

# Two more portfolios, as a client of v2 makes them: a copy with changes, and one with symbols of its own.
OTHER_PORTFOLIOS = """
INSERT INTO public.portfolios (portfolio_id, name, description, strategy, copied_from, copied_at)
VALUES ('TECH', 'Tech test', 'A copy', 'Theme', 'DEFAULT', '2025-06-01 12:00'),
       ('OWN', 'Own ideas', NULL, NULL, NULL, NULL);
INSERT INTO public.portfolio_positions (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector)
SELECT 'TECH', symbol, company_name || ' Ltd', quantity + 5, avg_cost + 1.333, current_price, 'Other ' || sector
  FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT' AND id <= 6;
INSERT INTO public.portfolio_positions (portfolio_id, symbol, company_name, quantity, avg_cost, current_price)
VALUES ('OWN', '7777.HK', 'Sevens', 7, 3, 4), ('TECH', '7777.HK', 'Sevens', 9, 3.5, 4),
       ('OWN', '8888.HK', 'Eights', 0, 3, 4);
INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price)
VALUES ('OWN', '7777.HK', 'B', 1), ('TECH', '0001.HK', 'C', 2);
INSERT INTO public.price_history (symbol, price) VALUES ('^HSI', 20000), ('^HSI', 20100);
"""

# What v1 clients do (2-schema.md).
V1_STATEMENTS = (
    "SELECT * FROM portfolio_positions",
    "UPDATE portfolio_positions SET current_price = 9.5 WHERE symbol = '0001.HK'",
    "INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0002.HK', 'D', 5)",
    "INSERT INTO price_history (symbol, price) VALUES ('0003.HK', 5)",
    "INSERT INTO portfolio_positions (symbol, quantity) VALUES ('0001.HK', 1) ON CONFLICT (symbol) DO NOTHING",
    "INSERT INTO portfolio_positions (symbol, quantity) VALUES ('6666.HK', 3) "
    "ON CONFLICT (symbol) DO UPDATE SET quantity = EXCLUDED.quantity RETURNING id",
    "DELETE FROM portfolio_positions WHERE symbol = '0004.HK'",
)
V1_COLUMNS = [
    "id", "symbol", "company_name", "quantity", "avg_cost", "current_price", "market_value", "unrealized_pnl", "sector",
    "last_updated",
]  # fmt: skip


@dataclass
class MigrationEnv:
    """One database, and what the last run of the engine on it reported."""

    url: str
    settings: Settings
    version: int = 18
    reported: list[Event] = field(default_factory=list)

    def run(self, phase: Phase, on_event: Callable[[Event], None] | None = None, **choices: Any) -> RunOutcome:
        self.reported = []
        return engine.run(self.url, phase, Options(backup=False, **choices), self.settings, self._listen(on_event))

    def resume(self, on_event: Callable[[Event], None] | None = None, **choices: Any) -> RunOutcome:
        self.reported = []
        return engine.resume(self.url, Options(backup=False, **choices), self.settings, self._listen(on_event))

    def _listen(self, on_event: Callable[[Event], None] | None) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            self.reported.append(event)
            if on_event:
                on_event(event)

        return listen

    def rows(self, statement: str, *values: object, application: str = "hk_strategy test") -> list[tuple[Any, ...]]:
        with session(self.url, application) as conn, conn.cursor() as cur:
            cur.execute(statement, values or None)
            return list(cur.fetchall()) if cur.description else []

    def v1(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """As an old client: names without a schema, a name of its own."""
        return self.rows(statement, *values, application="old app")


def migration_env(url: str, directory: Path, version: int = 18, rows: str = V1_ROWS) -> MigrationEnv:
    settings = Settings(url, None, directory, directory / "backups", directory / "logs", "127.0.0.1", 8501)
    made = MigrationEnv(url, settings, version)
    if rows:
        made.v1(rows)
    return made


@contextmanager
def session(url: str, application: str = "old app") -> Iterator[Connection]:
    """A session in autocommit."""
    conn = psycopg2.connect(make_dsn(**{**parse_dsn(url), "application_name": application}))
    conn.autocommit = True
    try:
        yield conn
    finally:
        conn.close()


@contextmanager
def copied(migration_env: MigrationEnv, superuser: str) -> Iterator[MigrationEnv]:
    """The same database once more, dropped after."""
    source = parse_dsn(migration_env.url)["dbname"]
    name = f"copy_{os.getpid()}_{next(_numbers)}"
    with session(superuser, "test") as conn, conn.cursor() as cur:
        cur.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = %s AND backend_type = 'autovacuum worker'",
            (source,),
        )
        cur.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" OWNER trader STRATEGY FILE_COPY')
        try:
            yield MigrationEnv(
                make_dsn(**{**parse_dsn(migration_env.url), "dbname": name}),
                migration_env.settings,
                migration_env.version,
            )
        finally:
            cur.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def v1_clients_work(migration_env: MigrationEnv) -> None:
    """Every kind of statement of a v1 client succeeds, and shows v1's columns; then all of it is undone."""
    with session(migration_env.url) as conn, conn.cursor() as cur:
        cur.execute("BEGIN")
        for statement in V1_STATEMENTS:
            cur.execute(statement)
            if statement.startswith("SELECT *"):
                assert [column.name for column in cur.description or ()] == V1_COLUMNS
        cur.execute("SELECT quantity FROM portfolio_positions WHERE symbol = '6666.HK'")
        assert cur.fetchall() == [(3,)]
        cur.execute("SELECT count(*) FROM trading_signals WHERE symbol = '0004.HK'")
        assert cur.fetchall() == [(0,)]
        cur.execute("ROLLBACK")


def wait_until(met: Callable[[], object], what: str, process: BaseProcess | None = None) -> None:
    """Waits for as long as it takes, within a generous limit, or until the process that should do it has ended."""
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        assert process is None or process.is_alive() or met(), f"the run ended before: {what}"
        time.sleep(0.02)


def wait_for_the_end_of(it: MigrationEnv) -> None:
    """Until the server has ended the sessions of a run that was killed."""
    wait_until(lambda: not sessions_of_ours(it), "the server ends the killed run's sessions")


def sessions_of_ours(it: MigrationEnv) -> list[int]:
    found = it.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND application_name LIKE 'hk_strategy%'"
    )
    return [pid for (pid,) in found]


@contextmanager
def writer(it: MigrationEnv) -> Iterator[None]:
    """A client with a transaction open in which it has written: concurrent index builds wait for its end."""
    with session(it.url) as conn, conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("UPDATE portfolio_positions SET sector = sector WHERE symbol = '0001.HK'")
        yield
        cur.execute("ROLLBACK")


# A process that has the engine loaded already, from which runs are forked: quick, and no threads are forked with them.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["src.migration.engine"])


class Apart:
    """A run in a process of its own.

    It kills itself with -9 at its `kill_at`-th step event (counted from 0). Before the step `hold_at` it waits until
    `let_go` is called.
    """

    def __init__(
        self,
        migration_env: MigrationEnv,
        phase: Phase,
        *,
        kill_at: int | None = None,
        hold_at: str | None = None,
        **choices: Any,
    ) -> None:
        self._files = migration_env.settings.home / f"apart_{next(_numbers)}"
        self.process = _context.Process(
            target=_child,
            args=(migration_env.url, migration_env.settings, phase.value, self._files, kill_at, hold_at, choices),
        )
        self.process.start()

    @property
    def reported(self) -> list[dict[str, Any]]:
        with contextlib.suppress(FileNotFoundError):
            text = self._files.with_suffix(".events").read_text(encoding="utf-8")
            return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return []

    def wait_for(self, **what: str) -> None:
        """Until the run reports an event with these values (kind, step, state)."""
        wait_until(
            lambda: any(all(event[key] == value for key, value in what.items()) for event in self.reported),
            f"the run reports {what}", self.process,
        )  # fmt: skip

    def let_go(self) -> None:
        self._files.with_suffix(".go").touch()

    def interrupt(self) -> None:
        """Ctrl-C."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> int | None:
        """Wait for its end; the exit code."""
        self.process.join(60)
        assert not self.process.is_alive(), "the run does not end"
        return self.process.exitcode


def _child(
    url: str,
    settings: Settings,
    phase: str,
    files: Path,
    kill_at: int | None,
    hold_at: str | None,
    choices: dict[str, Any],
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    counted = itertools.count()

    def write(kind: str, step: str | None, message: str, state: object) -> None:
        with files.with_suffix(".events").open("a", encoding="utf-8") as out:
            out.write(json.dumps({"kind": kind, "step": step, "message": message, "state": state}) + "\n")

    def on_event(event: Event) -> None:
        write(event.kind, event.step, event.message, event.detail.get("state"))
        if event.kind != "step" or event.detail.get("state") == "skipped":
            return
        if next(counted) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if event.step == hold_at and event.detail.get("state") == "started":
            while not files.with_suffix(".go").exists():
                time.sleep(0.01)

    try:
        engine.run(url, Phase(phase), Options(**{"backup": False, **choices}), settings, on_event)
    except MigrationError as error:
        write("raised", type(error).__name__, f"{error} {next_words(error.next_step)}", None)


def step_events(events: Sequence[Event]) -> list[Event]:
    """Those that `kill_at` counts."""
    return [e for e in events if e.kind == "step" and e.detail.get("state") != "skipped"]
