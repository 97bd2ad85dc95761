"""ACCESS EXCLUSIVE locks, taken without queueing for them. Lock timeouts and retries are only here."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg2.errors
from psycopg2 import sql

from src.errors import RunPaused
from src.journal.model import Client
from src.journal.sessions import lock_holders
from src.postgres.connection import Connection, Cursor
from src.postgres.queries import query

# After so many seconds without success a short wait in the queue is allowed; FIRST_WAIT_MS is the first such wait.
QUEUE_AFTER_S = 5.0
FIRST_WAIT_MS = 10
# Longer than deadlock_timeout (1 s), so that an autovacuum in the way is asked to give way.
CLAIM_WAIT_MS = 3000
REPORT_EVERY_S = 1.0
TRANSACTIONS_WAIT_S = 1.0
STOPPED = "Interrupted while trying for a lock."


@dataclass(frozen=True)
class Acquired:
    """`attempts`: tries until the locks were taken. `queued_ms`: how long clients queued behind one at most."""

    attempts: int
    queued_ms: int


OnBlocked = Callable[[int, tuple[Client, ...]], None]


def lock_targets(conn: Connection, tables: Sequence[str]) -> list[tuple[str, str]]:
    """(schema, name) of what must be locked to change `tables`: first the views over them, then those that exist."""
    with conn.cursor() as cur:
        cur.execute(query("migration.run.runner.lock_targets"), {"tables": list(tables)})
        return [(str(schema), str(name)) for schema, name in cur.fetchall()]


def acquire(
    conn: Connection,
    tables: Sequence[str],
    *,
    max_wait_ms: int,
    give_up_after_s: float,
    on_blocked: OnBlocked,
    stop: threading.Event | None = None,
) -> Acquired:
    """Take ACCESS EXCLUSIVE on `tables` and the views over them, in a transaction that this begins.

    Each attempt is NOWAIT, so clients never queue behind it. After QUEUE_AFTER_S seconds an attempt may wait in the
    queue: 10 ms at first, `max_wait_ms` at most. A lock that conflicts with no client keeps autovacuum out. Raises
    RunPaused, with no lock held, after `give_up_after_s`, or soon after another thread sets `stop`.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + give_up_after_s
    targets = lock_targets(conn, tables)
    if not targets:
        conn.cursor().execute("BEGIN")
        return Acquired(0, 0)
    names = sql.SQL(", ").join(sql.Identifier(schema, name) for schema, name in targets)
    _claim(conn, tables, deadline, on_blocked, stop)
    exclusive = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names)
    started, attempts, wait_ms, last_report = time.monotonic(), 0, 0, time.monotonic()
    with conn.cursor() as cur:
        cur.execute("SAVEPOINT before_lock")
        while True:
            attempts += 1
            if _attempt(cur, exclusive, wait_ms):
                return Acquired(attempts, wait_ms)
            now = time.monotonic()
            if now - last_report >= REPORT_EVERY_S:
                last_report = now
                on_blocked(attempts, lock_holders(conn, tables))
            if now > deadline:
                holders = lock_holders(conn, tables)
                cur.execute("ROLLBACK")
                text = f"No gap was found in {give_up_after_s:.0f} s to lock {', '.join(tables)}."
                raise RunPaused(f"{text} {describe_holders(holders)}")
            wait_ms = _queue_wait_ms(now - started, max_wait_ms)
            if stop.wait(random.uniform(0.002, 0.012) if not wait_ms else random.uniform(0.05, 0.2)):
                cur.execute("ROLLBACK")
                raise RunPaused(STOPPED)


def _attempt(cur: Cursor, lock: sql.Composable, wait_ms: int) -> bool:
    """Try to lock, without waiting in the queue where `wait_ms` is 0. Returns whether the lock is held."""
    try:
        if wait_ms:
            cur.execute("SELECT set_config('lock_timeout', %s, true)", (f"{wait_ms}ms",))
            cur.execute(lock)
        else:
            cur.execute(lock + sql.SQL(" NOWAIT"))
    except psycopg2.errors.LockNotAvailable:
        cur.execute("ROLLBACK TO SAVEPOINT before_lock")
        return False
    # Released, so that rows written from here on carry the transaction's own number.
    cur.execute("RELEASE SAVEPOINT before_lock; SET LOCAL lock_timeout = 0")
    return True


def _queue_wait_ms(elapsed_s: float, max_wait_ms: int) -> int:
    """How long the next attempt may wait in the queue: 0 at first, then doubled every QUEUE_AFTER_S seconds."""
    if elapsed_s <= QUEUE_AFTER_S or max_wait_ms <= 0:
        return 0
    doublings = int(elapsed_s / QUEUE_AFTER_S) - 1
    return min(max_wait_ms, FIRST_WAIT_MS << doublings)


def _claim(
    conn: Connection, tables: Sequence[str], deadline: float, on_blocked: OnBlocked, stop: threading.Event
) -> None:
    """Begin, and take SHARE UPDATE EXCLUSIVE, which conflicts with no reader or writer.

    The server cancels an autovacuum that blocks it after deadlock_timeout; no other starts while it is held.
    """
    present = [target for target in lock_targets(conn, tables) if target[0] == "public" and target[1] in tables]
    statement = sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(
        sql.SQL(", ").join(sql.Identifier(schema, name) for schema, name in present)
    )
    attempts = 0
    while True:
        attempts += 1
        with conn.cursor() as cur:
            cur.execute("BEGIN")
            cur.execute("SELECT set_config('lock_timeout', %s, true)", (f"{CLAIM_WAIT_MS}ms",))
            try:
                cur.execute(statement)
                cur.execute("SELECT set_config('lock_timeout', '0', true)")
                return
            except psycopg2.errors.LockNotAvailable:
                cur.execute("ROLLBACK")
        holders = lock_holders(conn, tables)
        if time.monotonic() > deadline:
            raise RunPaused(f"Maintenance on {', '.join(tables)} is in the way. {describe_holders(holders)}")
        on_blocked(attempts, holders)
        if stop.wait(random.uniform(0.1, 0.3)):
            raise RunPaused(STOPPED)


def wait_for_transactions(conn: Connection, limit_s: float = TRANSACTIONS_WAIT_S) -> None:
    """Wait until the transactions that are open in this database have ended, or for `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    with conn.cursor() as cur:
        cur.execute(query("migration.run.runner.open_transactions"))
        found = [virtual for (virtual,) in cur.fetchall()]
        while found and time.monotonic() < deadline:
            time.sleep(0.01)
            cur.execute(query("migration.run.runner.still_open"), (found,))
            found = [virtual for (virtual,) in cur.fetchall()]


def describe_holders(holders: Sequence[Client]) -> str:
    """A sentence on the sessions that hold a lock: the first three, and how many more."""
    if not holders:
        return "Its holders are not visible to this role."
    first = "; ".join(
        f"pid {h.pid}, role {h.role}, {h.application_name or 'no application name'}, {h.state}"
        + (f", in a transaction for {h.transaction_s:.0f} s" if h.transaction_s is not None else "")
        for h in holders[:3]
    )
    more = f" and {len(holders) - 3} more" if len(holders) > 3 else ""
    return f"In the way: {first}{more}."
