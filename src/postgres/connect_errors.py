"""Why a connection could not be opened, found without reading a text in somebody's language.

psycopg2 gives no SQLSTATE for it: libpq keeps the fields of the server's answer to itself, and psycopg2 opens a
connection in one call. So a second attempt is made, of each address by itself, with libpq set to say nothing but the
severity and the SQLSTATE (PQERRORS_SQLSTATE). Where no server answered, the addresses are tried without libpq.
See docs/decisions/0007-connection-errors.md.
"""

import ctypes
import getpass
import os
import re
import select
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import psycopg2
from psycopg2 import _psycopg
from psycopg2.extensions import POLL_OK, POLL_READ, connection, make_dsn

from src.errors import HKStrategyError
from src.postgres import errors
from src.postgres.connect_hosts import Host, hosts_of, reason_of_address
from src.postgres.connect_settings import refusal, wrong_file, wrong_setting
from src.postgres.errors import Reason

MORE_S = 2.0  # the second attempt may take so much longer than the first
SLOW_S = 5.5  # a refusal that comes so soon is reported as one, even where connect_timeout is shorter
_PQERRORS_SQLSTATE = 3
# What libpq says of a server's error in that setting: the severity, a colon, two blanks and the SQLSTATE.
_SQLSTATE_LINE = re.compile(r":  ([0-9A-Z]{5})$", re.MULTILINE)
# With these a URL asks the server for settings of the session.
_SESSION_SETTINGS = ("options", "client_encoding", "replication")
# What has nothing to do with them.
_SURE = frozenset(
    {
        Reason.AUTHENTICATION_FAILED,
        Reason.LOGIN_REFUSED,
        Reason.UNKNOWN_DATABASE,
        Reason.CLOSED_DATABASE,
        Reason.TOO_MANY_CONNECTIONS,
        Reason.STARTING_OR_STOPPING,
        Reason.WRONG_SETTING,
        Reason.NOT_AUTHENTICATED,
        Reason.PASSED,
    }
)


@dataclass(frozen=True)
class Failed:
    """An attempt that gave no connection.

    `parsed`: the settings it was made with; `own_options`: what this program added to options; `said`: libpq's text,
    without a password; `took_s`: how long it lasted; `timeout_s`: its connect_timeout, which holds for each address.
    """

    parsed: dict[str, str]
    own_options: str
    said: str
    took_s: float
    timeout_s: float


def libpq_text(error: psycopg2.Error) -> str:
    """What libpq and the server say, of every host, on one line and each only once.

    Lines that libpq indents are its hints for programmers, and left out.
    """
    lines = [" ".join(line.split()).rstrip(".") for line in str(error).splitlines() if not line.startswith("\t")]
    return "; ".join(line for line in dict.fromkeys(lines) if line)


def error_of(failed: Failed) -> HKStrategyError:
    """The project's own error: ConfigurationError for a setting that libpq cannot use, else DatabaseUnavailable."""
    setting = wrong_setting(failed.parsed)
    if setting is not None:
        return refusal(setting, failed.said)
    hosts = hosts_of(failed.parsed)
    reasons = _reasons(hosts, failed)
    reason = _deciding(reasons)
    if reason is Reason.NO_SESSION:
        file = wrong_file(failed.parsed)
        if file is not None:
            return refusal(file, failed.said)
    if reason is Reason.NO_CONNECT_RIGHT:
        return errors.no_session(reason, failed.said, next_step=_grant(failed.parsed))
    reported = [f"{host.place}: {errors.WORDS[one][0]}" for host, one in zip(hosts, reasons, strict=False)]
    if len(set(reasons)) == 1:
        return errors.no_session(reason, failed.said)
    text = f"No host of DATABASE_URL gives a session ({'; '.join(reported)}): {failed.said}."
    return errors.no_session(reason, text=text)


def _reasons(hosts: Sequence[Host], failed: Failed) -> list[Reason]:
    """One for each host that libpq has tried: it stops where a server refuses, unless that is starting or stopping."""
    addresses = [(host, parsed) for host in hosts for parsed in host.addresses]
    found = _of_addresses([parsed for _, parsed in addresses], failed)
    reasons = []
    for host in hosts:
        of_host = [reason for (other, _), reason in zip(addresses, found, strict=True) if other is host]
        reasons.append(_deciding(of_host or [Reason.UNKNOWN_HOST]))
        if _ends(reasons[-1]):
            break
    return reasons


