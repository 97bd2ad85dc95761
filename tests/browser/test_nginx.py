"""The nginx configuration of docs/examples, in front of a dashboard: as it stands there, but for ports and paths."""

import datetime
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from src.auth.store import Role
from src.config import PROJECT_ROOT
from tests.browser.conftest import PASSWORD, Dashboard, free_port, launch
from tests.browser.wire import TIMEOUT_S

NAME = "dashboard.example.com"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
HTML = {"Accept": "text/html"}
AROUND = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{configuration}
}}
"""


@dataclass(frozen=True)
class Front:
    dashboard: Dashboard
    tls: int
    plain: int

    @property
    def host(self) -> str:
        return f"{NAME}:{self.tls}"


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    certificate(folder)
    dashboard = launch(
        "postgresql://127.0.0.1:9/x?connect_timeout=2", "redis://127.0.0.1:9/0", folder,
        DASHBOARD_HOSTS=NAME, DASHBOARD_TRUSTED_PROXY="127.0.0.1",
    )  # fmt: skip
    dashboard.account("mei", Role.ADMIN)
    tls, plain = free_port(), free_port()
    text = (PROJECT_ROOT / "docs" / "examples" / "nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl;"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("127.0.0.1:8501", f"127.0.0.1:{dashboard.environment['DASHBOARD_PORT']}"),
        ("/etc/ssl/hk_strategy", str(folder)),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, configuration=text))
    nginx = None
    try:
        dashboard.await_url()
        assert NGINX is not None
        nginx = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"])
        await_answer(f"https://127.0.0.1:{tls}/_stcore/health")
        yield Front(dashboard, tls, plain)
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait(60)
        dashboard.end()
        assert dashboard.process.stdout is not None
        dashboard.process.stdout.close()


def await_answer(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(url, verify=False)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def client(front: Front) -> httpx.Client:
    return httpx.Client(
        base_url=f"https://127.0.0.1:{front.tls}", verify=False, timeout=TIMEOUT_S, headers={**HTML, "Host": front.host}
    )


def log_in(browser: httpx.Client, front: Front, **headers: str) -> httpx.Response:
    form = {"name": "mei", "password": PASSWORD, "next": "/portfolios"}
    return browser.post("/auth/login", data=form, headers={"Origin": f"https://{front.host}", **headers})


def test_the_login_is_by_tls_and_its_cookie_too(front: Front) -> None:
    with client(front) as browser:
        first = browser.get("/portfolios")
        assert first.headers["location"] == "/auth/login?next=%2Fportfolios"
        answer = log_in(browser, front)
        assert (answer.status_code, answer.headers["location"]) == (303, "/portfolios")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        session = answer.headers["set-cookie"].split(";")[0]
        assert browser.get("/portfolios", headers={"Cookie": session}).status_code == 200
        assert handshake(front, session, f"https://{front.host}") == 101
        assert handshake(front, session, "https://evil.example") == 403
        assert handshake(front, "", f"https://{front.host}") == 403


def handshake(front: Front, cookie: str, origin: str) -> int:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    headers = {"Cookie": cookie} if cookie else {}
    try:
        with connect(
            f"wss://{front.host}/_stcore/stream",
            sock=socket.create_connection(("127.0.0.1", front.tls)),
            ssl=trusting,
            origin=origin,  # type: ignore[arg-type]
            additional_headers=headers,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            open_timeout=TIMEOUT_S,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_plain_http_is_sent_to_tls(front: Front) -> None:
    answer = httpx.get(f"http://127.0.0.1:{front.plain}/portfolio?id=A", headers={"Host": NAME})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/portfolio?id=A")


def test_an_invented_address_or_name_counts_for_nothing(front: Front) -> None:
    with client(front) as browser:
        log_in(browser, front, **{"X-Forwarded-For": "203.0.113.5", "X-HK-User": "account:eve"})
    logs = "".join(path.read_text() for path in Path(front.dashboard.environment["HK_STRATEGY_LOGS"]).iterdir())
    assert "mei (admin) logged in from 127.0.0.1" in logs
    assert "203.0.113.5" not in logs
