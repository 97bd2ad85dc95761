"""Diagnostics of a configured database, whatever its version: every check named, with its reason and advice.

It leaves no trace: what is written is rolled back, ids are given rather than drawn from a sequence (which no rollback
gives back), and no row that a client could hold is touched.
"""

import logging
import time
from collections.abc import Callable, Iterator

from psycopg2.extensions import connection

from src.config import Settings
from src.diagnostics.catalog import SCHEMA_CHECKS
from src.diagnostics.client_statements import PROBES
from src.diagnostics.data import DATA_CHECKS
from src.diagnostics.local import check_cache, check_disk, check_folder, check_pg_dump
from src.diagnostics.model import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, Result, Subject, failed, guarded, passed
from src.errors import Action, DatabaseUnavailable, HKStrategyError, NextStep
from src.postgres.connection import connect
from src.postgres.failures import READ_AND_WRITE
from src.postgres.read_only_setting import read_only_setting
from src.schema.versions import SchemaState, detect
from src.text import milliseconds

log = logging.getLogger("hk_strategy.diagnostics")

OLDEST_SERVER = 15


def diagnose(
    url: str, settings: Settings, cache_url: str | None, on_result: Callable[[Result], None]
) -> tuple[Result, ...]:
    """Run every check that fits the database's version. Results are reported as they come, and returned."""
    results: list[Result] = []

    def report(result: Result) -> None:
        log.info("%s %s: %s", "pass" if result.passed else "FAIL", result.name, result.reason)
        results.append(result)
        on_result(result)

    started = time.perf_counter()
    try:
        conn = connect(url, purpose="diagnostics", options=_session_options())
    except HKStrategyError as error:
        advice = error.advice if isinstance(error, DatabaseUnavailable) else ""  # another one says it in its text
        report(failed("connection", str(error), advice, error.next_step))
        for result in local_checks(url, settings, cache_url, None):
            report(result)
        return tuple(results)
    report(passed("connection", f"connected in {milliseconds((time.perf_counter() - started) * 1000)}"))
    try:
        for result in _examine(url, settings, cache_url, conn):
            report(result)
    finally:
        conn.close()
    return tuple(results)


def _session_options() -> str:
    return f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"


def _examine(url: str, settings: Settings, cache_url: str | None, conn: connection) -> Iterator[Result]:
    state = detect(conn)
    conn.rollback()
    subject = Subject(url, settings, cache_url, conn, state)
    subject.tables = frozenset(
        str(row[0]) for row in subject.rows("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'")
    )
    conn.rollback()
    yield from guarded("server", check_server, subject)
    yield schema_result(state)
    if state.version is not None:
        for name, check in (*SCHEMA_CHECKS, *DATA_CHECKS):
            yield from guarded(name, check, subject)
        for name, check in PROBES:
            yield from guarded(name, check, subject, READ_AND_WRITE)
    yield from local_checks(url, settings, cache_url, _server_version(conn))


def check_server(subject: Subject) -> Iterator[Result]:
    version = str(subject.value("SHOW server_version"))
    major = int(str(subject.value("SHOW server_version_num"))) // 10000
    if major < OLDEST_SERVER:
        yield failed("server", f"PostgreSQL {version}", f"Upgrade to PostgreSQL {OLDEST_SERVER} or newer.")
    else:
        yield passed("server", f"PostgreSQL {version}")
    if subject.value("SELECT pg_catalog.pg_is_in_recovery()"):
        yield failed("server is writable", "it is a standby", "Point DATABASE_URL at the primary.")
        return
    setting = read_only_setting(subject.conn)
    if setting is None:
        yield passed("server is writable", "it is a primary")
    else:
        yield failed("server is writable", "transactions are read-only", setting.advice)


def schema_result(state: SchemaState) -> Result:
    if state.version is None and state.empty:
        return failed(
            "schema",
            "this database is empty",
            "If tables should be here, DATABASE_URL names another database.",
            NextStep(Action.INIT),
        )
    if state.version is None or state.warning:
        return failed("schema", state.warning or state.title, "", NextStep(Action.CHECK))
    return passed("schema", state.title)


def _server_version(conn: connection) -> int:
    return int(conn.server_version) // 10000


def local_checks(url: str, settings: Settings, cache_url: str | None, server_major: int | None) -> Iterator[Result]:
    """What is not in the database: the cache, the folder for backups, the log folder, pg_dump."""
    yield check_cache(cache_url)
    yield check_folder("backup folder", settings.backup_dir, "HK_STRATEGY_BACKUPS")
    yield check_folder("log folder", settings.log_dir, "HK_STRATEGY_LOGS")
    if server_major is not None:
        yield check_pg_dump(server_major)
        yield check_disk(url, settings)
