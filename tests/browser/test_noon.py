"""An admin migrates a production database at noon: all by the page, while the old application goes on working."""

import re
import time
from decimal import Decimal

import psycopg2
from playwright.sync_api import Page, expect

from src.auth.store import Role
from src.journal import runs
from src.journal.model import Phase
from tests.browser.conftest import PASSWORD, OpenBrowser, StartDashboard
from tests.browser.test_migration import press
from tests.conftest import MakeDatabase
from tests.support.load import Report, V1Load, fill, verify

DEFAULTS_ALONE = (
    "SELECT max(symbol) FROM public.portfolio_positions GROUP BY symbol "
    "HAVING count(*) = 1 AND max(portfolio_id) = 'DEFAULT' LIMIT 100"
)
SIZE = {"prices": 20_000, "signals": 4_000, "positions": 200}


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetchall()
    conn.close()
    return found


def held(url: str, portfolio_id: str) -> tuple[object, ...]:
    where = "FROM public.portfolio_positions WHERE portfolio_id = "
    (found,) = rows(url, f"SELECT count(*), sum(quantity), sum(quantity * avg_cost) {where} '{portfolio_id}'")
    return found


def cost(url: str) -> Decimal:
    ((total,),) = rows(url, "SELECT sum(quantity * avg_cost) FROM public.portfolio_positions")
    assert isinstance(total, Decimal)
    return total


def log_in(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="System Status")).to_be_visible()


def is_proved(page: Page, url: str, run_id: int, phase: Phase) -> None:
    """That run is done, and every line of its proof is equal, or explained by what clients wrote meanwhile."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        records = runs.fetch_runs(url, 1)
        if records and records[0].run_id == run_id and records[0].finished_at is not None:
            break
        page.wait_for_timeout(200)
    assert (records[0].run_id, records[0].phase, records[0].state) == (run_id, phase, "done")
    expect(page.get_by_role("heading", name="Last run")).to_be_visible()
    reported = phase.value[0].upper() + phase.value[1:]
    expect(page.locator(".hk-figures").get_by_text(f"{reported} is complete")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Proof: \d+ of \d+ comparisons"))).to_be_visible()
    expect(page.get_by_text(re.compile("unrealized P&L")).first).to_be_visible()
    expect(page.get_by_text("✕ differs")).to_have_count(0)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def noticed_nothing(url: str, report: Report) -> None:
    assert report.complaints() == []
    assert report.failure_count == 0
    assert verify(url, report.ledger) == []
    assert report.ledger.writes > 100


def test_there_and_back_and_there_again(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database(None)
    fill(url, **SIZE)
    dashboard = start_dashboard(url)
    dashboard.account("mei", Role.ADMIN)
    tom = visit(f"{dashboard.url}/system_status", cookie=dashboard.account("tom", Role.TRADER))
    with V1Load(url, pause_s=0.05) as load:
        page = visit(f"{dashboard.url}/system_status", cookie="")
        log_in(page, "mei")
        # Who will notice, and what will be done, is there before the button.
        expect(page.get_by_text(re.compile(r"^v1 clients connected: [1-9]"))).to_be_visible()
        expect(
            page.get_by_text(re.compile("Back up, restore the backup into a scratch database")).first
        ).to_be_visible()

        # The dashboard is restarted in the middle of it: a report holds the switch up for as long as that takes.
        report = psycopg2.connect(url, application_name="month-end report")
        report.cursor().execute("SELECT count(*) FROM public.portfolio_positions")
        press(page, "phase1", "Start phase 1")
        expect(page.get_by_text("month-end report").first).to_be_visible(timeout=120_000)
        expect(tom.get_by_role("heading", name="Run under way")).to_be_visible()
        expect(tom.get_by_role("button", name="Start phase 1")).to_have_count(0)
        dashboard.end()
        dashboard = start_dashboard(url, port=int(dashboard.url.rsplit(":", 1)[1]))
        page.goto(f"{dashboard.url}/system_status")
        expect(page.get_by_role("heading", name="Run under way")).to_be_visible()
        expect(page.get_by_text("month-end report").first).to_be_visible()
        report.close()
        is_proved(page, url, 1, Phase.PHASE1)

        page.goto(f"{dashboard.url}/portfolio?id=DEFAULT")
        page.get_by_role("button", name="Copy").click()
        page.get_by_label("Id", exact=True).fill("TRY")
        page.get_by_label("Name").fill("A try")
        page.locator(".st-key-copy_submit button").click()
        expect(page.get_by_role("heading", name="A try")).to_be_visible()
        copied = held(url, "TRY")

        page.goto(f"{dashboard.url}/system_status")
        expect(page.get_by_text(re.compile(r"\d+ v1 clients connected")).first).to_be_visible()
        expect(page.get_by_text("Phase 2 cannot start: see above for what to do first.")).to_be_visible()
        expect(page.get_by_role("button", name="Start phase 2")).to_have_count(0)
        noticed = load.stop()
    noticed_nothing(url, noticed)

    expect(page.get_by_role("button", name="Start phase 2")).to_be_visible(timeout=60_000)
    press(page, "phase2", "Start phase 2")
    is_proved(page, url, 2, Phase.PHASE2)
    expect(page.get_by_text("This database is multi-portfolio (v3.0).")).to_be_visible()

    press(page, "rollback", "Roll back to v2")
    is_proved(page, url, 3, Phase.ROLLBACK_V2)
    # A plan of v3 offers the same, and is refused by then: wait for the one of v2.
    actions = page.locator(".st-key-action")
    expect(actions.get_by_role("radio", name="Phase 2")).to_be_visible()
    before = cost(url)
    alone = [str(symbol) for (symbol,) in rows(url, DEFAULTS_ALONE)]
    actions.get_by_text("Roll back to v1").click()
    expect(page.get_by_text(re.compile(r"What becomes of the [\d,]+ symbols"))).to_be_visible()
    press(page, "rollback", "Roll back to v1")
    is_proved(page, url, 4, Phase.ROLLBACK_V1)
    # Merged: nothing is lost but what rounding an average cost to 0.001 makes.
    assert abs(cost(url) - before) < 1000
    expect(page.get_by_text("This database is single-portfolio (v1.0).")).to_be_visible()

    # What was merged is taken apart again, which the old application sees; it must not see anything else.
    with V1Load(url, load=2, symbols=alone, pause_s=0.05) as load:
        expect(page.get_by_text("Bring back the portfolios in the archive: TRY")).to_be_visible()
        press(page, "phase1", "Start phase 1")
        is_proved(page, url, 5, Phase.PHASE1)
        noticed = load.stop()
    noticed_nothing(url, noticed)
    assert held(url, "TRY") == copied
    page.goto(f"{dashboard.url}/portfolio?id=TRY")
    expect(page.get_by_role("heading", name="A try")).to_be_visible()
