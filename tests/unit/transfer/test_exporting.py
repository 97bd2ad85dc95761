"""Export: it imports again unchanged, whatever the portfolio holds, and no text becomes a formula."""

import csv
import io
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain import valuation
from src.domain.portfolio import Position
from src.transfer.exporting import CSV_COLUMNS, About, file_name, to_csv, to_workbook
from src.transfer.importing import preview
from src.transfer.mapping import guess
from src.transfer.reading import read
from src.transfer.texts import guarded, unguarded

AT = datetime(2026, 3, 2, 9, 31, 7)
TENCENT = Position("0700.HK", 3100, Decimal("320.500"), Decimal("315.200"), company_name="Tencent", sector="Tech",
                   last_updated=AT)  # fmt: skip
FORMULA = "=cmd|' /C calc'!A1"
ABOUT = About("TECH", "Technology", AT, "Momentum")

# Any text that PostgreSQL can hold, and the ones that spreadsheets and CSV are touchy about.
texts = st.one_of(
    st.none(),
    st.sampled_from(["", " ", FORMULA, "+1", "-1", "@SUM(A1)", "\ttab", "\rCR", "'quoted", "''=1", '"', 'a","b',
                     "a;b", "a\r\nb", "  spaces  ", "🚀", "騰訊", "＝1+1", "-", "N/A", "x" * 200, "sep=;",
                     "\u2028", "\ufeff"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=50),
)  # fmt: skip
money = st.decimals(min_value=0, max_value=9999, places=3)
positions = st.builds(
    Position,
    symbol=st.one_of(
        st.integers(1, 99999).map(lambda code: f"{code:04}.HK"),
        st.sampled_from(["700", "ABC", "=1+1", "-5", "'x", "^HSI"]),
    ),
    quantity=st.integers(-100_000, 100_000) | st.sampled_from([0, 13428, 1000]),
    avg_cost=money,
    price=st.none() | money,
    company_name=texts,
    sector=texts,
    last_updated=st.none() | st.just(AT),
)
portfolios = st.lists(positions, min_size=1, max_size=8, unique_by=lambda position: position.symbol)


@settings(max_examples=300)
@given(portfolios)
def test_an_export_imports_again_unchanged(holdings: list[Position]) -> None:
    table = read(to_csv(holdings))
    assert table.columns == CSV_COLUMNS
    found = preview(table, guess(table.columns), holdings)
    assert found.errors == ()
    assert found.edits == ()
    assert found.unchanged == len(holdings)


@settings(max_examples=200)
@given(portfolios)
def test_an_export_into_an_empty_portfolio_brings_the_same_positions(holdings: list[Position]) -> None:
    """What may be typed comes back as it was; the rest (an odd symbol, a name of spaces) is reported or trimmed."""
    usual = [
        replace(one, symbol=f"{number:04}.HK", company_name=(one.company_name or "").strip()[:200] or None, sector=None)
        for number, one in enumerate(holdings, 1)
    ]
    table = read(to_csv(usual))
    found = preview(table, guess(table.columns), ())
    assert found.errors == ()
    rows = {edit.symbol: edit.after for edit in found.edits}
    assert len(rows) == len(usual)
    for one in usual:
        row = rows[one.symbol]
        assert row is not None
        known = valuation.known_price(one.price)
        assert (row.quantity, row.avg_cost, row.company_name, row.price) == (
            one.quantity, one.avg_cost, one.company_name, known,
        )  # fmt: skip


@settings(max_examples=200)
@given(portfolios)
def test_no_text_cell_begins_like_a_formula_and_numbers_are_plain(holdings: list[Position]) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(holdings).decode("utf-8-sig"), newline="")))[1:]
    assert len(rows) == len(holdings)
    for cells in rows:
        assert all(cell[:1] not in set("=+-@\t\r\n＝＋－＠") or not cell for cell in cells[:3])
        for cell in cells[3:6] + cells[7:]:
            assert cell == "" or Decimal(cell).is_finite()


