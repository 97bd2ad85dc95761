"""A database session of the old application, by one driver or the other, with every statement timed."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import psycopg2

from tests.support.load.report import Failure, Timings
from tests.support.load.v1 import Column

Row = tuple[Any, ...]
DRIVER_ERRORS = (psycopg2.Error, psycopg.Error)


@dataclass(frozen=True)
class Style:
    """How one of the application's programs connects. `autocommit` False: BEGIN and COMMIT around each statement."""

    name: str
    driver: str
    autocommit: bool
    application_name: str


STYLES = (
    Style("simple", "psycopg2", True, "old_app"),
    Style("prepared", "psycopg", True, "old_app"),
    Style("simple in transactions", "psycopg2", False, ""),
    Style("prepared in transactions", "psycopg", False, "old_app"),
)


@dataclass
class Record:
    """What one connection saw so far."""

    begin: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    kind: array[int] = field(default_factory=lambda: array("H"))
    failures: list[Failure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    reconnects: int = 0

    def timings(self) -> Timings:
        return Timings(self.begin, self.seconds, self.kind)


@dataclass(frozen=True)
class Answer:
    """`count`: rows that the statement returned or changed."""

    rows: list[Row]
    columns: tuple[Column, ...]
    count: int


class StatementFailed(Exception):
    """Recorded already. `unsure`: the connection broke, so the statement may have been done all the same."""

    def __init__(self, unsure: bool) -> None:
        super().__init__()
        self.unsure = unsure


class Session:
    """One connection at a time; opened again when it broke, or on request, as an application's pool would."""

    def __init__(self, style: Style, url: str, kinds: list[str]) -> None:
        self.style = style
        self.record = Record()
        self.busy: tuple[float, str] | None = None
        self._url = url
        self._kinds = kinds
        self._in_transaction = False
        self._conn: Any = self._open()

    def _open(self) -> Any:
        name = self.style.application_name
        if self.style.driver == "psycopg2":
            conn = psycopg2.connect(self._url, application_name=name)
            conn.autocommit = self.style.autocommit
            return conn
        # A threshold of 0 prepares each statement on the server at its first use.
        return psycopg.connect(self._url, application_name=name, autocommit=self.style.autocommit, prepare_threshold=0)

    def close(self) -> None:
        self._conn.close()

    def reconnect(self) -> None:
        self._conn.close()
        self.record.reconnects += 1
        self._timed("connect", lambda: setattr(self, "_conn", self._open()))

    def begin(self) -> None:
        self._in_transaction = True
        if self.style.autocommit:
            self.run("begin", "BEGIN")

    def commit(self) -> None:
        self._in_transaction = False
        if self.style.autocommit:
            self.run("commit", "COMMIT")
        else:
            self._timed("commit", self._conn.commit)

    def run(self, kind: str, sql: str, params: Sequence[object] | None = None) -> Answer:
        """Send one statement and read its answer. Raises StatementFailed after having recorded the failure."""
        answers: list[Answer] = []

        def send() -> None:
            cursor = self._conn.cursor()
            cursor.execute(sql, params)
            described = cursor.description or ()
            rows, count = (list(cursor.fetchall()) if described else []), cursor.rowcount
            cursor.close()
            if not self.style.autocommit and not self._in_transaction:
                self._conn.commit()
            columns = tuple((c.name, c.type_code, c.precision, c.scale) for c in described)
            answers.append(Answer(rows, columns, count))

        self._timed(kind, send)
        return answers[0]

    def _timed(self, kind: str, action: Any) -> None:
        begin = time.monotonic()
        self.busy = (begin, kind)
        try:
            action()
        except DRIVER_ERRORS as error:
            self._failed(begin, kind, error)
        finally:
            record = self.record
            record.begin.append(begin)
            record.seconds.append(time.monotonic() - begin)
            record.kind.append(self._number(kind))
            self.busy = None

    def _number(self, kind: str) -> int:
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def _failed(self, begin: float, kind: str, error: Exception) -> None:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        message = " ".join(str(error).split())
        self.record.failures.append(Failure(begin, self.style.name, kind, state, message))
        self._in_transaction = False
        unsure = state == ""
        try:
            self._conn.rollback()
        except DRIVER_ERRORS:
            unsure = True
        time.sleep(0.02)  # an application that met an error does not come back within the same instant
        if self._conn.closed:
            self._open_again()
        raise StatementFailed(unsure) from error

    def _open_again(self) -> None:
        for _ in range(100):
            try:
                self._conn = self._open()
                return
            except DRIVER_ERRORS:
                time.sleep(0.1)
