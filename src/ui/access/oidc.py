"""OpenID Connect by Streamlit's own `st.login` routes: its cookie counts once, for a few minutes, as a login here.

Its own session would last for 30 days and could not be ended on the server.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from urllib.parse import quote

from streamlit.auth_util import (
    encode_provider_token,
    get_cookie_with_chunks,
    get_origin_from_redirect_uri,
    get_secrets_auth_section,
)
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from src.auth.routes import IdToken, Provider

ID_TOKEN_S = 300


def is_configured() -> bool:
    """Whether .streamlit/secrets.toml has a section [auth]."""
    return bool(get_secrets_auth_section())


def provider() -> Provider:
    """The OpenID Connect provider, by Streamlit's login."""
    return Provider(_names, _start, _id_token, lambda name: name.startswith(USER_COOKIE_NAME))


def _names() -> tuple[str, ...]:
    section = get_secrets_auth_section()
    if "client_id" in section:
        return ("default",)
    return tuple(name for name, value in section.items() if isinstance(value, Mapping) and "client_id" in value)


def _start(name: str) -> str:
    return f"/auth/login?provider={quote(encode_provider_token(name), safe='')}"


def _id_token(cookies: Mapping[str, str]) -> IdToken | None:
    """What Streamlit's callback stored about the user, while it is fresh and of this dashboard."""

    def signed(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        secret = get_cookie_secret()
        return decode_signed_value(secret, name, value.encode("latin-1"), max_age_days=ID_TOKEN_S / 86400)

    content = get_cookie_with_chunks(signed, USER_COOKIE_NAME)
    if content is None:
        return None
    said = json.loads(content)
    if not said.get("is_logged_in") or said.get("origin") != get_origin_from_redirect_uri():
        return None
    email = said.get("email")
    vouched = isinstance(email, str) and said.get("email_verified") is not False
    unique = hashlib.sha256(cookies[USER_COOKIE_NAME].encode("latin-1")).hexdigest()
    return IdToken(email if vouched else None, f"oidc {unique}", time.time() + ID_TOKEN_S + 1)
