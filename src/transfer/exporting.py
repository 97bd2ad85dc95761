"""Positions as a CSV file that imports again unchanged, and as a workbook. Pure: bytes out, nothing read.

No text in them can become a formula in a spreadsheet.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from src.domain import valuation
from src.domain.portfolio import Position
from src.domain.valuation import Valuation, Valued, known_price
from src.transfer.texts import guarded

CSV_COLUMNS = (
    "symbol",
    "company_name",
    "sector",
    "quantity",
    "avg_cost",
    "price",
    "price_as_of",
    "market_value",
    "unrealized_pnl",
)
CSV_TYPE = "text/csv"
WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class About:
    """What a workbook says about itself. `at`: when it was made, in Hong Kong."""

    portfolio_id: str
    name: str
    at: datetime
    strategy: str = ""


def to_csv(positions: Sequence[Position]) -> bytes:
    """UTF-8 with a byte order mark, CRLF, comma; HKD. Not known is empty. `price_as_of` is last_updated, as given."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for valued in valuation.value(positions).positions:
        position, known = valued.position, known_price(valued.position.price)
        as_of = position.last_updated if known is not None else None
        writer.writerow(
            [
                guarded(position.symbol),
                guarded(position.company_name or ""),
                guarded(position.sector or ""),
                position.quantity,
                _plain(position.avg_cost),
                _plain(known),
                as_of.isoformat(sep=" ", timespec="seconds") if as_of else "",
                _plain(valued.market_value),
                _plain(valued.unrealized_pnl),
            ]
        )
    return out.getvalue().encode("utf-8-sig")


def file_name(portfolio_id: str, at: datetime, ending: str) -> str:
    """`TECH 2026-03-01.csv`; whatever the id holds, a name that every system takes."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", portfolio_id).strip("_") or "portfolio"
    return f"{safe} {at:%Y-%m-%d}.{ending}"


def to_workbook(positions: Sequence[Position], about: About) -> bytes:
    """An .xlsx file with the sheets Positions and Summary. Numbers are numbers, dates dates, texts never formulas.

    Times are written as their clock says, without their zone: give them in Hong Kong's.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": about.name, "created": about.at})
    formats = _Formats(book)
    valued = valuation.value(positions)
    _positions_sheet(book.add_worksheet("Positions"), valued, formats)
    _summary_sheet(book.add_worksheet("Summary"), valued, about, formats)
    book.close()
    return out.getvalue()


