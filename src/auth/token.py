"""The one-time link that the terminal shows where there are no accounts: whoever started the dashboard is the admin."""

import hmac
import secrets
import threading
from collections.abc import Callable


class OneTimeToken:
    """`announce` is called with each new token; there is a new one as soon as one was used."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._lock = threading.Lock()
        self._current: str | None = None

    def ensure(self) -> None:
        """Announce a token, unless one that nobody has used stands there already."""
        with self._lock:
            if self._current is None:
                self._renew()

    def use(self, token: str) -> bool:
        """Whether that is the token; it is used up then."""
        with self._lock:
            if self._current is None or not hmac.compare_digest(token.encode(), self._current.encode()):
                return False
            self._renew()
        return True

    def _renew(self) -> None:
        self._current = secrets.token_urlsafe(24)
        self._announce(self._current)
