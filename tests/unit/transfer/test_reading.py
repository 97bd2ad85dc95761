"""Files as they are uploaded: encodings, separators, header rows, limits."""

import codecs
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import InvalidInput
from src.transfer.encodings import NAMES
from src.transfer.headers import Field
from src.transfer.mapping import check, guess
from src.transfer.reading import MAX_ROWS, read

TRADITIONAL = "股票代號,股票名稱,持倉數量,平均成本\r\n00700,騰訊控股,3100,320.50\r\n00005,匯豐控股,13428,38.50\r\n"
SIMPLIFIED = "股票代码,股票名称,持仓数量,成本价\r\n00700,腾讯控股,3100,320.50\r\n00005,汇丰控股,13428,38.50\r\n"


@pytest.mark.parametrize(
    ("text", "python", "shown"),
    [
        (TRADITIONAL, "utf-8", "UTF-8"),
        (TRADITIONAL, "utf-8-sig", "UTF-8"),
        (TRADITIONAL, "utf-16", "UTF-16"),
        (TRADITIONAL, "big5hkscs", "Big5"),
        (TRADITIONAL, "cp950", "Big5"),
        (TRADITIONAL, "gb18030", "GB18030"),
        (SIMPLIFIED, "gb18030", "GB18030"),
        (SIMPLIFIED, "gbk", "GB18030"),
        (SIMPLIFIED, "utf-8", "UTF-8"),
    ],
)
def test_the_encoding_is_found(text: str, python: str, shown: str) -> None:
    table = read(text.encode(python))
    assert table.encoding == shown
    assert table.columns == tuple(text.splitlines()[0].split(","))
    assert [line.cells for line in table.lines] == [tuple(row.split(",")) for row in text.splitlines()[1:]]
    assert set(guess(table.columns).values()) == {Field.SYMBOL, Field.COMPANY_NAME, Field.QUANTITY, Field.AVG_COST}


def test_names_alone_distinguish_big5_and_gb18030() -> None:
    """Headers in English: only the characters of the names are there to go by."""
    rows = "Code,Name,Qty\n0939,中國建設銀行,1\n0388,香港交易所,1\n0823,領展房產基金,1\n"
    assert read(rows.encode("big5")).encoding == "Big5"
    simplified = "Code,Name,Qty\n0939,中国建设银行,1\n0388,香港交易所,1\n0823,领展房产基金,1\n"
    assert read(simplified.encode("gb18030")).encoding == "GB18030"


def test_big_endian_utf_16() -> None:
    assert read(codecs.BOM_UTF16_BE + TRADITIONAL.encode("utf-16-be")).encoding == "UTF-16"


def test_the_user_may_say_another_encoding_and_separator() -> None:
    table = read("a;b\n1;2\n".encode("utf-16-le"), encoding="UTF-16", separator=";")
    assert table.columns == ("a", "b")
    assert read(b"a;b,c\n1;2,3\n", separator=",").columns == ("a;b", "c")
    with pytest.raises(InvalidInput, match="not written in UTF-8: choose another encoding"):
        read(TRADITIONAL.encode("big5"), encoding="UTF-8")
    with pytest.raises(InvalidInput, match="is not an encoding that can be read; there are UTF-8, UTF-16"):
        read(b"a,b\n1,2\n", encoding="EBCDIC")
    with pytest.raises(InvalidInput, match="is no separator; there are comma, semicolon, tab"):
        read(b"a,b\n1,2\n", separator="|")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_separator_is_found_whatever_ends_the_lines(separator: str, end: str) -> None:
    rows = (("Symbol", "Name", "Quantity"), ("0700", '"Tencent, Ltd; ""HK"""', "1"), ("0005", "HSBC", "2"))
    table = read(end.join(separator.join(row) for row in rows).encode())
    assert table.separator == separator
    assert table.lines[0].cells == ("0700", 'Tencent, Ltd; "HK"', "1")
    assert [line.number for line in table.lines] == [2, 3]


def test_decimal_commas_do_not_make_the_comma_the_separator() -> None:
    assert read(b"Code;Shares;Cost\n0700;1.234;38,5\n0005;2.000;1,5\n").separator == ";"


def test_a_spreadsheets_own_note_of_the_separator_is_followed() -> None:
    table = read(b"sep=;\r\nCode;Qty, held\r\n0700;1\r\n")
    assert (table.separator, table.columns, table.header_number) == (";", ("Code", "Qty, held"), 2)
    assert table.lines[0].number == 3


def test_the_header_is_found_below_what_a_broker_writes_above_it() -> None:
    above, below = b"Account,12345\nAs of,2026-03-01\n\n", b"700,Tencent,100,320.5\n\n,,,\n5,HSBC,1,2\n"
    data = above + b"Stock Code,Stock Name,Qty,Avg Cost (HKD)\n" + below
    table = read(data)
    assert table.header_number == 4
    assert table.columns == ("Stock Code", "Stock Name", "Qty", "Avg Cost (HKD)")
    assert [line.number for line in table.lines] == [5, 8]  # as a spreadsheet numbers them
    assert table.samples(1) == ("Tencent", "HSBC")
    assert read(data, header_number=1).columns == ("Account", "12345")
    with pytest.raises(InvalidInput, match="Row 3 of the file is empty"):
        read(data, header_number=3)


