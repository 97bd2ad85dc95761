"""What can be done with a portfolio's positions: show them, edit them, import, export, and see who changed what."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.market.calendar import HONG_KONG
from src.ui.portfolio import editor, export_view, import_view, revisions_view, view_state
from src.ui.portfolio.view_state import EDIT, IMPORT, POSITIONS, VIEW, VIEWS
from src.ui.reads import queries


def bar(entry: PortfolioEntry, positions: Sequence[Position]) -> str:
    """The choice between the views of a portfolio, and the export; which view was chosen."""
    dated = _dated(positions)
    with st.container(horizontal=True, vertical_alignment="center", key="hk_work"):
        chosen = st.segmented_control(
            "View",
            VIEWS,
            default=POSITIONS,
            required=True,
            key=VIEW,
            bind="query-params",
            label_visibility="collapsed",
        )
        export_view.button(entry, dated)
        revisions_view.undo_mine(entry.portfolio_id)
    unsaved = editor.unsaved(entry.portfolio_id)
    if unsaved and chosen != EDIT:
        st.caption("What you typed under Edit is not saved yet.")
    view_state.guard(unsaved)
    return chosen or POSITIONS


def _dated(positions: Sequence[Position]) -> tuple[Position, ...]:
    """The positions with the times of their prices as the page shows them: those of the quotes, in Hong Kong."""
    quotes = queries.quotes(queries.sessions().latest.opens, frozenset(one.symbol for one in positions))
    times = {symbol: quote.as_of for symbol, quote in quotes.items() if quote.as_of is not None}
    return tuple(
        replace(one, last_updated=times[one.symbol].astimezone(HONG_KONG) if one.symbol in times else None)
        for one in positions
    )


def show(view: str, entry: PortfolioEntry, positions: Sequence[Position], live: queries.LiveState) -> None:
    """One of the views other than POSITIONS."""
    if view == EDIT:
        editor.show(entry, positions, live)
    elif view == IMPORT:
        import_view.show(entry, _dated(positions), live)
    else:
        revisions_view.show(entry)
