"""What can be done with one backup: first what it will do, then the button. The button goes by what is chosen then."""

import streamlit as st

from src.backup.api import Backup, Preview, RestoreWay, TableChange
from src.errors import Conflict
from src.text import plural
from src.ui.reads import queries
from src.ui.system_status import actions, blockers_view
from src.ui.system_status.backups.download import path_of
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

CHOSEN = "backup"
CHANGES = (Column("Rows of", "title"), Column("Now", "number"), Column("Then", "number"), Column("Change", "number"))


def verify(backup: Backup) -> None:
    """Draw the button that verifies a backup."""
    st.caption(
        "Restores it into a scratch database on a private server, compares it table by table, and removes that again. "
        "The live database is not touched."
    )
    st.button("Verify", key="verify_submit", icon=":material/fact_check:", on_click=_verify, args=(backup.name,))


def download(backup: Backup) -> None:
    """Draw the link to the backup's tarball."""
    st.caption(
        f"One file of about {fmt.size(backup.bytes)}, to be kept on another machine. It holds all data of the "
        "database. Unpacked into the folder of backups it is in this list again."
    )
    st.html(markup.file_link(path_of(backup.name), f"Download {backup.name}.tar"))


def delete(backup: Backup) -> None:
    """Draw the form that deletes a backup."""
    st.caption(
        f"Deletes {backup.name} for good: {fmt.size(backup.bytes)} are freed. The only verified one always stays."
    )
    with st.form("delete_form", border=False):
        st.text_input(f"Type {actions.WORD} to delete it", key="delete_typed", autocomplete="off")
        st.form_submit_button("Delete", key="delete_submit", on_click=_delete, args=(backup.name,))


def restore(backup: Backup) -> None:
    """Draw what a restore would do, and its form."""
    preview = queries.restore_preview(backup.name)
    now = f"v{preview.version}" if preview.version else "not recognised"
    st.markdown(
        f"**{fmt.plain(preview.database)} becomes what it was on {fmt.moment(backup.created_at)}.** What was written "
        f"since is not in it. Schema now: {now}; then: v{backup.schema_version}."
    )
    st.html(markup.table(CHANGES, [_change(one) for one in preview.tables], caption="Rows now and after the restore"))
    st.markdown(fmt.plain(preview.why))
    st.caption(fmt.plain(_afterwards(preview)))
    _clients(preview)
    for note in preview.notes:
        st.warning(fmt.plain(note))
    for obstacle in preview.obstacles:
        st.error(fmt.plain(obstacle))
    if not preview.obstacles:
        with st.form("restore_form", border=False):
            st.text_input("Type the backup's name to restore it", key="restore_typed", autocomplete="off")
            st.form_submit_button(
                "Restore", key="restore_submit", type="primary", on_click=_restore, args=(backup.name,),
                icon=":material/settings_backup_restore:",
            )  # fmt: skip


def _change(one: TableChange) -> tuple[Cell | str, ...]:
    now = fmt.MISSING if one.now is None else f"about {fmt.count(one.now)}" if one.about else fmt.count(one.now)
    if one.difference is None:
        change = Cell("not known")
    elif one.difference == 0:
        change = Cell("as many", "muted")
    else:
        change = Cell(f"{'+' if one.difference > 0 else fmt.MINUS}{abs(one.difference):,}", "warn")
    return Cell(one.table.removeprefix("public.")), now, fmt.count(one.then), change


def _afterwards(preview: Preview) -> str:
    free = "" if preview.free is None else f", where {fmt.size(preview.free)} are free"
    if preview.kept_as is None:
        return (
            f"What is there now is kept as a verified backup. Needs about {fmt.size(preview.needed)} in the folder of "
            f"backups{free}."
        )
    return (
        f"What is there now is kept as the database {preview.kept_as}: drop it once you do not need it any more. Needs "
        f"about {fmt.size(preview.needed)} on the server's disk{free}."
    )


def _clients(preview: Preview) -> None:
    count = len(preview.clients)
    if not count:
        st.caption("No other client is connected now.")
        return
    what = "will be cut off" if preview.way is RestoreWay.SWAP else "will wait"
    with st.expander(f"{plural(count, 'client')} connected now: {what}"):
        blockers_view.table(preview.clients, "Clients connected now")


def _still(drawn: str) -> str:
    """The backup that is chosen in the moment of the press, if the page has shown what will become of that one."""
    if st.session_state.get(CHOSEN) != drawn:
        raise Conflict("Another backup has been chosen meanwhile: check what will be done. Nothing was done.")
    return drawn


def _verify(name: str) -> None:
    components.attempt(lambda: actions.verify(_still(name)).message)


def _restore(name: str) -> None:
    typed = st.session_state.get("restore_typed", "")
    components.attempt(lambda: actions.restore(_still(name), typed).message)


def _delete(name: str) -> None:
    typed = st.session_state.get("delete_typed", "")
    components.attempt(lambda: actions.delete(_still(name), typed))
