"""Editing, importing and undoing in a browser."""

import time
from io import BytesIO
from pathlib import Path

import openpyxl
import psycopg2
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.conftest import MakeDatabase

ROW_PX = 33
QUANTITY, COST = 0.22, 0.36  # where the columns are, as shares of the table's width


def type_into(page: Page, row: int, column: float, text: str) -> None:
    """Into the cell of a row (from 1) of the table, which is a canvas."""
    editor = page.locator("[id=portal] textarea")
    table = page.get_by_test_id("stDataFrame")

    def opened() -> bool:
        # A page that is just being drawn anew takes the click and forgets it.
        try:
            table.scroll_into_view_if_needed()
        except PlaywrightError:
            return False
        box = table.bounding_box()
        if box is None:
            return False
        page.mouse.dblclick(box["x"] + box["width"] * column, box["y"] + ROW_PX * (row + 0.5))
        page.wait_for_timeout(300)
        return editor.count() == 1

    deadline = time.monotonic() + 60
    while not opened():
        assert time.monotonic() < deadline, "the cell does not open"
    editor.fill(text)
    page.keyboard.press("Enter")  # the editor goes away as it takes the key, and would be searched again
    expect(editor).to_have_count(0)


def asks_before_leaving(page: Page, asks: bool) -> bool:
    """Whether the page comes to that within a minute. Its policy forbids what Playwright waits with."""
    for _ in range(600):
        if page.evaluate("window.onbeforeunload !== null") is asks:
            return True
        page.wait_for_timeout(100)
    return False


def quantities(url: str) -> dict[str, int]:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("SELECT symbol, quantity FROM public.portfolio_positions")
        found = dict(cursor.fetchall())
    conn.close()
    return found


def test_two_traders_edit_the_same_position(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v3", sample=True)
    address = f"{start_dashboard(url).url}/portfolio?id=DEFAULT&view=Edit"
    ann, ben = visit(address), visit(address)
    for page, row, column, text in ((ann, 1, QUANTITY, "3200"), (ben, 1, COST, "300"), (ben, 2, QUANTITY, "13500")):
        type_into(page, row, column, text)
    ann.get_by_role("button", name="Save (1 changed)").click()
    expect(ann.get_by_text("Saved: 1 changed.")).to_be_visible()
    expect(ann.get_by_role("cell", name="3,200", exact=True)).to_be_visible()

    ben.get_by_role("button", name="Save (2 changed)").click()
    expect(ben.get_by_text("Someone else saved first")).to_be_visible()
    expect(ben.get_by_role("cell", name="3,200").first).to_be_visible()
    expect(ben.get_by_role("button", name="Go on")).to_be_disabled()
    assert quantities(url)["0005.HK"] == 13428
    ben.get_by_text("Save mine over it").click()
    ben.get_by_role("button", name="Go on").click()
    expect(ben.get_by_text("Average cost 320.500 → 300.000")).to_be_visible()
    ben.get_by_role("button", name="Save (2 changed)").click()
    expect(ben.get_by_text("Saved: 2 changed.")).to_be_visible()
    expect(ben.get_by_role("cell", name="300.000", exact=True)).to_be_visible()
    assert (quantities(url)["0700.HK"], quantities(url)["0005.HK"]) == (3200, 13500)

    ben.get_by_role("button", name="Undo").click()
    expect(ben.get_by_text("Undone: 2 changed.")).to_be_visible()
    assert (quantities(url)["0700.HK"], quantities(url)["0005.HK"]) == (3200, 13428)
    ben.get_by_text("History", exact=True).click()
    expect(ben.get_by_text("Edited by")).to_have_count(2)
    expect(ben.get_by_text("undone by revision 3")).to_be_visible()


def test_wrong_input_stays_in_the_table_with_its_reason(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    url = make_database("v3", sample=True)
    page = visit(f"{start_dashboard(url).url}/portfolio?id=DEFAULT&view=Edit")
    page.get_by_test_id("stDataFrame").hover()
    expect(page.get_by_role("button", name="Search: ")).to_be_visible()
    # The grid's own download does not guard against formulas; Export does.
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)
    for text, why in (
        ("1000000000000", "the database holds at most 2,147,483,647"),
        ("'; DROP TABLE portfolios; --", "is not a number"),
        ("1.5", "whole number of shares"),
    ):
        type_into(page, 1, QUANTITY, text)
        expect(page.get_by_text(why)).to_be_visible()
        expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    type_into(page, 1, QUANTITY, "3,200")
    expect(page.get_by_role("button", name="Save (1 changed)")).to_be_enabled()
    assert asks_before_leaving(page, True)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.evaluate("location.href = '/portfolios'")
    expect(page.get_by_role("button", name="Save (1 changed)")).to_be_enabled()
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Nothing was saved")).to_be_visible()
    # Said above the table, and so a moment before the page below it is drawn.
    assert asks_before_leaving(page, False)
    page.evaluate("location.href = '/portfolios'")
    expect(page.get_by_role("heading", name="Portfolios", exact=True)).to_be_visible()
    assert len(asked) == 1
    assert quantities(url)["0700.HK"] == 3100


def test_a_brokers_file_with_bad_rows_and_a_download(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, tmp_path: Path
) -> None:
    url = make_database("v3", sample=True)
    before = quantities(url)
    page = visit(f"{start_dashboard(url).url}/portfolio?id=DEFAULT&view=Import")
    file = page.locator("input[type=file]")
    broken = tmp_path / "picture.csv"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    file.set_input_files(broken)
    expect(page.get_by_text("This is a picture, not a text file.")).to_be_visible()

    good = tmp_path / "broker.csv"
    rows = '股票代號,股票名稱,持倉數量,平均成本\n00700,騰訊,"3,200",320.5\n1,長和,500,45.1\nAAPL,Apple,1,1\n'
    good.write_bytes(rows.encode("big5"))
    page = visit(page.url)
    page.locator("input[type=file]").set_input_files(good)
    expect(page.get_by_text("1 row that cannot be taken")).to_be_visible()
    expect(page.get_by_text("'AAPL' is not a Hong Kong symbol")).to_be_visible()
    page.get_by_role("button", name="Import 2 good rows, leave 1 out").click()
    expect(page.get_by_text("Imported broker.csv: 1 changed, 1 added.")).to_be_visible()
    assert (quantities(url)["0700.HK"], quantities(url)["0001.HK"]) == (3200, 500)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: import of broker.csv")).to_be_visible()
    assert quantities(url) == before

    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Workbook").click()
    sheet = openpyxl.load_workbook(BytesIO(download.value.path().read_bytes()))["Positions"]
    assert {row[0].value: row[3].value for row in sheet.iter_rows(min_row=2)} == before
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.startswith("DEFAULT ")
    page.get_by_text("Import", exact=True).click()
    page.locator("input[type=file]").set_input_files(download.value.path())
    expect(page.get_by_text("There is nothing to import: nothing in it differs.")).to_be_visible()


def test_nothing_sticks_out_of_the_views_on_a_phone(
    make_database: MakeDatabase, start_dashboard: StartDashboard, visit: OpenBrowser, tmp_path: Path
) -> None:
    url = make_database("v3", sample=True)
    page = visit(f"{start_dashboard(url).url}/portfolio?id=DEFAULT&view=Edit", width=390)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    page.get_by_text("Import", exact=True).click()
    file = tmp_path / "f.csv"
    file.write_text("Code,Name,Shares,Cost\n700," + "n" * 300 + ",1,1\n1,CKH,500,45\n")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("What will change", exact=True)).to_be_visible()
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
