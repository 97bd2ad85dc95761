"""The table of positions while it is edited."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position
from src.domain.revisions import Clash
from src.ui.portfolio.editor_state import (
    COLUMNS,
    EditorRow,
    lines_of,
    mine_over,
    positions_after,
    read,
    resolved,
    typed,
)

TENCENT = PositionValues(3100, Decimal("320.500"), "Tencent", "Tech", Decimal("315.200"))
HSBC = PositionValues(13428, Decimal("38.500"), " HSBC ", None, None)
Cells = dict[int, dict[str, Any]]
SEEN = {"0700.HK": TENCENT, "0005.HK": HSBC}


def state(edited: Cells | None = None, *added: dict[str, Any], deleted: tuple[int, ...] = ()) -> Any:
    """As the table's widget reports."""
    return {"edited_rows": edited or {}, "added_rows": list(added), "deleted_rows": list(deleted)}


def lines(edited: Cells | None = None, *added: dict[str, Any], deleted: tuple[int, ...] = ()) -> Any:
    return typed(lines_of(SEEN), state(edited, *added, deleted=deleted))


def reasons(*arguments: Any, **more: Any) -> list[tuple[int, str, str]]:
    return [(one.number, one.name, one.reason) for one in read(SEEN, lines(*arguments, **more)).problems]


def test_a_table_that_nobody_typed_into_comes_to_nothing() -> None:
    assert read(SEEN, lines()) == read(SEEN, lines({}, {}, {"symbol": " ", "quantity": None}))
    assert read(SEEN, lines()).edits == ()
    assert read(SEEN, lines()).problems == ()


def test_changed_added_and_removed_rows() -> None:
    table = lines({0: {"quantity": "3,200", "sector": None}}, {"symbol": "9988", "quantity": "100", "avg_cost": "115"},
                  deleted=(1,))  # fmt: skip
    assert read(SEEN, table).edits == (
        Edit("0005.HK", HSBC, None),
        Edit("0700.HK", TENCENT, replace(TENCENT, quantity=3200, sector=None)),
        Edit("9988.HK", None, PositionValues(100, Decimal(115))),
    )


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"quantity": "1000000000000"}, "the database holds at most 2,147,483,647"),
        ({"quantity": "1.5"}, "whole number of shares"),
        ({"quantity": "abc"}, "Quantity: 'abc' is not a number"),
        ({"quantity": None}, "The quantity is missing"),
        ({"avg_cost": "-1"}, "cannot be below 0"),
        ({"avg_cost": "1,5"}, "not a number where numbers are written like 1,234.50"),
        ({"price": "-5"}, "must be at least 0.001"),
        ({"price": ""}, "A price that is known cannot be taken away"),
        ({"company_name": "n" * 300}, "at most 200 characters"),
        ({"sector": "s" * 51}, "at most 50 characters"),
        ({"quantity": "2000000000"}, "worth more than the database can hold"),
        ({"symbol": "0005.HK"}, "This row is 0700.HK: to hold another symbol, delete it and add a row"),
    ],
)
def test_what_cannot_be_stored_is_named_by_row_and_is_no_edit(cells: dict[str, Any], why: str) -> None:
    found = read(SEEN, lines({0: cells, 1: {"quantity": "5"}}))
    [(number, _, reason)] = reasons({0: cells, 1: {"quantity": "5"}})
    assert number == 1
    assert why in reason
    assert [edit.symbol for edit in found.edits] == ["0005.HK"]


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("'; DROP TABLE x", "not a Hong Kong symbol"),
        ("^HSI", "is an index"),
        ("", "The symbol is missing"),
        ("700", "0700.HK is in row 1 already"),
        ("😀", "not a Hong Kong symbol"),
    ],
)
def test_a_new_row_needs_a_symbol_that_is_not_there_yet(symbol: str, why: str) -> None:
    [(number, name, reason)] = reasons({}, {"symbol": symbol, "quantity": "1", "avg_cost": "1"})
    assert number == 3
    assert why in reason
    assert name == symbol


def test_a_row_deleted_and_added_again_is_a_change() -> None:
    table = lines({}, {"symbol": "700", "quantity": "1", "avg_cost": "1"}, deleted=(0,))
    assert read(SEEN, table).edits == (Edit("0700.HK", TENCENT, PositionValues(1, Decimal(1))),)


def test_numbers_below_deleted_rows_are_those_of_the_table_as_it_stands() -> None:
    assert reasons({1: {"quantity": "x"}}, deleted=(0,))[0][0] == 1


def test_a_price_that_was_not_edited_is_the_one_of_now_in_the_totals() -> None:
    now = (Position("0700.HK", 3100, Decimal("320.500"), Decimal(400)), Position("0005.HK", 1, Decimal(1), None))
    edits = (
        Edit("0700.HK", TENCENT, replace(TENCENT, quantity=1)),
        Edit("0005.HK", HSBC, replace(HSBC, price=Decimal(50))),
        Edit("9988.HK", None, PositionValues(5, Decimal(1))),
    )
    found = {one.symbol: (one.quantity, one.price) for one in positions_after(now, edits)}
    assert found == {"0700.HK": (1, 400), "0005.HK": (13428, 50), "9988.HK": (5, None)}


