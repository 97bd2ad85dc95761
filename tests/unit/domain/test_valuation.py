from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from src.domain.portfolio import Position
from src.domain.valuation import CENT, combined, market_value, total, unrealized_pnl, value

PRICES = st.decimals(min_value=Decimal("0.001"), max_value=9_999, places=3)
COSTS = st.decimals(min_value=0, max_value=9_999, places=3)
POSITIONS = st.builds(
    Position,
    symbol=st.sampled_from(["0700.HK", "0005.HK", "9988.HK", "3690.HK"]),
    quantity=st.integers(0, 1_000_000),
    avg_cost=COSTS,
    price=st.one_of(st.none(), PRICES),
)


def tencent(quantity: int = 3100, cost: str = "320.50", price: str | None = "315.20") -> Position:
    return Position("0700.HK", quantity, Decimal(cost), None if price is None else Decimal(price))


def test_one_position_in_figures() -> None:
    (valued,) = value([tencent()]).positions
    assert valued.cost_basis == Decimal("993550.00")
    assert valued.market_value == Decimal("977120.00")
    assert valued.unrealized_pnl == Decimal("-16430.00")
    assert valued.return_ratio is not None
    assert round(valued.return_ratio * 100, 4) == Decimal("-1.6537")
    assert valued.weight == 1


def test_without_a_price_there_is_no_value() -> None:
    for price in (None, "0", "0.000"):
        (valued,) = value([tencent(price=price)]).positions
        assert (valued.market_value, valued.unrealized_pnl, valued.return_ratio, valued.weight) == (None,) * 4
        totals = total([tencent(price=price)])
        assert totals.market_value is None
        assert totals.unrealized_pnl is None
        assert totals.cost_basis == Decimal("993550")
        assert (totals.priced_count, totals.held_count, totals.coverage) == (0, 1, 0)
        assert not totals.complete


def test_totals_say_how_much_of_them_is_priced() -> None:
    totals = total([tencent(100, "300", "330"), tencent(100, "100", None), tencent(0, "50", None)])
    assert totals.market_value == Decimal("33000")
    assert totals.unrealized_pnl == Decimal("3000")
    assert (totals.cost_basis, totals.priced_cost) == (Decimal("40000"), Decimal("30000"))
    assert (totals.position_count, totals.held_count, totals.priced_count) == (3, 2, 1)
    assert totals.coverage == Decimal("0.75")
    assert totals.return_ratio == Decimal("0.1")


def test_an_empty_portfolio_is_worth_nothing_and_wholly_known() -> None:
    totals = total([])
    assert totals.market_value == totals.unrealized_pnl == totals.cost_basis == 0
    assert totals.complete
    assert totals.coverage == 1
    assert totals.return_ratio is None


def test_a_gift_has_a_value_and_no_return() -> None:
    (valued,) = value([tencent(100, "0", "10")]).positions
    assert valued.unrealized_pnl == 1000
    assert valued.return_ratio is None


def test_a_short_position_gains_when_the_price_falls() -> None:
    (valued,) = value([tencent(-100, "300", "270")]).positions
    assert valued.unrealized_pnl == 3000
    assert valued.return_ratio == Decimal("0.1")


def test_long_and_short_do_not_cancel_in_coverage() -> None:
    totals = total([tencent(100, "300", "300"), tencent(-100, "300", None)])
    assert totals.coverage == Decimal("0.5")


def test_totals_of_several_portfolios_count_what_is_priced() -> None:
    priced, unknown = [tencent(1, "100", "150")], [tencent(1, "300", None)]
    both = combined([total(priced), total(unknown)])
    assert (both.market_value, both.cost_basis, both.unrealized_pnl) == (Decimal(150), Decimal(400), Decimal(50))
    assert both.coverage == Decimal("0.25")
    assert combined([total(unknown)]).market_value is None
    assert combined([]) == total([])


@given(st.lists(POSITIONS, max_size=6), st.lists(POSITIONS, max_size=6))
def test_portfolios_together_are_the_portfolio_of_all_their_positions(
    left: list[Position], right: list[Position]
) -> None:
    assert combined([total(left), total(right)]) == total(left + right)


def test_half_a_cent_goes_away_from_zero_as_in_the_database() -> None:
    assert market_value(tencent(1, "0", "0.005")) == Decimal("0.01")
    assert unrealized_pnl(tencent(1, "0.010", "0.005")) == Decimal("-0.01")


@given(st.lists(POSITIONS, max_size=8))
def test_weights_of_what_is_priced_add_to_one(positions: list[Position]) -> None:
    valuation = value(positions)
    weights = [p.weight for p in valuation.positions if p.weight is not None]
    if valuation.totals.market_value:
        assert abs(sum(weights) - 1) < Decimal("1e-20")
        assert all(0 <= weight <= 1 for weight in weights)
    else:
        assert not weights


@given(st.lists(POSITIONS, max_size=8))
def test_totals_are_the_sums_of_their_positions(positions: list[Position]) -> None:
    valuation = value(positions)
    totals = valuation.totals
    held = [p for p in valuation.positions if p.position.quantity]
    assert totals.cost_basis == sum((p.cost_basis for p in held), Decimal(0))
    assert 0 <= totals.coverage <= 1
    assert totals.complete == all(p.market_value is not None for p in held)
    if totals.market_value is not None and totals.unrealized_pnl is not None:
        assert totals.market_value == sum((p.market_value or 0 for p in held), Decimal(0))
        gap = totals.market_value - totals.priced_cost - totals.unrealized_pnl
        assert abs(gap) <= CENT * max(1, totals.priced_count)


@given(POSITIONS)
def test_pnl_is_market_value_less_cost(position: Position) -> None:
    (valued,) = value([position]).positions
    if valued.market_value is None:
        assert valued.unrealized_pnl is None
        assert not position.price
    else:
        assert valued.unrealized_pnl is not None
        assert abs(valued.market_value - valued.cost_basis - valued.unrealized_pnl) <= CENT


@given(st.lists(POSITIONS, max_size=6), st.randoms())
def test_the_order_of_positions_does_not_matter(positions: list[Position], dice: Random) -> None:
    shuffled = list(positions)
    dice.shuffle(shuffled)
    assert total(shuffled) == total(positions)
