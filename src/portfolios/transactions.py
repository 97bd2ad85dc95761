"""Running work in transactions while the schema may be migrated, locks may be held and connections may break."""

import math
import random
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

import psycopg2

from src.errors import Conflict, DatabaseUnavailable, HKStrategyError
from src.postgres import errors
from src.postgres.connection import Cursor
from src.postgres.failures import READ, READ_AND_WRITE, failure
from src.postgres.pool import POOL_SIZE, LeasedConnection, Pool, PoolStatus
from src.postgres.table_locks import Wanted, blocking_locks
from src.schema.own_schema import why_unusable
from src.schema.versions import (
    BASE_TABLES,
    READ_POSITIONS,
    Capability,
    SchemaState,
    SchemaVersion,
    detect_with,
    require,
)

T = TypeVar("T")
Work = Callable[[Cursor, SchemaState], T]

STATE_MAX_AGE_S = 2.0
RETRY_FOR_S = 10.0
# Less than a page waits for the database (live_state.WAIT_S): it says who holds the table.
READ_LOCK_MS = 2_000
MOST_MOVES = 5
# What the server has to be asked about, once the transaction is over: who holds the table, which right is missing, what
# makes it read-only.
_EXPLAINED = (errors.Reason.NOT_ALLOWED, errors.Reason.READ_ONLY)
_TABLES = (*sorted(BASE_TABLES), "portfolios")
_RANDOM = random.SystemRandom()


class _Why(Enum):
    """Why work is tried again: the schema was changed, the connection was lost, or others were in the way."""

    MOVED = auto()
    LOST = auto()
    BUSY = auto()


class _Retry(Exception):
    """Try the work again; `cause` is what to raise where that is not allowed."""

    def __init__(self, reason: _Why, cause: Exception) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


