"""Numbers as brokers write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import InvalidInput
from src.transfer.numbers import Notation, infer, is_nothing, parse

POINT, COMMA = Notation.POINT, Notation.COMMA


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1 234,50", "1234.50"),
        ("1\u202f234\u202f567", "1234567"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("38.5", "38.5"),
        ("38,5", "38.5"),
        ("0.250", "0.250"),
        ("0,250", "0.250"),
        (".5", "0.5"),
        ("12345.678", "12345.678"),
        ("  42\t", "42"),
        ("(120)", "-120"),
        ("（１，２３４．５）", "-1234.5"),
        ("120-", "-120"),
        ("−120", "-120"),
        ("+120", "120"),
        ("HK$38.50", "38.50"),
        ("hkd 38.50", "38.50"),
        ("38.50 港元", "38.50"),
        ("-HK$38.50", "-38.50"),
        ("HK$-38.50", "-38.50"),
        ("(HK$38.50)", "-38.50"),
        ("HK$(38.50)", "-38.50"),
        ("$38.50", "38.50"),
        ("-0", "0"),
    ],
)
def test_what_is_one_number_in_one_notation_alone_is_that(text: str, number: str) -> None:
    assert parse(text) == Decimal(number)
    assert not parse(text).is_signed() or Decimal(number) < 0


@pytest.mark.parametrize("text", ["1,234", "1.234", "(1,200)", "13,428", "HK$1,000"])
def test_what_could_be_two_numbers_is_refused_and_both_are_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"may mean .* or .*: say how the file writes its numbers"):
        parse(text)
    assert abs(parse(text, POINT)) != abs(parse(text, COMMA))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("abc", "not a number"),
        ("12 34", "not a number"),
        ("1,23,456", "not a number"),
        ("1'234", "not a number"),
        ("5%", "not a number"),
        ("٣", "not a number"),
        ("NaN", "not a number"),
        ("Infinity", "not a number"),
        ("10²", "not a number"),
        (".", "not a number"),
        ("HK$", "not a number"),
        ("--5", "not a number"),
        ("(-5)", "two signs"),
        ("1E+05", "scientific"),
        ("US$38.5", "only HKD"),
        ("38.5 RMB", "only HKD"),
        ("¥38.5", "only HKD"),
        ("9" * 300, "too long"),
    ],
)
def test_what_is_no_number_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        parse(text)
    assert len(str(refused.value)) < 150


def test_a_number_of_the_other_notation_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"not a number where numbers are written like 1,234\.50"):
        parse("1.234,50", POINT)


def test_a_whole_number_is_never_read_as_a_broken_one() -> None:
    assert parse("13,428", must_be_whole=True) == 13428
    assert parse("13.428", must_be_whole=True) == 13428
    with pytest.raises(InvalidInput, match="may mean 1000 or 1"):
        parse("1,000", must_be_whole=True)


@pytest.mark.parametrize("text", ["", " ", "-", "--", "—", "N/A", "n/a", "無", "\u3000"])
def test_a_dash_or_nothing_is_no_value(text: str) -> None:
    assert is_nothing(text)


@pytest.mark.parametrize(
    ("texts", "whole", "hint", "notation"),
    [
        (["1,234", "38.5"], [], None, POINT),
        (["1.234", "38,5"], [], None, COMMA),
        (["38.500"], ["13,428"], None, POINT),
        (["38.500"], ["13.428"], None, COMMA),
        (["1,234"], ["1,000"], None, None),
        (["1,234"], [], POINT, POINT),
        (["38.5", "38,5"], [], None, None),
        (["38,5"], [], POINT, None),
        (["-", "abc", "100"], ["5"], None, None),
    ],
)
def test_the_notation_is_what_every_number_of_a_file_agrees_on(
    texts: list[str], whole: list[str], hint: Notation | None, notation: Notation | None
) -> None:
    assert infer(texts, whole, hint) is notation


numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=3)


@given(numbers, st.booleans())
def test_a_number_comes_back_from_either_notation(number: Decimal, grouped: bool) -> None:
    point = f"{number:,.3f}" if grouped else f"{number:.3f}"
    comma = point.translate(str.maketrans(",.", ".,"))
    assert parse(point, POINT) == number
    assert parse(comma, COMMA) == number


@given(numbers)
def test_a_number_is_read_right_or_refused_but_never_wrong(number: Decimal) -> None:
    """Without a notation, whatever is read at all is what was meant, in whichever notation it was written."""
    for text in (f"{number:,.3f}", f"{number:,.2f}", f"{number:,.1f}"):
        for written in (text, text.translate(str.maketrans(",.", ".,"))):
            try:
                read = parse(written)
            except InvalidInput:
                assert parse(written, POINT) != parse(written, COMMA)
            else:
                assert read == Decimal(text.replace(",", ""))


@given(st.text(max_size=50))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        assert parse(text).is_finite()
    except InvalidInput:
        pass