def test_a_line_break_within_quotation_marks_is_part_of_the_cell() -> None:
    table = read(b'Symbol,Name,Quantity\n0700,"Tencent\nHoldings",1\n0005,HSBC,2\n')
    assert table.lines[0].cells[1] == "Tencent\nHoldings"
    assert table.lines[1].number == 3


def test_headers_are_made_unique_and_none_is_without_a_name() -> None:
    assert read(b"Price,,Price,Qty,\n1,2,3,4,5\n").columns == ("Price", "Column 2", "Price (2)", "Qty")


@pytest.mark.parametrize("data", [b"", b"  \r\n\n", codecs.BOM_UTF8, b",,,\n,,,\n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"is empty|no values"):
        read(data)


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing below the header in row 1"):
        read(b"Symbol,Quantity\n\n")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04" + bytes(100), "a spreadsheet workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "an Excel workbook"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
        (b"\x1f\x8b\x08\x00abc", "compressed"),
        (b"Symbol,Quantity\n0700,\x00\x01\n", "not a text file"),
        (random.Random(7).randbytes(5000), "not a text file"),
        (bytes(range(1, 256)) * 20, "not a text file"),
        ("Symbol,Name\n700,café".encode("latin-1"), "not a text file in UTF-8, UTF-16, Big5, GB18030"),
        ("Symbol".encode("utf-32"), "UTF-32"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(data: bytes, what: str) -> None:
    with pytest.raises(InvalidInput, match=rf"{what}.*Save it as CSV"):
        read(data)


def test_files_that_are_too_large_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"The file has 10\.01 MB; at most 10 MB"):
        read(b"Symbol,Quantity\n" + b"0700,1\n" * 1_430_000)
    with pytest.raises(InvalidInput, match="more than 5,000 rows"):
        read(b"Symbol,Quantity\n" + b"0700,1\n" * (MAX_ROWS + 1))
    assert len(read(b"Symbol,Quantity\n" + b"0700,1\n" * MAX_ROWS).lines) == MAX_ROWS
    with pytest.raises(InvalidInput, match="Row 2 has 101 columns; at most 100"):
        read(b"Symbol,Quantity\n" + b",".join([b"1"] * 101))


def test_a_quotation_mark_that_is_never_closed_is_reported_with_its_row() -> None:
    with pytest.raises(InvalidInput, match="Row 3 cannot be read as columns"):
        read(b'Symbol,Quantity\n0700,1\n0005,"2\n0006,3\n')
    with pytest.raises(InvalidInput, match="Row 2 cannot be read as columns"):
        read(b'Symbol,Quantity\n0700,"' + b"x" * 200_000)


@settings(max_examples=200)
@given(st.binary(max_size=400), st.sampled_from([None, *NAMES]), st.sampled_from([None, ",", ";", "\t"]))
def test_any_bytes_are_a_table_or_refused(data: bytes, encoding: str | None, separator: str | None) -> None:
    try:
        table = read(data, encoding=encoding, separator=separator)
    except InvalidInput:
        return
    assert table.lines
    assert len(set(table.columns)) == len(table.columns)


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ("Symbol,Quantity,Avg Cost,Company Name,Sector,Price", "symbol quantity avg_cost company_name sector price"),
        (
            "STOCK CODE;stock_name;Qty.;Ave Cost (HKD);Mkt Price HKD",
            "symbol company_name quantity avg_cost price",
        ),
        ("證券代號,證券名稱,持有數量,平均價,市價", "symbol company_name quantity avg_cost price"),
        ("股票代号,名称,持仓,成本价,现价,板块", "symbol company_name quantity avg_cost price sector"),
        ("股份代號 Stock Code,股數 Shares,按盤價（港元）", "symbol quantity price"),
    ],
)
def test_headers_of_brokers_are_known(headers: str, fields: str) -> None:
    assert " ".join(guess(headers.replace(";", ",").split(","))[at] for at in range(len(fields.split()))) == fields


def test_of_two_columns_for_one_field_the_surer_is_taken_and_totals_are_none() -> None:
    assert guess(["Code", "Stock Code", "Market Value", "Total Cost", "Qty", "P&L", "Currency"]) == {
        1: Field.SYMBOL,
        4: Field.QUANTITY,
    }


def test_a_mapping_is_checked() -> None:
    columns = ("Code", "Qty", "Last", "Close")
    good = {0: Field.SYMBOL, 1: Field.QUANTITY, 3: Field.PRICE}
    assert check(good, columns) == {Field.SYMBOL: 0, Field.QUANTITY: 1, Field.PRICE: 3}
    with pytest.raises(InvalidInput, match="'Last' and 'Close' are both said to be price: choose one"):
        check({**good, 2: Field.PRICE}, columns)
    with pytest.raises(InvalidInput, match="Say which column is the symbol and which is the quantity"):
        check({2: Field.PRICE}, columns)
    with pytest.raises(InvalidInput, match="Say which column is the quantity"):
        check({0: Field.SYMBOL}, columns)
    with pytest.raises(InvalidInput, match="no column 10"):
        check({**good, 9: Field.SECTOR}, columns)
