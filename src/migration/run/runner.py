"""The execution of a plan's steps on the live database: one connection executes them, another writes the journal."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg2
import psycopg2.errors
from psycopg2 import sql

from src.errors import MigrationError, RunPaused
from src.journal import runs
from src.journal.model import Client, Event, EventKind, StepState
from src.migration.model import Options, Step, StepMode
from src.migration.run.locks import STOPPED, acquire, describe_holders, wait_for_transactions
from src.migration.run.stall_probe import StallProbe
from src.migration.steps import is_true
from src.postgres.connection import Connection, Cursor, connect, roll_back
from src.postgres.queries import query
from src.text import plural

T = TypeVar("T")
OnEvent = Callable[[Event], None]

POLL_S = 0.5
# The shortest stall that is recorded while a step is under way, and by what factor the next one must exceed it.
REPORTED_STALL_MS = 5.0
STALL_GROWTH = 1.5
BATCH_PAUSE_S = 0.002


class Journal:
    """Records the events of a run in the database, on a connection of its own, and passes them to the caller."""

    def __init__(self, conn: Connection, run_id: int, on_event: OnEvent) -> None:
        self.conn, self.run_id, self._on_event = conn, run_id, on_event
        self._asked_at = 0.0
        self._asked_by: str | None = None

    def record(self, kind: EventKind, message: str, step: Step | None = None, **detail: Any) -> Event:
        done, total = detail.pop("done", None), detail.pop("total", None)
        event = Event(runs.now(), self.run_id, kind, step.name if step else None, message, done, total, detail)
        runs.add_event(self.conn, event)
        self._on_event(event)
        return event

    def record_of(self, kind: EventKind, note: str, step: Step, **detail: Any) -> Event:
        """Record what there is to say of a step under way: the message has its title, `note` in the detail has not."""
        return self.record(kind, f"{step.title}: {note}", step, note=note, **detail)

    def pause_if_asked(self, at: str, *, fresh: bool = True) -> None:
        """Raise RunPaused where an admin asked for a pause, from any process. `at`: the place, for the message.

        `fresh`: ask the database now, however recent the last answer is.
        """
        if fresh:
            self._asked_at = 0.0
        by = self.pause_asked_by()
        if by is not None:
            raise RunPaused(f"{by} asked for it; it stopped {at}.")

    def pause_asked_by(self) -> str | None:
        """Who asked for a pause, or None. Asks the database twice a second at most."""
        now = time.monotonic()
        if self._asked_by is None and now - self._asked_at > POLL_S:
            self._asked_at, self._asked_by = now, runs.pause_asked_by(self.conn, self.run_id)
        return self._asked_by


class Runner:
    """Executes SQL steps. Each leaves the database as before the step, or with the step's whole effect."""

    def __init__(self, work: Connection, journal: Journal, options: Options, probe: StallProbe) -> None:
        self._work, self._journal, self._options, self._probe = work, journal, options, probe
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="step")
        self._stop = threading.Event()
        self._reported_stall_ms = 0.0
        self.exclusive_ms = 0.0

    def close(self) -> None:
        self._pool.shutdown(wait=True)

    def execute(self, step: Step) -> None:
        """Execute one step, unless it has had its effect. Raises RunPaused, MigrationError, psycopg2.Error."""
        self._journal.pause_if_asked(f"before: {step.title}")
        if not is_true(self._work, step.when, default=True):
            self._journal.record(
                EventKind.STEP, f"{step.title}: not needed", step, state=StepState.SKIPPED, needed=False
            )
            return
        if step.done and is_true(self._work, step.done):
            self._journal.record(EventKind.STEP, f"{step.title}: there already", step, state=StepState.SKIPPED)
            return
        self._journal.record(EventKind.STEP, step.title, step, state=StepState.STARTED)
        self._probe.end_interval()
        self._reported_stall_ms = REPORTED_STALL_MS / STALL_GROWTH
        started = time.monotonic()
        detail: dict[str, Any]
        if step.waits_for_transactions:
            wait_for_transactions(self._work)
        if step.mode is StepMode.AUTOCOMMIT:
            detail = self._build(step)
        elif step.mode is StepMode.BATCH:
            detail = self._batches(step)
        else:
            detail = self._transaction(step)
        stall = self._probe.end_interval()
        detail |= {"seconds": round(time.monotonic() - started, 3), "stall_ms": round(stall.longest_ms, 2)}
        self._journal.record(EventKind.STEP, step.title, step, state=StepState.DONE, **detail)

    def _transaction(self, step: Step) -> dict[str, Any]:
        detail = self._interruptible(lambda: self._locked(step) if step.locks else self._unlocked(step), step)
        self.exclusive_ms = max(self.exclusive_ms, float(detail.get("exclusive_ms", 0.0)))
        return detail

    def _unlocked(self, step: Step) -> dict[str, Any]:
        with self._work.cursor() as cur:
            cur.execute("BEGIN")
            self._execute_and_commit(cur, step)
        return {}

    def _locked(self, step: Step) -> dict[str, Any]:
        """Execute the step with its tables locked.

        A lock that it needs besides (on a schema in which a client creates something, say) is waited for no longer than
        clients may wait; then the step is rolled back and tried again.
        """
        deadline = time.monotonic() + self._options.give_up_after_s
        tries = 0
        with self._work.cursor() as cur:
            while True:
                got = acquire(
                    self._work,
                    step.locks,
                    max_wait_ms=self._options.max_lock_ms,
                    give_up_after_s=max(deadline - time.monotonic(), 0.0),
                    on_blocked=self._blocked(step),
                    stop=self._stop,
                )
                tries += got.attempts
                held_since = time.perf_counter()
                try:
                    cur.execute(
                        "SELECT set_config('lock_timeout', %s, true)", (f"{max(self._options.max_lock_ms, 10)}ms",)
                    )
                    self._execute_and_commit(cur, step)
                except psycopg2.errors.LockNotAvailable:
                    cur.execute("ROLLBACK")
                    if time.monotonic() > deadline:
                        raise RunPaused(f"{step.title}: what it needs besides its tables did not come free.") from None
                    if self._stop.is_set():
                        raise RunPaused(STOPPED) from None
                    time.sleep(random.uniform(0.05, 0.2))
                    continue
                if not got.attempts:
                    return {"attempts": 0, "queued_ms": 0}
                exclusive_ms = round((time.perf_counter() - held_since) * 1000, 2)
                return {"attempts": tries, "queued_ms": got.queued_ms, "exclusive_ms": exclusive_ms}

    def _execute_and_commit(self, cur: Cursor, step: Step) -> None:
        cur.execute(step.sql)
        self._note_writes(cur, step)
        cur.execute("COMMIT")
        cur.execute("SELECT pg_stat_force_next_flush()")

    def _build(self, step: Step) -> dict[str, Any]:
        """Build an index concurrently. An invalid one, left by an interrupted build, is dropped first."""
        assert step.index
        with self._work.cursor() as cur:
            cur.execute("SELECT to_regclass(%s) IS NOT NULL", (f"public.{step.index}",))
            (left_over,) = cur.fetchone() or (False,)

        def work() -> dict[str, Any]:
            with self._work.cursor() as cur:
                if left_over:
                    name = sql.Identifier("public", str(step.index))
                    cur.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))
                cur.execute(step.sql)
            return {"rebuilt": bool(left_over)}

        detail = self._interruptible(work, step)
        if not is_true(self._work, step.done):
            raise MigrationError(f"The index {step.index} was built, but the server holds it to be invalid.")
        return detail

    def _batches(self, step: Step) -> dict[str, Any]:
        """Short transactions until `done` is true. Rows that a client has locked are skipped, and come up again."""
        deadline = time.monotonic() + self._options.give_up_after_s
        last_report, batches, rows = time.monotonic(), 0, 0
        while True:
            did = self._interruptible(lambda: self._one_batch(step), step)
            batches, rows = batches + 1, rows + did
            if is_true(self._work, step.done):
                return {"batches": batches, "rows": rows}
            self._journal.pause_if_asked(f"after {plural(rows, 'row')} of: {step.title}", fresh=False)
            now = time.monotonic()
            if did:
                deadline = now + self._options.give_up_after_s
                time.sleep(BATCH_PAUSE_S)
            else:
                if now > deadline:
                    raise RunPaused(f"{step.title}: the last rows are held by clients and did not come free.")
                time.sleep(random.uniform(0.01, 0.05))
            if now - last_report > 1.0:
                last_report = now
                self._journal.record_of(EventKind.PROGRESS, plural(rows, "row"), step, done=rows)

    def _one_batch(self, step: Step) -> int:
        with self._work.cursor() as cur:
            cur.execute("BEGIN")
            cur.execute(step.sql)
            row = cur.fetchone() if cur.description is not None else (max(cur.rowcount, 0),)
            self._note_writes(cur, step)
            cur.execute("COMMIT")
            cur.execute("SELECT pg_stat_force_next_flush()")
        return int(row[0] or 0) if row else 0

    def _note_writes(self, cur: Cursor, step: Step) -> None:
        cur.execute("SELECT hk_migration.note_own_writes(%s, %s)", (self._journal.run_id, step.name))

    def _interruptible(self, work: Callable[[], T], step: Step) -> T:
        """Execute `work` in a second thread; this one meanwhile records its progress, and can stop it.

        Ctrl-C cancels the statement at once. A request for a pause does so only while the statement waits for others.
        """
        future: Future[T] = self._pool.submit(work)
        cancelled = False
        try:
            while True:
                try:
                    return future.result(timeout=POLL_S)
                except NotYet:
                    if future.done():
                        return future.result()
                    waiting = self._report_build(step)
                    self._report_stall(step)
                    if self._journal.pause_asked_by() is not None:
                        self._stop.set()
                        if waiting and not cancelled:
                            cancelled = True
                            self._work.cancel()
        except KeyboardInterrupt:
            self._stop.set()
            if not future.done():
                self._work.cancel()
            future.exception()
            roll_back(self._work)
            title = f"{step.title[0].lower()}{step.title[1:]}"
            raise RunPaused(f"Interrupted during {title}: that step was cancelled.") from None
        except (RunPaused, psycopg2.Error) as error:
            roll_back(self._work)
            if self._stop.is_set() and isinstance(error, (RunPaused, psycopg2.errors.QueryCanceled)):
                self._journal.pause_if_asked(f"while it waited for others: {step.title}")
            raise

    def _report_stall(self, step: Step) -> None:
        longest = self._probe.longest_of_interval_ms()
        if longest > self._reported_stall_ms * STALL_GROWTH:
            self._reported_stall_ms = longest
            self._journal.record(EventKind.STALL, f"A client waited {longest:.0f} ms", step, stall_ms=round(longest, 2))

    def _report_build(self, step: Step) -> bool:
        """Record the progress of an index build. Returns whether it waits for another transaction to end."""
        if step.mode is not StepMode.AUTOCOMMIT:
            return False
        found = build_progress(self._journal.conn, self._work.info.backend_pid)
        if found is None:
            return False
        note, detail = found.phase, {}
        if found.waiting_for is not None:
            note += f", waiting for pid {found.waiting_for}{found.waiting_for_name}"
            detail = {"waiting_for": found.waiting_for}
        done, total = found.blocks_done, found.blocks_total
        self._journal.record_of(EventKind.PROGRESS, note, step, done=done, total=total, **detail)
        return found.waiting_for is not None

    def _blocked(self, step: Step) -> Callable[[int, tuple[Client, ...]], None]:
        def report(attempts: int, holders: tuple[Client, ...]) -> None:
            self._journal.record_of(
                EventKind.BLOCKED,
                f"{plural(attempts, 'try', 'tries')} for the lock. {describe_holders(holders)}",
                step,
                attempts=attempts,
                holders=[{"pid": h.pid, "role": h.role, "application_name": h.application_name} for h in holders],
            )

        return report


