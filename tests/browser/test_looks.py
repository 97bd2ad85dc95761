"""What only a browser shows: colours, what it keeps, phone, print, titles, the keyboard."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.conftest import MakeDatabase

GREEN, RED = "rgb(11, 122, 75)", "rgb(196, 40, 58)"


def cell(page: Page, text: str) -> Locator:
    return page.get_by_role("cell", name=text, exact=True)


def name(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your name")


def test_the_browser_keeps_the_colours_and_the_name(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = start_dashboard(make_database("v3", sample=True)).url
    page = visit(f"{url}/portfolio?id=DEFAULT")
    expect(page.get_by_role("cell", name="▼ −16,430.00")).to_be_visible()
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("▲ red, ▼ green (mainland)").click()
    name(page).fill("Ada Chan; 陳")
    name(page).press("Enter")
    expect(page.locator("#hk-keep")).to_be_attached()
    page.wait_for_function("document.cookie.includes('hk_name=Ada') && document.cookie.includes('mainland')")
    assert {one["sameSite"] for one in page.context.cookies() if one["name"].startswith("hk_")} == {"Strict"}
    for path in ("/portfolio?id=DEFAULT", "/portfolios"):
        other = page.context.new_page()
        other.goto(url + path)
        other.get_by_role("button", name="Settings").click()
        expect(name(other)).to_have_value("Ada Chan; 陳")
    page.reload()
    expect(page.get_by_role("cell", name="▼ −16,430.00")).to_be_visible()
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", GREEN)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("▲ green, ▼ red (Hong Kong)").click()
    name(page).fill("")
    name(page).press("Enter")
    page.wait_for_function("!document.cookie.includes('hk_name') && document.cookie.includes('hong_kong')")
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_print_has_the_whole_page_on_white_without_controls(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, dark: bool
) -> None:
    url = start_dashboard(make_database("v3", sample=True)).url
    page = visit(f"{url}/portfolio?id=DEFAULT", dark=dark)
    expect(page.get_by_role("cell", name="▼ −16,430.00")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark" if dark else "light")
    for control in (".stPopover", ".stSelectbox", "[data-testid=stHeader] a"):
        expect(page.locator(control).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    expect(cell(page, "3,100")).to_have_css("color", "rgb(23, 33, 43)")
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)
    # Nothing scrolls by itself: what does is cut off on paper.
    for part in page.locator("[data-testid=stMain], .hk-scroll").all():
        assert part.evaluate("one => getComputedStyle(one).overflowY") == "visible"


def test_the_headline_explains_itself_by_keyboard(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    page = visit(f"{start_dashboard(make_database('v1', sample=True)).url}/portfolios")
    summary = page.locator("summary", has_text="Market value").first
    summary.focus()
    summary.press("Enter")
    expect(page.get_by_text("A position without a price is left out")).to_be_visible()


def test_titles_say_what_a_tab_shows(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = start_dashboard(make_database("v3", sample=True)).url
    page = visit(f"{url}/portfolio?id=DEFAULT")
    for path, title in (
        ("/portfolio?id=DEFAULT", "Legacy Portfolio · HK Strategy"),
        ("/portfolio?id=NOPE", "No such portfolio · HK Strategy"),
        ("/portfolios", "Portfolios · HK Strategy"),
        ("/system_status", "System Status · HK Strategy"),
    ):
        page.goto(url + path)
        expect(page).to_have_title(title)
