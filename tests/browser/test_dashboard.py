"""The dashboard in a browser: how it starts and ends, and what a trader does."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from playwright.sync_api import expect
from psycopg2 import sql
from streamlit.file_util import get_static_dir

from src.config import PROJECT_ROOT
from src.ui.process.process import serve
from tests.browser.conftest import Dashboard, OpenBrowser, StartDashboard, free_port
from tests.conftest import MakeDatabase

STREAMLIT = (sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.port", "{port}")


@pytest.mark.parametrize("command", [(), STREAMLIT], ids=["python", "streamlit run"])
def test_a_cold_server_runs_pages_only_through_the_entry_script(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, command: tuple[str, ...]
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True), command=command)
    page = visit(f"{dashboard.url}/system_status")
    expect(page.get_by_role("heading", name="System Status")).to_be_visible()
    # The entry script alone draws these two.
    expect(page.get_by_text("Sample data:")).to_be_visible()
    expect(page.get_by_role("link", name="Portfolios", exact=True)).to_be_visible()
    # A folder of pages beside the script that Streamlit runs would be served without it.
    assert not (PROJECT_ROOT / "src" / "ui" / "pages").exists()


def test_every_view_has_a_url_and_nothing_is_fetched_from_elsewhere(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True))
    page = visit(dashboard.url)
    expect(page).to_have_url(f"{dashboard.url}/portfolios")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path, heading in (
        ("/portfolios", "Portfolios"),
        ("/portfolio?id=DEFAULT", "Legacy Portfolio"),
        ("/portfolio?id=NOPE", "No such portfolio"),
        ("/system_status", "System Status"),
    ):
        page.goto(dashboard.url + path)
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    ours = (dashboard.url, dashboard.url.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours)] == []


def test_a_trader_creates_and_copies_a_portfolio(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v3", sample=True))
    page = visit(f"{dashboard.url}/portfolios")
    page.get_by_role("button", name="New portfolio").click()
    page.get_by_label("Id", exact=True).fill("TECH")
    page.get_by_label("Name").fill("Technology")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Technology")).to_be_visible()
    expect(page).to_have_url(f"{dashboard.url}/portfolio?id=TECH")
    page.goto(f"{dashboard.url}/portfolio?id=DEFAULT")
    page.get_by_role("button", name="Copy").click()
    page.get_by_label("Id", exact=True).fill("TRY")
    page.get_by_label("Name").fill("A try")
    page.locator(".st-key-copy_submit button").click()
    expect(page.get_by_role("heading", name="A try")).to_be_visible()
    expect(page.get_by_role("cell", name="977,120.00")).to_be_visible()
    page.goto(f"{dashboard.url}/portfolios")
    page.get_by_role("link", name="A try").click()
    expect(page.get_by_role("heading", name="A try")).to_be_visible()


def test_what_another_process_writes_appears_by_itself(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    page = visit(f"{start_dashboard(url).url}/portfolio?id=DEFAULT")
    expect(page.get_by_role("cell", name="315.200")).to_be_visible()
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "UPDATE portfolio_positions SET current_price = 333.4, last_updated = now() WHERE symbol = '0700.HK'"
        )
    conn.close()
    expect(page.get_by_role("cell", name="333.400")).to_be_visible(timeout=60_000)


def test_what_is_half_typed_stays_when_the_page_is_drawn_anew(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v3", sample=True)
    page = visit(f"{start_dashboard(url).url}/portfolios")
    page.get_by_role("button", name="New portfolio").click()
    page.get_by_label("Id", exact=True).fill("TECH")
    page.get_by_label("Name").press_sequentially("Techn")
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE public.portfolio_positions SET current_price = 415.2 WHERE symbol = '0700.HK'")
    conn.close()
    expect(page.get_by_role("cell", name="2,487,898.90")).to_be_visible(timeout=60_000)
    page.get_by_label("Name").press_sequentially("ology")
    expect(page.get_by_label("Id", exact=True)).to_have_value("TECH")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Technology")).to_be_visible()


def allow_connections(superuser: str, name: str, allowed: bool) -> None:
    """A database that lets nobody in is as good as one that is down, and disturbs no other test."""
    conn = psycopg2.connect(superuser)
    conn.autocommit = True
    with conn.cursor() as cursor:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        cursor.execute(statement.format(sql.Identifier(name), sql.SQL("true" if allowed else "false")))
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    conn.close()


def test_pages_come_back_by_themselves_with_the_database(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, servers: Mapping[int, str]
) -> None:
    url = make_database("v1", sample=True)
    name = urlsplit(url).path.lstrip("/")
    dashboard = start_dashboard(url)
    portfolio, status = visit(f"{dashboard.url}/portfolio?id=DEFAULT"), visit(f"{dashboard.url}/system_status")
    expect(portfolio.get_by_role("cell", name="977,120.00")).to_be_visible()
    allow_connections(servers[18], name, False)
    expect(portfolio.get_by_text("System Status says what is down")).to_be_visible(timeout=60_000)
    expect(status.get_by_text("✕ down").first).to_be_visible(timeout=60_000)
    expect(status.get_by_role("button", name="Start phase 1")).to_have_count(0)
    allow_connections(servers[18], name, True)
    expect(portfolio.get_by_role("cell", name="977,120.00")).to_be_visible(timeout=60_000)
    expect(status.get_by_role("button", name="Start phase 1")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize("path", ["/portfolios", "/portfolio?id=DEFAULT", "/system_status"])
def test_nothing_sticks_out_on_a_phone(sample_dashboard: Dashboard, visit: OpenBrowser, path: str) -> None:
    page = visit(sample_dashboard.url + path, width=390)
    page.wait_for_selector(".hk-figures, .hk-healths")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_while_a_page_is_open(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, how: signal.Signals
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True))
    visit(f"{dashboard.url}/portfolios")
    assert dashboard.end(how) == 0
    assert dashboard.process.stdout is not None
    assert "Traceback" not in dashboard.process.stdout.read()


def test_a_taken_port_is_reported_with_who_holds_it(
    make_database: MakeDatabase, start_dashboard: StartDashboard
) -> None:
    dashboard = start_dashboard(make_database("v1"))
    second = subprocess.run(
        [sys.executable, "dashboard.py"], env=dashboard.environment, cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert f"pid {dashboard.process.pid} (" in second.stderr
    assert "dashboard.py" in second.stderr
    assert "DASHBOARD_PORT" in second.stderr
    assert f"Just open {dashboard.url}, or end it with `make stop`" in second.stderr


def test_a_port_that_is_taken_in_the_same_instant_is_reported_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Two starts at once: both find it free, and one of them loses."""
    app = Loser()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DASHBOARD_PORT", str(app.port))
            assert serve(app) == 1
    finally:
        app.other.close()
    assert f"Port {app.port} is taken by pid {os.getpid()} (" in capsys.readouterr().err