@dataclass(frozen=True)
class IndexProgress:
    """How far an index build is. `waiting_for`: the pid of the session that it waits for, if it waits for one."""

    phase: str
    blocks_done: int
    blocks_total: int
    waiting_for: int | None
    waiting_for_name: str


def build_progress(conn: Connection, pid: int) -> IndexProgress | None:
    """The progress of the index that backend `pid` builds. None where it builds none now."""
    with conn.cursor() as cur:
        cur.execute(query("migration.run.runner.build_progress"), (pid,))
        row = cur.fetchone()
        if row is None:
            return None
        phase, done, total, locker = row
        if not locker:
            return IndexProgress(str(phase), int(done), int(total), None, "")
        cur.execute("SELECT usename, application_name FROM pg_stat_activity WHERE pid = %s", (locker,))
        session = cur.fetchone()
    name = f" ({session[0]}, {session[1]})" if session else ""
    return IndexProgress(str(phase), int(done), int(total), int(locker), name)


@contextmanager
def work_session(url: str) -> Iterator[Connection]:
    """The connection that executes a run: no timeouts; the server ends it soon after its client is gone."""
    conn = connect(url, purpose="migration", autocommit=True)
    try:
        with conn.cursor() as cur:
            cur.execute("SET search_path = public")
            cur.execute("SET statement_timeout = 0")
            cur.execute("SET lock_timeout = 0")
            cur.execute("SET idle_in_transaction_session_timeout = 0")
            cur.execute("SET hk_migration.active = 'on'")
            # A commit that waits for the disk holds its locks meanwhile. Not waiting is safe: the write-ahead log is in
            # order, and the journal's commit after each step waits for everything before it.
            cur.execute("SET synchronous_commit = off")
            try:
                cur.execute("SET client_connection_check_interval = '1s'")
            except psycopg2.errors.InvalidParameterValue:
                # Not on this platform. Then `resume` ends an orphaned backend.
                pass
        yield conn
    finally:
        conn.close()
