"""Texts and symbols in cells: a text that a spreadsheet would take for a formula is written with a ' before it."""

import re

from src.domain.symbols import normalise_symbol
from src.transfer.numbers import plain

# What makes a spreadsheet calculate, in its full-width forms too; and ' itself, so that taking one off is exact.
_LEADS = frozenset("=+-@\t\r\n'＝＋－＠")
AS_FORMULA = re.compile(r'="([^"]*)"')
# HK.00700, HKG:0700, SEHK:700, 700 HK, 0700.HKG, 700 HK Equity, 00700.0
_MARKET_BEFORE = re.compile(r"(?:HK|HKG|HKEX|SEHK|XHKG)\s*[.:\s]\s*([0-9]{1,5})", re.ASCII)
_MARKET_AFTER = re.compile(r"([0-9]{1,5})\s*[.:\s]\s*(?:HK|HKG|HKEX|SEHK|XHKG)(?: EQUITY)?", re.ASCII)
_AS_NUMBER = re.compile(r"([0-9]{1,5})\.0+", re.ASCII)


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in _LEADS and text else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` may have made; of any other, the cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _LEADS and cell[1:] else cell


def symbol_of(cell: str) -> str:
    """The symbol in a cell, in any of the forms that brokers and spreadsheets use. Raises InvalidInput for others."""
    text = plain(cell).upper()
    formula = AS_FORMULA.fullmatch(text)
    text = (formula[1] if formula else text).removeprefix("'").strip()
    for form in (_MARKET_BEFORE, _MARKET_AFTER, _AS_NUMBER):
        found = form.fullmatch(text)
        if found is not None:
            return normalise_symbol(found[1])
    return normalise_symbol(text)
