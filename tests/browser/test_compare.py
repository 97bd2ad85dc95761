"""Comparing portfolios, and carrying a copy's changes over, in a browser."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from src.database_enhanced import DatabaseManager
from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.browser.wire import page_of
from tests.conftest import MakeDatabase

# A browser that opens its first page of a run fetches what draws charts, and that is large.
DRAWN_MS = 60_000


@pytest.fixture
def two(make_database: MakeDatabase) -> str:
    """The sample and TRY, a copy with half of the HSBC shares."""
    url = make_database("v3", sample=True)
    manager = DatabaseManager(url)
    manager.copy_portfolio("DEFAULT", "TRY", "A try")
    manager.change_position("TRY", "0005.HK", quantity=6728)
    manager.copy_portfolio("DEFAULT", "OTHER", "Another")
    manager.close()
    return url


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def test_what_is_chosen_stands_in_the_url_and_another_trader_sees_the_same(
    two: str, start_dashboard: StartDashboard, visit: OpenBrowser, tmp_path: Path
) -> None:
    base = start_dashboard(two).url
    page = visit(f"{base}/comparison?left=DEFAULT&right=OTHER")
    expect(
        page.get_by_role("cell", name="Another", exact=True).or_(page.get_by_text("Another (OTHER)"))
    ).to_be_visible()
    choose(page, "Right", "A try (TRY)")
    expect(page).to_have_url(f"{base}/comparison?left=DEFAULT&right=TRY")
    page.get_by_role("button", name="Swap sides").click()
    expect(page).to_have_url(f"{base}/comparison?left=TRY&right=DEFAULT")
    choose(page, "Further portfolios", "Another (OTHER)")
    page.get_by_role("radio", name="3M").click()
    page.get_by_role("radio", name="Different").click()
    for part in ("left=TRY", "right=DEFAULT", "also=OTHER", "period=3M", "held=Different"):
        expect(page).to_have_url(re.compile(rf"/comparison\?(.*&)?{part}(&|$)"))
    expect(page.locator("table").filter(has_text="Difference in weight").locator("tbody tr")).to_have_count(1)
    expect(page).to_have_title("A try and Legacy Portfolio · HK Strategy")

    other = visit(page.url)
    holdings = other.locator("table").filter(has_text="Difference in weight")
    expect(holdings.locator("tbody tr")).to_have_count(1)
    expect(holdings.get_by_role("cell", name="6,728")).to_be_visible()
    expect(other.get_by_role("columnheader", name="Another")).to_be_visible()
    expect(other.locator(".st-key-curves .js-plotly-plot")).to_be_visible(timeout=DRAWN_MS)

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export CSV").click()
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.name.startswith("TRY_and_DEFAULT")
    with saved.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["symbol"]: row for row in csv.DictReader(file)}
    assert (rows["0005.HK"]["quantity (TRY)"], rows["0005.HK"]["quantity (right - left)"]) == ("6728", "6700")
    assert len(rows) == 11


def test_from_a_copys_page_to_the_comparison_and_back_to_apply(
    two: str, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    base = start_dashboard(two).url
    page = visit(f"{base}/portfolio?id=TRY")
    page.get_by_role("link", name="Compare DEFAULT and TRY side by side").click()
    expect(page).to_have_url(f"{base}/comparison?left=DEFAULT&right=TRY")
    expect(page.get_by_role("cell", name="▼ −8,375.00").first).to_be_visible()
    page.get_by_role("link", name="Apply to the parent, or take a fresh copy").click()
    expect(page).to_have_url(f"{base}/portfolio?id=TRY")
    page.get_by_role("radio", name="Apply to the parent").click()
    page.get_by_role("button", name="Change 1 position in DEFAULT").click()
    expect(page.get_by_text("1 position changed in DEFAULT.")).to_be_visible()
    expect(page.get_by_text("Nothing was changed on either side")).to_be_visible()
    page.goto(f"{base}/portfolio?id=DEFAULT")
    expect(page.get_by_role("cell", name="6,728")).to_be_visible()


def test_a_choice_that_has_been_made_stays_when_the_browser_sends_the_one_before_again(
    two: str, start_dashboard: StartDashboard
) -> None:
    """As it does while the page is drawn slowly, for widgets that the new choice has replaced."""
    dashboard = start_dashboard(two)
    for path, before, now, title in (
        ("portfolio", "id=DEFAULT", "id=TRY", "A try"),
        ("comparison", "left=DEFAULT&right=TRY", "left=TRY&right=DEFAULT", "A try and Legacy Portfolio"),
    ):
        with page_of(dashboard, cookie=dashboard.admin()) as page:
            page.run(path, query=before)
            replaced = {
                one: one.rsplit(" ", 1)[1] for one in page.ids("selectbox") if one.endswith((" DEFAULT", " TRY"))
            }
            assert replaced
            page.run(path, query=now)
            page.heard.clear()
            page.run(path, query=now, typed=replaced)
            titles = [m.page_info_changed.query_string for m in page.heard if m.HasField("page_info_changed")]
            assert all(now in one for one in titles), titles
            assert f'"{title}' in page.text


def test_on_a_phone_in_the_dark_nothing_sticks_out(
    two: str, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    page = visit(f"{start_dashboard(two).url}/comparison?left=DEFAULT&right=TRY", width=390, dark=True)
    expect(page.get_by_text("Held by both")).to_be_visible(timeout=DRAWN_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=DRAWN_MS)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
