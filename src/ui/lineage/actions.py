"""Bringing a copy and its parent together: each way with a preview of what it will change, and what both changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from src.domain.edits import Edit, PositionValues
from src.domain.merge import Disagreement, Merge, merge, replaced
from src.errors import Conflict
from src.text import plural
from src.ui.lineage.pair import Pair
from src.ui.reads import queries
from src.ui.widgets import components, markup, preferences
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

PAGE_ROWS = 50
APPLY, BRING, FRESH = "Apply to the parent", "Bring in the parent's changes", "Take a fresh copy"


@dataclass(frozen=True)
class Way:
    """One way to bring both together. `target`: whose positions it changes; `source`: whose side it takes."""

    name: str
    target: str
    source: str
    text: str
    merged: Merge
    save: Callable[[Sequence[Edit]], object]


def show(pair: Pair) -> None:
    """The choice between the ways that would change something; below it what the chosen one does."""
    ways = {way.name: way for way in _ways(pair) if way.merged.edits or way.merged.disagreements}
    if not ways:
        return
    key = f"together {pair.copy.portfolio_id}"
    chosen = st.segmented_control("Bring both together", list(ways), key=key)
    if chosen in ways:
        _preview(ways[chosen], {key: chosen})


def _ways(pair: Pair) -> tuple[Way, ...]:
    copy, parent = pair.copy.portfolio_id, pair.parent.portfolio_id
    base = pair.parent_now if pair.base is None else pair.base
    manager = queries.manager()
    by = preferences.your_name()
    return (
        Way(
            APPLY, parent, copy,
            f"What was changed in {copy} is changed in {parent} too. What was changed in {parent} itself stays.",
            merge(base, pair.now, pair.parent_now),
            lambda edits: manager.apply_to_parent(copy, edits, seen=pair.now, by=by),
        ),
        Way(
            BRING, copy, parent,
            f"What was changed in {parent} is changed in {copy} too. What was changed in {copy} itself stays.",
            merge(base, pair.parent_now, pair.now),
            lambda edits: manager.refresh_copy(copy, edits, seen=pair.parent_now, by=by),
        ),
        Way(
            FRESH, copy, parent,
            f"{copy} becomes what {parent} is now. What was changed in {copy} goes.",
            Merge(replaced(pair.now, pair.parent_now), ()),
            lambda edits: manager.refresh_copy(copy, edits, seen=pair.parent_now, by=by),
        ),
    )  # fmt: skip


def _preview(way: Way, drawn: dict[str, str]) -> None:
    """`drawn`: the choices that the preview is of, by the key of their widget."""
    st.caption(fmt.plain(f"{way.text} Its page can undo it."))
    edits: Sequence[Edit] = way.merged.edits
    if way.merged.disagreements:
        edits = _decided(way, drawn)
    if edits:
        st.markdown(f"**What will be changed in {fmt.plain(way.target)}**")
        _edits(edits, way)
        st.button(
            f"Change {plural(len(edits), 'position')} in {fmt.plain(way.target)}",
            key="together_save",
            type="primary",
            on_click=components.attempt,
            args=(lambda: _save(way, edits, dict(drawn)),),
        )
    else:
        st.caption(f"Nothing else to change in {fmt.plain(way.target)}.")


def _decided(way: Way, drawn: dict[str, str]) -> Sequence[Edit]:
    """Show what both changed, and ask whose side counts there."""
    both = way.merged.disagreements
    columns = (
        Column("Symbol", "title"),
        Column("In common before", "number"),
        *(Column(f"{one} now", "number") for one in (way.source, way.target)),
    )
    lines = [_disagreement(one) for one in both[:PAGE_ROWS]]
    st.warning(f"{way.source} and {way.target} both changed {plural(len(both), 'position')}, each in its own way.")
    st.html(markup.table(columns, lines, caption="Changed on both sides"))
    if len(both) > PAGE_ROWS:
        st.caption(f"The first {PAGE_ROWS} of {len(both):,}.")
    keep, take = f"Keep {way.target}'s", f"Take {way.source}'s"
    key = f"side {way.name}"
    side = drawn[key] = st.radio("Where both changed", (keep, take), key=key, format_func=fmt.plain, horizontal=True)
    return way.merged.all_edits() if side == take else way.merged.edits


def _disagreement(one: Disagreement) -> tuple[Cell | str, ...]:
    return (
        Cell(one.symbol, note=_name(one.source, one.target, one.base)),
        *map(_cell, (one.base, one.source, one.target)),
    )


def _edits(edits: Sequence[Edit], way: Way) -> None:
    columns = (
        Column("Symbol", "title"),
        Column("Change"),
        Column(f"{way.target} now", "number"),
        Column("Afterwards", "number"),
    )
    lines = [
        (Cell(edit.symbol, note=_name(edit.after, edit.before)), _kind(edit), _cell(edit.before), _cell(edit.after))
        for edit in edits[:PAGE_ROWS]
    ]
    st.html(markup.table(columns, lines, caption=f"What will be changed in {way.target}"))
    if len(edits) > PAGE_ROWS:
        st.caption(f"The first {PAGE_ROWS} of {len(edits):,}.")
    if any(edit.after is None for edit in edits):
        st.caption("A position that is removed takes its signals with it; undoing brings both back.")


def _kind(edit: Edit) -> str:
    before, after = edit.before, edit.after
    if before is None or after is None:
        return "added" if before is None else "removed"
    named = (("quantity", "quantity"), ("avg_cost", "average cost"), ("company_name", "name"), ("sector", "sector"))
    return ", ".join(text for name, text in named if getattr(before, name) != getattr(after, name))


def _cell(row: PositionValues | None) -> Cell | str:
    if row is None:
        return Cell(fmt.MISSING, "muted", note="not there")
    note = f"at {fmt.price(row.avg_cost)}"
    return Cell(fmt.count(row.quantity), note=f"{note} · {row.sector}" if row.sector else note)


def _name(*found: PositionValues | None) -> str:
    return next((row.company_name for row in found if row is not None and row.company_name), "")


def _save(way: Way, edits: Sequence[Edit], drawn: dict[str, str]) -> str:
    # Chosen and pressed at once, the press arrives before the preview of the new choice was drawn.
    if any(st.session_state.get(key) != choice for key, choice in drawn.items()):
        raise Conflict("The preview was of another choice. Nothing was changed; check it again.")
    way.save(edits)
    return f"{plural(len(edits), 'position')} changed in {way.target}. Its page can undo that."
