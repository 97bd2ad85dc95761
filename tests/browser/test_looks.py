"""What only a browser shows: colours, what it keeps, phone, print, titles, the keyboard."""

import re
from collections.abc import Callable, Mapping

import psycopg2
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Dashboard, OpenBrowser, StartDashboard
from tests.conftest import MakeDatabase

GREEN, RED = "rgb(11, 122, 75)", "rgb(196, 40, 58)"


def cell(page: Page, text: str) -> Locator:
    return page.get_by_role("cell", name=text, exact=True)


def name(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your name")


def await_cookies(page: Page, wanted: Callable[[Mapping[str, str]], bool]) -> None:
    """Asked of the browser: a page of ours evaluates no text, not even a test's."""
    for _ in range(600):
        if wanted({one["name"]: one["value"] for one in page.context.cookies()}):
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.context.cookies())


def test_the_browser_keeps_the_colours_and_the_name(sample_dashboard: Dashboard, visit: OpenBrowser) -> None:
    url = sample_dashboard.url
    page = visit(f"{url}/portfolio?id=DEFAULT")
    expect(page.get_by_role("cell", name="▼ −16,430.00")).to_be_visible()
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("▲ red, ▼ green (mainland)").click()
    name(page).fill("Ada Chan; 陳")
    name(page).press("Enter")
    expect(page.locator("#hk-keep")).to_be_attached()
    await_cookies(page, lambda kept: kept.get("hk_name", "").startswith("Ada") and kept["hk_colours"] == "mainland")
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
    await_cookies(page, lambda kept: "hk_name" not in kept and kept["hk_colours"] == "hong_kong")
    expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)


def test_a_print_has_the_whole_page_on_white_without_controls(sample_dashboard: Dashboard, visit: OpenBrowser) -> None:
    url = sample_dashboard.url
    for dark in (False, True):
        page = visit(f"{url}/portfolio?id=DEFAULT", dark=dark)
        expect(cell(page, "▼ −16,430.00")).to_be_visible()
        page.emulate_media(media="print", color_scheme="dark" if dark else "light")
        for control in (".stPopover", ".stSelectbox", ".stButtonGroup", "[data-testid=stHeader] a"):
            expect(page.locator(control).first).to_be_hidden()
        expect(page.locator(".stApp")).to_have_css("background-color", "rgb(255, 255, 255)")
        expect(cell(page, "3,100")).to_have_css("color", "rgb(23, 33, 43)")
        expect(cell(page, "▼ −16,430.00")).to_have_css("color", RED)
        # Nothing scrolls by itself: what does is cut off on paper.
        for part in page.locator("[data-testid=stMain], .hk-scroll").all():
            expect(part).to_have_css("overflow-y", "visible")


def test_titles_and_figures_explain_what_a_tab_shows(sample_dashboard: Dashboard, visit: OpenBrowser) -> None:
    url = sample_dashboard.url
    page = visit(f"{url}/portfolio?id=DEFAULT")
    for path, title in (
        ("/portfolio?id=DEFAULT", "Legacy Portfolio · HK Strategy"),
        ("/portfolio?id=NOPE", "No such portfolio · HK Strategy"),
        ("/system_status", "System Status · HK Strategy"),
        ("/portfolios", "Portfolios · HK Strategy"),
    ):
        page.goto(url + path)
        expect(page).to_have_title(title)
    summary = page.locator("summary", has_text="Market value").first
    summary.focus()
    summary.press("Enter")  # no mouse needed
    expect(page.get_by_text("A position without a price is left out")).to_be_visible()
    page.get_by_text("How these figures are made").click()
    expect(page.get_by_role("definition").filter(has_text="held constant")).to_be_visible()


BOOKS = (
    "INSERT INTO public.portfolios (portfolio_id, name, strategy) SELECT 'P' || n, 'Book ' || lpad(n::text, 3, '0'), "
    "CASE WHEN n > 60 THEN 'Income' ELSE 'Momentum' END FROM generate_series(1, 120) n;"
    "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
    "SELECT portfolio_id, '0700.HK', 1234567, 300, 315.2 FROM public.portfolios WHERE portfolio_id LIKE 'P%'"
)


def test_a_trader_finds_archives_brings_back_and_deletes_in_a_long_list(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    database = make_database("v3", sample=True)
    conn = psycopg2.connect(database)
    with conn, conn.cursor() as cursor:
        cursor.execute(BOOKS)
    conn.close()
    url = start_dashboard(database).url
    page = visit(f"{url}/portfolios?order=Name&page=2")
    expect(page.get_by_text("51 to 100 of 121 portfolios")).to_be_visible()
    expect(page.get_by_role("cell", name="60 portfolios").first).to_be_visible()
    page.get_by_role("combobox", name="Strategy").click()
    page.get_by_role("option", name="Momentum").click()
    expect(page.get_by_role("cell", name="These 60 together")).to_be_visible()
    expect(page).to_have_url(re.compile("strategy=Momentum"))
    page.goto(f"{url}/portfolios?search=Book+007")
    expect(page.get_by_role("link", name="Book 007")).to_be_visible()

    def manage() -> None:
        page.get_by_role("button", name="Archive, delete").click()
        choice = page.get_by_role("combobox", name="Portfolio")
        choice.click()
        choice.fill("Book 007")
        page.get_by_role("option", name="Book 007 (P7)").click()

    manage()
    page.get_by_role("button", name="Archive", exact=True).click()
    expect(page.get_by_text("P7 is archived")).to_be_visible()
    expect(page.get_by_role("link", name="Book 007")).to_have_count(0)
    page.goto(f"{url}/portfolios?search=Book+007&archived=true")
    expect(page.get_by_role("link", name="Book 007")).to_be_visible()
    manage()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("P7 is back in the list")).to_be_visible()
    page.goto(f"{url}/portfolios?search=Book+007")
    manage()
    page.get_by_role("textbox", name="Type Book 007 to delete it").fill("Book 00")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Nothing was deleted")).to_be_visible()
    page.get_by_role("textbox", name="Type Book 007 to delete it").fill("Book 007")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Book 007 (P7) is deleted for good")).to_be_visible()
    page.goto(f"{url}/portfolio?id=P8&sort=Symbol")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("textbox", name="Type Book 008 to delete it").fill("Book 008")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Book 008 (P8) is deleted for good")).to_be_visible()
    expect(page.get_by_role("heading", name="Portfolios")).to_be_visible()
    page.goto(f"{url}/portfolios?order=Name")
    page.get_by_role("button", name="New portfolio").click()
    page.get_by_label("Id", exact=True).fill("NEW")
    page.get_by_label("Name").fill("From a sorted list")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="From a sorted list")).to_be_visible()
    phone = visit(f"{url}/portfolios", width=390)
    expect(phone.get_by_text("1 to 50 of 120 portfolios")).to_be_visible()
    for part in phone.locator(".hk-scroll, .hk-figure, [data-testid=stMain]").all():
        assert part.evaluate("one => one.scrollWidth <= one.clientWidth"), part.inner_text()
