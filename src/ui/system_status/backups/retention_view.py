"""Which backups are too many: a rule, what it would delete, and the button."""

import streamlit as st

from src.backup.api import RetentionRule
from src.text import plural
from src.ui.reads import queries
from src.ui.system_status import actions
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

COLUMNS = (Column("Backup", "title"), Column("Made", "number"), Column("Size", "number"), Column("", "wide"))
SHOWN = "hk_prune_shown"
KEEP, DAYS = "prune_keep", "prune_days"


def show() -> None:
    """Draw the retention rule, what it would delete, and the button."""
    with st.expander("Delete old backups"), components.error_boundary():
        st.caption(
            "The newest verified ones stay, and those of the last days; the rest goes. What was never verified takes "
            "the place of none. A timer can do the same: `run_migration.py prune --keep 7 --days 14 --yes`."
        )
        with st.container(horizontal=True):
            keep = st.number_input("Keep so many verified ones", 1, 1000, 7, key=KEEP, width=220)
            days = st.number_input("and all of the last days", 0, 3650, 14, key=DAYS, width=220)
        decisions = queries.retention(RetentionRule(int(keep), int(days)))
        going = [one.backup.name for one in decisions if one.goes]
        st.session_state[SHOWN] = tuple(going)
        rows = [
            (
                Cell(one.backup.name),
                fmt.moment(one.backup.created_at),
                fmt.size(one.backup.bytes),
                Cell(f"goes: {one.why}" if one.goes else f"stays: {one.why}", "bad" if one.goes else ""),
            )
            for one in decisions
        ]
        if rows:
            st.html(markup.table(COLUMNS, rows, caption="What the rule does with each backup of this database"))
        if not going:
            st.caption("Nothing goes by this rule.")
            return
        with st.form("prune_form", border=False):
            st.text_input(f"Type {actions.WORD} to delete them", key="prune_typed", autocomplete="off")
            st.form_submit_button(f"Delete {plural(len(going), 'backup')}", key="prune_submit", on_click=_prune)


def _prune() -> None:
    state = st.session_state
    keep, days = int(state.get(KEEP, 0)), int(state.get(DAYS, 0))
    shown, typed = state.get(SHOWN, ()), state.get("prune_typed", "")
    components.attempt(lambda: actions.prune(keep, days, shown, typed))
