import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain.symbols import is_index, normalise_symbol, same_exposure, spellings
from src.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("700", "0700.HK"),
        ("00700", "0700.HK"),
        ("700.hk", "0700.HK"),
        ("0700.HK", "0700.HK"),
        (" 5 ", "0005.HK"),
        ("9988", "9988.HK"),
        ("80700.HK", "80700.HK"),
        ("80700", "80700.HK"),
        ("^HSI", "^HSI"),
        ("^hsi", "^HSI"),
    ],
)
def test_the_usual_spellings_of_a_symbol_become_one(written: str, normal: str) -> None:
    assert normalise_symbol(written) == normal


@pytest.mark.parametrize(
    "written",
    ["", " ", "0", "00000", "0.HK", "123456", "-7", "7 00", "AAPL", "700.SZ", "HSI", "^", "^H SI", "0.HK.HK", "٧٠٠"],
)
def test_what_is_no_symbol_is_refused_and_named(written: str) -> None:
    with pytest.raises(InvalidInput, match="is not a Hong Kong symbol"):
        normalise_symbol(written)


@pytest.mark.parametrize("value", [None, 700, 7.0])
def test_a_number_is_no_symbol(value: object) -> None:
    with pytest.raises(InvalidInput, match="write it as text"):
        normalise_symbol(value)  # type: ignore[arg-type]


@given(st.integers(1, 99_999), st.integers(0, 4), st.sampled_from(["", ".HK", ".hk", ".Hk"]))
def test_every_spelling_of_a_code_is_one_symbol_and_stays_it(code: int, zeros: int, suffix: str) -> None:
    symbol = normalise_symbol("0" * zeros + str(code) + suffix)
    assert symbol == f"{code:04d}.HK"
    assert normalise_symbol(symbol) == symbol
    assert len(symbol) <= 10, "the column holds ten characters"


@given(st.text())
def test_any_text_is_normalised_once_for_all_or_refused(text: str) -> None:
    try:
        symbol = normalise_symbol(text)
    except InvalidInput:
        return
    assert normalise_symbol(symbol) == symbol
    assert len(symbol) <= 10


def test_spellings_have_the_normal_form_first_and_then_what_was_written() -> None:
    assert spellings("700.HK") == ("0700.HK", "700.HK")
    assert spellings("0700.HK") == ("0700.HK",)
    assert spellings("AAPL") == ("AAPL",)
    with pytest.raises(InvalidInput):
        spellings("no symbol at all")


def test_an_rmb_counter_is_the_exposure_of_its_hkd_counter() -> None:
    assert same_exposure("80700.HK") == "0700.HK"
    assert same_exposure("0700.HK") == "0700.HK"
    assert same_exposure("8123.HK") == "8123.HK"
    assert same_exposure("^HSI") == "^HSI"
    assert is_index("^HSI")
    assert not is_index("0700.HK")