def test_mine_over_theirs_takes_only_what_was_changed_here() -> None:
    theirs = replace(TENCENT, quantity=3500)
    mine = replace(TENCENT, avg_cost=Decimal(300))
    assert mine_over(Clash("0700.HK", TENCENT, theirs, mine)) == replace(theirs, avg_cost=Decimal(300))
    assert mine_over(Clash("0700.HK", TENCENT, None, mine)) == mine
    assert mine_over(Clash("0700.HK", TENCENT, theirs, None)) is None


THEIRS = replace(TENCENT, quantity=3500)
NEW = PositionValues(10, Decimal(1))


@pytest.mark.parametrize(
    ("table", "clash", "ours", "edits"),
    [
        (lines({0: {"quantity": "1"}}), Clash("0700.HK", TENCENT, THEIRS, replace(TENCENT, quantity=1)), False, ()),
        (
            lines({0: {"quantity": "1"}}),
            Clash("0700.HK", TENCENT, THEIRS, replace(TENCENT, quantity=1)),
            True,
            (Edit("0700.HK", THEIRS, replace(TENCENT, quantity=1)),),
        ),
        (lines(deleted=(0,)), Clash("0700.HK", TENCENT, THEIRS, None), False, ()),
        (lines(deleted=(0,)), Clash("0700.HK", TENCENT, THEIRS, None), True, (Edit("0700.HK", THEIRS, None),)),
        (lines({0: {"quantity": "1"}}), Clash("0700.HK", TENCENT, None, replace(TENCENT, quantity=1)), False, ()),
        (
            lines({0: {"quantity": "1"}}),
            Clash("0700.HK", TENCENT, None, replace(TENCENT, quantity=1)),
            True,
            (Edit("0700.HK", None, replace(TENCENT, quantity=1)),),
        ),
        (
            lines({}, {"symbol": "388", "quantity": "10", "avg_cost": "1"}),
            Clash("0388.HK", None, THEIRS, NEW),
            False,
            (),
        ),
        (
            lines({}, {"symbol": "388", "quantity": "10", "avg_cost": "1"}),
            Clash("0388.HK", None, THEIRS, NEW),
            True,
            (Edit("0388.HK", THEIRS, replace(THEIRS, quantity=10, avg_cost=Decimal(1))),),
        ),
    ],
)
def test_after_a_conflict_each_row_is_as_decided_and_nothing_else_is_lost(
    table: tuple[EditorRow, ...], clash: Clash, ours: bool, edits: tuple[Edit, ...]
) -> None:
    """The other edits of the table stay; what is decided for theirs is no edit any more."""
    other = typed(table, state({1: {"quantity": "7"}})) if len(table) > 1 else table
    seen, after = resolved(SEEN, other, [clash], [clash.symbol] if ours else [])
    kept = (Edit("0005.HK", HSBC, replace(HSBC, quantity=7)),) if len(table) > 1 else ()
    found = read(seen, after)
    assert found.problems == ()
    assert sorted(found.edits, key=lambda one: one.symbol) == sorted(kept + edits, key=lambda one: one.symbol)


money = st.decimals(min_value=0, max_value=99_999, places=3)
rows = st.builds(
    PositionValues, st.integers(-99_999, 99_999), money, st.none() | st.text(min_size=1, max_size=9),
    st.none() | st.text(min_size=1, max_size=9), st.none() | st.decimals(min_value=1, max_value=99_999, places=3),
)  # fmt: skip
portfolios = st.dictionaries(st.integers(1, 99_999).map(lambda code: f"{code:04}.HK"), rows, max_size=6)


@given(portfolios)
def test_any_portfolio_comes_through_the_table_unchanged(seen: dict[str, PositionValues]) -> None:
    assert read(seen, lines_of(seen)).edits == ()
    again = tuple(EditorRow(None, line.cells) for line in lines_of(seen))
    for edit in read({}, again).edits:
        assert edit.after is not None
        before = seen[edit.symbol]
        assert (edit.after.quantity, edit.after.avg_cost, edit.after.price) == (
            before.quantity, before.avg_cost, before.price,
        )  # fmt: skip


@given(
    portfolios,
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(COLUMNS), st.none() | st.text(max_size=12)), max_size=4),
)
def test_whatever_is_typed_is_an_edit_or_a_problem_and_never_raises(
    seen: dict[str, PositionValues], given_cells: list[tuple[int, str, str | None]]
) -> None:
    edited: dict[int, dict[str, Any]] = {}
    for at, column, text in given_cells:
        edited.setdefault(at, {})[column] = text
    found = read(seen, typed(lines_of(seen), state(edited)))
    assert len(found.problems) <= len(seen)
    assert all(edit.after is not None for edit in found.edits)
