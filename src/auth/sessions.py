"""Sessions: a signed cookie in the browser, and a record here of those that were ended before their time."""

import hashlib
import json
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from src.auth import files
from src.auth.store import folder_of
from src.errors import ConfigurationError

LIFETIME_S = 12 * 3600


class LoginKind(StrEnum):
    """Who began a login session. The values stand in cookies.

    `TOKEN`: whoever started the dashboard. `IDENTITY`: vouched for by the OpenID Connect provider.
    """

    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105  not one, but the name of the way in
    IDENTITY = "identity"


@dataclass(frozen=True)
class LoginSession:
    """What the cookie says. Times in seconds since the epoch.

    `generation`: that of the account, "" for the other kinds. The role is not in it: it is looked up at each use.
    """

    session_id: str
    kind: LoginKind
    name: str
    generation: str
    issued: int
    expires: int


class LoginSessions:
    """Issues, reads and ends sessions. Safe for several threads and processes; survives a restart."""

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        folder = folder_of(home)
        self._signer = URLSafeSerializer(
            files.secret(folder / "session.key"),
            salt="hk_strategy session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._ended = Ended(folder / "ended.json", now)
        self._now = now

    def issue(self, kind: LoginKind, name: str, generation: str = "") -> str:
        """A new session's cookie."""
        now = int(self._now())
        session = LoginSession(secrets.token_urlsafe(16), kind, name, generation, now, now + LIFETIME_S)
        return str(self._signer.dumps(asdict(session)))

    def read(self, cookie: str) -> LoginSession | None:
        """The session, or None for a cookie that is forged, expired or ended."""
        if not cookie.isascii():
            return None
        try:
            session = LoginSession(**self._signer.loads(cookie))
            session = replace(session, kind=LoginKind(session.kind))
        except (BadSignature, TypeError, ValueError):
            return None
        now = self._now()
        if not session.issued - 60 <= now < session.expires or session.session_id in self._ended:
            return None
        return session

    def end(self, session: LoginSession) -> None:
        """From now on its cookie is refused, whoever sends it."""
        self._ended.add(session.session_id, session.expires)

    def use_once(self, key: str, expires: float) -> bool:
        """Whether `key` was never used before; from now on it was."""
        return self._ended.add(key, math.ceil(expires))


class Ended:
    """A file of ids that are not accepted any more, each kept until it would have expired anyway."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        with self._lock:
            seen = files.signature(self._path)
            if seen != self._seen:
                self._known = self._parse()
                self._seen = seen
            return key in self._known

    def add(self, key: str, expires: int) -> bool:
        """False when it was in there already."""
        with files.locked(self._path.with_suffix(".lock")):
            known = self._parse()
            if key in known:
                return False
            now = self._now()
            kept = {one: until for one, until in known.items() if until > now}
            files.write(self._path, json.dumps(kept | {key: expires}))
        return True

    def _parse(self) -> dict[str, int]:
        text = files.read(self._path)
        try:
            return {} if text is None else {str(key): int(until) for key, until in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise ConfigurationError(
                f"{self._path} is damaged, so no session is accepted. Move it away, and session.key beside it: "
                "everyone logs in again."
            ) from error
