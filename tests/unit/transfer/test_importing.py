"""What an import would do, row by row."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position
from src.errors import InvalidInput
from src.transfer.headers import Field
from src.transfer.importing import ImportPreview, RowOutcome, notation_of, preview
from src.transfer.mapping import check, guess
from src.transfer.numbers import Notation
from src.transfer.reading import read

TENCENT = Position("0700.HK", 3100, Decimal("320.500"), Decimal("315.200"), company_name="Tencent", sector="Tech")
HSBC = Position("0005.HK", 13428, Decimal("38.500"), None, company_name="HSBC")
HEADER = "Symbol,Quantity,Avg cost,Name,Sector,Price"


def imported(*rows: str, header: str = HEADER, current: tuple[Position, ...] = (TENCENT, HSBC)) -> ImportPreview:
    table = read("\n".join((header, *rows)).encode())
    return preview(table, guess(table.columns), current)


def reasons(*rows: str, header: str = HEADER) -> list[tuple[int, str]]:
    return [(error.number, error.reason) for error in imported(*rows, header=header).errors]


def test_new_changed_unchanged_and_bad_rows_and_what_is_not_in_the_file() -> None:
    found = imported(
        "700,3200,,,,",
        "9988,100,115,Alibaba,Tech,118.75",
        "1810,many,1,,,",
        current=(TENCENT, HSBC, replace(HSBC, symbol="0388.HK")),
    )
    assert [row.outcome for row in found.rows] == [RowOutcome.CHANGED, RowOutcome.NEW, RowOutcome.ERROR]
    assert [row.number for row in found.rows] == [2, 3, 4]
    assert found.kept == ("0005.HK", "0388.HK")
    before = PositionValues(3100, Decimal("320.5"), "Tencent", "Tech", Decimal("315.2"))
    assert found.edits == (
        Edit("0700.HK", before, replace(before, quantity=3200)),
        Edit("9988.HK", None, PositionValues(100, Decimal(115), "Alibaba", "Tech", Decimal("118.75"))),
    )
    assert found.errors[0].number == 4
    assert found.errors[0].reason == "Quantity: 'many' is not a number."
    assert found.rows[2].cells == ("1810", "many", "1", "", "", "")
    assert found.unchanged == 0


def test_importing_the_result_again_changes_nothing() -> None:
    rows = ("700,3200,321,Tencent Holdings,,310", "9988,100,115.12345,阿里巴巴,Tech,118.75", "5,13428,,,,")
    edits = imported(*rows).edits
    after = {position.symbol: position for position in (TENCENT, HSBC)}
    for edit in edits:
        row = edit.after
        assert row is not None
        after[edit.symbol] = Position(
            edit.symbol, row.quantity, row.avg_cost, row.price, company_name=row.company_name, sector=row.sector
        )
    again = imported(*rows, current=tuple(after.values()))
    assert again.edits == ()
    assert (again.unchanged, again.errors) == (3, ())


@pytest.mark.parametrize(
    "written",
    ["700", "00700", "0700.HK", "700.hk", "HK.00700", "HKG:0700", "SEHK:700", "700 HK", "0700.HKG", "700 HK Equity",
     '="00700"', "'00700", "７００", " 700 ", "700.0"],
)  # fmt: skip
def test_symbols_in_any_of_their_forms(written: str) -> None:
    assert imported(f"{written},1,,,,").edits[0].symbol == "0700.HK"


def test_a_symbol_that_an_older_program_stored_otherwise_is_found() -> None:
    odd = replace(TENCENT, symbol="700")
    assert imported("0700.HK,3100,,,,", current=(odd,)).unchanged == 1
    assert imported("700,3100,,,,", "0700.HK,1,,,,", current=(odd, HSBC)).errors[0].number == 3
    assert imported("=1+1,5,1,,,", current=(replace(TENCENT, symbol="=1+1"),)).edits[0].symbol == "=1+1"


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("'; DROP TABLE portfolios; --", "is not a Hong Kong symbol"),
        ("AAPL", "is not a Hong Kong symbol"),
        ("😀", "is not a Hong Kong symbol"),
        ("x" * 300, "is not a Hong Kong symbol"),
        ("123456", "is not a Hong Kong symbol"),
        ("0", "is not a Hong Kong symbol"),
        ("Total", "is not a Hong Kong symbol"),
        ("^HSI", "is an index"),
        ("", "The symbol is missing"),
    ],
)
def test_symbols_that_cannot_be_held_are_named_by_row(symbol: str, why: str) -> None:
    [(number, reason)] = reasons(f"{symbol},1,1,,,")
    assert number == 2
    assert why in reason
    assert len(reason) < 250


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("9988,1000000000000,1,,,", "Quantity is 1000000000000; the database holds at most 2,147,483,647"),
        ("9988,1.5,1,,,", "must be a whole number of shares"),
        ("9988,,1,,,", "The quantity is missing"),
        ("9988,100,,,,", "The average cost is missing; a position that is new needs one"),
        ("9988,100,-1,,,", "Average cost is -1; it cannot be below 0"),
        ("9988,100,1,,,-5", "Price is -5; it must be at least 0.001"),
        ("9988,100,1,,,0", "Price is 0; it must be at least 0.001"),
        ("9988,100,99999999,,,", "below 10,000,000 HKD per share"),
        ("9988,2000000000,100,,,", "worth more than the database can hold"),
        ("9988,100,1,,,US$5", "Price: 'US$5' is in US$; only HKD can be imported"),
        (f"9988,100,1,{'n' * 300},,", "The company name must be a text of at most 200 characters"),
        (f"9988,100,1,,{'s' * 51},", "The sector must be a text of at most 50 characters"),
        ("9988,1,200,1,,,,5", "The row has 8 cells, but the header has 6"),
    ],
)
def test_values_that_cannot_be_stored_are_named_by_row(row: str, why: str) -> None:
    good = "700,3200,,,,"
    found = imported(good, row, good.replace("700", "388").replace(",,", ",5,", 1))
    assert [error.number for error in found.errors] == [3]
    assert why in found.errors[0].reason
    assert [edit.symbol for edit in found.edits] == ["0700.HK", "0388.HK"]


def test_a_symbol_twice_is_an_error_on_the_later_row_even_where_the_first_is_bad() -> None:
    found = imported("700,1,,,,", "00700,2,,,,", "5,many,,,,", "5,3,,,,")
    assert [(error.number, error.reason.split(":")[0]) for error in found.errors] == [
        (3, "0700.HK is in row 2 already"),
        (4, "Quantity"),
        (5, "0005.HK is in row 4 already"),
    ]
    assert [edit.symbol for edit in found.edits] == ["0700.HK"]


def test_emoji_and_markup_are_texts_like_others() -> None:
    row = imported("700,3100,,🚀 <b>Tencent</b> 騰訊,,").edits[0].after
    assert row is not None
    assert row.company_name == "🚀 <b>Tencent</b> 騰訊"


def test_decimals_that_the_database_does_not_hold_are_reported() -> None:
    found = imported("700,3100,320.12345,,,315.2")
    assert found.rows[0].notes == ("Average cost 320.12345 is kept as 320.123.",)


def test_a_dash_leaves_a_value_as_it_is() -> None:
    assert imported("700,3100,-,,,N/A").unchanged == 1


def test_two_columns_for_one_field_are_refused_before_any_row_is_read() -> None:
    table = read(b"Code,Qty,A,B\n700,1,1,2\n")
    mapping = {0: Field.SYMBOL, 1: Field.QUANTITY, 2: Field.PRICE, 3: Field.PRICE}
    with pytest.raises(InvalidInput, match="'A' and 'B' are both said to be price"):
        preview(table, mapping, ())


def test_the_notation_of_the_file_decides_and_the_user_overrides_it() -> None:
    comma = read(b"Code;Qty;Cost\n700;1.000;320,5\n5;2.000;1.234\n")
    found = preview(comma, guess(comma.columns), (TENCENT, HSBC))
    assert found.notation is Notation.COMMA
    rows = [edit.after for edit in found.edits]
    assert [(row.quantity, row.avg_cost) for row in rows if row] == [(1000, Decimal("320.5")), (2000, Decimal(1234))]

    unsure = read(b"Code;Qty;Cost\n700;1.000;38.500\n")
    assert notation_of(unsure, check(guess(unsure.columns), unsure.columns)) is None
    found = preview(unsure, guess(unsure.columns), (TENCENT,))
    assert "may mean 1 or 1000: say how the file writes its numbers" in found.errors[0].reason
    found = preview(unsure, guess(unsure.columns), (TENCENT,), Notation.POINT)
    after = found.edits[0].after
    assert after is not None
    assert (after.quantity, after.avg_cost) == (1, Decimal("38.5"))


def test_in_a_file_that_mixes_notations_only_what_is_certain_is_taken() -> None:
    found = imported("700,3200,38.5,,,", '5,1,"38,5",,,', '388,1,"1,234",,,')
    assert found.notation is None
    assert [edit.symbol for edit in found.edits] == ["0700.HK", "0005.HK"]
    assert "may mean 1234 or 1.234" in found.errors[0].reason


@pytest.mark.parametrize(
    ("as_of", "price"),
    [
        ("2026-03-02 09:31:07", "315.200"),
        ("2026-03-02 09:30", "315.200"),
        ("2026-03-02 09:31:08", "300"),
        ("2026-03-03", "300"),
        ("", "300"),
    ],
)
def test_a_price_that_is_not_newer_than_ours_is_left_out(as_of: str, price: str) -> None:
    """An export that was edited for an hour and imported again must not bring back the prices of an hour ago."""
    ours = replace(TENCENT, last_updated=datetime(2026, 3, 2, 9, 31, 7, 500_000))
    found = imported(f"700,3200,300,{as_of}", header="Symbol,Quantity,Price,price_as_of", current=(ours,))
    after = found.edits[0].after
    assert after is not None
    assert (after.quantity, after.price) == (3200, Decimal(price))
    assert found.older_prices == (1 if price == "315.200" else 0)


def test_a_time_without_a_zone_is_in_that_of_ours() -> None:
    hong_kong = timezone(timedelta(hours=8))
    ours = replace(TENCENT, last_updated=datetime(2026, 3, 2, 16, 0, tzinfo=hong_kong))
    for text, price in (
        ("2026-03-02 16:00:00+08:00", "315.200"),
        ("2026-03-02 16:00:00", "315.200"),
        ("2026-03-02 16:01", "300"),
        ("2026-03-02T08:00:01+00:00", "300"),
        ("2026-03-02 09:00:00+00:00", "300"),
        ("2026-03-02 07:59:59+00:00", "315.200"),
    ):
        found = imported(f"700,3200,300,{text}", header="Symbol,Quantity,Price,price_as_of", current=(ours,))
        assert found.edits[0].after is not None
        assert found.edits[0].after.price == Decimal(price), text


def test_a_time_that_is_none_is_reported() -> None:
    ours = replace(TENCENT, last_updated=datetime(2026, 3, 2, 9, 31, 7))
    for text, why in (("yesterday", "is not a time like"), ("2026-03-02T09:31:00+08:00", "mind its time zone")):
        found = imported(f"700,3200,300,{text}", header="Symbol,Quantity,Price,price_as_of", current=(ours,))
        assert why in found.errors[0].reason


def test_an_import_never_removes() -> None:
    assert all(edit.after is not None for edit in imported("9988,0,1,,,").edits)
