"""Requests without a browser: what nobody, a trader, and a forged message get."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from src.auth.sessions import LIFETIME_S, LoginKind, LoginSessions
from src.auth.store import Role
from src.journal import audit, runs
from tests.browser.conftest import PASSWORD, Dashboard, StartDashboard, launch
from tests.browser.wire import ask, handshake, page_of
from tests.conftest import MakeDatabase

NOWHERE = "postgresql://trader:n0t-told@127.0.0.1:9/hk_strategy?connect_timeout=2"


METRICS_TOKEN = "t0ken-of-prometheus-and-nobody-else"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with an admin mei and a trader tom, and nothing behind it."""
    place = tmp_path_factory.mktemp("dashboard")
    dashboard = launch(NOWHERE, "redis://127.0.0.1:9/0", place, METRICS_TOKEN=METRICS_TOKEN)
    dashboard.account("mei", Role.ADMIN)
    dashboard.account("tom", Role.TRADER)
    try:
        dashboard.await_url()
        yield dashboard
    finally:
        dashboard.end()
        assert dashboard.process.stdout is not None
        dashboard.process.stdout.close()


def sessions_of(superuser: str, database: str) -> int:
    """How many connections the database has seen so far."""
    conn = psycopg2.connect(superuser)
    with conn, conn.cursor() as cursor:
        cursor.execute("SELECT sessions FROM pg_stat_database WHERE datname = %s", (database,))
        row = cursor.fetchone()
    conn.close()
    assert row is not None
    return int(row[0])


def test_on_a_cold_server_no_page_runs_for_nobody(
    make_database: MakeDatabase, start_dashboard: StartDashboard, servers: Mapping[int, str]
) -> None:
    url = make_database("v1", sample=True)
    database = urlsplit(url).path.lstrip("/")
    dashboard = start_dashboard(url)
    first = ask(dashboard, "/system_status")
    assert (first.status, first.text, first.goes_to) == (303, "", "/auth/login?next=%2Fsystem_status")
    assert handshake(dashboard) == 403
    for path in ("/", "/portfolios", "/_stcore/host-config", "/static/js/index.js", "/media/x", "/metrics", "/nothing"):
        assert ask(dashboard, path).status in (303, 401), path
        assert ask(dashboard, path, Accept="*/*").status == 401, path
    assert sessions_of(servers[18], database) == 0
    with page_of(dashboard, cookie=dashboard.admin()) as page:
        page.run("system_status")
        assert "Sample data" in page.text
    deadline = time.monotonic() + 60
    while not sessions_of(servers[18], database) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sessions_of(servers[18], database) > 0


def test_health_is_open_and_says_nothing_else(dashboard: Dashboard) -> None:
    answer = ask(dashboard, "/_stcore/health", Host="10.0.0.1")
    assert (answer.status, answer.text) == (200, "ok")
    answer = ask(dashboard, "/healthz", Host="10.0.0.1", Accept="*/*")
    assert answer.status == 503, "nothing can be shown without the database"
    assert json.loads(answer.text)["components"]["database"] == "down"
    for reported in ("127.0.0.1", "trader", "hk_strategy", str(dashboard.home)):
        assert reported not in answer.text


