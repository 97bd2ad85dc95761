"""Editing a portfolio's positions in a table: what will change is shown before it is saved, and nothing that someone
else saved meanwhile is overwritten unseen."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import streamlit as st

from src.domain.edits import PositionValues, values_of
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.domain.revisions import Clash, SaveConflict
from src.errors import HKStrategyError
from src.text import plural
from src.ui.portfolio import editor_state, review, view_state
from src.ui.portfolio.editor_state import COLUMNS, FIELDS, LABELS, EditorRow, Reading
from src.ui.reads import queries
from src.ui.widgets import components, markup, preferences
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

HELP = {
    "symbol": "1 to 5 digits, with or without .HK. A row begun with another symbol: delete it, and add one.",
    "quantity": "Whole shares; 0 only watches the symbol, below 0 is short.",
    "avg_cost": "HKD per share.",
    "price": f"HKD per share. {review.PRICE_NOTE}",
}
CLASH = (
    Column("", "title"),
    Column("When you began", "number"),
    Column("Now", "number"),
    Column("With yours", "number"),
)
# What is edited most stands where a phone shows it.
ORDER = ("symbol", "quantity", "avg_cost", "price", "company_name", "sector")
ROUND = "hk_table_round"
FEW, MOST_PX = 20, 700
THEIRS, OURS = "Keep theirs", "Save mine over it"


@dataclass
class EditorState:
    """One portfolio's table in one session, from opening it to saving or discarding. `state`: the widget's, as last
    seen; `clashes`: what someone else saved first, until it is decided."""

    seen: dict[str, PositionValues]
    lines: tuple[EditorRow, ...]
    round: int
    fixed: bool
    state: dict[str, Any] = field(default_factory=dict)
    clashes: tuple[Clash, ...] = ()

    def restart(
        self, seen: dict[str, PositionValues], lines: tuple[EditorRow, ...], *, fixed: bool | None = None
    ) -> None:
        """Another table, in a widget of its own."""
        self.seen, self.lines, self.state, self.round = seen, lines, {}, _next_round()
        self.fixed = self.fixed if fixed is None else fixed


def _next_round() -> int:
    """Each table is another widget: under an old key, what was typed into an old one would come back."""
    found: int = st.session_state.get(ROUND, 0) + 1
    st.session_state[ROUND] = found
    return found


def _rows(positions: Sequence[Position]) -> dict[str, PositionValues]:
    return {position.symbol: values_of(position) for position in positions}


def _key(portfolio_id: str) -> str:
    return f"editor {portfolio_id}"


def _table_key(portfolio_id: str, found: EditorState) -> str:
    return f"table_{found.round} {portfolio_id}"


def _state_of(portfolio_id: str) -> EditorState | None:
    found = st.session_state.get(_key(portfolio_id))
    return found if isinstance(found, EditorState) else None


def _lines(portfolio_id: str, found: EditorState) -> tuple[EditorRow, ...]:
    """The table as it stands, with what was typed last."""
    state = st.session_state.get(_table_key(portfolio_id, found), found.state)
    return editor_state.typed(found.lines, state)


def unsaved(portfolio_id: str) -> bool:
    """Whether this session has typed something here that is not saved yet."""
    found = _state_of(portfolio_id)
    if found is None:
        return False
    reading = editor_state.read(found.seen, _lines(portfolio_id, found))
    return bool(reading.edits or reading.problems)


def show(entry: PortfolioEntry, positions: Sequence[Position], live: queries.LiveState) -> None:
    """Draw the form that edits the positions."""
    portfolio_id = entry.portfolio_id
    found, fixed = _state_of(portfolio_id), not live.multi_portfolio
    if found is None or not unsaved(portfolio_id):
        found = _begin(portfolio_id, found, positions, fixed=fixed)
    elif found.fixed != fixed or (found.state and _table_key(portfolio_id, found) not in st.session_state):
        # The database was migrated, or the page was left, and with it Streamlit's memory of what was typed.
        found.restart(found.seen, _lines(portfolio_id, found), fixed=fixed)
    if found.clashes:
        _decide(portfolio_id, found)
        return
    if fixed:
        view_state.needs_v2("On this v1 database positions can be changed; adding and removing them needs v2.")
    _table(portfolio_id, found)
    lines = _lines(portfolio_id, found)
    reading = editor_state.read(found.seen, lines)
    _problems(reading)
    _newer(found, reading, positions)
    if reading.edits:
        review.show(reading.edits, positions)
    _buttons(portfolio_id, reading)


def _begin(portfolio_id: str, old: EditorState | None, positions: Sequence[Position], *, fixed: bool) -> EditorState:
    """A new table, or the one that is there where it shows what the portfolio holds, and nothing was typed.

    Prices that moved are no reason for a new one: it would close the cell that is being typed into.
    """
    seen = _rows(positions)
    same = old is not None and old.fixed == fixed and not old.clashes
    if old is not None and same and _priceless(old.seen) == _priceless(seen):
        return old
    new = EditorState(seen, editor_state.lines_of(seen), _next_round(), fixed)
    st.session_state[_key(portfolio_id)] = new
    return new


def _priceless(seen: dict[str, PositionValues]) -> dict[str, PositionValues]:
    return {symbol: replace(row, price=None) for symbol, row in seen.items()}


def _table(portfolio_id: str, found: EditorState) -> None:
    frame = pd.DataFrame([line.cells for line in found.lines], columns=list(COLUMNS), dtype="str")
    numbers = ("quantity", "avg_cost", "price")
    config = {
        column: st.column_config.TextColumn(
            label,
            help=HELP.get(column),
            alignment="right" if column in numbers else "left",
            disabled=found.fixed and column == "symbol",
            width=110 if column in ("symbol", *numbers) else "medium",
            pinned=column == "symbol",
        )
        for column, label in zip(COLUMNS, LABELS, strict=True)
    }
    key = _table_key(portfolio_id, found)
    with st.container(key="hk_editor"):
        _grid(frame, key, config, fixed=found.fixed)
    found.state = deepcopy(dict(st.session_state.get(key, {})))
    if not found.fixed:
        st.caption(
            "To add a position, type into the empty last row. To remove one, select it at its left and press Delete."
        )


def _grid(frame: pd.DataFrame, key: str, config: dict[str, Any], *, fixed: bool) -> None:
    st.data_editor(
        frame,
        key=key,
        column_order=ORDER,
        num_rows="fixed" if fixed else "dynamic",
        hide_index=True,
        column_config=config,
        height="content" if len(frame) <= FEW else MOST_PX,
        placeholder=fmt.MISSING,
        alt="Positions of the portfolio, to edit",
    )


def _problems(reading: Reading) -> None:
    if not reading.problems:
        return
    st.error("Nothing can be saved until this is corrected:", icon=":material/error:")
    st.html(review.errors([(one.number, one.name, one.reason) for one in reading.problems]))


def _newer(found: EditorState, reading: Reading, positions: Sequence[Position]) -> None:
    """Someone else saved since the table was opened: said at once, not only at saving."""
    now = _rows(positions)
    edited = {edit.symbol: edit for edit in reading.edits}
    moved = sorted(
        symbol
        for symbol in edited.keys() & (now.keys() | found.seen.keys())
        if not _as_seen(found.seen.get(symbol), now.get(symbol), edited[symbol].after)
    )
    if moved:
        st.warning(
            f"Someone else changed {', '.join(moved[:10])} since you opened this table. When you save, you will see "
            "theirs beside yours, and decide.",
            icon=":material/group:",
        )


def _as_seen(seen: PositionValues | None, now: PositionValues | None, wanted: PositionValues | None) -> bool:
    """As the database judges it: a price that is not edited may move."""
    if seen is None or now is None:
        return seen is now
    differs = set(editor_state.changed_fields(seen, now))
    if wanted is None or wanted.price == seen.price:
        differs.discard("price")
    return not differs


def _buttons(portfolio_id: str, reading: Reading) -> None:
    text = f"Save ({review.summary(reading.edits)})" if reading.edits else "Save"
    with st.container(horizontal=True):
        st.button(
            text,
            type="primary",
            key="save_positions",
            disabled=not reading.edits or bool(reading.problems),
            on_click=_save,
            args=(portfolio_id,),
        )
        if reading.edits or reading.problems:
            st.button("Discard", key="discard_positions", on_click=_discard, args=(portfolio_id,))
    if not reading.edits and not reading.problems:
        st.caption("Click into a cell to change it; what will change is shown here before you save it.")


def _discard(portfolio_id: str) -> None:
    st.session_state.pop(_key(portfolio_id), None)
    components.flash("Nothing was saved: the positions are as they were.", "info")


def _save(portfolio_id: str) -> None:
    """Callback: save all edits, or none of them."""
    found = _state_of(portfolio_id)
    if found is None:
        return
    reading = editor_state.read(found.seen, _lines(portfolio_id, found))
    if reading.problems or not reading.edits:
        return
    try:
        revision = queries.manager().save_positions(portfolio_id, reading.edits, by=preferences.your_name())
    except SaveConflict as error:
        found.lines, found.state = _lines(portfolio_id, found), {}
        found.clashes, found.round = error.clashes, _next_round()
    except HKStrategyError as error:
        components.flash(components.error_text(error), "error")
    else:
        text = review.summary(reading.edits)
        st.session_state.pop(_key(portfolio_id), None)
        view_state.saved(revision, text)
        components.flash(f"Saved: {text}.")
    finally:
        queries.forget()


def _decide(portfolio_id: str, found: EditorState) -> None:
    """Someone else saved first: theirs and ours beside each other, and a choice for each position."""
    count = plural(len(found.clashes), "position")
    changed = "is not what it was" if len(found.clashes) == 1 else "are not what they were"
    st.warning(
        f"Someone else saved first: {count} that you changed {changed} when you began. Nothing was saved. "
        "Choose what shall stand; you see it once more before it is saved.",
        icon=":material/group:",
    )
    choices: dict[str, str | None] = {}
    for clash in found.clashes:
        with st.container(border=True):
            st.html(_clash_table(clash))
            choices[clash.symbol] = st.radio(
                f"What shall stand for {clash.symbol}",
                [THEIRS, OURS],
                index=None,
                horizontal=True,
                key=f"choice_{found.round} {clash.symbol}",
                label_visibility="collapsed",
            )
    with st.container(horizontal=True):
        st.button(
            "Go on",
            type="primary",
            key="decide",
            disabled=None in choices.values(),
            on_click=_resolve,
            args=(portfolio_id,),
            help="Choose for each position first." if None in choices.values() else None,
        )
        st.button("Discard all of mine", key="discard_positions", on_click=_discard, args=(portfolio_id,))


def _clash_table(clash: Clash) -> str:
    ours = editor_state.mine_over(clash)
    differing = {
        name
        for one, other in ((clash.seen, clash.now), (clash.seen, clash.wanted))
        for name in editor_state.changed_fields(one, other)
    }
    rows: list[tuple[Cell | str, ...]] = []
    for name in FIELDS:
        if name not in differing:
            continue
        cells = [_value(name, row) for row in (clash.seen, clash.now, ours)]
        rows.append((review.NAMES[name], *cells))
    theirs, yours = _change(clash.seen, clash.now), _change(clash.seen, clash.wanted)
    what = f"{clash.symbol}: {theirs} by someone else, {yours} by you"
    return markup.lead(what) + markup.table(CLASH, rows, caption=what, stack=False)


def _change(before: PositionValues | None, after: PositionValues | None) -> str:
    return "removed" if after is None else review.kind(before, after)


def _value(name: str, row: PositionValues | None) -> str:
    return "not there" if row is None and name == "quantity" else review.shown(name, row)


def _resolve(portfolio_id: str) -> None:
    found = _state_of(portfolio_id)
    if found is None:
        return
    ours = [c.symbol for c in found.clashes if st.session_state.get(f"choice_{found.round} {c.symbol}") == OURS]
    found.restart(*editor_state.resolved(found.seen, found.lines, found.clashes, ours))
    found.clashes = ()