@given(st.text(max_size=20))
def test_taking_the_guard_off_gives_the_text_back(text: str) -> None:
    assert unguarded(guarded(text)) == text


def test_the_figures_are_those_of_the_page() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([TENCENT]).decode("utf-8-sig"))))
    assert rows == [
        {
            "symbol": "0700.HK",
            "company_name": "Tencent",
            "sector": "Tech",
            "quantity": "3100",
            "avg_cost": "320.500",
            "price": "315.200",
            "price_as_of": "2026-03-02 09:31:07",
            "market_value": "977120.00",
            "unrealized_pnl": "-16430.00",
        }
    ]


def test_a_price_that_is_not_known_is_empty_not_zero() -> None:
    for price in (None, Decimal(0)):
        [row] = csv.DictReader(io.StringIO(to_csv([replace(TENCENT, price=price)]).decode("utf-8-sig")))
        assert (row["price"], row["price_as_of"], row["market_value"], row["unrealized_pnl"]) == ("", "", "", "")


def test_an_empty_portfolio_is_a_header() -> None:
    assert to_csv([]).decode("utf-8-sig") == ",".join(CSV_COLUMNS) + "\r\n"
    assert openpyxl.load_workbook(io.BytesIO(to_workbook([], ABOUT))).sheetnames == ["Positions", "Summary"]


def test_the_workbook_has_numbers_as_numbers_and_texts_never_as_formulas() -> None:
    watched = Position("0857.HK", 0, Decimal("7.500"), None, company_name=FORMULA, sector="=1+1")
    book = openpyxl.load_workbook(io.BytesIO(to_workbook([TENCENT, watched], ABOUT)))
    sheet = book["Positions"]
    assert [cell.value for cell in sheet[2]] == [
        "0700.HK", "Tencent", "Tech", 3100, 320.5, 315.2, datetime(2026, 3, 2, 9, 31, 7), 977120, -16430,
        pytest.approx(-16430 / 993550), 1,
    ]  # fmt: skip
    assert [cell.value for cell in sheet[3]] == ["0857.HK", FORMULA, "=1+1", 0, 7.5] + [None] * 6
    assert {cell.data_type for row in book for line in row.iter_rows() for cell in line} <= {"s", "n", "d"}
    summary = {row[0].value: row[1].value for row in book["Summary"].iter_rows()}
    assert summary["Portfolio"] == "Technology"
    assert summary["Market value, HKD"] == 977120
    assert summary["Unrealized P&L, HKD"] == -16430
    assert summary["Share of the cost that has a price"] == 1
    assert summary["Tech"] == 977120


def test_the_workbook_says_what_its_totals_are_of() -> None:
    held = replace(TENCENT, symbol="0005.HK", price=None)
    book = openpyxl.load_workbook(io.BytesIO(to_workbook([TENCENT, held], ABOUT)))
    summary = {row[0].value: row[1].value for row in book["Summary"].iter_rows()}
    assert "Market value and P&L are of the positions that have a price." in summary
    assert summary["Held, with a price"] == 1
    nothing = openpyxl.load_workbook(io.BytesIO(to_workbook([held], ABOUT)))
    summary = {row[0].value: row[1].value for row in nothing["Summary"].iter_rows()}
    assert summary["Market value, HKD"] is None


@settings(max_examples=60)
@given(portfolios)
def test_any_portfolio_makes_a_workbook_that_opens(holdings: list[Position]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(to_workbook(holdings, ABOUT)))["Positions"]
    assert [row[3].value for row in sheet.iter_rows(min_row=2)] == [one.quantity for one in holdings]


def test_a_file_name_that_every_system_takes() -> None:
    assert file_name("TECH", AT, "csv") == "TECH 2026-03-02.csv"
    assert file_name("../../etc/pass wd\x00", AT, "xlsx") == "etc_pass_wd 2026-03-02.xlsx"
    assert file_name("騰訊", AT, "csv") == "portfolio 2026-03-02.csv"