class Loser:
    """An app whose port someone else takes at the last moment."""

    def __init__(self) -> None:
        self.port = free_port()
        self.other = socket.socket()

    def run(self, **_config: object) -> None:
        self.other.bind(("127.0.0.1", self.port))
        self.other.listen()
        raise SystemExit(1)


def test_it_starts_and_answers_while_the_database_is_down(start_dashboard: StartDashboard, visit: OpenBrowser) -> None:
    dashboard = start_dashboard("postgresql://trader:n0t-told@127.0.0.1:9/hk_strategy?connect_timeout=2")
    page = visit(f"{dashboard.url}/system_status")
    expect(page.get_by_text("down").first).to_be_visible()
    assert "n0t-told" not in page.content()


def test_whoever_has_stopped_listening_does_not_keep_it_from_ending(
    make_database: MakeDatabase, start_dashboard: StartDashboard
) -> None:
    """A laptop that was shut in the middle of a download, say."""
    dashboard = start_dashboard(make_database("v1"))
    static = Path(get_static_dir())
    largest = max(static.rglob("*.js"), key=lambda path: path.stat().st_size).relative_to(static)
    place = dashboard.url.removeprefix("http://")
    name, port = place.split(":")
    with socket.socket() as asleep:
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        asleep.connect((name, int(port)))
        cookie = f"{dashboard.cookie_name}={dashboard.admin()}"
        asleep.sendall(f"GET /{largest} HTTP/1.1\r\nHost: {place}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert asleep.recv(12) == b"HTTP/1.1 200"
        assert dashboard.end() == 0
