"""Carrying changes between a copy and its parent."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from src.domain.edits import Edit, values_by_symbol
from src.domain.merge import merge, replaced
from src.domain.portfolio import Position

Held = tuple[Position, ...]


def position(symbol: str, quantity: int = 100, cost: str = "10", sector: str | None = "Tech") -> Position:
    return Position(symbol, quantity, Decimal(cost), Decimal(12), company_name=f"The {symbol}", sector=sector)


def apply(target: Held, edits: tuple[Edit, ...]) -> dict[str, tuple[object, ...]]:
    """What the target holds after the edits."""
    after = values_by_symbol(target)
    for edit in edits:
        assert after.get(edit.symbol) == edit.before
        if edit.after is None:
            del after[edit.symbol]
        else:
            after[edit.symbol] = edit.after
    return {symbol: (row.quantity, row.avg_cost, row.company_name, row.sector) for symbol, row in after.items()}


def holds(positions: Held) -> dict[str, tuple[object, ...]]:
    return apply(positions, ())


A, B, C = position("0001.HK"), position("0002.HK"), position("0003.HK")


def test_what_the_source_added_removed_and_changed_is_carried_over() -> None:
    source = (position("0001.HK", 50), C)
    merged = merge((A, B), source, (A, B))
    assert not merged.disagreements
    assert apply((A, B), merged.edits) == holds(source)


def test_what_the_target_changed_elsewhere_stays() -> None:
    target = (A, position("0002.HK", 7), C)
    merged = merge((A, B), (position("0001.HK", 50), B), target)
    assert [edit.symbol for edit in merged.edits] == ["0001.HK"]
    assert apply(target, merged.edits)["0002.HK"][0] == 7


def test_a_quantity_and_a_sector_changed_on_either_side_of_one_position_go_together() -> None:
    (edit,) = merge((A,), (position("0001.HK", 50),), (position("0001.HK", sector="Banks"),)).edits
    assert edit.after is not None
    assert (edit.after.quantity, edit.after.sector) == (50, "Banks")


def test_a_quantity_here_and_a_cost_there_disagree_since_a_purchase_changes_both() -> None:
    merged = merge((A,), (position("0001.HK", 50),), (position("0001.HK", cost="11"),))
    (one,) = merged.disagreements
    assert not merged.edits
    assert one.edit.after is not None
    assert (one.edit.after.quantity, one.edit.after.avg_cost) == (50, Decimal(10))


def test_removed_here_and_changed_there_disagree() -> None:
    (one,) = merge((A,), (), (position("0001.HK", 5),)).disagreements
    assert one.source is None
    assert one.edit.after is None


def test_the_same_change_on_both_sides_is_none() -> None:
    merged = merge((A, B), (position("0001.HK", 5),), (position("0001.HK", 5),))
    assert not merged.edits
    assert not merged.disagreements


def test_prices_are_never_carried_over() -> None:
    dearer = Position("0001.HK", 50, Decimal(10), Decimal(99), company_name="The 0001.HK", sector="Tech")
    (edit,) = merge((A,), (dearer,), (A,)).edits
    assert edit.after is not None
    assert edit.after.price == Decimal(12)
    (new,) = merge((), (dearer,), ()).edits
    assert new.after is not None
    assert new.after.price is None


symbols = st.sampled_from(("0001.HK", "0002.HK", "0003.HK"))
positions = st.builds(
    position, symbols, st.integers(0, 2), st.sampled_from(("10", "11")), st.sampled_from(("Tech", "Banks", None))
)
portfolios = st.lists(positions, unique_by=lambda one: one.symbol).map(tuple)


@given(portfolios, portfolios, portfolios)
def test_what_is_carried_over(base: Held, source: Held, target: Held) -> None:
    merged = merge(base, source, target)
    after = apply(target, merged.edits)
    decided = apply(target, merged.all_edits())
    began, ours, theirs = holds(base), holds(source), holds(target)
    contested = {one.symbol for one in merged.disagreements}
    for symbol in {*began, *ours, *theirs}:
        if symbol in contested:
            assert after.get(symbol) == theirs.get(symbol)
            assert began.get(symbol) != ours.get(symbol) != theirs.get(symbol) != began.get(symbol)
        elif ours.get(symbol) == began.get(symbol):
            assert after.get(symbol) == theirs.get(symbol)
        elif theirs.get(symbol) == began.get(symbol):
            assert after.get(symbol) == ours.get(symbol)
        if symbol not in contested or ours.get(symbol) is None or theirs.get(symbol) is None:
            continue
        if ours[symbol][:2] != began.get(symbol, ())[:2]:
            assert decided[symbol][:2] == ours[symbol][:2]


@given(portfolios, portfolios)
def test_a_fresh_copy_is_what_the_parent_is(source: Held, target: Held) -> None:
    assert apply(target, replaced(target, source)) == holds(source)


@given(portfolios, portfolios)
def test_nothing_is_carried_over_twice(base: Held, source: Held) -> None:
    """After it the source is what both have in common."""
    assert not merge(source, source, base).edits
    assert not merge(base, source, source).edits
