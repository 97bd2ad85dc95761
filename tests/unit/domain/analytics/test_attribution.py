from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from src.domain.analytics.attribution import Change, Stake, attribute
from src.domain.portfolio import Position
from src.domain.valuation import total
from tests.unit.domain.drawn_portfolios import MARKET, PRICED_MARKET, portfolios


def position(symbol: str, quantity: int, cost: str, price: str | None) -> Position:
    return Position(symbol, quantity, Decimal(cost), None if price is None else Decimal(price))


def stake(quantity: int, cost: str) -> Stake:
    return Stake(quantity, Decimal(cost))


BASE = [
    position("0005.HK", 400, "38.50", "30"),
    position("0700.HK", 100, "320", "300"),
    position("3690.HK", 50, "95", "90"),
]


def test_each_change_has_its_part_and_the_parts_are_the_whole() -> None:
    parent = [
        position("0005.HK", 400, "38.50", "40"),
        position("0700.HK", 150, "320", "330"),
        position("3690.HK", 50, "95", "98"),
    ]
    copy = [
        position("0005.HK", 800, "39", "40"),
        position("0700.HK", 100, "320", "330"),
        position("9988.HK", 10, "110", "120"),
    ]
    found = attribute(BASE, parent, copy)
    assert found.changes == (
        Change("0005.HK", None, "copy", "quantity", stake(400, "38.50"), stake(800, "38.50"), Decimal("600.00")),
        Change("0005.HK", None, "copy", "cost", stake(800, "38.50"), stake(800, "39"), Decimal("-400.00")),
        Change("0700.HK", None, "parent", "quantity", stake(100, "320"), stake(150, "320"), Decimal("-500.00")),
        Change("3690.HK", None, "copy", "removed", stake(50, "95"), None, Decimal("-150.00")),
        Change("9988.HK", None, "copy", "added", None, stake(10, "110"), Decimal("100.00")),
    )
    assert (found.copy_pnl, found.parent_pnl) == (Decimal("1900.00"), Decimal("2250.00"))
    assert found.difference == Decimal("-350.00")
    assert found.unpriced == ()
    assert found.base_kept


def test_a_copy_left_alone_has_no_changes() -> None:
    found = attribute(BASE, BASE, BASE)
    assert (found.changes, found.difference) == ((), Decimal("0.00"))


def test_without_a_base_the_parent_as_it_is_now_stands_for_it() -> None:
    copy = [position("0005.HK", 500, "38.50", "40"), *BASE[1:]]
    found = attribute(None, BASE, copy)
    assert not found.base_kept
    assert [(change.side, change.kind) for change in found.changes] == [("copy", "quantity")]


def test_a_changed_symbol_without_a_price_is_named_and_the_rest_adds_up() -> None:
    parent = [position("0005.HK", 400, "38.50", "40"), position("0700.HK", 100, "320", None)]
    copy = [position("0005.HK", 500, "38.50", "40"), position("0700.HK", 200, "320", None)]
    found = attribute(parent, parent, copy)
    assert [change.part for change in found.changes] == [Decimal("150.00"), None]
    assert found.difference == Decimal("150.00")
    assert found.unpriced == ("0700.HK",)
    nothing = attribute(None, parent[1:], copy[1:])
    assert nothing.difference is None
    assert nothing.copy_pnl is None


def test_a_watch_row_comes_and_goes_without_a_price_for_nothing() -> None:
    found = attribute([], [], [position("0857.HK", 0, "7.5", None)])
    assert [(change.kind, change.part) for change in found.changes] == [("added", Decimal("0.00"))]
    assert found.unpriced == ()


def test_what_neither_side_holds_any_more_needs_its_price_from_elsewhere() -> None:
    found = attribute(BASE, BASE[:2], BASE[:2])
    assert [(change.side, change.part) for change in found.changes] == [("copy", None), ("parent", None)]
    assert found.unpriced == ("3690.HK",)
    found = attribute(BASE, BASE[:2], BASE[:2], {"3690.HK": Decimal(98), "0005.HK": Decimal(1)})
    assert [change.part for change in found.changes] == [Decimal("-150.00"), Decimal("150.00")]
    assert found.difference == 0


@given(st.data())
def test_the_parts_sum_to_the_whole_to_the_cent(data: st.DataObject) -> None:
    market = data.draw(PRICED_MARKET)
    base = data.draw(st.one_of(st.none(), portfolios(data.draw(PRICED_MARKET))))
    parent, copy = data.draw(portfolios(market)), data.draw(portfolios(market))
    found = attribute(base, parent, copy, market)
    copied, original = total(copy).unrealized_pnl, total(parent).unrealized_pnl
    assert copied is not None
    assert original is not None
    assert found.difference == copied - original
    assert sum((change.part or 0 for change in found.changes), Decimal(0)) == copied - original
    assert found.unpriced == ()


@given(st.data())
def test_with_missing_prices_the_parts_sum_to_the_difference_of_what_is_priced(data: st.DataObject) -> None:
    market = data.draw(MARKET)
    base, parent, copy = (data.draw(portfolios(market)) for _ in range(3))
    found = attribute(base, parent, copy)
    known = [change.part for change in found.changes if change.part is not None]
    pnl = [sum((p.quantity * (p.price - p.avg_cost) for p in side if p.price), Decimal(0)) for side in (copy, parent)]
    if found.difference is None:
        assert found.changes
        assert not known
    else:
        assert found.difference == sum(known, Decimal(0))
        cents = Decimal("0.01") * (len(copy) + len(parent))
        assert abs(found.difference - (pnl[0] - pnl[1])) <= cents
    for change in found.changes:
        assert (change.part is None) == (change.symbol in found.unpriced) or 0 in {
            (change.before or stake(0, "0")).quantity,
            (change.after or stake(0, "0")).quantity,
        }


@given(st.data())
def test_swapping_copy_and_parent_turns_every_part_around(data: st.DataObject) -> None:
    market = data.draw(MARKET)
    base, parent, copy = (data.draw(portfolios(market)) for _ in range(3))
    one, other = attribute(base, parent, copy), attribute(base, copy, parent)
    turned = {"copy": "parent", "parent": "copy"}
    parts = {(c.symbol, c.side, c.kind): c.part for c in one.changes}
    assert {(c.symbol, turned[c.side], c.kind): None if c.part is None else -c.part for c in other.changes} == parts