class Database:
    """The database at `url`: a pool of connections, and its schema as it was detected last."""

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE, state_max_age_s: float = STATE_MAX_AGE_S) -> None:
        # Work on a connection that died is run again: to ask each one first would double the small statements.
        self._pool = Pool(url, size=pool_size, check_after_s=math.inf, lock_timeout_ms=READ_LOCK_MS)
        self._state_max_age_s = state_max_age_s
        self._lock = threading.Lock()
        self._state: SchemaState | None = None
        self._seen_at = 0.0

    def lease(self) -> LeasedConnection:
        """A connection of the pool; its `close()` gives it back."""
        return LeasedConnection(self._pool)

    def pool_status(self) -> PoolStatus:
        """How busy the pool is. Contacts nothing."""
        return self._pool.status()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()

    def schema(self, *, refresh: bool = False) -> SchemaState:
        """The schema, at most `state_max_age_s` seconds old. Raises DatabaseUnavailable, and never guesses."""
        state = None if refresh else self._cached_state()
        if state is not None:
            return state
        return self._run(lambda cursor, seen: seen, None, write=False, refresh=True)

    def read(self, work: Work[T], needs: Capability | None = READ_POSITIONS) -> T:
        """Run `work` in a transaction; again where the schema moved or the connection broke.

        Raises TableLocked, with who holds it, where a lock is not free within two seconds.
        """
        return self._run(work, needs, write=False)

    def write(self, work: Work[T], needs: Capability) -> T:
        """Run `work` in a transaction, and commit.

        `work` may run several times, each from scratch: after a lock that was not free (a bounded time), after a
        move of the schema (a phase moves it a few times in a row) or a broken connection (once). It never waits long
        for a lock while it holds others, so that no v1 client ends up in a deadlock with it. Raises Conflict when the
        locks stay taken.
        """
        return self._run(work, needs, write=True)

    def _run(self, work: Work[T], needs: Capability | None, *, write: bool, refresh: bool = False) -> T:
        deadline = time.monotonic() + RETRY_FOR_S
        moves, lost = 0, False
        pause = 0.005
        while True:
            try:
                return self._attempt(work, needs, write=write, refresh=refresh)
            except _Retry as retry:
                if retry.reason is _Why.BUSY and time.monotonic() < deadline:
                    time.sleep(pause * _RANDOM.uniform(0.5, 1.5))
                    pause = min(pause * 1.5, 0.1)
                elif retry.reason is _Why.LOST and not lost:
                    lost = True
                elif retry.reason is _Why.MOVED and moves < _most_moves(retry.cause):
                    moves, refresh = moves + 1, True
                elif retry.reason is _Why.BUSY:
                    raise self._conflict() from retry.cause
                else:
                    raise self._translated(retry.cause) from retry.cause.__cause__

    def _attempt(self, work: Work[T], needs: Capability | None, *, write: bool, refresh: bool) -> T:
        with self._pool.connection() as conn:
            committing = False
            state = None if refresh else self._cached_state()
            fresh = state is None
            try:
                with conn.cursor() as cursor:
                    if write:
                        # Shorter than deadlock_timeout (1 s): it is we who step back, never the other.
                        cursor.execute("SET LOCAL lock_timeout = '200ms'")
                    if state is None:
                        state = self._detect(cursor)
                    if needs is not None:
                        require(state, needs)
                    result = work(cursor, state)
                committing = True
                conn.commit()
                return result
            except HKStrategyError as error:
                # The reason may be a cached schema state that is no longer true.
                if fresh:
                    raise
                raise _Retry(_Why.MOVED, error) from error
            except psycopg2.Error as error:
                if errors.reason_of(error) in _EXPLAINED or (not write and errors.is_locked(error)):
                    conn.rollback()
                    rights = READ_AND_WRITE if write else READ
                    raise failure(conn, error, rights, only=_TABLES) from error
                raise self._classified(error, committing=committing, write=write) from error

    def _classified(self, error: psycopg2.Error, *, committing: bool, write: bool) -> Exception:
        if errors.is_lost(error):
            if committing and write:
                return DatabaseUnavailable(
                    "The connection to PostgreSQL was lost while saving: check whether the change is there "
                    "before trying again."
                )
            # Where one is gone, the others that are idle are likely gone too: the server was restarted.
            self._pool.close()
            return _Retry(_Why.LOST, error)
        if errors.is_moved(error):
            self._forget()
            return _Retry(_Why.MOVED, error)
        if errors.is_locked(error) or errors.is_conflict(error):
            return _Retry(_Why.BUSY, error)
        return errors.translate(error)

    def _conflict(self) -> Conflict:
        """The error for locks that stay taken: of a whole table it is known whose they are."""
        try:
            with self._pool.connection() as conn:
                locks = blocking_locks(conn, Wanted.WRITE, only=_TABLES)
        except (psycopg2.Error, HKStrategyError):
            locks = ()  # the error is raised all the same
        if locks:
            text = "; ".join(map(str, locks))
            return Conflict(f"{text}. Nothing was changed; try again when that transaction has ended.")
        return Conflict(
            f"Someone else is changing these rows, for {RETRY_FOR_S:g} s now. Nothing was changed; "
            "try again in a moment."
        )

    def _translated(self, cause: Exception) -> Exception:
        if not isinstance(cause, psycopg2.Error):
            return cause
        if errors.is_moved(cause):
            with self._pool.connection() as conn:
                return why_unusable(conn, cause) or errors.translate(cause)
        return errors.translate(cause)

    def _detect(self, cursor: Cursor) -> SchemaState:
        state = detect_with(cursor)
        with self._lock:
            self._state, self._seen_at = state, time.monotonic()
        return state

    def _cached_state(self) -> SchemaState | None:
        with self._lock:
            if self._state is None or time.monotonic() - self._seen_at > self._state_max_age_s:
                return None
            # While a database is not (yet) plainly one version it may become another any moment.
            if self._state.warning is not None or self._state.version is SchemaVersion.V1:
                return self._state if time.monotonic() - self._seen_at < self._state_max_age_s / 4 else None
            return self._state

    def _forget(self) -> None:
        with self._lock:
            self._state = None


def _most_moves(cause: Exception) -> int:
    """How often it is worth trying again. A row that a key forbids is forbidden for good, whatever the schema."""
    gone = isinstance(cause, psycopg2.Error) and not str(cause.pgcode).startswith("23")
    return MOST_MOVES if gone else 1
