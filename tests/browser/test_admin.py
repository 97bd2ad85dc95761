"""What an admin does besides the phases: a killed run, backups, the sample."""

import json
import os
import signal
import subprocess
import sys
import tarfile

import psycopg2
import pytest
from playwright.sync_api import expect

from src.auth.store import Role
from src.config import PROJECT_ROOT
from src.journal import audit
from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.browser.test_migration import errors
from tests.conftest import MakeDatabase

LIMIT_MS = 180_000


def test_a_killed_run_survives_a_restart_of_the_dashboard_and_is_resumed_by_button(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    first = start_dashboard(url)
    page = visit(f"{first.url}/system_status")
    blocker = psycopg2.connect(url, application_name="month-end report")
    blocker.cursor().execute("SELECT count(*) FROM public.portfolio_positions")
    command = [sys.executable, str(PROJECT_ROOT / "run_migration.py"), "phase1", "--yes", "--no-backup"]
    run = subprocess.Popen(command, env=first.environment, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL)
    # Started on the command line, and the page notices; it names who is in the way.
    expect(page.get_by_role("heading", name="Run under way")).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_text("month-end report").first).to_be_visible(timeout=LIMIT_MS)
    assert first.end() == 0

    page = visit(f"{start_dashboard(url).url}/system_status")
    expect(page.get_by_role("heading", name="Run under way")).to_be_visible(timeout=LIMIT_MS)
    run.send_signal(signal.SIGKILL)
    run.wait()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    expect(page.get_by_text("A migration is interrupted")).to_be_visible(timeout=LIMIT_MS)
    blocker.close()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Phase1 is complete").first).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_text("This database is multi-portfolio (v2.0).")).to_be_visible(timeout=LIMIT_MS)
    assert errors(page) == []


@pytest.mark.parametrize("way", ["Resume", "Roll back"])
def test_a_run_killed_with_9_is_shown_as_interrupted_and_both_ways_on_work(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, way: str
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    page = visit(f"{dashboard.url}/system_status")
    blocker = psycopg2.connect(url, application_name="month-end report")
    blocker.cursor().execute("SELECT count(*) FROM public.portfolio_positions")
    page.get_by_label("Type phase1 to start it").fill("phase1")
    page.get_by_role("button", name="Start phase 1", exact=True).click()
    expect(page.get_by_text("In the way now: 1 client")).to_be_visible(timeout=LIMIT_MS)
    (note,) = (dashboard.home.parent / "logs").glob("*.task")
    os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
    expect(page.get_by_role("heading", name="Run that has not ended")).to_be_visible(timeout=LIMIT_MS)
    expect(page.locator(".hk-figure", has_text="interrupted")).to_be_visible()
    assert errors(page) == []
    blocker.close()
    if way == "Resume":
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text("Phase1 is complete").first).to_be_visible(timeout=LIMIT_MS)
        expect(page.get_by_text("This database is multi-portfolio (v2.0).")).to_be_visible(timeout=LIMIT_MS)
    else:
        page.get_by_role("button", name="Roll back").click()
        page.get_by_label("Type rollback to start it").fill("rollback")
        page.locator(".st-key-undo_submit button").click()
        expect(page.get_by_text("Rollback to v1 is complete").first).to_be_visible(timeout=LIMIT_MS)
        expect(page.get_by_text("This database is single-portfolio (v1.0).")).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_role("heading", name="Last run")).to_be_visible()
    assert errors(page) == []


