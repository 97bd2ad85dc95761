"""The words of the diagnostics: a check inspects a subject, and has results."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from src.config import Settings
from src.errors import HKStrategyError, NextStep
from src.postgres import errors
from src.postgres.failures import READ, failure, missing_grants, not_allowed
from src.schema.versions import SchemaState

POSITION_TABLES = ("portfolio_positions", "trading_signals", "price_history")
DATA_TABLES = (*POSITION_TABLES, "portfolios", "portfolio_summary", "portfolio_performance")

# Longer than this, and a check gives up rather than slow down a live database.
STATEMENT_TIMEOUT_MS = 20_000
LOCK_TIMEOUT_MS = 500


@dataclass(frozen=True)
class Result:
    """`reason`: what was found. `advice`: what to do; only where it failed, or where something is worth knowing.

    `next_step`: with what, for each face to say.
    """

    name: str
    passed: bool
    reason: str
    advice: str = ""
    seconds: float = 0.0
    next_step: NextStep | None = None


@dataclass
class Subject:
    """What is examined."""

    url: str
    settings: Settings
    cache_url: str | None
    conn: connection
    state: SchemaState
    tables: frozenset[str] = field(default_factory=frozenset)

    def rows(self, statement: str | sql.Composable, *parameters: object) -> list[tuple[object, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def value(self, statement: str, *parameters: object) -> object:
        return self.rows(statement, *parameters)[0][0]


Check = Callable[[Subject], Iterable[Result]]


def passed(name: str, reason: str, advice: str = "") -> Result:
    return Result(name, True, reason, advice)


def failed(name: str, reason: str, advice: str, next_step: NextStep | None = None) -> Result:
    return Result(name, False, reason, advice, next_step=next_step)


def guarded(name: str, check: Check, subject: Subject, rights: Sequence[str] = READ) -> Iterator[Result]:
    """Run one check, which needs these rights, in a transaction that is rolled back; an error in it is its result."""
    started = time.perf_counter()
    found: list[Result] = []  # what was found before an error counts
    try:
        for result in check(subject):
            found.append(result)
    except psycopg2.Error as error:
        found.append(impossible(name, error, subject.conn, rights))
    except HKStrategyError as error:
        found.append(failed(name, str(error), "", error.next_step))
    finally:
        if not subject.conn.closed:
            subject.conn.rollback()
    took = (time.perf_counter() - started) / max(1, len(found))
    for result in found:
        yield replace(result, seconds=took)


def impossible(name: str, error: psycopg2.Error, conn: connection, rights: Sequence[str]) -> Result:
    """The result of a check that an error of PostgreSQL made impossible, in the words of the commands. Rolls back what
    it did.

    `rights`: what the check was to do with the tables.
    """
    reason = errors.Reason.LOST if conn.closed else errors.reason_of(error)
    said = errors.sentence(reason, errors.server_text(error))
    if conn.closed:
        return failed(name, said, errors.advice(reason))
    conn.rollback()
    try:
        if reason is errors.Reason.NOT_ALLOWED:
            known: Exception = not_allowed(error, missing_grants(conn, "public", rights, only=DATA_TABLES))
        else:
            known = failure(conn, error, rights, only=DATA_TABLES)
    finally:
        conn.rollback()
    if reason is errors.Reason.CANCELLED:
        advice = "It was given up so as not to slow down the clients. Try again when the server is less busy."
        return failed(name, said, advice)
    if isinstance(known, HKStrategyError):
        return failed(name, str(known), "", known.next_step)
    return failed(name, said, errors.advice(reason))
