"""What an error of PostgreSQL means, by its SQLSTATE: for the dashboard, the command line and health alike.

The text of an error is shown and never read: its language is that of the server (lc_messages) or of libpq.
How a failed connection gets its SQLSTATE: src/postgres/connect_errors.py.
"""

from enum import StrEnum

import psycopg2

from src.errors import (
    Action,
    CapabilityMissing,
    Conflict,
    DatabaseUnavailable,
    HKStrategyError,
    InvalidInput,
    NextStep,
    NotAllowed,
    TableLocked,
)


class Reason(StrEnum):
    """Why PostgreSQL did not do what was asked. `WORDS` has a sentence and the next step for each."""

    AWAY = "away"
    SILENT = "silent"
    UNKNOWN_HOST = "unknown-host"
    NO_SESSION = "no-session"
    PASSED = "passed"
    STARTING_OR_STOPPING = "starting-or-stopping"
    LOST = "lost"
    NOT_AUTHENTICATED = "not-authenticated"
    AUTHENTICATION_FAILED = "authentication-failed"
    LOGIN_REFUSED = "login-refused"
    UNKNOWN_DATABASE = "unknown-database"
    CLOSED_DATABASE = "closed-database"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    NO_CONNECT_RIGHT = "no-connect-right"
    WRONG_SETTING = "wrong-setting"
    SESSION_REFUSED = "session-refused"
    LOCKED = "locked"
    CANCELLED = "cancelled"
    CONFLICT = "conflict"
    NOT_ALLOWED = "not-allowed"
    READ_ONLY = "read-only"
    DISK_FULL = "disk-full"
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_RESOURCES = "out-of-resources"
    SERVER_FAULT = "server-fault"
    SCHEMA_MOVED = "schema-moved"
    INVALID_VALUE = "invalid-value"
    FENCED = "fenced"
    OTHER = "other"


_CHECK_HOST = (
    "Check that its host is up and reachable, and that the address in DATABASE_URL, in .env, is right: the server may "
    "be overloaded, or a firewall may drop what is sent to it."
)
_MORE_CONNECTIONS = (
    "Close clients that are not needed, or raise the limit that is reached: max_connections of the server (which then "
    "has to be restarted), or CONNECTION LIMIT of the database or the role."
)

# The sentence, to which what the server says is added, and the next step.
WORDS: dict[Reason, tuple[str, str]] = {
    Reason.AWAY: ("PostgreSQL does not answer", "Start PostgreSQL, or correct DATABASE_URL, in .env."),
    Reason.SILENT: ("PostgreSQL does not answer in time", _CHECK_HOST),
    Reason.UNKNOWN_HOST: (
        "The host of the database is not known",
        "Correct the host in DATABASE_URL, in .env, or check the name service.",
    ),
    Reason.NO_SESSION: (
        "The address accepts connections, but gives no session",
        "Compare DATABASE_URL, in .env, with the server: its port, sslmode, certificates and target_session_attrs.",
    ),
    Reason.PASSED: ("PostgreSQL refused a session, and accepts one now", "Try again."),
    Reason.STARTING_OR_STOPPING: (
        "PostgreSQL is starting or stopping",
        "Wait a moment. Where it lasts, read the server's log: it may be recovering, or somebody has stopped it.",
    ),
    Reason.LOST: ("The connection to PostgreSQL was lost", "Try again in a moment."),
    Reason.NOT_AUTHENTICATED: (
        "PostgreSQL asks for a password",
        "Add the role's password to DATABASE_URL, in .env.",
    ),
    Reason.AUTHENTICATION_FAILED: (
        "PostgreSQL refuses the password",
        "Correct the role and its password in DATABASE_URL, in .env.",
    ),
    Reason.LOGIN_REFUSED: (
        "PostgreSQL refuses this role",
        "Correct the role and its password in DATABASE_URL, in .env, or let the role in: its LOGIN right, and the "
        "server's pg_hba.conf.",
    ),
    Reason.UNKNOWN_DATABASE: (
        "PostgreSQL has no such database",
        "Correct the database's name in DATABASE_URL, in .env, or create it.",
    ),
    Reason.CLOSED_DATABASE: (
        "The database accepts no connections",
        "Correct the database's name in DATABASE_URL, in .env, or let clients in again with ALTER DATABASE … "
        "ALLOW_CONNECTIONS true.",
    ),
    Reason.NO_CONNECT_RIGHT: (
        "PostgreSQL does not let this role connect to the database",
        "Let the owner of the database GRANT CONNECT ON DATABASE to it.",
    ),
    Reason.WRONG_SETTING: (
        "PostgreSQL refuses a setting of the session",
        "Correct the setting that it names in DATABASE_URL, in .env: it stands in options, client_encoding or "
        "replication.",
    ),
    Reason.SESSION_REFUSED: (
        "The server, or a connection pooler in front of it, refuses the session",
        "Point DATABASE_URL, in .env, at PostgreSQL itself, without a pooler, or read the log of what refuses.",
    ),
    Reason.TOO_MANY_CONNECTIONS: ("PostgreSQL has no connection left", _MORE_CONNECTIONS),
    Reason.LOCKED: (
        "A table is locked by somebody else",
        "Try again when that transaction has ended.",
    ),
    Reason.CANCELLED: (
        "PostgreSQL took too long to answer",
        "Try again in a moment. Where it lasts, find in pg_stat_activity what keeps the server busy.",
    ),
    Reason.CONFLICT: ("PostgreSQL undid this in favour of another transaction", "Try again."),
    Reason.NOT_ALLOWED: (
        "The database role lacks a right",
        "Let the owner of what it names GRANT the right.",
    ),
    Reason.READ_ONLY: (
        "This server is a read-only standby, or set read-only",
        "Changes go to the primary: point DATABASE_URL, in .env, at it, or set default_transaction_read_only to off.",
    ),
    Reason.DISK_FULL: ("The server's disk is full", "Make room on the disk of the server, then try again."),
    Reason.OUT_OF_MEMORY: (
        "PostgreSQL is out of memory",
        "Free memory on the server, or lower its memory settings (shared_buffers, work_mem), then try again.",
    ),
    Reason.OUT_OF_RESOURCES: (
        "PostgreSQL is out of a resource",
        "Raise the limit that it names in the server's configuration, then try again.",
    ),
    Reason.SERVER_FAULT: (
        "PostgreSQL cannot read or write its own files",
        "Read the server's log and check its disk before anything else is done.",
    ),
    Reason.SCHEMA_MOVED: ("The schema was changed meanwhile", "Try again."),
    Reason.INVALID_VALUE: ("A value does not fit into the database", "Correct the value. Nothing was changed."),
    Reason.FENCED: ("A rollback is under way", "Try again when it has ended."),
    Reason.OTHER: ("PostgreSQL refuses it", "Read what it says, and the server's log."),
}