def _of_addresses(addresses: Sequence[dict[str, str]], failed: Failed) -> list[Reason]:
    # libpq waits at most timeout_s for each address: those that never answer have taken all of it, the rest is what
    # the others took.
    silent = int((failed.took_s + 0.05) / failed.timeout_s)
    budget_s = failed.took_s - silent * failed.timeout_s + MORE_S if silent < len(addresses) else 0.0
    if silent:
        budget_s = max(budget_s, SLOW_S - failed.timeout_s)
    if budget_s <= 0:
        return [Reason.SILENT for _ in addresses]
    answers = _second_attempt(addresses, budget_s)
    found = []
    for parsed, answer in zip(addresses, answers, strict=True):
        reason = answer or reason_of_address(parsed, MORE_S)
        if reason is Reason.PASSED and silent >= len(addresses):
            reason = Reason.SILENT  # it did not refuse: it was slow
        elif _ends(reason) and reason not in _SURE and _is_for_settings(parsed, reason, failed, budget_s):
            reason = Reason.WRONG_SETTING
        found.append(reason)
    return found


def _ends(reason: Reason) -> bool:
    """Whether libpq tries no other address after it."""
    goes_on = (Reason.AWAY, Reason.SILENT, Reason.UNKNOWN_HOST, Reason.NO_SESSION, Reason.STARTING_OR_STOPPING)
    return reason not in goes_on


def _deciding(reasons: Sequence[Reason]) -> Reason:
    """Of several addresses the one that answered decides, else the first."""
    for wanted in (_ends, lambda one: one is Reason.STARTING_OR_STOPPING, lambda one: one is Reason.NO_SESSION):
        for reason in reasons:
            if wanted(reason):
                return reason
    return reasons[0]


def _is_for_settings(parsed: dict[str, str], reason: Reason, failed: Failed, budget_s: float) -> bool:
    """Whether a session without the settings that the URL asks for is not refused, or not for this reason."""
    plain = {key: value for key, value in parsed.items() if key not in _SESSION_SETTINGS}
    if failed.own_options or "PGOPTIONS" in os.environ:
        plain["options"] = failed.own_options or " "  # a blank, so that libpq does not take PGOPTIONS instead
    if plain == parsed:
        return False
    (without,) = _second_attempt([plain], budget_s)
    return without is not None and without is not reason and without is not Reason.SILENT


def _grant(parsed: dict[str, str]) -> str:
    role = parsed.get("user") or os.environ.get("PGUSER") or getpass.getuser()
    database = parsed.get("dbname") or os.environ.get("PGDATABASE") or role
    names = (f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (database, role))
    return "Let the owner of the database run: GRANT CONNECT ON DATABASE {} TO {};".format(*names)


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


class _Attempt:
    """A connection that is being opened. `reason`: None as long as it is not known, and where no server refuses it."""

    def __init__(self, parsed: dict[str, str], libpq: ctypes.PyDLL) -> None:
        self._libpq = libpq
        self.conn: connection | None = None
        self.reason: Reason | None = None
        self.state = POLL_READ
        self.is_open = True
        try:
            self.conn = psycopg2.connect(make_dsn(**parsed), async_=True)
            libpq.PQsetErrorVerbosity(self.conn.pgconn_ptr, _PQERRORS_SQLSTATE)
        except psycopg2.Error as error:
            self._failed(error)
        else:
            self.go_on()

    def go_on(self) -> None:
        """Do what can be done without waiting."""
        assert self.conn is not None
        try:
            self.state = self.conn.poll()
        except psycopg2.Error as error:
            self._failed(error)
            return
        if self.state == POLL_OK:
            self._close(Reason.PASSED)

    def give_up(self) -> None:
        self._close(Reason.SILENT)

    def _failed(self, error: psycopg2.Error) -> None:
        codes = _SQLSTATE_LINE.findall(str(error))
        if codes:
            self._close(errors.reason_of_refusal(codes[-1]))
        elif self.conn is not None and self._libpq.PQconnectionNeedsPassword(self.conn.pgconn_ptr):
            self._close(Reason.NOT_AUTHENTICATED)
        else:
            self._close(None)

    def _close(self, reason: Reason | None) -> None:
        self.reason, self.is_open = reason, False
        if self.conn is not None:
            self.conn.close()


def _second_attempt(addresses: Iterable[dict[str, str]], budget_s: float) -> list[Reason | None]:
    """The refusal that each gets, all at the same time; None where no server refuses with a SQLSTATE."""
    libpq = _libpq()
    if libpq is None:
        return [None for _ in addresses]
    deadline = time.monotonic() + budget_s
    attempts = [_Attempt(parsed, libpq) for parsed in addresses]
    while waiting := [one for one in attempts if one.is_open]:
        left = deadline - time.monotonic()
        if left <= 0:
            for one in waiting:
                one.give_up()
            break
        sockets = {one.conn.fileno(): one for one in waiting if one.conn is not None}
        ready = select.poll()  # not select(), which knows the first 1024 files only
        for number, one in sockets.items():
            ready.register(number, select.POLLIN if one.state == POLL_READ else select.POLLOUT)
        for number, _ in ready.poll(left * 1000):
            sockets[number].go_on()
    return [one.reason for one in attempts]
