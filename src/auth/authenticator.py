"""Who sends a request, decided in one place: by a cookie, a password, the terminal's link, or an id token."""

import getpass
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from src.auth.sessions import LoginKind, LoginSession, LoginSessions
from src.auth.store import Account, Accounts, Role
from src.auth.throttle import Throttle
from src.auth.token import OneTimeToken
from src.errors import HKStrategyError, InvalidInput
from src.text import plural

_log = logging.getLogger("hk_strategy.auth")


class Mode(StrEnum):
    """How one gets in. CLOSED: nobody can, there is no account yet."""

    ACCOUNTS = "accounts"
    TOKEN = "token"  # noqa: S105  not one, but the name of the way in
    IDENTITY = "identity"
    CLOSED = "closed"


class LoginRefused(HKStrategyError):
    """Why, in words that help no stranger."""


class Throttled(LoginRefused):
    """`wait_s`: in how many seconds another try is heard."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many tries. Try again in {_wait(wait_s)}.")
        self.wait_s = wait_s


def _wait(seconds: int) -> str:
    return plural(seconds, "second") if seconds < 90 else plural(-(-seconds // 60), "minute")


@dataclass(frozen=True)
class User:
    """Who is logged in. `kind`: as in LoginSession; only an account has a password here."""

    name: str
    role: Role
    kind: LoginKind

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


@dataclass(frozen=True)
class Rules:
    """`loopback`: only this machine reaches the dashboard. `identities`: a provider vouches for e-mail addresses.

    `admins`, `traders`: the addresses that may come in then. `metrics_token`: lets a program read /metrics.
    """

    loopback: bool
    identities: bool = False
    admins: frozenset[str] = frozenset()
    traders: frozenset[str] = frozenset()
    metrics_token: str | None = None


class Authenticator:
    """Safe for several threads. Raises ConfigurationError when the files are damaged: then nobody is let in."""

    def __init__(
        self,
        home: Path,
        rules: Rules,
        announce: Callable[[str], None] = lambda _token: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.rules = rules
        self.accounts = Accounts(home)
        self._sessions = LoginSessions(home, now)
        self._throttle = Throttle()
        self._now = now
        self.token = OneTimeToken(announce)

    @property
    def mode(self) -> Mode:
        """Read anew each time: an account that was just added closes the terminal's link."""
        if self.rules.identities:
            return Mode.IDENTITY
        if self.accounts.all():
            return Mode.ACCOUNTS
        return Mode.TOKEN if self.rules.loopback else Mode.CLOSED

    def authenticate(self, cookie: str | None) -> User | None:
        """Who sent this cookie; None: nobody that is let in."""
        session = self._sessions.read(cookie) if cookie else None
        return None if session is None else self._user(session)

    def _user(self, session: LoginSession) -> User | None:
        role: Role | None = None
        if session.kind is LoginKind.ACCOUNT and not self.rules.identities:
            account = self.accounts.get(session.name)
            if account is not None and hmac.compare_digest(account.generation, session.generation):
                role = account.role
        elif session.kind is LoginKind.TOKEN and self.mode is Mode.TOKEN:
            role = Role.ADMIN
        elif session.kind is LoginKind.IDENTITY and self.rules.identities:
            role = self._role_of(session.name)
        return None if role is None else User(session.name, role, session.kind)

    def log_in(self, name: str, password: str, address: str) -> str:
        """A new session's cookie. Raises LoginRefused; takes some 0.3 s of a processor."""
        account = self._check(name, password, address)
        if account is None:
            raise LoginRefused("Name or password is wrong.")
        _log.info("%s (%s) logged in from %s", account.name, account.role, address)
        return self._sessions.issue(LoginKind.ACCOUNT, account.name, account.generation)

    def _check(self, name: str, password: str, address: str) -> Account | None:
        wait = self._throttle.begin(name, address)
        if wait:
            _log.warning("too many tries to log in as %s from %s", self._loggable(name), address)
            raise Throttled(wait)
        account = self.accounts.check(name, password)
        if account is None:
            _log.warning("failed to log in as %s from %s", self._loggable(name), address)
            return None
        self._throttle.succeeded(name, address)
        return account

    def _loggable(self, name: str) -> str:
        """Who types a password into the wrong field does not find it in the log."""
        account = self.accounts.get(name)
        return "an unknown name" if account is None else account.name

    def log_in_with_token(self, token: str, address: str) -> str:
        """A new session's cookie, the admin's. Raises LoginRefused."""
        if self.mode is not Mode.TOKEN or not self.token.use(token):
            _log.warning("a link of the terminal that is used up or wrong, from %s", address)
            raise LoginRefused("This link has been used, or is not complete. The terminal shows one that works.")
        name = getpass.getuser()
        _log.info("%s (admin) logged in by the terminal's link from %s", name, address)
        return self._sessions.issue(LoginKind.TOKEN, name)

    def log_in_identity(self, email: str, token_key: str, expires: float, address: str) -> str:
        """A new session's cookie for an address that the provider vouches for. Raises LoginRefused.

        `token_key`: unique to the id token that says so; it counts once, and until `expires` (seconds since the epoch).
        """
        name = email.strip().lower()
        fresh = self._now() < expires and self._sessions.use_once(token_key, expires)
        if not self.rules.identities or not fresh:
            raise LoginRefused("This login has been used. Log in again.")
        if self._role_of(name) is None:
            _log.warning("%s is known to the provider but not here; from %s", name, address)
            raise LoginRefused(f"{name} may not use this dashboard. Ask its admin to add you.")
        _log.info("%s logged in by an id token from %s", name, address)
        return self._sessions.issue(LoginKind.IDENTITY, name)

    def _role_of(self, email: str) -> Role | None:
        if email in self.rules.admins:
            return Role.ADMIN
        return Role.TRADER if email in self.rules.traders else None

    def log_out(self, cookie: str | None) -> None:
        """End the cookie's session for good, if it is one."""
        session = self._sessions.read(cookie) if cookie else None
        if session is not None:
            self._sessions.end(session)
            _log.info("%s logged out", session.name)

    def change_password(self, user: User, old: str, new: str, address: str) -> str:
        """All the account's sessions end; the new cookie is for this one. Raises LoginRefused or InvalidInput."""
        if user.kind is not LoginKind.ACCOUNT:
            raise InvalidInput("This login has no password here.")
        if self._check(user.name, old, address) is None:
            raise LoginRefused("The old password is wrong; nothing was changed.")
        account = self.accounts.change_password(user.name, new)
        _log.info("%s changed the password from %s", account.name, address)
        return self._sessions.issue(LoginKind.ACCOUNT, account.name, account.generation)

    def may_read_metrics(self, authorization: str | None) -> bool:
        """Whether this Authorization header holds the METRICS_TOKEN."""
        wanted = self.rules.metrics_token
        if not wanted or not authorization:
            return False
        return hmac.compare_digest(authorization.encode(), f"Bearer {wanted}".encode())
