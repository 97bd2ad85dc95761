"""Logging in by an OpenID Connect provider: one that speaks the real protocol, and vouches for whom the test names."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.browser.conftest import Dashboard, free_port, launch

NOWHERE = "postgresql://127.0.0.1:9/x?connect_timeout=2"
HTML = {"Accept": "text/html"}


class Provider(ThreadingHTTPServer):
    """`claims`: what it says of whoever logs in next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
        self.claims: dict[str, object] = {}
        self.nonces: dict[str, str] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url = self.server.url
        if self.path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "jwks_uri": f"{url}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "code_challenge_methods_supported": ["S256"],
                }
            )
        elif self.path == "/keys":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        else:
            asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            self.server.nonces["code"] = asked.get("nonce", "")
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?code=code&state={quote(asked['state'])}")
            self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time())
        claims = {"iss": self.server.url, "aud": "dashboard", "sub": "1", "iat": now, "exp": now + 60}
        claims |= {"nonce": self.server.nonces["code"], **self.server.claims}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.server.key)
        self._json({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _json(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture(scope="module")
def dashboard(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    directory: Path = tmp_path_factory.mktemp("oidc")
    port = free_port()
    (directory / ".streamlit").mkdir()
    (directory / ".streamlit" / "secrets.toml").write_text(
        f"""[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "dashboard"
client_secret = "n0t-told"
server_metadata_url = "{provider.url}/.well-known/openid-configuration"
"""
    )
    running = launch(
        NOWHERE, "redis://127.0.0.1:9/0", directory, port=port, HOME=str(directory),
        ADMIN_EMAILS="mei@hk.example", TRADER_EMAILS="tom@hk.example",
    )  # fmt: skip
    try:
        running.await_url()
        yield running
    finally:
        running.end()
        assert running.process.stdout is not None
        running.process.stdout.close()


NewBrowser = Callable[..., httpx.Client]


@pytest.fixture
def browser(dashboard: Dashboard) -> Iterator[NewBrowser]:
    """`browser(name=value)`: one that follows nothing by itself, with these cookies."""
    opened: list[httpx.Client] = []

    def new(**cookies: str) -> httpx.Client:
        opened.append(httpx.Client(base_url=dashboard.url, headers=HTML, timeout=60, cookies=cookies))
        return opened[-1]

    yield new
    for client in opened:
        client.close()


def log_in(client: httpx.Client, provider: Provider, **claims: object) -> httpx.Response:
    """All the way through the provider and back; the last answer."""
    provider.claims = claims
    answer = client.get("/portfolio?id=TECH")
    assert answer.headers["location"] == "/auth/login?next=%2Fportfolio%3Fid%3DTECH"
    page = client.get(answer.headers["location"])
    assert "Your organisation says who you are." in page.text
    answer = client.get("/auth/start?provider=default&next=%2Fportfolio%3Fid%3DTECH")
    for _ in range(8):
        if answer.status_code not in (302, 303):
            break
        answer = client.get(answer.headers["location"])
    return answer


def test_who_is_on_the_list_comes_in_and_lands_where_they_wanted(browser: NewBrowser, provider: Provider) -> None:
    client = browser()
    answer = log_in(client, provider, email="Mei@HK.example", email_verified=True)
    assert answer.status_code == 200
    assert 'content="0;url=/portfolio?id=TECH"' in answer.text
    assert client.get("/portfolio?id=TECH").status_code == 200
    assert "<b>mei@hk.example</b>, admin" in client.get("/auth/account").text
    assert not any(name.startswith("_streamlit_user") for name in client.cookies)
    trader = browser()
    log_in(trader, provider, email="tom@hk.example")
    assert "<b>tom@hk.example</b>, trader" in trader.get("/auth/account").text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "eve@hk.example", "email_verified": True}, "eve@hk.example may not use this dashboard"),
        ({"email": "mei@hk.example", "email_verified": False}, "did not vouch for an e-mail address"),
        ({"name": "mei@hk.example"}, "did not vouch for an e-mail address"),
    ],
)
def test_who_is_not_vouched_for_or_not_listed_stays_out(
    browser: NewBrowser, provider: Provider, claims: dict[str, object], why: str
) -> None:
    client = browser()
    answer = log_in(client, provider, **claims)
    assert answer.status_code == 403
    assert why in answer.text
    assert client.get("/portfolios").headers["location"].startswith("/auth/login")


def test_the_providers_word_counts_once_and_logging_out_is_for_good(
    dashboard: Dashboard, browser: NewBrowser, provider: Provider
) -> None:
    provider.claims = {"email": "mei@hk.example"}
    client = browser()
    answer = client.get("/auth/start?provider=default")
    while "_streamlit_user" not in client.cookies:
        answer = client.get(answer.headers["location"])
    id_token = client.cookies["_streamlit_user"]
    assert client.get("/auth/identity").status_code == 200
    assert "This login has been used" in browser(_streamlit_user=id_token).get("/auth/identity").text
    session = client.cookies[dashboard.cookie_name]
    client.post("/auth/logout", headers={"Origin": dashboard.url})
    assert browser(**{dashboard.cookie_name: session}).get("/portfolios").status_code == 303


def test_a_forged_word_and_other_ways_in_are_nothing(dashboard: Dashboard, browser: NewBrowser) -> None:
    assert browser(_streamlit_user="eyJhIjoxfQ.x.y").get("/auth/identity").status_code == 403
    client = browser()
    assert client.get("/auth/start?provider=nobody").headers["location"] == "/auth/login"
    posted = client.post("/auth/login", data={"name": "mei", "password": "x"}, headers={"Origin": dashboard.url})
    assert dashboard.cookie_name not in posted.cookies
    assert client.get("/auth/token?token=x").status_code == 303
    assert "n0t-told" not in "".join(dashboard.said)
