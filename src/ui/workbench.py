"""What can be done with a portfolio's positions: look at them, edit them, import, export, and see who changed what."""

from collections.abc import Sequence

import streamlit as st

from src.domain.portfolio import Position
from src.ui import cache, editor, export_view, import_view, saves_view, work
from src.ui.entries import Entry
from src.ui.work import EDIT, IMPORT, POSITIONS, VIEW, VIEWS


def bar(entry: Entry, positions: Sequence[Position], pulse: cache.Pulse) -> str:
    """The choice between the views of a portfolio, and the export; which view was chosen."""
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
        export_view.button(entry, positions, pulse)
        saves_view.undo_mine(entry.portfolio_id)
    unsaved = editor.unsaved(entry.portfolio_id)
    if unsaved and chosen != EDIT:
        st.caption("What you typed under Edit is not saved yet.")
    work.guard(unsaved)
    return chosen or POSITIONS


def show(view: str, entry: Entry, positions: Sequence[Position], pulse: cache.Pulse) -> None:
    """One of the views other than POSITIONS."""
    if view == EDIT:
        editor.show(entry, positions, pulse)
    elif view == IMPORT:
        import_view.show(entry, positions, pulse)
    else:
        saves_view.show(entry, pulse)
