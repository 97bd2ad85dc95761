"""Whether the server, the cache and the schema are well, in the words of System Status."""

import time
from dataclasses import asdict
from typing import Any

from src.db.cache import Cache
from src.db.connection import Cursor
from src.db.schema import SchemaState
from src.db.session import Database
from src.db.sql import query
from src.errors import ConfigurationError, EmbeddedUnavailable, HKStrategyError

Report = dict[str, Any]

LONG_TRANSACTION_S = 60.0
ADVICE = "Start PostgreSQL, or correct DATABASE_URL in .env."
EMBEDDED_ADVICE = "Put right what it says, or set DATABASE_URL in .env to a server of your own."
_FIELDS = (
    "server_version",
    "database",
    "role",
    "standby",
    "size_bytes",
    "connections",
    "max_connections",
    "longest_transaction_s",
)


def down(message: str, advice: str) -> Report:
    return _report("down", message, advice, {})


def unreachable(error: HKStrategyError) -> Report:
    """The database is down because of `error`."""
    if isinstance(error, ConfigurationError):
        return down(str(error), "")  # it says what to do
    return down(str(error), EMBEDDED_ADVICE if isinstance(error, EmbeddedUnavailable) else ADVICE)


def database(db: Database) -> Report:
    """`details`: _FIELDS and latency_ms (of one statement)."""

    def ask(cursor: Cursor, state: SchemaState) -> dict[str, Any]:
        started = time.perf_counter()
        cursor.execute("SELECT 1")
        latency = (time.perf_counter() - started) * 1000
        cursor.execute(query("server.health"))
        return {**dict(zip(_FIELDS, cursor.fetchone() or (), strict=True)), "latency_ms": round(latency, 2)}

    try:
        details = db.read(ask, needs=None)
    except HKStrategyError as error:
        return unreachable(error)
    message = f"PostgreSQL {details['server_version']} answers in {details['latency_ms']:.1f} ms."
    troubles = _troubles(details)
    if troubles:
        return _report("degraded", f"{message} {' '.join(t[0] for t in troubles)}", troubles[0][1], details)
    return _report("healthy", message, "", details)


def _troubles(details: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    if details["standby"]:
        found.append(("It is a read-only standby.", "Point DATABASE_URL at the primary to change anything."))
    if details["connections"] >= 0.9 * details["max_connections"]:
        found.append(
            (
                f"{details['connections']} of {details['max_connections']} connections are in use.",
                "Close clients that are not needed, or raise max_connections.",
            )
        )
    longest = details["longest_transaction_s"]
    if longest is not None and longest > LONG_TRANSACTION_S:
        found.append(
            (
                f"A transaction has been open for {longest:.0f} s.",
                "Find its client in pg_stat_activity: it holds up migrations and clean-up.",
            )
        )
    return found


def cache(of: Cache) -> Report:
    """`details`: latency_ms, version, used_memory_bytes, keys, hit_rate (0 to 1)."""
    status = of.status()
    details = {k: v for k, v in asdict(status).items() if k not in ("up", "message")}
    if status.up:
        return _report("healthy", status.message, "", details)
    return _report("down", status.message, "Everything works without it, only slower. Look at REDIS_URL in .env.", {})


def schema(db: Database) -> Report:
    """`details`: version (text, or None), title, and the flags of detect_schema_version."""
    try:
        state = db.schema(refresh=True)
    except HKStrategyError as error:
        return down(str(error), "The schema is not known while the database is down.")
    details = {"version": None if state.version is None else str(state.version), "title": state.title, **state.flags()}
    if state.version is None:
        advice = "Run `python run_migration.py init`." if state.empty else "Run `python run_migration.py check`."
        return _report("degraded", state.warning or state.title, advice, details)
    if state.warning is not None:
        return _report("degraded", f"{state.title}. {state.warning}", "Run `python run_migration.py check`.", details)
    return _report("healthy", f"{state.title}.", "", details)


def _report(status: str, message: str, advice: str, details: dict[str, Any]) -> Report:
    return {"status": status, "message": message, "advice": advice, "details": details}
