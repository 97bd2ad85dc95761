"""An admin migrates by button, and traders go on reading."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg2
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.conftest import MakeDatabase

RUN_LIMIT_MS = 180_000


def press(page: Page, word: str, button: str) -> None:
    """Type the phase's name, and start it."""
    page.get_by_label(f"Type {word} to start it").fill(word)
    page.get_by_role("button", name=button, exact=True).click()


def await_outcome(page: Page, message: str) -> None:
    expect(page.get_by_text(message).first).to_be_visible(timeout=RUN_LIMIT_MS)
    expect(page.get_by_role("heading", name="Last run")).to_be_visible(timeout=60_000)


def errors(page: Page) -> list[str]:
    return page.locator("[data-testid=stAlertContentError], [data-testid=stException]").all_inner_texts()


WATCH = """() => { window.seen = []; new MutationObserver(() => {
    for (const bad of document.querySelectorAll('[data-testid=stAlertContentError], [data-testid=stException]'))
        window.seen.push(bad.innerText);
}).observe(document.body, {childList: true, subtree: true}); }"""
WORTH, GAIN = "2,177,898.90", "+18,730.90"


def settled(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=running]").wait_for(state="detached")


def click_through(page: Page, turn: int) -> None:
    """What a trader does on the page, whatever the schema is just then."""
    if "/portfolios" in page.url:
        order = ("Market value", "P&L", "Name")[turn % 3]
        if page.get_by_label("Sort by").count():
            page.get_by_label("Sort by").first.click()
            page.get_by_role("option", name=order, exact=True).click()
    elif "/portfolio?" in page.url:
        view = ("Edit", "History", "Positions")[turn % 3]
        page.locator(".st-key-view").get_by_role("radio", name=view, exact=True).click()
    else:
        # A schema without portfolios to compare may have taken the button away meanwhile.
        with suppress(PlaywrightTimeout):
            page.get_by_role("button", name="Swap sides").click(timeout=5_000)
    settled(page)


def test_open_pages_are_clicked_while_phases_run_and_show_no_error_and_no_wrong_number(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True))
    paths = ("/portfolios", "/portfolio?id=DEFAULT", "/comparison", "/system_status")
    pages = [visit(dashboard.url + path) for path in paths]
    for page in pages:
        page.evaluate(WATCH)
    status = pages[-1]
    for command, title in (
        (("phase1", "--yes"), "multi-portfolio (v2.0)"),
        (("phase2", "--yes", "--force"), "multi-portfolio (v3.0)"),
        (("rollback", "--to", "v1", "--yes"), "single-portfolio (v1.0)"),
    ):
        with ThreadPoolExecutor(1) as background:
            run = background.submit(dashboard.run, *command)
            turn = 0
            while not run.done():
                for page in pages[:-1]:
                    click_through(page, turn)
                for page in pages[:2]:
                    # Sums of every portfolio there is, at every moment.
                    figures = page.locator(".hk-figures").first.inner_text()
                    assert WORTH in figures and GAIN in figures, figures
                turn += 1
        done = run.result()
        assert done.returncode == 0, done.stdout + done.stderr
        assert turn >= 1
        # The page notices by itself a run that it did not start.
        expect(status.get_by_text(f"This database is {title}.")).to_be_visible(timeout=60_000)
    for page in pages:
        assert page.evaluate("window.seen") == [], dashboard.logged()


def test_a_paused_run_is_shown_with_its_blocker_and_resumed_by_button(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    page = visit(f"{dashboard.url}/system_status")
    blocker = psycopg2.connect(url, application_name="month-end report")
    blocker.cursor().execute("SELECT count(*) FROM public.portfolio_positions")
    press(page, "phase1", "Start phase 1")
    expect(page.get_by_text("month-end report").first).to_be_visible(timeout=RUN_LIMIT_MS)
    assert errors(page) == []
    blocker.close()
    await_outcome(page, "Phase1 is complete")


def test_phase_2_is_offered_by_itself_once_the_last_v1_client_is_gone(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    assert dashboard.run("phase1", "--yes", "--no-backup").returncode == 0
    client = psycopg2.connect(url, application_name="old_app")
    page = visit(f"{dashboard.url}/system_status")
    expect(page.get_by_text("1 v1 client connected")).to_be_visible()
    expect(page.get_by_role("button", name="Start phase 2")).to_have_count(0)
    client.close()
    expect(page.get_by_role("button", name="Start phase 2")).to_be_visible(timeout=60_000)