# Whole codes first, then classes (the first two characters).
_BY_CODE = {
    "57P01": Reason.LOST,
    "57P02": Reason.LOST,
    "57P05": Reason.LOST,
    "25P03": Reason.LOST,
    "25P04": Reason.LOST,
    "57P03": Reason.STARTING_OR_STOPPING,
    "28P01": Reason.AUTHENTICATION_FAILED,
    "3D000": Reason.UNKNOWN_DATABASE,
    "53300": Reason.TOO_MANY_CONNECTIONS,
    "55P03": Reason.LOCKED,
    "57014": Reason.CANCELLED,
    "40001": Reason.CONFLICT,
    "40P01": Reason.CONFLICT,
    "42501": Reason.NOT_ALLOWED,
    "25006": Reason.READ_ONLY,
    "53100": Reason.DISK_FULL,
    "53200": Reason.OUT_OF_MEMORY,
    "XX001": Reason.SERVER_FAULT,
    "XX002": Reason.SERVER_FAULT,
    # Raised by the triggers that close the tables during a rollback (migrations/rollback_v2_to_v1.sql).
    "HK001": Reason.FENCED,
    # Undefined column, table, function, object, schema; wrong object type; no arbiter for ON CONFLICT; NOT NULL;
    # a foreign or unique key that the caller did not expect.
    **dict.fromkeys(
        ("42703", "42P01", "42883", "42704", "3F000", "42809", "42P10", "23502", "23503", "23505"), Reason.SCHEMA_MOVED
    ),
    # A cached plan whose result type changed; a relation or type that went while it was being opened.
    "0A000": Reason.SCHEMA_MOVED,
    "XX000": Reason.SCHEMA_MOVED,
}
_BY_CLASS = {
    "08": Reason.LOST,
    "28": Reason.LOGIN_REFUSED,
    "53": Reason.OUT_OF_RESOURCES,
    "54": Reason.OUT_OF_RESOURCES,
    "58": Reason.SERVER_FAULT,
    "22": Reason.INVALID_VALUE,
}
# Of a failed connection: there the same codes have other causes. Whole codes first, then classes, then _BY_CODE, of
# which only those of _ANYWHERE hold for a connection too.
_CONNECTING = {
    "55000": Reason.CLOSED_DATABASE,
    "57P04": Reason.UNKNOWN_DATABASE,
    "42501": Reason.NO_CONNECT_RIGHT,
    "57P01": Reason.STARTING_OR_STOPPING,
    "57P02": Reason.STARTING_OR_STOPPING,
    # Unknown setting, cannot be set now, not to be read as a command line, no such role to become.
    **dict.fromkeys(("42704", "55P02", "42601", "42602", "0P000"), Reason.WRONG_SETTING),
    # Poolers use 08P01 (PgBouncer), 58000 (Odyssey, PgCat) and XX000 (Pgpool, Supavisor) for nearly everything.
    # PostgreSQL itself: a protocol or a conversion that it does not know, an internal error.
    **dict.fromkeys(("0A000", "58000", "XX000"), Reason.SESSION_REFUSED),
}
_CONNECTING_CLASS = {"08": Reason.SESSION_REFUSED, "22": Reason.WRONG_SETTING}
_ANYWHERE = frozenset(
    {
        Reason.STARTING_OR_STOPPING,
        Reason.AUTHENTICATION_FAILED,
        Reason.LOGIN_REFUSED,
        Reason.UNKNOWN_DATABASE,
        Reason.TOO_MANY_CONNECTIONS,
        Reason.CANCELLED,
        Reason.DISK_FULL,
        Reason.OUT_OF_MEMORY,
        Reason.OUT_OF_RESOURCES,
        Reason.SERVER_FAULT,
    }
)


