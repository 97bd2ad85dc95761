from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain.edits import Edit, PositionValues, diff, values_by_symbol
from src.domain.portfolio import Position
from src.errors import InvalidInput
from tests.unit.domain.drawn_portfolios import MARKET, portfolios

TENCENT = Position("0700.HK", 100, Decimal("320.5"), Decimal("315.2"), company_name="Tencent", sector="Tech")
HSBC = Position("0005.HK", 400, Decimal("38.5"), None)


def test_what_is_added_changed_and_removed() -> None:
    bought = replace(TENCENT, quantity=200)
    kept = PositionValues(100, Decimal("320.5"), "Tencent", "Tech", Decimal("315.2"))
    assert diff([TENCENT], [bought, HSBC]) == (
        Edit("0005.HK", None, PositionValues(400, Decimal("38.5"))),
        Edit("0700.HK", kept, replace(kept, quantity=200)),
    )
    assert diff([TENCENT, HSBC], [HSBC]) == (Edit("0700.HK", kept, None),)


@pytest.mark.parametrize(
    "same",
    [
        replace(HSBC, avg_cost=Decimal("38.500")),
        replace(HSBC, price=Decimal("0.000")),
        replace(HSBC, company_name="", sector=""),
        replace(HSBC, portfolio_id="OTHER"),
    ],
)
def test_what_is_only_written_differently_is_no_change(same: Position) -> None:
    assert diff([HSBC], [same]) == ()


def test_a_symbol_twice_is_refused_and_named() -> None:
    with pytest.raises(InvalidInput, match=r"0005\.HK is there twice"):
        diff([TENCENT], [HSBC, HSBC])


@given(st.data())
def test_edits_lead_from_one_to_the_other_and_back(data: st.DataObject) -> None:
    market = data.draw(MARKET)
    before, after = data.draw(portfolios(market)), data.draw(portfolios(market))
    rows = values_by_symbol(before)
    for edit in diff(before, after):
        assert rows.pop(edit.symbol, None) == edit.before
        assert edit.before != edit.after
        if edit.after is not None:
            rows[edit.symbol] = edit.after
    assert rows == values_by_symbol(after)
    assert [Edit(e.symbol, e.after, e.before) for e in diff(after, before)] == list(diff(before, after))
