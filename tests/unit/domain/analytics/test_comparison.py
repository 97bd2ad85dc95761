from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain.analytics.comparison import Sector, SideFigures, compare
from src.domain.portfolio import Position
from src.domain.valuation import value
from src.errors import InvalidInput
from tests.unit.domain.drawn_portfolios import LONG, MARKET, PRICED_MARKET, portfolios

TINY = Decimal("1e-20")


def position(symbol: str, quantity: int, cost: str, price: str | None, sector: str | None = None) -> Position:
    return Position(symbol, quantity, Decimal(cost), None if price is None else Decimal(price), sector=sector)


LEFT = [
    position("0005.HK", 100, "30", "40", "Financials"),
    position("0700.HK", 10, "300", "400", "Tech"),
    position("0857.HK", 0, "7", "8", "Energy"),
    position("3690.HK", 10, "90", None, "Tech"),
]
RIGHT = [
    position("0005.HK", 50, "35", "40", "Financials"),
    position("0823.HK", 150, "40", "40"),
    position("0857.HK", 0, "7", "8", "Energy"),
]


def test_two_portfolios_side_by_side() -> None:
    found = compare(LEFT, RIGHT)
    lines = {line.symbol: line for line in found.lines}
    assert [(line.symbol, line.held_by) for line in found.lines] == [
        ("0005.HK", "both"),
        ("0700.HK", "left"),
        ("0823.HK", "right"),
        ("3690.HK", "left"),
    ]
    assert found.watched == ("0857.HK",)
    hsbc = lines["0005.HK"]
    assert hsbc.left == SideFigures(100, Decimal(3000), Decimal(4000), Decimal(1000), Decimal("0.5"))
    assert hsbc.right == SideFigures(50, Decimal(1750), Decimal(2000), Decimal(250), Decimal("0.25"))
    assert hsbc.difference == SideFigures(-50, Decimal(-1250), Decimal(-2000), Decimal(-750), Decimal("-0.25"))
    assert lines["0823.HK"].left == SideFigures(0, Decimal(0), Decimal(0), Decimal(0), Decimal(0))
    assert found.overlap == Decimal("0.25")
    assert found.active_share == Decimal("0.75")
    assert found.left == value(LEFT).totals
    assert found.right == value(RIGHT).totals


def test_a_held_symbol_without_a_price_is_not_known() -> None:
    meituan = next(line for line in compare(LEFT, RIGHT).lines if line.symbol == "3690.HK")
    assert (meituan.left.market_value, meituan.left.pnl, meituan.left.weight) == (None, None, None)
    assert (meituan.difference.market_value, meituan.difference.pnl, meituan.difference.weight) == (None, None, None)
    assert meituan.difference.quantity == -10
    assert meituan.difference.cost == -900


def test_sectors_are_compared_by_weight_the_largest_first() -> None:
    assert compare(LEFT, RIGHT).sectors == (
        Sector(None, Decimal(0), Decimal("0.75"), Decimal("0.75")),
        Sector("Financials", Decimal("0.5"), Decimal("0.25"), Decimal("-0.25")),
        Sector("Tech", Decimal("0.5"), Decimal(0), Decimal("-0.5")),
    )
    (unpriced,) = compare([position("0700.HK", 1, "1", None, "Tech")], []).sectors
    assert (unpriced.left, unpriced.right, unpriced.difference) == (None, None, None)


@pytest.mark.parametrize("other", [[], [position("3690.HK", 10, "90", None)], [position("0005.HK", 0, "1", "40")]])
def test_against_nothing_priced_there_is_no_overlap(other: list[Position]) -> None:
    for found in (compare(LEFT, other), compare(other, LEFT)):
        assert found.overlap is None
        assert found.active_share is None


def test_a_symbol_twice_on_a_side_is_refused() -> None:
    with pytest.raises(InvalidInput, match="there twice"):
        compare(LEFT, [*RIGHT, RIGHT[0]])


@given(st.data())
def test_overlap_and_active_share_of_long_only_portfolios_add_to_one(data: st.DataObject) -> None:
    market = data.draw(MARKET)
    found = compare(data.draw(portfolios(market, LONG)), data.draw(portfolios(market, LONG)))
    if found.overlap is None or found.active_share is None:
        assert not (found.left.market_value and found.right.market_value)
        return
    assert abs(found.overlap + found.active_share - 1) < TINY
    assert -TINY < found.overlap < 1 + TINY
    for side in ("left", "right"):
        weights = [getattr(line, side).weight for line in found.lines]
        sectors = [getattr(sector, side) for sector in found.sectors]
        assert abs(sum(w for w in weights if w is not None) - 1) < TINY
        assert abs(sum(w for w in sectors if w is not None) - 1) < TINY


@given(st.data())
def test_swapped_sides_give_swapped_figures(data: st.DataObject) -> None:
    market = data.draw(MARKET)
    one, other = data.draw(portfolios(market)), data.draw(portfolios(market))
    found, swapped = compare(one, other), compare(other, one)
    assert (found.overlap, found.active_share) == (swapped.overlap, swapped.active_share)
    assert [(line.left, line.right) for line in found.lines] == [(line.right, line.left) for line in swapped.lines]
    for line in found.lines:
        assert line.difference.quantity == line.right.quantity - line.left.quantity
        assert (line.held_by == "both") == bool(line.left.quantity and line.right.quantity)


@given(st.data())
def test_differences_of_the_lines_add_up_to_the_difference_of_the_totals(data: st.DataObject) -> None:
    market = data.draw(PRICED_MARKET)
    found = compare(data.draw(portfolios(market)), data.draw(portfolios(market)))
    totals = found.left, found.right
    for name, total in (("cost", "cost_basis"), ("market_value", "market_value"), ("pnl", "unrealized_pnl")):
        whole = getattr(totals[1], total) - getattr(totals[0], total)
        assert sum(getattr(line.difference, name) for line in found.lines) == whole