def test_two_admins_press_at_once_and_one_pauses_and_clears_the_way_while_a_trader_has_the_page_open(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    anna, mei = (dashboard.account(name, Role.ADMIN) for name in ("anna", "mei"))
    pages = [visit(f"{dashboard.url}/system_status", cookie=cookie) for cookie in (anna, mei)]
    blocker = psycopg2.connect(url, application_name="month-end report")
    blocker.cursor().execute("SELECT count(*) FROM public.portfolio_positions")
    for page in pages:
        page.get_by_label("Type phase1 to start it").fill("phase1")
    for page in pages:
        page.get_by_role("button", name="Start phase 1", exact=True).click(no_wait_after=True)
    # One run; the other is reported whose it is. Both see the same.
    reported = [
        page.locator("[data-testid=stAlertContentError]", has_text="is under way, started by") for page in pages
    ]
    expect(reported[0].or_(pages[0].get_by_text("Started: phase1"))).to_be_visible()
    expect(reported[1].or_(pages[1].get_by_text("Started: phase1"))).to_be_visible()
    assert sum(one.count() for one in reported) == 1
    assert len(list((dashboard.home.parent / "logs").glob("*.task"))) == 1
    for page in pages:
        expect(page.get_by_text("In the way now: 1 client")).to_be_visible(timeout=LIMIT_MS)

    tom = visit(f"{dashboard.url}/portfolios", cookie=dashboard.account("tom", Role.TRADER))
    banner = tom.locator(".hk-band", has_text="The database is being migrated; go on working. Started ")
    expect(banner).to_be_visible()

    first, second = pages
    first.get_by_role("button", name="Pause").click()
    expect(second.get_by_role("button", name="Resume")).to_be_visible(timeout=LIMIT_MS)
    expect(second.get_by_text("Paused: anna via").first).to_be_visible()
    expect(tom.get_by_text("The migration of the database is paused")).to_be_visible(timeout=LIMIT_MS)
    second.get_by_role("button", name="Resume").click()
    expect(first.get_by_text("In the way now: 1 client")).to_be_visible(timeout=LIMIT_MS)
    first.get_by_text("I insist: let me interrupt a client").click()
    first.get_by_role("button", name="End its session").click()
    expect(first.get_by_text("Ended the session of trader, month-end report")).to_be_visible(timeout=LIMIT_MS)
    for page in pages:
        expect(page.get_by_text("Phase1 is complete").first).to_be_visible(timeout=LIMIT_MS)
    expect(tom.locator(".hk-band", has_text="migrat")).to_have_count(0, timeout=LIMIT_MS)
    done = {(entry.by, entry.action, entry.outcome) for entry in audit.read(url)}
    assert {("anna", "pause", "done"), ("mei", "resume", "started"), ("anna", "terminate client", "done")} <= done


def change_price(url: str, price: str) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE portfolio_positions SET current_price = %s WHERE symbol = '0700.HK'", (price,))
    conn.close()


def test_a_backup_is_made_verified_and_restored_by_button(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v1", sample=True)
    dashboard = start_dashboard(url)
    page = visit(f"{dashboard.url}/system_status")
    expect(page.get_by_text("No backup yet.")).to_be_visible()
    page.get_by_role("button", name="Make a backup").click()
    name_cell = page.locator(".hk-table td.hk-title", has_text="-v1")
    expect(name_cell.first).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_text("restored on a private server").first).to_be_visible(timeout=LIMIT_MS)
    name = name_cell.first.inner_text()
    assert errors(page) == []

    page.get_by_role("radio", name="Download").click()
    with page.expect_download() as download:
        page.get_by_text(f"Download {name}.tar").click()
    assert download.value.suggested_filename == f"{name}.tar"
    with tarfile.open(download.value.path()) as tar:
        assert f"{name}/manifest.json" in tar.getnames()

    change_price(url, "1.000")
    page.get_by_role("radio", name="Restore").click()
    expect(page.get_by_text("becomes what it was on")).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_role("cell", name="as many").first).to_be_visible()
    page.get_by_label("Type the backup's name to restore it").fill(name)
    page.locator(".st-key-restore_submit button").click()
    restored = page.locator("[data-testid=stAlertContentSuccess]", has_text="restore, started by")
    expect(restored).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_text("Kept from before a restore: 1 database")).to_be_visible(timeout=LIMIT_MS)
    history = page.locator(".hk-table", has=page.get_by_text("Activity, newest first"))
    for number, action in enumerate(("restore", "download", "backup")):
        row = history.locator("tbody tr").nth(number)
        expect(row.locator(".hk-title")).to_contain_text(action)
        expect(row.locator(".hk-wide")).to_contain_text("done")
    page.goto(f"{dashboard.url}/portfolio?id=DEFAULT")
    expect(page.get_by_role("cell", name="977,120.00")).to_be_visible(timeout=LIMIT_MS)


def test_the_sample_is_removed_by_button(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(make_database("v1", sample=True))
    page = visit(f"{dashboard.url}/system_status")
    page.get_by_test_id("stExpander").get_by_text("Remove the sample data").first.click()
    page.get_by_label("Type sample to remove it").fill("sample")
    page.locator(".st-key-sample_submit button").click()
    expect(page.get_by_text("Sample data: these positions")).to_have_count(0, timeout=LIMIT_MS)
    page.goto(f"{dashboard.url}/portfolio?id=DEFAULT")
    expect(page.get_by_text("No positions yet.")).to_be_visible()
