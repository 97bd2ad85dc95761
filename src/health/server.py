"""Whether the server, the cache and the schema are well, in the words of System Status."""

import time
from dataclasses import asdict
from typing import Any

from src.cache import Cache, CacheStatus
from src.errors import Action, DatabaseUnavailable, EmbeddedUnavailable, HKStrategyError, NextStep
from src.health.model import SILENT, Component, Key, State, Trouble
from src.portfolios.transactions import Database
from src.postgres.connection import Cursor
from src.postgres.errors import Reason
from src.postgres.queries import query
from src.schema.versions import SchemaState

LONG_TRANSACTION_S = 60.0
EMBEDDED_ADVICE = "Put right what it says, or set DATABASE_URL in .env to a server of your own."
_NOTICED = ("", NextStep(Action.CHECK))
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


def unreachable(error: HKStrategyError) -> Component:
    """The database is down because of `error`."""
    if isinstance(error, EmbeddedUnavailable):
        advice, reason = EMBEDDED_ADVICE, ""
    elif isinstance(error, DatabaseUnavailable):
        advice, reason = error.advice, error.reason
    else:
        advice, reason = "", ""  # its text says what to do
    details: dict[str, object] = {"reason": reason} if reason else {}
    if reason == Reason.SILENT:
        details[SILENT] = True
    return Component(Key.DATABASE, "PostgreSQL", State.DOWN, str(error), advice, details=details)


def read_server(cursor: Cursor) -> dict[str, Any]:
    """What PostgreSQL says of itself: _FIELDS, and latency_ms (of one statement)."""
    started = time.perf_counter()
    cursor.execute("SELECT 1")
    latency = (time.perf_counter() - started) * 1000
    cursor.execute(query("health.server.state"))
    return {**dict(zip(_FIELDS, cursor.fetchone() or (), strict=True)), "latency_ms": round(latency, 2)}


def server(details: dict[str, Any]) -> Component:
    """`details`: as `read_server` gives them."""
    message = f"PostgreSQL {details['server_version']} answers in {details['latency_ms']:.1f} ms."
    return judged(Key.DATABASE, "PostgreSQL", message, _troubles(details), details)


def judged(key: Key, name: str, message: str, troubles: list[Trouble], details: dict[str, Any]) -> Component:
    """Healthy without troubles; else degraded, with all of them listed, and the advice for the first."""
    if not troubles:
        return Component(key, name, State.HEALTHY, message, details=details)
    text = " ".join((message, *(trouble.message for trouble in troubles))).strip()
    first = troubles[0]
    return Component(key, name, State.DEGRADED, text, first.advice, details=details, next_step=first.next_step)


def _troubles(details: dict[str, Any]) -> list[Trouble]:
    found = []
    if details["standby"]:
        advice = "Point DATABASE_URL, in .env, at the primary: here everything can be read, and nothing changed."
        found.append(Trouble("It is a read-only standby.", advice))
    if details["connections"] >= 0.9 * details["max_connections"]:
        found.append(
            Trouble(
                f"{details['connections']} of {details['max_connections']} connections are in use.",
                "Close clients that are not needed, or raise max_connections and restart PostgreSQL.",
            )
        )
    longest = details["longest_transaction_s"]
    if longest is not None and longest > LONG_TRANSACTION_S:
        found.append(
            Trouble(
                f"A transaction has been open for {longest:.0f} s.",
                "Find its client in pg_stat_activity: it holds up migrations and clean-up.",
            )
        )
    return found


def database(db: Database) -> Component:
    """`details`: as `read_server` gives them."""
    try:
        return server(db.read(lambda cursor, _state: read_server(cursor), needs=None))
    except HKStrategyError as error:
        return unreachable(error)


def cache(of: Cache) -> Component:
    """The cache, asked now. Raises nothing: one that does not answer is down."""
    return cache_of(of.status())


def cache_of(status: CacheStatus) -> Component:
    """`details`: latency_ms, version, used_memory_bytes, keys, hit_rate (0 to 1)."""
    details = {k: v for k, v in asdict(status).items() if k not in ("up", "message")}
    if status.up:
        return Component(Key.CACHE, "Cache", State.HEALTHY, status.message, details=details)
    advice = "Everything works without it, only slower. Start it, or correct REDIS_URL in .env."
    return Component(Key.CACHE, "Cache", State.DOWN, status.message, advice)


def schema(db: Database) -> Component:
    """The schema, read now. Raises nothing: one that cannot be read is down, with the reason."""
    try:
        return schema_of(db.schema(refresh=True))
    except HKStrategyError as error:
        return schema_unknown(str(error))


def schema_unknown(message: str) -> Component:
    """The schema while the database is down; `message` says why."""
    return Component(Key.SCHEMA, "Schema", State.DOWN, message, "The schema is not known while the database is down.")


def schema_of(state: SchemaState) -> Component:
    """`details`: version (text, or None), title, and the flags of detect_schema_version."""
    details = {"version": None if state.version is None else str(state.version), "title": state.title, **state.flags()}
    troubles = []
    message = f"{state.title}."
    if state.version is None:
        message = ""
        steps = ("Create its tables.", NextStep(Action.INIT)) if state.empty else _NOTICED
        troubles.append(Trouble(state.warning or state.title, *steps))
    elif state.warning is not None:
        troubles.append(Trouble(state.warning, *_NOTICED))
    return judged(Key.SCHEMA, "Schema", message, troubles, details)
