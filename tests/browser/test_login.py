"""Logging in and out as people do it, in a browser: by the terminal's link, by password, from another site's link."""

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from src.auth.store import Accounts, Role
from src.journal import audit
from tests.browser.conftest import PASSWORD, Dashboard, OpenBrowser, StartDashboard, launch
from tests.conftest import MakeDatabase

STREAMLIT = (sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.port", "{port}")
EVERYWHERE = {"DASHBOARD_ADDRESS": "0.0.0.0"}


def as_nobody(visit: OpenBrowser, dashboard: Dashboard, path: str = "/", **how: object) -> Page:
    return visit(dashboard.url + path, cookie="", **how)


def fill_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_the_terminals_link_opens_one_browser_and_the_next_link_another(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True))
    assert "/auth/token?token=" in dashboard.link
    page = as_nobody(visit, dashboard, "/portfolio?id=DEFAULT")
    expect(page.get_by_text("Open the link that the terminal shows")).to_be_visible()
    page.goto(dashboard.link)
    expect(page.get_by_role("heading", name="Portfolios")).to_be_visible()
    page.goto(f"{dashboard.url}/system_status")
    expect(page.get_by_role("button", name="Start phase 1")).to_be_visible()
    # The link loaded again, from the history say, leads on; and so does a restart of the page.
    page.goto(dashboard.link)
    expect(page.get_by_role("heading", name="Portfolios")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Portfolios")).to_be_visible()

    other = as_nobody(visit, dashboard)
    other.goto(dashboard.link)
    expect(other.get_by_text("This link has been used")).to_be_visible()
    second = dashboard.await_line("For another browser: ").split()[-1]
    other.get_by_label("Or paste it here").fill(f" {second} ")
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="Portfolios")).to_be_visible()


def test_a_password_its_change_and_the_way_out(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    dashboard.account("mei", Role.ADMIN)
    tom = dashboard.account("tom", Role.TRADER)
    elsewhere = visit(f"{dashboard.url}/portfolio?id=DEFAULT", cookie=tom)
    page = as_nobody(visit, dashboard, "/system_status")
    fill_in(page, "tom", "not the password")
    expect(page.get_by_text("Name or password is wrong.")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{dashboard.url}/system_status")
    expect(page.get_by_text("Only an admin may migrate")).to_be_visible()
    expect(page.get_by_role("button", name="Start phase 1")).to_have_count(0)

    page.get_by_role("link", name=re.compile("tom · trader")).click()
    page.get_by_role("link", name="Change the password").click()
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label(re.compile("^New password")).fill("another, and longer")
    page.get_by_label("The new one again").fill("another, and longer")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("Your other sessions have ended.")).to_be_visible()
    # By itself, within seconds, and with the way back to where it was.
    expect(elsewhere).to_have_url(f"{dashboard.url}/auth/login?next=%2Fportfolio%3Fid%3DDEFAULT", timeout=60_000)
    assert Accounts(dashboard.home).check("tom", "another, and longer") is not None
    entry = audit.read(url)[0]
    assert (entry.by, entry.role, entry.action, entry.outcome) == ("tom", "trader", "account passwd", "done")

    page.get_by_role("link", name="Go on").click()
    page.get_by_role("link", name=re.compile("tom · trader")).click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.go_back()
    page.goto(f"{dashboard.url}/portfolios")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_link_on_another_site_needs_no_second_login(start_dashboard: StartDashboard, visit: OpenBrowser) -> None:
    """A cookie that is for this site alone is not sent along with another site's link."""
    dashboard = start_dashboard("postgresql://trader:x@127.0.0.1:9/x?connect_timeout=2")
    page = visit(f"{dashboard.url}/system_status")

    def chat(route: Route) -> None:
        route.fulfill(content_type="text/html", body=f'<h1>Chat</h1><a href="{dashboard.url}/system_status">Open</a>')

    page.route("http://chat.example/", chat)
    page.goto("http://chat.example/")
    page.get_by_role("link", name="Open").click()
    expect(page).to_have_url(f"{dashboard.url}/system_status")
    expect(page.get_by_role("heading", name="System Status")).to_be_visible()
    page.context.clear_cookies()
    page.goto("http://chat.example/")
    page.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_nothing_of_our_pages_is_against_our_own_rules(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v3", sample=True))
    page = visit(f"{dashboard.url}/portfolios")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for path in ("/portfolios", "/portfolio?id=DEFAULT", "/system_status", "/auth/account", "/auth/password"):
        page.goto(dashboard.url + path)
        expect(page.get_by_role("heading").first).to_be_visible()
        page.wait_for_load_state("networkidle")
    assert [text for text in said if "Content Security Policy" in text or "Permissions" in text] == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_login_fits_on_a_phone(start_dashboard: StartDashboard, visit: OpenBrowser, dark: bool) -> None:
    dashboard = start_dashboard("postgresql://trader:x@127.0.0.1:9/x?connect_timeout=2")
    for accounts in (False, True):
        if accounts:
            dashboard.account("mei", Role.ADMIN)
        page = as_nobody(visit, dashboard, "/portfolios", width=390, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        colour = page.evaluate("getComputedStyle(document.body).color")
        assert colour == ("rgb(228, 234, 240)" if dark else "rgb(23, 33, 43)")


@pytest.mark.parametrize(
    ("command", "settings"),
    [((), EVERYWHERE), ((*STREAMLIT, "--server.address", "0.0.0.0"), {})],
    ids=["python", "streamlit run"],
)
def test_it_does_not_start_where_others_reach_it_and_nobody_could_log_in(
    tmp_path: Path, command: tuple[str, ...], settings: dict[str, str]
) -> None:
    dashboard = launch("postgresql://127.0.0.1:9/x", "redis://127.0.0.1:9/0", tmp_path, command=command, **settings)
    said, _ = dashboard.process.communicate(timeout=60)
    assert dashboard.process.returncode != 0
    assert "python -m src.accounts add NAME --role admin" in said
    assert "HK Strategy is at" not in said
    assert "Traceback" not in said