class _Formats:
    """The formats of a workbook's cells."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.head: Format = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.head_right: Format = book.add_format(
            {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "align": "right"}
        )
        self.label: Format = book.add_format({"bold": True})
        self.text: Format = book.add_format({"num_format": "@"})
        self.note: Format = book.add_format({"italic": True, "font_color": "#555555"})
        self.count: Format = book.add_format({"num_format": "#,##0"})
        self.price: Format = book.add_format({"num_format": "#,##0.000"})
        self.money: Format = book.add_format({"num_format": "#,##0.00"})
        self.share: Format = book.add_format({"num_format": "0.00%"})
        self.when: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "left"})


_WIDTHS = (12, 30, 18, 12, 14, 12, 22, 18, 18, 12, 10)
_HEADS = (
    "Symbol", "Company name", "Sector", "Quantity", "Average cost, HKD", "Price, HKD", "Price as of (Hong Kong)",
    "Market value, HKD", "Unrealized P&L, HKD", "P&L ÷ cost", "Weight",
)  # fmt: skip


def _positions_sheet(sheet: Worksheet, valued: Valuation, formats: _Formats) -> None:
    for column, (head, width) in enumerate(zip(_HEADS, _WIDTHS, strict=True)):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, head, formats.head if column in (0, 1, 2, 6) else formats.head_right)
    sheet.freeze_panes(1, 1)
    for row, one in enumerate(valued.positions, 1):
        _position_row(sheet, row, one, formats)
    sheet.autofilter(0, 0, max(len(valued.positions), 1), len(_HEADS) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _position_row(sheet: Worksheet, row: int, one: Valued, formats: _Formats) -> None:
    position, known = one.position, known_price(one.position.price)
    for column, text in enumerate((position.symbol, position.company_name or "", position.sector or "")):
        sheet.write_string(row, column, text, formats.text)
    sheet.write_number(row, 3, position.quantity, formats.count)
    _number(sheet, row, 4, position.avg_cost, formats.price)
    _number(sheet, row, 5, known, formats.price)
    if known is not None and position.last_updated is not None:
        sheet.write_datetime(row, 6, position.last_updated.replace(tzinfo=None), formats.when)
    _number(sheet, row, 7, one.market_value, formats.money)
    _number(sheet, row, 8, one.unrealized_pnl, formats.money)
    _number(sheet, row, 9, one.return_ratio, formats.share)
    _number(sheet, row, 10, one.weight, formats.share)


def _summary_sheet(sheet: Worksheet, valued: Valuation, about: About, formats: _Formats) -> None:
    totals = valued.totals
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 3, 20)
    texts = [("Portfolio", about.name or about.portfolio_id), ("Id", about.portfolio_id), ("Strategy", about.strategy)]
    for row, (label, text) in enumerate(texts):
        sheet.write_string(row, 0, label, formats.label)
        sheet.write_string(row, 1, text, formats.text)
    sheet.write_string(3, 0, "Exported at (Hong Kong)", formats.label)
    sheet.write_datetime(3, 1, about.at.replace(tzinfo=None), formats.when)
    figures: list[tuple[str, Decimal | int | None, Format]] = [
        ("Positions", totals.position_count, formats.count),
        ("Held (quantity not 0)", totals.held_count, formats.count),
        ("Held, with a price", totals.priced_count, formats.count),
        ("Cost, HKD", totals.cost_basis, formats.money),
        ("Cost of what has a price, HKD", totals.priced_cost, formats.money),
        ("Share of the cost that has a price", totals.coverage, formats.share),
        ("Market value, HKD", totals.market_value, formats.money),
        ("Unrealized P&L, HKD", totals.unrealized_pnl, formats.money),
        ("P&L ÷ cost of what has a price", totals.return_ratio, formats.share),
    ]
    for row, (label, figure, style) in enumerate(figures, 5):
        sheet.write_string(row, 0, label, formats.label)
        _number(sheet, row, 1, figure, style)
    row = 5 + len(figures) + 1
    if not totals.complete:
        sheet.write_string(row, 0, "Market value and P&L are of the positions that have a price.", formats.note)
        row += 2
    _sectors(sheet, row, valued, formats)


def _sectors(sheet: Worksheet, row: int, valued: Valuation, formats: _Formats) -> None:
    for column, head in enumerate(("Sector", "Market value, HKD", "Unrealized P&L, HKD", "Weight")):
        sheet.write_string(row, column, head, formats.head_right if column else formats.head)
    groups: dict[str, list[Valued]] = {}
    for one in valued.positions:
        if one.position.quantity != 0:
            groups.setdefault(one.position.sector or "No sector", []).append(one)
    for at, (sector, members) in enumerate(sorted(groups.items()), row + 1):
        sheet.write_string(at, 0, sector, formats.text)
        _number(sheet, at, 1, _sum([one.market_value for one in members]), formats.money)
        _number(sheet, at, 2, _sum([one.unrealized_pnl for one in members]), formats.money)
        _number(sheet, at, 3, _sum([one.weight for one in members]), formats.share)


def _sum(parts: Sequence[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if known else None


def _number(sheet: Worksheet, row: int, column: int, number: Decimal | int | None, style: Format) -> None:
    """A number to 15 digits, as spreadsheets have them; not known stays empty."""
    if number is not None:
        sheet.write_number(row, column, float(number), style)


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"
