"""Opening a connection, and saying what went wrong without saying the password."""

import math
import re
import time
from typing import TypeAlias
from urllib.parse import unquote

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection, cursor, make_dsn, parse_dsn

from src.errors import ConfigurationError
from src.postgres import errors
from src.postgres.connect_errors import libpq_text, reason_of_failure

APPLICATION_NAME = "hk_strategy"
Connection: TypeAlias = connection
Cursor: TypeAlias = cursor


def redact(text: str, url: str) -> str:
    """`text` with the password of `url` masked, in both its plain and its URL-encoded spelling."""
    try:
        secrets = {parse_dsn(url).get("password", "")}
    except psycopg2.ProgrammingError:
        secrets = set()
    if "://" in url and "@" in url:
        credentials = url.split("://", 1)[1].rsplit("@", 1)[0]
        encoded = credentials.partition(":")[2]
        secrets |= {encoded, unquote(encoded)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "****")
    return text


def connect(
    url: str, *, purpose: str = "", autocommit: bool = False, options: str = "", within_s: int | None = None
) -> Connection:
    """Connect to `url` (a libpq URL or keyword string; sockets, sslmode and service files work).

    The session's application_name is "hk_strategy" and the purpose, so that plans can tell this project's
    sessions from v1 clients. Raises ConfigurationError for a URL that libpq cannot read and
    DatabaseUnavailable, with its reason, when the server does not answer or refuses: after `within_s` seconds (libpq
    waits at least 2) where it is given, else after what the URL says, or 10; to find the reason may take 2 more.
    """
    name = f"{APPLICATION_NAME} {purpose}".strip()
    parsed = _parse(url)
    if within_s is not None:
        parsed["connect_timeout"] = str(within_s)
    parsed.setdefault("connect_timeout", "10")
    merged = " ".join(part for part in (parsed.pop("options", ""), options) if part)
    if merged:
        parsed["options"] = merged
    parsed["application_name"] = name
    dsn, started = make_dsn(**parsed), time.monotonic()
    try:
        conn = psycopg2.connect(dsn)
    except psycopg2.OperationalError as error:
        timeout_s = float(parsed["connect_timeout"])
        timeout_s = timeout_s if timeout_s > 0 else math.inf
        reason = reason_of_failure(dsn, time.monotonic() - started, timeout_s)
        raise errors.no_session(reason, redact(libpq_text(error), url)) from None
    conn.autocommit = autocommit
    return conn


def _parse(url: str) -> dict[str, str]:
    """libpq's reading of `url`. An unencoded @ or / in a password makes it take pieces of it for a host or a port."""
    try:
        parsed: dict[str, str] = parse_dsn(url)
    except psycopg2.ProgrammingError:
        parsed = {}
    ports = parsed.get("port", "0").split(",")
    waits = parsed.get("connect_timeout", "10").strip()
    in_place = re.fullmatch(r"-?\d+", waits) is not None and not any(
        "@" in parsed.get(key, "") for key in ("host", "hostaddr", "dbname")
    )
    if not parsed or not in_place or not all(port == "" or port.isdecimal() for port in ports):
        raise ConfigurationError(
            "DATABASE_URL cannot be read: write it as postgresql://user:password@host:5432/database, with special "
            "characters of the password URL-encoded (@ as %40, / as %2F, : as %3A)."
        )
    return parsed


def roll_back(conn: Connection) -> None:
    """End a transaction that an error left open; a connection that is gone has none."""
    if conn.closed:
        return
    try:
        with conn.cursor() as cur:
            cur.execute("ROLLBACK")
    except psycopg2.Error:
        conn.close()


def is_gone(conn: Connection) -> bool:
    """Whether the connection was cut off. Asks the server: where writing to it failed, libpq says so only later."""
    if conn.closed:
        return True
    try:
        with conn.cursor() as cur:
            cur.execute("SELECT 1")
    except psycopg2.errors.InFailedSqlTransaction:
        return False
    except psycopg2.Error:
        return True
    return False
