"""The authentication middleware of src/auth in front of Streamlit's app: host names, policy, WebSocket messages."""

import base64
import hashlib
import logging
import re
import socket
from pathlib import Path

import psutil
import streamlit as st
from google.protobuf.message import DecodeError
from starlette.types import ASGIApp
from streamlit.file_util import get_static_dir
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from src.auth.authenticator import User
from src.auth.middleware import AuthenticationMiddleware, Policy, SocketRules
from src.auth.routes import Routes
from src.config import Settings, load_settings
from src.embedded.api import database_url
from src.errors import HKStrategyError
from src.journal import audit
from src.journal.model import AuditOutcome
from src.ui.access import current_user, oidc, scripts
from src.ui.access.loopback import ANY, is_loopback

_log = logging.getLogger("hk_strategy.auth")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def host_names(settings: Settings, address: str) -> frozenset[str]:
    """The names that a browser may know this dashboard by: any other is a page elsewhere that points at us."""
    names = {*LOOPBACK_NAMES, *settings.dashboard_hosts}
    if is_loopback(address):
        return frozenset(names | {address.strip("[]")})
    names.add(socket.gethostname().lower())
    if address in ("", ANY, "::"):
        links = (link for found in psutil.net_if_addrs().values() for link in found)
        names |= {link.address.partition("%")[0].lower() for link in links if link.family in _FAMILIES}
    else:
        names.add(address.strip("[]").lower())
    return frozenset(names)


_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def hash_of(script: str) -> str:
    """As a Content-Security-Policy names a script that stands in a page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def script_hashes() -> tuple[str, ...]:
    """Of the scripts within Streamlit's page, and of those that our pages bring."""
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    return tuple(hash_of(script) for script in (*INLINE_SCRIPT.findall(page), *scripts.ALL))


def _allows(user: User, message: bytes) -> bool:
    """Emptying the caches is felt by all sessions, and so is for admins. Nonsense is left to Streamlit: it hangs up."""
    if user.is_admin:
        return True
    parsed = BackMsg()
    try:
        parsed.ParseFromString(message)
    except DecodeError:
        return True
    return parsed.WhichOneof("type") != "clear_cache"


def _logout_message() -> bytes:
    """Makes the page load itself again, and so come to the login."""
    message = ForwardMsg()
    message.auth_redirect.url = ""
    message.auth_redirect.SetInParent()
    return bytes(message.SerializeToString())


def _record(user: User, action: str, address: str) -> None:
    try:
        entry = audit.AuditEntry(user.name, user.role.value, address, action, AuditOutcome.DONE)
        audit.record(database_url(load_settings()), entry)
    except HKStrategyError as error:
        _log.error("%s", error)


def authentication(app: ASGIApp) -> ASGIApp:
    """For `st.App(middleware=…)`. Built when the server starts, once Streamlit's options are known."""
    settings = load_settings()
    provider = oidc.provider() if oidc.is_configured() else None
    policy = Policy(
        hosts=host_names(settings, st.get_option("server.address") or ""),
        cookie=current_user.cookie_name(),
        trusted_proxy=settings.trusted_proxy,
        script_hashes=script_hashes(),
        id_token_cookie=USER_COOKIE_NAME if provider is not None else None,
    )
    authenticator = current_user.authenticator()
    return AuthenticationMiddleware(
        Routes(authenticator, policy, provider, _record).before(app),
        authenticator,
        policy,
        SocketRules(_allows, _logout_message()),
    )
