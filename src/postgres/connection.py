"""Opening a connection, and saying what went wrong without saying the password."""

import math
import re
import time
from typing import TypeAlias
from urllib.parse import unquote

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection, cursor, make_dsn, parse_dsn

from src.postgres.connect_errors import Failed, error_of, libpq_text
from src.postgres.connect_settings import parse

APPLICATION_NAME = "hk_strategy"
SHORTEST_SECRET = 3
Connection: TypeAlias = connection
Cursor: TypeAlias = cursor


def redact(text: str, url: str) -> str:
    """`text` with the password of `url` masked, in both its plain and its URL-encoded spelling.

    One of fewer than three characters is masked only where a password stands, lest it is masked in words.
    """
    try:
        secrets = {parse_dsn(url).get("password", "")}
    except psycopg2.ProgrammingError:
        secrets = set()
    if "://" in url and "@" in url:
        credentials = url.split("://", 1)[1].rsplit("@", 1)[0]
        encoded = credentials.partition(":")[2]
        secrets |= {encoded, unquote(encoded)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "****")
        else:
            text = re.sub(rf"(?<=:){re.escape(secret)}(?=@)|(?<=password=){re.escape(secret)}\b", "****", text)
    return text


def connect(
    url: str, *, purpose: str = "", autocommit: bool = False, options: str = "", within_s: int | None = None
) -> Connection:
    """Connect to `url` (a libpq URL or keyword string; sockets, sslmode and service files work).

    The session's application_name is "hk_strategy" and the purpose, so that plans can distinguish this project's
    sessions from v1 clients. Each address that the URL leads to is given `within_s` seconds (libpq waits at least 2)
    where it is given, else what the URL says, or 10.

    Raises ConfigurationError, naming the setting, for a URL that libpq cannot use, and DatabaseUnavailable, with its
    reason, when no server answers or one refuses. To find the reason takes as long again where a server refuses, and 2
    seconds more at most.
    """
    parsed = parse(url)
    if within_s is not None:
        parsed["connect_timeout"] = str(within_s)
    parsed.setdefault("connect_timeout", "10")
    merged = " ".join(part for part in (parsed.pop("options", ""), options) if part)
    if merged:
        parsed["options"] = merged
    parsed["application_name"] = f"{APPLICATION_NAME} {purpose}".strip()
    started = time.monotonic()
    try:
        conn = psycopg2.connect(make_dsn(**parsed))
    except psycopg2.OperationalError as error:
        took_s, timeout_s = time.monotonic() - started, float(parsed["connect_timeout"])
        said = redact(libpq_text(error), url)
        raise error_of(Failed(parsed, options, said, took_s, timeout_s if timeout_s > 0 else math.inf)) from None
    conn.autocommit = autocommit
    return conn


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
