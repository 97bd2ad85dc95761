"""The change history of a portfolio: who changed what, and when; and taking a revision back."""

from collections.abc import Sequence

import streamlit as st

from src.domain.overview import PortfolioEntry
from src.domain.revisions import Revision, SaveConflict
from src.errors import HKStrategyError
from src.text import plural
from src.ui.portfolio import review, view_state
from src.ui.reads import queries
from src.ui.widgets import components, markup, preferences
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

PAGE = 20
FEW = 3
COLUMNS = (Column("Symbol", "title"), Column("What", "wide"))
VERBS = {
    "edit": "Edited",
    "import": "Imported",
    "apply": "Changes of a copy applied",
    "fresh copy": "Made a fresh copy of its parent",
    "create": "Created",
    "copy": "Copied",
    "rename": "Renamed",
    "archive": "Archived",
    "restore": "Brought back",
    "delete": "Deleted",
}


def undoable(revisions: Sequence[Revision]) -> set[int]:
    """Of the newest revisions, those whose symbols no later one changed. `revisions`: newest first."""
    touched: set[str] = set()
    found: set[int] = set()
    for revision in revisions:
        undone = revision.undone_by is not None
        symbols = {row.symbol for row in revision.rows}
        if revision.rows and not undone and not symbols & touched:
            found.add(revision.revision_id)
        # A revision and the undo that took it back leave things as they were before both.
        if not undone and revision.undoes is None:
            touched |= symbols
    return found


def show(entry: PortfolioEntry) -> None:
    """Draw the change history of a portfolio, page by page."""
    revisions = queries.revisions(entry.portfolio_id)
    st.subheader("Change history")
    if not revisions:
        st.info("Nothing was saved in this portfolio yet, since who changed what is kept.")
        return
    count = plural(len(revisions), "revision")
    listed = f"the newest {count}" if len(revisions) == queries.MOST_REVISIONS else count
    shown = revisions[components.page(len(revisions), PAGE, listed, "saves_page")]
    open_ = undoable(revisions)
    for revision in shown:
        _entry(revision, revision.revision_id in open_)


def _entry(revision: Revision, can_undo: bool) -> None:
    with st.container(border=True, key=f"save_{revision.revision_id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.html(_title(revision))
            if can_undo:
                st.button(
                    "Undo",
                    key=f"undo_{revision.revision_id}",
                    icon=":material/undo:",
                    on_click=_undo,
                    args=(revision.revision_id, review.summary(revision.rows)),
                )
        if not revision.rows:
            return
        rows = [(Cell(row.symbol), Cell(review.in_words(row.before, row.after))) for row in revision.rows]
        table = markup.table(COLUMNS, rows, caption=f"What revision {revision.revision_id} changed")
        if len(rows) <= FEW:
            st.html(table)
            return
        with st.expander(review.summary(revision.rows)):
            st.html(table)


def _title(revision: Revision) -> str:
    what = VERBS.get(revision.kind, revision.kind) if revision.undoes is None else f"Revision {revision.undoes} undone"
    state = f"undone by revision {revision.undone_by}" if revision.undone_by is not None else ""
    note = " · ".join(
        filter(None, (f"revision {revision.revision_id}", revision.note if revision.undoes is None else "", state))
    )
    return markup.lead(f"{what} by {revision.by}", f"{fmt.moment(revision.at)} · {note}")


def undo_mine(portfolio_id: str) -> None:
    """The last revision of this session, to take back at once."""
    mine = view_state.my_save(portfolio_id)
    if mine is not None:
        st.button(
            "Undo last change",
            key="undo_mine",
            icon=":material/undo:",
            help=fmt.plain(f"Takes back what you saved last: {mine.text}."),
            on_click=_undo,
            args=(mine.revision_id, mine.text),
        )


def _undo(revision_id: int, text: str) -> None:
    """Callback: takes the whole revision back, or, where something changed since, nothing of it."""
    try:
        queries.manager().undo_revision(revision_id, by=preferences.your_name())
    except SaveConflict as error:
        names = ", ".join(clash.symbol for clash in error.clashes[:10])
        components.flash(
            f"Revision {revision_id} cannot be undone as a whole: {names} changed since. Nothing was changed; edit the "
            "positions instead.",
            "error",
        )
    except HKStrategyError as error:
        components.flash(components.error_text(error), "error")
    else:
        components.flash(f"Undone: {fmt.plain(text)}.")
        view_state.forget_mine()
    finally:
        queries.forget()
