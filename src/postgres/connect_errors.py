"""Why a connection could not be opened, told without reading a text in somebody's language.

psycopg2 gives no SQLSTATE for it: libpq keeps the fields of the server's answer to itself, and psycopg2 opens a
connection in one call. So a second attempt is made, step by step, with libpq set to say nothing but the severity and
the SQLSTATE (PQERRORS_SQLSTATE). Where no server answered, the addresses are tried by themselves.
See docs/decisions/0007-connection-errors.md.
"""

import ctypes
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg2
from psycopg2 import _psycopg
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, connection, parse_dsn

from src.postgres.errors import Reason, reason_of_code

PROBE_S = 2.0  # at most so long, in addition to what the attempt itself took
_PQERRORS_SQLSTATE = 3
# What libpq says of a server's error in that setting: the severity, a colon, two blanks and the SQLSTATE.
_SQLSTATE_LINE = re.compile(r":  ([0-9A-Z]{5})$", re.MULTILINE)
# Of a failed connection only: the database has ALLOW_CONNECTIONS false.
_CLOSED_DATABASE = "55000"


def libpq_text(error: psycopg2.Error) -> str:
    """What libpq and the server say, of every host, on one line and each only once.

    Lines that libpq indents are its hints for programmers, and left out.
    """
    lines = [" ".join(line.split()).rstrip(".") for line in str(error).splitlines() if not line.startswith("\t")]
    return "; ".join(line for line in dict.fromkeys(lines) if line)


def reason_of_failure(dsn: str, took_s: float, timeout_s: float) -> Reason:
    """Why `dsn` gave no connection. `took_s`: how long that attempt lasted; `timeout_s`: its connect_timeout."""
    if took_s >= timeout_s:
        return Reason.SILENT
    return _reason_of_second_attempt(dsn) or _reason_of_addresses(dsn)


@cache
def _libpq() -> ctypes.PyDLL | None:
    """The libpq that psycopg2 itself uses; None where it cannot be reached."""
    try:
        # The symbols of an extension module include those of the libraries that it was linked with.
        library = ctypes.PyDLL(_psycopg.__file__)
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.PQconnectionNeedsPassword.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


def _reason_of_second_attempt(dsn: str) -> Reason | None:
    """What a second attempt is told; None where no server refuses it with a SQLSTATE."""
    libpq = _libpq()
    if libpq is None:
        return None
    conn: connection | None = None
    try:
        conn = psycopg2.connect(dsn, async_=True)
        libpq.PQsetErrorVerbosity(conn.pgconn_ptr, _PQERRORS_SQLSTATE)
        return Reason.PASSED if _opens(conn) else Reason.SILENT
    except psycopg2.Error as error:
        # Of several hosts the last one that answered decided.
        codes = _SQLSTATE_LINE.findall(str(error))
        if codes:
            return Reason.CLOSED_DATABASE if codes[-1] == _CLOSED_DATABASE else reason_of_code(codes[-1])
        missing = conn is not None and libpq.PQconnectionNeedsPassword(conn.pgconn_ptr)
        return Reason.NOT_AUTHENTICATED if missing else None
    finally:
        if conn is not None:
            conn.close()


def _opens(conn: connection) -> bool:
    """Whether the connection is open within PROBE_S."""
    deadline = time.monotonic() + PROBE_S
    while (state := conn.poll()) != POLL_OK:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        sockets = [conn.fileno()]
        select.select(sockets if state == POLL_READ else [], sockets if state == POLL_WRITE else [], [], left)
    return True


def _reason_of_addresses(dsn: str) -> Reason:
    """What the addresses themselves tell: of several the one that was reached decides, else the first."""
    found = [_reason_of_address(host, port) for host, port in _addresses(dsn)]
    if Reason.NO_SESSION in found:
        return Reason.NO_SESSION
    return found[0] if found else Reason.AWAY


def _addresses(dsn: str) -> Iterator[tuple[str, str]]:
    """(host or folder of the socket, port) of each; none where libpq's own default applies."""
    parsed = parse_dsn(dsn)
    hosts = parsed.get("hostaddr") or parsed.get("host") or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST")
    ports = (parsed.get("port") or os.environ.get("PGPORT") or "5432").split(",")
    for place, host in enumerate(hosts.split(",") if hosts else ()):
        yield host, (ports[place] if len(ports) > 1 and place < len(ports) else ports[0]) or "5432"


def _reason_of_address(host: str, port: str) -> Reason:
    try:
        if host.startswith("/"):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(PROBE_S)
                one.connect(str(Path(host) / f".s.PGSQL.{port}"))
        else:
            socket.create_connection((host, int(port)), PROBE_S).close()
    except (socket.gaierror, UnicodeError):
        return Reason.UNKNOWN_HOST
    except TimeoutError:
        return Reason.SILENT
    except OSError:
        return Reason.AWAY
    return Reason.NO_SESSION
