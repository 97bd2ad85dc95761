"""Backups: the list, and for an admin what can be done with them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from src.backup.api import Backup, Listing, UnreadableBackup
from src.errors import BackupError
from src.text import plural
from src.ui.reads import queries
from src.ui.system_status import actions
from src.ui.system_status.backups import backup_actions, retention_view
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

COLUMNS = (
    Column("Backup", "title"),
    Column("Made", "number"),
    Column("Schema"),
    Column("Size", "number"),
    Column("Rows", "number"),
    Column("Verified", "wide"),
)
UNREADABLE = (Column("Backup", "title"), Column("Why not", "wide"))
KEPT = (Column("Database", "title"), Column("Size", "number"), Column("To drop it", "wide"))
PAGE = 10
TO_DO = "backup_do"
PANELS = {
    "Verify": backup_actions.verify,
    "Restore": backup_actions.restore,
    "Download": backup_actions.download,
    "Delete": backup_actions.delete,
}


def show(may: bool) -> None:
    """Draw the list of backups. `may`: with an admin's actions."""
    st.subheader("Backups")
    folder = queries.settings().backup_dir
    try:
        listing = queries.backups()
    except BackupError as error:
        listing = Listing((), (components.error_text(error),))
    backups = listing.backups
    if backups:
        shown = components.page(len(backups), PAGE, plural(len(backups), "backup"), "backups_page")
        st.html(markup.table(COLUMNS, [_row(one, folder) for one in backups[shown]], caption="Backups, newest first"))
    elif not listing.notes and not listing.unreadable:
        st.caption("No backup yet. Every phase makes one first, and starts only when it restores equal.")
    _unreadable(listing.unreadable)
    for note in listing.notes:
        st.warning(fmt.plain(note))
    if not may:
        return
    st.button("Make a backup", key="backup_make", icon=":material/save:", on_click=_make)
    if backups:
        _choose(backups)
        retention_view.show()
    _kept()


def _unreadable(found: Sequence[UnreadableBackup]) -> None:
    if not found:
        return
    st.warning(
        f"{plural(len(found), 'backup')} cannot be read, and {'counts' if len(found) == 1 else 'count'} for nothing. "
        "Put that right, or remove the folder yourself: nothing here deletes it."
    )
    shown = found[components.page(len(found), PAGE, plural(len(found), "backup"), "unreadable_page")]
    rows = [(Cell(one.name, note=f"in {one.path.parent}"), Cell(one.reason, "warn")) for one in shown]
    st.html(markup.table(UNREADABLE, rows, caption="Backups that cannot be read"))


def _kept() -> None:
    """What is still there from before earlier restores, and takes room."""
    kept = queries.kept_databases()
    if not kept:
        return
    with st.expander(f"Kept from before a restore: {plural(len(kept), 'database')}"):
        st.caption("The database as it was then. When you need one no more, drop it in psql, connected to another one.")
        rows = [
            (Cell(one.name, note=f"before the restore of {one.backup}"), fmt.size(one.bytes), one.drop) for one in kept
        ]
        st.html(markup.table(KEPT, rows, caption="Databases kept from before a restore"))


def _row(one: Backup, folder: Path) -> tuple[Cell | str, ...]:
    verified = Cell("not verified", "warn", note="counts only once it has been restored and compared")
    if one.verified_at is not None:
        verified = Cell(fmt.moment(one.verified_at), note=one.verified_how or "")
    return (
        Cell(one.name, note="" if one.path.parent == folder else f"in {one.path.parent}"),
        Cell(fmt.moment(one.created_at), note=fmt.age(one.created_at, datetime.now(UTC))),
        f"v{one.schema_version}" if one.schema_version else fmt.MISSING,
        fmt.size(one.bytes),
        fmt.count(one.rows),
        verified,
    )


def _make() -> None:
    components.attempt(lambda: actions.back_up().message)


def _choose(backups: Sequence[Backup]) -> None:
    """One backup, one thing to do with it; below what that will do, and its button."""
    by_name = {one.name: one for one in backups}
    with st.container(horizontal=True, vertical_alignment="bottom", key="hk_backup_choice"):
        chosen = st.selectbox("Backup", list(by_name), key=backup_actions.CHOSEN, width=480)
        to_do = st.segmented_control("What to do with it", list(PANELS), key=TO_DO, bind="query-params")
    if chosen in by_name and to_do in PANELS:
        with st.container(border=True, key="hk_backup_panel"), components.error_boundary():
            PANELS[to_do](by_name[chosen])