def reason_of_code(sqlstate: str) -> Reason:
    """What the SQLSTATE of a statement stands for."""
    return _BY_CODE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2], Reason.OTHER)


def reason_of_refusal(sqlstate: str) -> Reason:
    """What the SQLSTATE of a failed connection stands for."""
    found = _CONNECTING.get(sqlstate) or _CONNECTING_CLASS.get(sqlstate[:2])
    if found is not None:
        return found
    found = reason_of_code(sqlstate)
    return found if found in _ANYWHERE else Reason.OTHER


def reason_of(error: psycopg2.Error) -> Reason:
    """Why a statement failed. Without a SQLSTATE no server answered it: the connection is gone."""
    if error.pgcode is None:
        gone = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return Reason.LOST if gone else Reason.OTHER
    return reason_of_code(error.pgcode)


def is_moved(error: psycopg2.Error) -> bool:
    """The statement may have failed only because a migration changed the schema under it."""
    return reason_of(error) is Reason.SCHEMA_MOVED


def is_lost(error: psycopg2.Error) -> bool:
    """The connection is gone; what was not committed did not happen."""
    return reason_of(error) in (Reason.LOST, Reason.STARTING_OR_STOPPING)


def is_locked(error: psycopg2.Error) -> bool:
    """A lock was not free (NOWAIT), or not soon enough (lock_timeout)."""
    return reason_of(error) is Reason.LOCKED


def is_conflict(error: psycopg2.Error) -> bool:
    """PostgreSQL undid this transaction in favour of another: deadlock or serialization failure."""
    return reason_of(error) is Reason.CONFLICT


def is_refused_right(error: psycopg2.Error) -> bool:
    """The role may not do it."""
    return reason_of(error) is Reason.NOT_ALLOWED


def server_text(error: psycopg2.Error) -> str:
    """What the server says, on one line and without a full stop: to be shown, not to be read by the program."""
    return " ".join((error.diag.message_primary or str(error)).split()).rstrip(".") or type(error).__name__


def server_text_and_detail(error: psycopg2.Error) -> str:
    """`server_text` with what it adds of the case, such as a key. Without its hint: a CASCADE is no advice of ours."""
    detail = " ".join((error.diag.message_detail or "").split()).rstrip(".")
    return f"{server_text(error)}. {detail}" if detail else server_text(error)


def sentence(reason: Reason, said: str = "") -> str:
    """What is wrong, and what the server says of it."""
    return f"{WORDS[reason][0]}{f': {said}' if said else ''}."


def advice(reason: Reason) -> str:
    """The next step."""
    return WORDS[reason][1]


def translate(error: psycopg2.Error) -> Exception:
    """The project's own error for it; an error that nobody foresaw comes back as it is."""
    unforeseen: Exception = error
    return meaning(error) or unforeseen


def meaning(error: psycopg2.Error) -> HKStrategyError | None:
    """The project's own error for it, with the next step in its text; None for one that nobody foresaw."""
    reason, said = reason_of(error), server_text(error)
    text = f"{sentence(reason, said)} {advice(reason)}"
    match reason:
        case Reason.SCHEMA_MOVED | Reason.OTHER:
            return None
        case Reason.FENCED:
            return CapabilityMissing(said)
        case Reason.READ_ONLY:
            return CapabilityMissing(text)
        case Reason.NOT_ALLOWED:
            return NotAllowed(text, NextStep(Action.CHECK))
        case Reason.INVALID_VALUE:
            return InvalidInput(text)
        case Reason.LOCKED:
            return TableLocked(text, NextStep(Action.CHECK))
        case Reason.CONFLICT:
            return Conflict(text)
    return DatabaseUnavailable(text, reason=reason)


def lost(said: str) -> DatabaseUnavailable:
    """The error for a connection that is gone."""
    return DatabaseUnavailable(f"{sentence(Reason.LOST, said)} {advice(Reason.LOST)}", reason=Reason.LOST)


def no_session(reason: Reason, said: str = "", *, next_step: str = "", text: str = "") -> DatabaseUnavailable:
    """The error for a connection that could not be opened; `next_step` and `text` stand in for those of the reason."""
    return DatabaseUnavailable(text or sentence(reason, said), reason=reason, advice=next_step or advice(reason))
