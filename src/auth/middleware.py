"""The authentication middleware: nothing behind it runs for a request, or a WebSocket, of who is not logged in.

Plain ASGI, since Starlette's BaseHTTPMiddleware does not see WebSockets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.auth import web
from src.auth.authenticator import Authenticator, Mode, User
from src.errors import HKStrategyError

HEALTH = frozenset({"/healthz", "/_stcore/health"})  # asked by load balancers, which know no name; they hold no secret
PUBLIC = HEALTH | {"/auth/login", "/auth/logout", "/auth/token"}
IDENTITY = frozenset({"/auth/start", "/auth/identity", "/oauth2callback"})
METRICS = "/metrics"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
USER_HEADER = b"x-hk-user"
ENDED = "Your session has ended. Load this page again to log in."


@dataclass(frozen=True)
class Policy:
    """`hosts`: the names, in lower case, that a browser may know us by. `cookie`: the session cookie's name.

    `trusted_proxy`: whose X-Forwarded headers count. `id_token_cookie`: Streamlit's, with what the provider says.
    """

    hosts: frozenset[str]
    cookie: str
    trusted_proxy: str | None = None
    script_hashes: tuple[str, ...] = ()
    id_token_cookie: str | None = None


@dataclass(frozen=True)
class SocketRules:
    """What the middleware has to know about the messages on a WebSocket.

    `allows`: whether this user may send this message; one that may not is dropped. `logout_message`: the last one,
    after which the page asks for a login.
    """

    allows: Callable[[User, bytes], bool] = field(default=lambda _user, _message: True)
    logout_message: bytes | None = None


class AuthenticationMiddleware:
    """ASGI middleware. Behind it `scope["user"]` is the User, on public paths None."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, policy: Policy, socket: SocketRules) -> None:
        self._app = app
        self._authenticator = authenticator
        self._policy = policy
        self._socket = socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, self._with_headers(scope, send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = self._refusal(scope)
            user = None if answer is not None else self._user(scope)
            if answer is None and user is None and not self._is_open(scope):
                answer = self._ask_to_log_in(scope)
        except HKStrategyError as error:
            answer = PlainTextResponse(f"{error}\n", 503)
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._app(_known(scope, user), receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refused before it is accepted: the browser is answered 403, and nothing of a page has run."""
        try:
            user = None if self._refusal(scope) is not None else self._user(scope)
        except HKStrategyError:
            user = None
        if user is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            checked = _CheckedSocket(lambda: self._user(scope), self._socket, receive, send)
            await self._app(_known(scope, user), checked.receive, checked.send)

    def _user(self, scope: Scope) -> User | None:
        if scope["path"] in HEALTH:
            return None
        return self._authenticator.authenticate(web.cookie(scope, self._policy.cookie))

    def _refusal(self, scope: Scope) -> Response | None:
        """Why this request is refused, whoever sends it."""
        host = web.header(scope, b"host")
        if scope["path"] not in HEALTH and web.host_name(host) not in self._policy.hosts:
            return PlainTextResponse("The dashboard is not known by this name: see DASHBOARD_HOSTS.\n", 421)
        reads = scope["type"] == "http" and scope["method"] in READING
        if not reads and not web.same_origin(web.header(scope, b"origin"), host):
            return PlainTextResponse("This was not sent by a page of the dashboard.\n", 403)
        return None

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path in PUBLIC or (path in IDENTITY and self._authenticator.mode is Mode.IDENTITY):
            return True
        return path == METRICS and self._authenticator.may_read_metrics(web.header(scope, b"authorization"))

    def _ask_to_log_in(self, scope: Scope) -> Response:
        accept = web.header(scope, b"accept") or ""
        if scope["method"] != "GET" or "text/html" not in accept:
            return PlainTextResponse(ENDED, 401)
        if self._policy.id_token_cookie is not None and web.cookie(scope, self._policy.id_token_cookie):
            return RedirectResponse("/auth/identity", 303)
        return RedirectResponse(web.login_path(scope), 303)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        host = web.header(scope, b"host")
        known = host if web.host_name(host) in self._policy.hosts else None
        secure = web.is_secure(scope, self._policy.trusted_proxy)
        ours = web.security_headers(known, secure, self._policy.script_hashes)
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in ours.items()]
        names = {name for name, _ in encoded}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in names]
                message = {**message, "headers": kept + encoded}
            await send(message)

        return send_with_headers


def _known(scope: Scope, user: User | None) -> dict[str, Any]:
    """With who it is: for our own routes, and in a header for Streamlit, which gives a page's state to nobody else."""
    headers = [(name, value) for name, value in scope["headers"] if name != USER_HEADER]
    if user is not None:
        headers.append((USER_HEADER, f"{user.kind}:{user.name}".encode()))
    return {**scope, "headers": headers, "user": user}


class _CheckedSocket:
    """A WebSocket whose session is checked with each message: it does not outlive the session that opened it."""

    def __init__(self, user: Callable[[], User | None], socket: SocketRules, receive: Receive, send: Send) -> None:
        self._user = user
        self._socket = socket
        self._receive = receive
        self._send = send
        self._closed = False

    async def receive(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                user = self._user()
            except HKStrategyError:
                user = None
            if user is None:
                await self._end()
                return {"type": "websocket.disconnect", "code": 1008}
            if self._socket.allows(user, message.get("bytes") or b""):
                return message

    async def send(self, message: Message) -> None:
        if not self._closed:
            await self._send(message)

    async def _end(self) -> None:
        self._closed = True
        if self._socket.logout_message is not None:
            await self._send({"type": "websocket.send", "bytes": self._socket.logout_message})
        await self._send({"type": "websocket.close", "code": 1008})
