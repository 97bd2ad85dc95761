"""What an error of PostgreSQL means here: try again, look at the schema again, or tell the user."""

import psycopg2

from src.errors import CapabilityMissing, ConfigurationError, DatabaseUnavailable, InvalidInput

# Undefined column, table, function, object, schema; wrong object type; no arbiter for ON CONFLICT; NOT NULL;
# a foreign or unique key that the caller did not expect.
_MOVED = {"42703", "42P01", "42883", "42704", "3F000", "42809", "42P10", "23502", "23503", "23505"}
_MOVED_TEXT = ("cached plan must not change", "could not open relation", "cache lookup failed")
# What the fence of a rollback raises (migrations/rollback_v2_to_v1.sql), in words for users.
_FENCED = "HK001"
_LOST = {"57P01", "57P02", "57P03", "25P03"}


def is_moved(error: psycopg2.Error) -> bool:
    """The statement may have failed only because a migration changed the schema under it."""
    return error.pgcode in _MOVED or any(text in str(error) for text in _MOVED_TEXT)


def is_lost(error: psycopg2.Error) -> bool:
    """The connection is gone; what was not committed did not happen."""
    if error.pgcode is None:
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return str(error.pgcode)[:2] == "08" or str(error.pgcode) in _LOST


def is_locked(error: psycopg2.Error) -> bool:
    """A lock was not free (NOWAIT), or not soon enough (lock_timeout)."""
    return bool(error.pgcode == "55P03")


def is_race(error: psycopg2.Error) -> bool:
    """PostgreSQL undid this transaction in favour of another: deadlock or serialization failure."""
    return error.pgcode in ("40P01", "40001")


def translate(error: psycopg2.Error) -> Exception:
    """The project's own error for it; an error that nobody foresaw comes back as it is."""
    said = (error.diag.message_primary or str(error)).strip()
    if is_lost(error):
        return DatabaseUnavailable(f"The connection to PostgreSQL was lost ({said}). Try again in a moment.")
    if error.pgcode == "57014":
        return DatabaseUnavailable(f"PostgreSQL took too long to answer ({said}). Try again in a moment.")
    if error.pgcode == "25006":
        return CapabilityMissing("This server is a read-only standby, or set read-only: changes go to the primary.")
    if error.pgcode == _FENCED:
        return CapabilityMissing(said)
    if error.pgcode == "42501":
        return ConfigurationError(f"The database role lacks a right: {said}. Its owner can GRANT it.")
    if error.pgcode is not None and error.pgcode.startswith("53"):
        return DatabaseUnavailable(f"PostgreSQL is out of a resource: {said}.")
    if error.pgcode is not None and error.pgcode.startswith("22"):
        return InvalidInput(f"A value does not fit into the database: {said}. Nothing was changed.")
    unforeseen: Exception = error
    return unforeseen
