from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain import validation
from src.domain.portfolio import (
    check_avg_cost,
    check_portfolio_id,
    check_price,
    check_quantity,
    check_text,
    check_value,
)
from src.errors import InvalidInput


@pytest.mark.parametrize("good", ["DEFAULT", "TECH_2", "a", "A" * 50, "value-2026"])
def test_a_portfolio_id_of_letters_digits_and_dashes(good: str) -> None:
    assert check_portfolio_id(f" {good} ") == good


@pytest.mark.parametrize("bad", ["", " ", "A" * 51, "A B", "A;B", "Ä", "../x", "A\nB", None, 5])
def test_a_portfolio_id_of_anything_else_is_refused(bad: object) -> None:
    with pytest.raises(InvalidInput, match="cannot be a portfolio id"):
        check_portfolio_id(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "number"), [(100, 100), ("100", 100), (100.0, 100), (Decimal("1e3"), 1000), (-5, -5)])
def test_quantities_are_whole_numbers(text: object, number: int) -> None:
    assert check_quantity(text) == number


@pytest.mark.parametrize("bad", [10**12, -(10**12), 2**31, 1.5, "1.5", "", "many", None, True, float("nan")])
def test_quantities_that_are_none_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInput, match="Quantity is"):
        check_quantity(bad)


@pytest.mark.parametrize("bad", [-0.001, "-1", 10**7, "9999999.9999", float("nan"), "1,5", None, False])
def test_costs_that_do_not_fit_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInput, match="Average cost is"):
        check_avg_cost(bad)


@pytest.mark.parametrize("bad", [0, "0", -1, 0.0004, 10**7, float("nan")])
def test_a_price_is_above_zero(bad: object) -> None:
    with pytest.raises(InvalidInput, match="Price is"):
        check_price(bad)


def test_a_float_means_what_it_prints() -> None:
    assert check_price(38.1) == Decimal("38.100")
    assert check_price(0.1 + 0.2) == Decimal("0.300")
    assert check_avg_cost("12.3456") == Decimal("12.346")


def test_a_value_that_the_database_cannot_hold_is_refused() -> None:
    check_value(1000, Decimal("9999999"), "cost")
    check_value(1000, None, "price")
    with pytest.raises(InvalidInput, match="worth more than the database can hold"):
        check_value(2**31 - 1, Decimal(100), "cost")


@given(st.decimals(min_value=0, max_value=9_999_998, places=3))
def test_costs_of_three_decimals_come_through_unchanged(cost: Decimal) -> None:
    assert check_avg_cost(str(cost)) == cost


def test_texts_are_trimmed_and_limited() -> None:
    assert check_text("  Tech  ", "The name", 10) == "Tech"
    assert check_text("   ", "The name", 10) is None
    with pytest.raises(InvalidInput, match="The name must not be empty"):
        check_text(" ", "The name", 10, required=True)
    for bad in ("x" * 11, "a\x00b", 5):
        with pytest.raises(InvalidInput, match="at most 10 characters"):
            check_text(bad, "The name", 10)  # type: ignore[arg-type]


def test_a_signal_is_checked_before_the_database_sees_it() -> None:
    values = validation.signal("A", 0.75, 300, {"rsi": 55.126, "volume": 1000, "ma_5": float("nan"), "ma_20": None})
    assert values.strength == Decimal("0.75")
    assert values.rsi == Decimal("55.13")
    assert values.volume == 1000
    assert values.ma_5 is values.ma_20 is values.ma_50 is None
    for kind, strength, price, indicators in (
        ("E", 0.5, 1, {}),
        ("A", 10, 1, {}),
        ("A", float("nan"), 1, {}),
        ("A", 0.5, 0, {}),
        ("A", 0.5, 1, {"macd": 1}),
        ("A", 0.5, 1, {"rsi": 1000}),
        ("A", 0.5, 1, {"volume": -1}),
    ):
        with pytest.raises(InvalidInput):
            validation.signal(kind, strength, price, indicators)
