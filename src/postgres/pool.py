"""A bounded pool of connections, shared by threads."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from src.errors import DatabaseUnavailable
from src.postgres import errors
from src.postgres.connection import Connection, Cursor, connect
from src.postgres.queries import query

IDLE_BEFORE_CHECK_S = 2.0
POOL_SIZE = 10


@dataclass(frozen=True)
class PoolStatus:
    """How busy a pool is. `waiting`: threads that wait for a connection now.

    `gave_up`: how many waited and got none since the process began; `gave_up_s`: how many seconds ago the last one did.
    """

    size: int
    in_use: int = 0
    idle: int = 0
    waiting: int = 0
    gave_up: int = 0
    gave_up_s: float | None = None


class Pool:
    """At most `size` connections at once. Who finds none waits, at most `wait_s` seconds.

    A connection that died while it was idle for longer than `check_after_s` is replaced when it is asked for. Every one
    comes back without an open transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = POOL_SIZE,
        wait_s: float = 10.0,
        statement_timeout_ms: int = 30_000,
        lock_timeout_ms: int = 0,
        purpose: str = "",
        check_after_s: float = IDLE_BEFORE_CHECK_S,
    ) -> None:
        self._url = url
        self._size = size
        self._wait_s = wait_s
        self._options = f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={lock_timeout_ms}"
        self._purpose = purpose
        self._check_after_s = check_after_s
        self._free = threading.Condition()
        self._idle: list[tuple[Connection, float]] = []
        self._in_use = 0
        self._waiting = 0
        self._gave_up = 0
        self._gave_up_at = 0.0
        self._pid = os.getpid()

    def status(self) -> PoolStatus:
        with self._free:
            ago = time.monotonic() - self._gave_up_at if self._gave_up else None
            return PoolStatus(self._size, self._in_use, len(self._idle), self._waiting, self._gave_up, ago)

    def take(self, *, checked: bool = False) -> Connection:
        """A connection: give it back with `give_back`. `checked`: also one that was in use just now must answer.

        Raises DatabaseUnavailable when all are in use for too long, or when the server does not answer.
        """
        idle = self._claim()
        try:
            return self._revived(idle, checked)
        except BaseException:
            self._release(None)
            raise

    def _claim(self) -> tuple[Connection, float] | None:
        """The right to one connection, with an idle one where there is one."""
        deadline = time.monotonic() + self._wait_s
        with self._free:
            if self._pid != os.getpid():
                # After a fork the sockets belong to the parent: they must be neither used nor closed here.
                self._idle, self._in_use, self._pid = [], 0, os.getpid()
            while self._in_use >= self._size:
                self._wait(deadline - time.monotonic())
            self._in_use += 1
            return self._idle.pop() if self._idle else None

    def _wait(self, seconds: float) -> None:
        """Until a connection may have come back. With the lock held."""
        self._waiting += 1
        try:
            if self._free.wait(seconds):
                return
        finally:
            self._waiting -= 1
        self._gave_up, self._gave_up_at = self._gave_up + 1, time.monotonic()
        raise DatabaseUnavailable(
            f"All {self._size} database connections of this process have been in use for "
            f"{self._wait_s:g} s. Try again in a moment."
        )

    def _revived(self, idle: tuple[Connection, float] | None, checked: bool) -> Connection:
        if idle is not None:
            conn, since = idle
            if not checked and time.monotonic() - since < self._check_after_s and not conn.closed:
                return conn
            if _answers(conn):
                return conn
        return connect(self._url, purpose=self._purpose, options=self._options)

    def give_back(self, conn: Connection, *, used_by_others: bool = False) -> None:
        """Undo what was not committed, and let another thread have the connection.

        `used_by_others`: code outside this project had it, which may have changed settings, prepared statements, ...
        """
        reusable = False
        try:
            reusable = _clean(conn, thoroughly=used_by_others)
        finally:
            self._release(conn if reusable else None)

    def _release(self, conn: Connection | None) -> None:
        with self._free:
            self._in_use = max(0, self._in_use - 1)
            if conn is not None:
                self._idle.append((conn, time.monotonic()))
            self._free.notify()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the length of a `with`; committing is the caller's."""
        conn = self.take()
        try:
            yield conn
        finally:
            self.give_back(conn)

    def close(self) -> None:
        """Close what is idle; the pool can be used again."""
        with self._free:
            idle, self._idle = self._idle, []
        for conn, _ in idle:
            conn.close()


def _answers(conn: Connection) -> bool:
    try:
        with conn.cursor() as cursor:
            cursor.execute("SELECT 1")
        conn.rollback()
    except psycopg2.Error:
        conn.close()
        return False
    return True


def _put_public_first(conn: Connection) -> None:
    try:
        with conn.cursor() as cursor:
            cursor.execute(query("postgres.pool.public_first"))
        conn.commit()
    except psycopg2.Error as error:
        raise errors.translate(error) from error


def _clean(conn: Connection, *, thoroughly: bool) -> bool:
    """Back to how it was opened; False when it is of no more use."""
    if conn.closed:
        return False
    try:
        if conn.info.transaction_status != TRANSACTION_STATUS_IDLE:
            conn.rollback()
        if thoroughly:
            conn.cursor_factory = Cursor
            conn.set_session(isolation_level="default", readonly="default", deferrable="default", autocommit=True)
            with conn.cursor() as cursor:
                cursor.execute("DISCARD ALL")
            conn.autocommit = False
    except psycopg2.Error:
        conn.close()
        return False
    return True


class LeasedConnection:
    """A DB-API connection lent to a caller: `close()`, or the end of a `with`, gives it back.

    A `with` commits, or rolls back when its block fails. One that is forgotten comes back when it is collected.

    Names without a schema are looked up in public first: the caller is no v1 client, so on v2 it is to find the
    tables, with every portfolio, and not the compatibility views that stand in front of them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conn: Connection | None = None
        conn = pool.take(checked=True)
        try:
            _put_public_first(conn)
        except BaseException:
            pool.give_back(conn, used_by_others=True)
            raise
        self._conn = conn

    def _live(self) -> Connection:
        if self._conn is None:
            raise psycopg2.InterfaceError("connection already closed")
        return self._conn

    @property
    def closed(self) -> bool:
        return self._conn is None or bool(self._conn.closed)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        return self._live().cursor(*args, **kwargs)

    def commit(self) -> None:
        self._live().commit()

    def rollback(self) -> None:
        self._live().rollback()

    def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            self._pool.give_back(conn, used_by_others=True)

    def __enter__(self) -> "LeasedConnection":
        self._live()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._conn is not None:
                if kind is None:
                    self._conn.commit()
                elif not self._conn.closed:
                    self._conn.rollback()
        finally:
            self.close()

    def __getattr__(self, name: str) -> Any:
        # Whatever else a psycopg2 connection offers (autocommit, encoding, info, ...).
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._live(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._live(), name, value)

    def __del__(self) -> None:
        if getattr(self, "_conn", None) is not None and not sys.is_finalizing():
            self.close()
