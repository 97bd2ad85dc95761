"""What a request says about itself, and which of it may be believed. Pure."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

from starlette.requests import cookie_parser
from starlette.types import Scope

DEFAULT_PORTS = {"http": 80, "https": 443}
UNKNOWN = "an unknown place"


def header(scope: Scope, name: bytes) -> str | None:
    """The only header of that (lower-case) name. None: there is none, or several that may contradict each other."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


def cookie(scope: Scope, name: str) -> str | None:
    text = "; ".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie")
    return cookie_parser(text).get(name)


def host_name(host: str | None) -> str | None:
    """The name in a Host header, in lower case; None where it makes no sense."""
    place = None if host is None else _place(f"http://{host}")
    return None if place is None else place[0]


def same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a page of this very host and port sent the request. A missing Origin, and "null", are of nobody."""
    scheme = (origin or "").partition("://")[0]
    if origin is None or host is None or scheme not in DEFAULT_PORTS:
        return False
    here = _place(f"{scheme}://{host}")
    return here is not None and _place(origin) == here


def _place(origin: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(origin)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    odd = parts.username is not None or parts.path or parts.query or parts.fragment
    if odd or not name or parts.netloc.endswith(":") or any(letter.isspace() for letter in origin):
        return None
    return name.rstrip("."), port if port is not None else DEFAULT_PORTS[parts.scheme]


def address_of(scope: Scope, trusted_proxy: str | None) -> str:
    """Where the request comes from. Who sends X-Forwarded-For without being the trusted proxy comes from nowhere."""
    if trusted_proxy is None and any(key == b"x-forwarded-for" for key, _ in scope["headers"]):
        return UNKNOWN
    return scope["client"][0] if scope.get("client") else UNKNOWN


def is_secure(scope: Scope, trusted_proxy: str | None) -> bool:
    """Whether the browser speaks TLS, to us or to the trusted proxy."""
    if trusted_proxy is None and any(key == b"x-forwarded-proto" for key, _ in scope["headers"]):
        return False
    return scope["scheme"] in ("https", "wss")


def local_path(text: str | None) -> str:
    """`text` if it is a path on this server that one may be sent to after logging in; else "/"."""
    if not text or not text.startswith("/") or text[1:2] in ("/", "\\") or text.startswith("/auth/"):
        return "/"
    if any(ord(letter) < 32 or letter == "\\" for letter in text):
        return "/"
    return text


def login_path(scope: Scope) -> str:
    """The login page, which leads back to where `scope` wanted to go."""
    query = scope["query_string"].decode("latin-1")
    wanted = quote(scope["path"]) + (f"?{query}" if query else "")
    return f"/auth/login?next={quote(wanted, safe='')}"


def security_headers(host: str | None, secure: bool, script_hashes: Iterable[str]) -> Mapping[str, str]:
    """For every response. `script_hashes`: of the scripts within pages that are ours."""
    sockets = f"ws://{host} wss://{host}" if host else ""  # older browsers do not count them as 'self'
    scripts = " ".join(f"'{one}'" for one in script_hashes)
    policy = (
        "default-src 'self'",
        f"script-src 'self' {scripts}".strip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        f"connect-src 'self' {sockets}".strip(),
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    found = {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # "no-referrer" would make browsers send "Origin: null" with our own forms.
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if secure:
        found["Strict-Transport-Security"] = "max-age=31536000"
    return found
