"""Who is logged in on this page. A script asks here, and each action asks again."""

import functools
import sys
from pathlib import Path

import streamlit as st

from src.auth.authenticator import Authenticator, Rules, User
from src.auth.middleware import ENDED
from src.config import load_settings
from src.errors import HKStrategyError
from src.ui.access import oidc
from src.ui.access.loopback import is_loopback, url_of


class Forbidden(HKStrategyError):
    """Whoever asked may not do it. Nothing was done."""


def authenticator() -> Authenticator:
    """The middleware's own: a session that was ended there is not known here either."""
    settings = load_settings()
    listening = st.get_option("server.address") or ""
    rules = Rules(
        loopback=is_loopback(listening) and is_loopback(settings.dashboard_address),
        identities=oidc.is_configured(),
        admins=settings.admin_emails,
        traders=settings.trader_emails,
        metrics_token=settings.metrics_token,
    )
    return _authenticator(settings.home, rules)


@functools.lru_cache(maxsize=4)
def _authenticator(home: Path, rules: Rules) -> Authenticator:
    return Authenticator(home, rules, _Announcer())


class _Announcer:
    """Writes each one-time link on the terminal."""

    def __init__(self) -> None:
        self._first = True

    def __call__(self, token: str) -> None:
        address = st.get_option("server.address") or ""
        link = f"{url_of(address, st.get_option('server.port'))}/auth/token?token={token}"
        if self._first:
            sys.stdout.write(f"HK Strategy is at {link}   (Ctrl-C ends it)\n")
        else:
            sys.stdout.write(f"That link is used up. For another browser: {link}\n")
        sys.stdout.flush()
        self._first = False


def cookie_name() -> str:
    """With the port in it: browsers keep one cookie for all ports of a machine."""
    return f"hk_session_{st.get_option('server.port')}"


def presented_cookie() -> str | None:
    """What the browser of this session showed when it connected."""
    return st.context.cookies.get(cookie_name())


def user() -> User | None:
    """Who is logged in here, by what is valid now: a session that has ended since is nobody's."""
    return authenticator().authenticate(presented_cookie())


def require_user() -> User:
    """Raise Forbidden unless somebody is logged in."""
    found = user()
    if found is None:
        raise Forbidden(ENDED)
    return found


def require_admin() -> User:
    """Raise Forbidden unless it is an admin."""
    return check_admin(user())


def check_admin(found: User | None) -> User:
    """Raise Forbidden unless it is an admin."""
    if found is None:
        raise Forbidden(ENDED)
    if not found.is_admin:
        raise Forbidden(f"Only an admin may do this; you are logged in as {found.name}, {found.role}.")
    return found


def address() -> str:
    """Where the browser of this session is."""
    return named(st.context.ip_address)


def named(place: str | None) -> str:
    """An address as the audit keeps it. Streamlit has none for a browser on this machine."""
    return "this machine" if not place or is_loopback(place) else place