def test_metrics_are_for_who_is_logged_in_and_for_who_has_the_token(dashboard: Dashboard) -> None:
    def status(cookie: str = "", **headers: str) -> int:
        return ask(dashboard, "/metrics", cookie=cookie, Accept="*/*", **headers).status

    assert status() == status(Authorization="Bearer wrong") == status(Authorization=METRICS_TOKEN) == 401
    assert status(cookie=dashboard.account("tom", Role.TRADER)) == 200
    answer = ask(dashboard, "/metrics", Accept="*/*", Authorization=f"Bearer {METRICS_TOKEN}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "hk_up 0\n" in answer.text
    assert METRICS_TOKEN not in answer.text
    assert ask(dashboard, "/portfolios", Accept="*/*", Authorization=f"Bearer {METRICS_TOKEN}").status == 401


@pytest.mark.parametrize("path", ["/", "/auth/login", "/auth/token", "/_stcore/health", "/system_status", "/nothing"])
def test_every_answer_forbids_frames_and_foreign_scripts(dashboard: Dashboard, path: str) -> None:
    for cookie in ("", dashboard.account("mei", Role.ADMIN)):
        headers = ask(dashboard, path, cookie=cookie).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src 'self' 'sha256-" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers


def forged(dashboard: Dashboard) -> dict[str, str]:
    good = dashboard.account("mei", Role.ADMIN)
    old = LoginSessions(dashboard.home, now=lambda: time.time() - LIFETIME_S - 1)
    account = good.partition(".")[0]
    return {
        "none": "",
        "nonsense": "x",
        "tampered": good[:-3] + ("AAA" if good[-3:] != "AAA" else "BBB"),
        "unsigned": account,
        "expired": old.issue(LoginKind.ACCOUNT, "mei", "whatever"),
        "another generation": LoginSessions(dashboard.home).issue(LoginKind.ACCOUNT, "mei", "0123456789abcdef"),
        "nobody's account": LoginSessions(dashboard.home).issue(LoginKind.ACCOUNT, "eve", "0"),
        "the terminal's, while there are accounts": dashboard.admin(),
        "another kind": LoginSessions(dashboard.home).issue("god", "mei", ""),
    }


def test_a_cookie_that_is_not_good_is_none(dashboard: Dashboard) -> None:
    assert ask(dashboard, "/portfolios", cookie=dashboard.account("mei", Role.ADMIN)).status == 200
    assert handshake(dashboard, cookie=dashboard.account("mei", Role.ADMIN)) == 101
    for kind, cookie in forged(dashboard).items():
        assert ask(dashboard, "/portfolios", cookie=cookie).status == 303, kind
        assert handshake(dashboard, cookie=cookie) == 403, kind


def test_a_forged_host_or_origin_is_refused_with_the_best_of_cookies(dashboard: Dashboard) -> None:
    good, port = dashboard.account("mei", Role.ADMIN), dashboard.url.rsplit(":", 1)[1]
    here = f"127.0.0.1:{port}"
    assert handshake(dashboard, cookie=good, host=f"localhost:{port}", origin=f"http://localhost:{port}") == 101
    for host, origin in (
        (here, "http://evil.example"),
        (here, f"http://127.0.0.1:{int(port) - 1}"),
        (here, "null"),
        (here, None),
        (f"evil.example:{port}", f"http://evil.example:{port}"),
        (f"evil.example:{port}", dashboard.url),
    ):
        assert handshake(dashboard, cookie=good, host=host, origin=origin) == 403, (host, origin)
    assert ask(dashboard, "/portfolios", cookie=good, Host=f"evil.example:{port}").status == 421
    for origin in ("http://evil.example", "null", None):
        answer = ask(dashboard, "/auth/logout", cookie=good, form={}, Origin=origin)
        assert answer.status == 403, origin
    assert ask(dashboard, "/portfolios", cookie=good).status == 200


def test_a_replay_after_logout_is_refused_and_open_pages_end(dashboard: Dashboard) -> None:
    cookie = dashboard.account("tom", Role.TRADER)
    with page_of(dashboard, cookie=cookie) as page:
        page.run("portfolios")
        assert ask(dashboard, "/auth/logout", cookie=cookie).status == 303, "a link cannot log out"
        assert ask(dashboard, "/portfolios", cookie=cookie).status == 200
        out = ask(dashboard, "/auth/logout", cookie=cookie, form={})
        assert (out.status, out.goes_to) == (303, "/auth/login?left=1")
        before = len(page.heard)
        message = BackMsg()
        message.rerun_script.page_name = "portfolios"
        page.send(message)
        assert page.await_end() == 1008
        said = page.heard[before:]
        assert any(one.HasField("auth_redirect") for one in said)
        assert not any(one.HasField("new_session") for one in said), "the page ran once more"
    assert ask(dashboard, "/portfolios", cookie=cookie).status == 303
    assert ask(dashboard, "/_stcore/host-config", cookie=cookie, Accept="*/*").status == 401
    assert handshake(dashboard, cookie=cookie) == 403


def test_the_login_leads_back_and_its_cookie_is_for_this_site_and_no_script(dashboard: Dashboard) -> None:
    page = ask(dashboard, "/auth/login?next=%2Fportfolio%3Fid%3DTECH%22%3E%3Cscript%3E")
    assert 'value="/portfolio?id=TECH&quot;&gt;&lt;script&gt;"' in page.text
    form = {"name": "Tom", "password": PASSWORD, "next": "/portfolio?id=TECH"}
    answer = ask(dashboard, "/auth/login", form=form)
    assert (answer.status, answer.goes_to) == (303, "/portfolio?id=TECH")
    (cookie,) = answer.cookies
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={LIFETIME_S}"} <= parts
    assert "secure" not in parts
    value = cookie.split(";")[0].split("=", 1)[1]
    assert ask(dashboard, "/portfolios", cookie=value).status == 200
    for elsewhere in ("//evil.example", "http://evil.example", "/\\evil.example"):
        assert ask(dashboard, "/auth/login", form={**form, "next": elsewhere}).goes_to == "/"


def test_tries_are_limited_and_reported_for_how_long(dashboard: Dashboard) -> None:
    wrong = {"name": "mei", "password": "wrong", "next": "/"}
    for _ in range(5):
        answer = ask(dashboard, "/auth/login", form=wrong, X_Forwarded_For="203.0.113.5")
        assert answer.status == 403
        assert "Name or password is wrong." in answer.text
    # Whoever invents an address to come from does not begin anew with it.
    blocked = ask(dashboard, "/auth/login", form={**wrong, "password": PASSWORD}, X_Forwarded_For="203.0.113.6")
    assert blocked.status == 429
    assert 0 < int(blocked.headers["retry-after"]) <= 300
    assert ask(dashboard, "/auth/login", form={**wrong, "password": PASSWORD}).status == 303


def test_a_request_too_large_or_odd_is_answered_calmly(dashboard: Dashboard) -> None:
    assert ask(dashboard, "/auth/login", form={"name": "x" * 100_000, "password": "y"}).status == 403
    assert ask(dashboard, "/auth/login", form={}).status == 403
    assert ask(dashboard, "/auth/login", method="DELETE", Origin=dashboard.url).status == 405
    assert ask(dashboard, "/auth/nothing", cookie=dashboard.account("tom", Role.TRADER)).status == 404
    assert ask(dashboard, "/%2e%2e/%2e%2e/etc/passwd").status in (303, 401)


def test_nobody_is_reported_whether_a_name_exists(dashboard: Dashboard) -> None:
    answers = {
        ask(dashboard, "/auth/login", form={"name": name, "password": "wrong password"}).text.replace(
            f'value="{name}"', ""
        )
        for name in ("tom", "eve")
    }
    assert len(answers) == 1


def test_damaged_accounts_let_nobody_in(tmp_path: Path) -> None:
    dashboard = launch(NOWHERE, "redis://127.0.0.1:9/0", tmp_path)
    try:
        cookie = dashboard_with_mei(dashboard)
        assert ask(dashboard, "/portfolios", cookie=cookie).status == 200
        accounts = dashboard.home / "auth" / "accounts.json"
        accounts.write_text("{")
        answer = ask(dashboard, "/portfolios", cookie=cookie)
        assert answer.status == 503
        assert "nobody is let in" in answer.text
        assert handshake(dashboard, cookie=cookie) == 403
    finally:
        dashboard.end()
        assert dashboard.process.stdout is not None
        dashboard.process.stdout.close()


def dashboard_with_mei(dashboard: Dashboard) -> str:
    cookie = dashboard.account("mei", Role.ADMIN)
    dashboard.await_url()
    return cookie


def test_no_secret_is_in_a_log_or_on_the_terminal(dashboard: Dashboard) -> None:
    cookie = dashboard.account("mei", Role.ADMIN)
    ask(dashboard, "/auth/login", form={"name": "mei", "password": PASSWORD})
    ask(dashboard, "/portfolios", cookie=cookie)
    logs = "".join(path.read_text() for path in Path(dashboard.environment["HK_STRATEGY_LOGS"]).iterdir())
    assert "mei (admin) logged in from 127.0.0.1" in logs
    key = (dashboard.home / "auth" / "session.key").read_text()
    for secret in (PASSWORD, "wrong password", cookie, key, "n0t-told"):
        assert secret not in logs + "".join(dashboard.said)
    assert "WARNING" not in "".join(dashboard.said), "what whoever starts it can do nothing about"


def test_a_trader_starts_nothing_by_any_message(make_database: MakeDatabase, start_dashboard: StartDashboard) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    mei, tom = dashboard.account("mei", Role.ADMIN), dashboard.account("tom", Role.TRADER)
    with page_of(dashboard, cookie=mei) as admin:
        admin.run("system_status")
        button = admin.buttons["backup_make"]
        # With the admin's button, and in the name of the admin's own session, while it is open and after it.
        click_as(dashboard, tom, button, "")
        click_as(dashboard, tom, button, admin.session_id)
    click_as(dashboard, tom, button, admin.session_id)
    backups = Path(dashboard.environment["HK_STRATEGY_BACKUPS"])
    assert [entry for entry in audit.read(url) if entry.outcome == "started"] == []
    assert not backups.exists()
    # The very same message of an admin does start it.
    with page_of(dashboard, cookie=mei) as admin:
        admin.run("system_status")
        admin.run("system_status", clicked=button)
    (entry,) = audit.read(url)
    assert (entry.by, entry.action, entry.outcome) == ("mei", "backup", "started")
    deadline = time.monotonic() + 60
    while not (backups.exists() and any(backups.glob("*/manifest.json"))) and time.monotonic() < deadline:
        time.sleep(0.2)


def click_as(dashboard: Dashboard, cookie: str, button: str, resume: str) -> None:
    with page_of(dashboard, cookie=cookie, resume=resume) as page:
        page.run("system_status")
        assert "backup_make" not in page.buttons
        assert "tom" in page.text
        page.run("system_status", clicked=button)
        if resume:
            assert page.session_id != resume
        clear = BackMsg()
        clear.clear_cache = True
        page.send(clear)
        page.run("system_status")


def test_a_trader_moves_nothing_with_all_that_an_admin_could_press(
    make_database: MakeDatabase, start_dashboard: StartDashboard
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    assert dashboard.run("phase1", "--yes").returncode == 0
    (backup,) = (path.name for path in Path(dashboard.environment["HK_STRATEGY_BACKUPS"]).iterdir() if path.is_dir())
    before = audit.read(url)
    mei, tom = dashboard.account("mei", Role.ADMIN), dashboard.account("tom", Role.TRADER)
    with ExitStack() as open_pages:
        pages = {}
        for to_do in ("", "Verify", "Restore", "Delete"):
            pages[to_do] = open_pages.enter_context(page_of(dashboard, cookie=mei))
            pages[to_do].run("system_status", query=f"backup_do={to_do}" if to_do else "")
        drawn = [page.buttons for page in pages.values()]
        admin, pressable = pages[""], {key: button for buttons in drawn for key, button in buttons.items()}
        assert {"backup_make", "start_phase2", "sample_submit"} <= set(pressable)
        assert {"verify_submit", "restore_submit", "delete_submit"} <= set(pressable)
        boxes = {box for page in pages.values() for box in page.ids("checkbox")}
        fields = {field for page in pages.values() for field in page.ids("text_input")}
        with page_of(dashboard, cookie=tom) as trader:
            trader.run("system_status")
            for word in ("phase2", "rollback", "sample", "delete", backup):
                typed = dict.fromkeys(fields, word)
                for button in pressable.values():
                    trader.run("system_status", button, typed=typed, ticked=boxes)
            for fragment in admin.fragments:
                trader.run("system_status", admin.buttons["backup_make"], fragment=fragment)
            trader.run("system_status")
            assert not set(trader.buttons) & set(pressable)
    assert [entry for entry in audit.read(url)[: -len(before) or None] if entry.outcome != "refused"] == []
    assert runs.fetch_current_run(url) is None
    assert [path.name for path in Path(dashboard.environment["HK_STRATEGY_BACKUPS"]).iterdir() if path.is_dir()] == [
        backup
    ]
