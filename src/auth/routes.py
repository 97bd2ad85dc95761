"""/auth/…: logging in, logging out, the own password."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote

from anyio import CapacityLimiter, to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from src.auth import pages, web
from src.auth.authenticator import Authenticator, LoginRefused, Mode, Throttled, User
from src.auth.middleware import Policy
from src.auth.sessions import LIFETIME_S, LoginKind
from src.errors import InvalidInput

MAX_BODY = 8192
NEXT_COOKIE = "hk_next"
HASHES_AT_ONCE = 2


@dataclass(frozen=True)
class IdToken:
    """What an OpenID Connect provider says: an address that it vouches for.

    `unique`: what no other login has. `expires`: when it stops to count, in seconds since the epoch.
    """

    email: str | None
    unique: str
    expires: float


@dataclass(frozen=True)
class Provider:
    """Streamlit's side of OpenID Connect. `start`: where a login with the provider of that name begins.

    `names`: the providers. `id_token`: what the cookies of a request say, None when nothing valid. `is_cookie`:
    whether a cookie of that name is a part of the id token.
    """

    names: Callable[[], tuple[str, ...]]
    start: Callable[[str], str]
    id_token: Callable[[Mapping[str, str]], IdToken | None]
    is_cookie: Callable[[str], bool]


class Routes:
    """What is behind /auth/. Behind the authentication middleware, which says who it is."""

    def __init__(
        self,
        authenticator: Authenticator,
        policy: Policy,
        provider: Provider | None = None,
        record: Callable[[User, str, str], None] = lambda _user, _action, _address: None,
    ) -> None:
        """`record`: notes in the audit who changed what of an account, and from where."""
        self._authenticator = authenticator
        self._policy = policy
        self._provider = provider
        self._record = record
        self._limiter: CapacityLimiter | None = None

    def before(self, app: ASGIApp) -> ASGIApp:
        """`app`, with /auth/ in front of it; Streamlit's own route of a login with a provider stays its own."""
        router = Router(self._routes())

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            ours = scope["type"] == "http" and scope["path"].startswith("/auth/")
            if ours and self._provider is not None and scope["path"] == "/auth/login":
                ours = b"provider=" not in scope["query_string"]
            if ours:
                # Without the app around it the router answers 404 and 405 itself, instead of raising them.
                await router({key: value for key, value in scope.items() if key != "app"}, receive, send)
            else:
                await app(scope, receive, send)

        return inner

    def _routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            Route("/auth/login", self.login, methods=["GET", "POST"]),
            Route("/auth/logout", self.logout, methods=["GET", "POST"]),
            Route("/auth/token", self.token, methods=["GET", "POST"]),
            Route("/auth/account", self.account, methods=["GET"]),
            Route("/auth/password", self.password, methods=["GET", "POST"]),
        ]
        if self._provider is not None:
            found.append(Route("/auth/start", self.start, methods=["GET"]))
            found.append(Route("/auth/identity", self.identity, methods=["GET"]))
        return found

    async def login(self, request: Request) -> Response:
        if request.method == "POST" and self._authenticator.mode is Mode.ACCOUNTS:
            return await self._log_in(request)
        wanted = web.local_path(request.query_params.get("next"))
        if request.scope["user"] is not None:
            return RedirectResponse(wanted, 303)
        if request.headers.get("sec-fetch-site") == "cross-site" and "again" not in request.query_params:
            return pages.onward(f"/auth/login?again=1&next={quote(wanted, safe='')}")
        return self._login_page(wanted, "You are logged out." if "left" in request.query_params else "")

    def _login_page(self, wanted: str, said: str) -> Response:
        mode = self._authenticator.mode
        if mode is Mode.IDENTITY and self._provider is not None:
            return pages.providers(self._provider.names(), wanted, said=said)
        if mode is Mode.TOKEN:
            self._authenticator.token.ensure()
            return pages.terminal(said=said)
        return pages.login(wanted, said=said) if mode is Mode.ACCOUNTS else pages.closed()

    async def _log_in(self, request: Request) -> Response:
        form = await _form(request)
        name, wanted = form.get("name", ""), web.local_path(form.get("next"))
        try:
            cookie = await self._slowly(
                self._authenticator.log_in, name, form.get("password", ""), self._address(request)
            )
        except Throttled as error:
            answer = pages.login(wanted, name=name, problem=str(error), status=429)
            answer.headers["Retry-After"] = str(error.wait_s)
            return answer
        except LoginRefused as error:
            return pages.login(wanted, name=name, problem=str(error), status=403)
        return self._with_session(request, RedirectResponse(wanted, 303), cookie)

    async def token(self, request: Request) -> Response:
        """The terminal's link. Loaded again by who is logged in already, it just leads on."""
        if request.method == "HEAD":  # a preview of the link does not use it up
            return Response()
        if request.scope["user"] is not None:
            return RedirectResponse("/", 303)
        given = (await _form(request)).get("token") if request.method == "POST" else request.query_params.get("token")
        try:
            token = (given or "").strip().rpartition("token=")[2]  # pasted with the rest of the link, or alone
            cookie = self._authenticator.log_in_with_token(token, self._address(request))
        except LoginRefused as error:
            if self._authenticator.mode is not Mode.TOKEN:
                return RedirectResponse("/auth/login", 303)
            return pages.terminal(problem=str(error), status=403)
        return self._with_session(request, RedirectResponse("/", 303), cookie)

    async def logout(self, request: Request) -> Response:
        if request.method != "POST":
            return RedirectResponse("/auth/account", 303)
        self._authenticator.log_out(request.cookies.get(self._policy.cookie))
        answer = RedirectResponse("/auth/login?left=1", 303)
        answer.delete_cookie(self._policy.cookie, path="/", httponly=True, samesite="strict")
        return answer

    async def account(self, request: Request) -> Response:
        return pages.account(_user(request))

    async def password(self, request: Request) -> Response:
        user = _user(request)
        if user.kind is not LoginKind.ACCOUNT:
            return RedirectResponse("/auth/account", 303)
        if request.method != "POST":
            return pages.password(user)
        form = await _form(request)
        if form.get("new") != form.get("again"):
            return pages.password(user, problem="The two new ones are not the same; nothing was changed.", status=400)
        address = self._address(request)
        try:
            cookie = await self._slowly(
                self._authenticator.change_password, user, form.get("old", ""), form.get("new", ""), address
            )
        except Throttled as error:
            return pages.password(user, problem=str(error), status=429)
        except (LoginRefused, InvalidInput) as error:
            return pages.password(user, problem=str(error), status=400)
        answer = pages.message("Password changed", "Your other sessions have ended.", kind="good")
        answer.background = BackgroundTask(self._record, user, "account passwd", address)
        return self._with_session(request, answer, cookie)

    async def start(self, request: Request) -> Response:
        """Off to the provider. Where to go afterwards stays in a cookie, since the provider does not carry it."""
        assert self._provider is not None
        name = request.query_params.get("provider", "")
        if name not in self._provider.names():
            return RedirectResponse("/auth/login", 303)
        answer = RedirectResponse(self._provider.start(name), 303)
        wanted = web.local_path(request.query_params.get("next"))
        secure = web.is_secure(request.scope, self._policy.trusted_proxy)
        answer.set_cookie(
            NEXT_COOKIE, quote(wanted, safe=""), max_age=600, httponly=True, samesite="lax", secure=secure
        )
        return answer

    async def identity(self, request: Request) -> Response:
        """The id token becomes a session of ours, once; its own cookie is deleted."""
        assert self._provider is not None
        id_token = self._provider.id_token(request.cookies)
        if id_token is None or id_token.email is None:
            text = "The provider did not vouch for an e-mail address. Log in again, or ask its administrator."
            answer: Response = pages.message("Not logged in", text, kind="bad", status=403)
        else:
            address = self._address(request)
            try:
                cookie = self._authenticator.log_in_identity(id_token.email, id_token.unique, id_token.expires, address)
                wanted = web.local_path(unquote(request.cookies.get(NEXT_COOKIE, "")))
                answer = self._with_session(request, pages.onward(wanted), cookie)
            except LoginRefused as error:
                answer = pages.message("Not logged in", str(error), kind="bad", status=403)
        for name in request.cookies:
            if name == NEXT_COOKIE or self._provider.is_cookie(name):
                answer.delete_cookie(name, path="/")
        return answer

    def _address(self, request: Request) -> str:
        return web.address_of(request.scope, self._policy.trusted_proxy)

    async def _slowly(self, work: Callable[..., str], *arguments: object) -> str:
        """Hashing a password takes time and memory: a few at once, and never in the way of the pages."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(HASHES_AT_ONCE)
        return await to_thread.run_sync(work, *arguments, limiter=self._limiter)

    def _with_session(self, request: Request, answer: Response, cookie: str) -> Response:
        answer.set_cookie(
            self._policy.cookie,
            cookie,
            max_age=LIFETIME_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=web.is_secure(request.scope, self._policy.trusted_proxy),
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _user(request: Request) -> User:
    user = request.scope["user"]
    assert isinstance(user, User), "the middleware lets nobody else through to here"
    return user


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; empty for a body that is too large to be one of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return {}
    return {key: values[0] for key, values in parse_qs(body.decode("latin-1"), keep_blank_values=True).items()}
