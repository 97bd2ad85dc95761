"""What the views of a portfolio's workbench share: which is shown, and what this session saved last."""

from dataclasses import dataclass

import streamlit as st

from src.config import PROJECT_ROOT
from src.domain.revisions import Revision
from src.ui.access import scripts
from src.ui.widgets import components

VIEWS = POSITIONS, EDIT, IMPORT, HISTORY = "Positions", "Edit", "Import", "History"
VIEW = "view"
MINE = "hk_my_save"
GUARDED = "hk_guarded"
STATUS_PAGE = PROJECT_ROOT / "pages" / "system_status.py"


@dataclass(frozen=True)
class Mine:
    """The last revision of this session, in words."""

    revision_id: int
    portfolio_id: str
    text: str


def saved(revision: Revision, text: str) -> None:
    """For callbacks: remember it for Undo, and show the positions."""
    st.session_state[MINE] = Mine(revision.revision_id, revision.portfolio_id, text)
    st.session_state[VIEW] = POSITIONS
    components.first_pages()


def my_save(portfolio_id: str) -> Mine | None:
    """The last revision of this session in the portfolio; None where there is none to undo."""
    found = st.session_state.get(MINE)
    return found if isinstance(found, Mine) and found.portfolio_id == portfolio_id else None


def forget_mine() -> None:
    """There is nothing of this session to undo any more."""
    st.session_state.pop(MINE, None)


def guard(unsaved: bool) -> None:
    """Let the browser ask before it leaves while something is typed and not saved: a link in a table loads anew."""
    if unsaved:
        st.html(scripts.tag(scripts.ASK), unsafe_allow_javascript=True)
    elif st.session_state.get(GUARDED):
        st.html(scripts.tag(scripts.DO_NOT_ASK), unsafe_allow_javascript=True)
    st.session_state[GUARDED] = unsaved or bool(st.session_state.get(GUARDED))


def needs_v2(text: str) -> None:
    """One line about what this database cannot do yet, and the way there."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(text, width="content")
        st.page_link(STATUS_PAGE, label="System Status", icon=":material/arrow_forward:", width="content")
