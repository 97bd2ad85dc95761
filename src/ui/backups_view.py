"""Backups: the list, and what an admin may do with them."""

import streamlit as st

from src.ui import admin, cache, components, markup
from src.ui import format as fmt
from src.ui.markup import Cell, Column

COLUMNS = (
    Column("Backup", "title"),
    Column("Made", "number"),
    Column("Schema"),
    Column("Size", "number"),
    Column("Rows", "number"),
    Column("Verified"),
)


def show(may: bool) -> None:
    st.subheader("Backups")
    backups = cache.backups()
    if not backups:
        st.caption("No backup yet. Every phase makes one first, and starts only when it restores equal.")
    else:
        rows = []
        for one in backups:
            verified = Cell("not yet", "warn")
            if one.verified_at is not None:
                verified = Cell(fmt.moment(one.verified_at), note=one.verified_how or "")
            rows.append(
                (
                    Cell(one.name),
                    fmt.moment(one.created_at),
                    str(one.schema_version or fmt.MISSING),
                    fmt.size(one.bytes),
                    fmt.count(sum(table.rows for table in one.tables.values())),
                    verified,
                )
            )
        st.html(markup.table(COLUMNS, rows, caption="Backups, newest first"))
    if may:
        _actions([one.name for one in backups])


def _make() -> None:
    components.attempt(lambda: admin.back_up().told)


def _verify() -> None:
    name = st.session_state.get("verify_name") or ""
    components.attempt(lambda: admin.verify(name).told)


def _restore() -> None:
    name, typed = st.session_state.get("restore_name") or "", st.session_state.get("restore_typed", "")
    components.attempt(lambda: admin.restore(name, typed).told)


def _actions(names: list[str]) -> None:
    with st.container(horizontal=True):
        st.button("Make a backup", key="backup_make", icon=":material/save:", on_click=_make)
        if not names:
            return
        with st.popover("Verify", icon=":material/fact_check:"), st.form("verify_form", border=False):
            st.caption("Restores it into a scratch database and compares it, table by table.")
            st.selectbox("Backup", names, key="verify_name")
            st.form_submit_button("Verify", key="verify_submit", on_click=_verify)
        with st.popover("Restore", icon=":material/settings_backup_restore:"), st.form("restore_form", border=False):
            st.caption("Puts a backup in the place of the database. What is there now is kept beside it.")
            st.selectbox("Backup", names, key="restore_name")
            st.text_input("Type the backup's name to restore it", key="restore_typed", autocomplete="off")
            st.form_submit_button("Restore", key="restore_submit", type="primary", on_click=_restore)
