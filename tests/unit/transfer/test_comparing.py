"""A comparison as a file."""

import csv
from decimal import Decimal

from src.domain.analytics.comparison import compare
from src.domain.portfolio import Position
from src.transfer.comparing import to_csv


def position(symbol: str, quantity: int, cost: str, price: str | None, name: str = "") -> Position:
    return Position(symbol, quantity, Decimal(cost), None if price is None else Decimal(price), company_name=name)


def test_a_row_per_symbol_with_both_sides_and_the_difference() -> None:
    left = [position("0005.HK", 100, "38.5", "40"), position("0700.HK", 10, "300", "310")]
    right = [position("0005.HK", 50, "39", "40"), position("0001.HK", 7, "50", None), position("0002.HK", 0, "1", "2")]
    data = to_csv(compare(left, right), "DEFAULT", "TRY")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = {row["symbol"]: row for row in csv.DictReader(data.decode("utf-8-sig").splitlines())}
    assert list(rows) == ["0001.HK", "0005.HK", "0700.HK"]
    both = rows["0005.HK"]
    assert both["held_by"] == "both"
    assert [both[f"quantity ({side})"] for side in ("DEFAULT", "TRY", "right - left")] == ["100", "50", "-50"]
    assert [both[f"unrealized_pnl ({side})"] for side in ("DEFAULT", "TRY", "right - left")] == [
        "150.00",
        "50.00",
        "-100.00",
    ]
    assert both["weight (DEFAULT)"] == "0.56338028"
    unknown = rows["0001.HK"]
    assert (unknown["held_by"], unknown["market_value (TRY)"], unknown["market_value (right - left)"]) == (
        "right",
        "",
        "",
    )


def test_a_name_is_never_a_formula() -> None:
    text = to_csv(compare([position("0005.HK", 1, "1", "1", '=HYPERLINK("x")')], []), "A", "B").decode("utf-8-sig")
    (row,) = csv.DictReader(text.splitlines())
    assert row["company_name"].startswith("'=")
