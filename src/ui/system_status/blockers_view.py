"""Clients: who is connected, and who is in the way; for an admin who insists, with a way to interrupt them."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from src.journal.model import Client, ClientState
from src.migration.preflight.blocking_sessions import How
from src.ui.reads import queries
from src.ui.system_status import actions
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

INSIST = "insist"
COLUMNS = (
    Column("Role", "title"),
    Column("Application"),
    Column("Address"),
    Column("State"),
    Column("Idle for", "number"),
    Column("In a transaction for", "number"),
    Column("Last statement", "wide"),
)
MOST_BUTTONS = 8


def table(clients: Sequence[Client], caption: str) -> None:
    """Draw the sessions of clients as a table."""
    rows = [
        (
            Cell(client.role or "not visible", note=f"pid {client.pid}" if client.pid else ""),
            client.application_name or fmt.MISSING,
            client.address or "local socket",
            Cell(client.state, note=client.wait_event or ""),
            fmt.MISSING if client.state == ClientState.ACTIVE else fmt.duration(client.idle_s),
            fmt.MISSING if client.transaction_s is None else fmt.duration(client.transaction_s),
            client.query[:120],
        )
        for client in clients
    ]
    st.html(markup.table(COLUMNS, rows, caption=caption))


def _interrupt(pid: int, since: datetime, how: How) -> None:
    """The number and the beginning name one session for ever: it is read again before anything is done to it."""
    insists = bool(st.session_state.get(INSIST))
    components.attempt(lambda: actions.interrupt(pid, since, how, insists=insists))


def controls(clients: Sequence[Client]) -> None:
    """For an admin: cancel the statement of one of these, or end its session. Once the box is ticked."""
    able = [one for one in clients if one.since is not None][:MOST_BUTTONS]
    if not able:
        return
    st.checkbox("I insist: let me interrupt a client in the way. It loses what it has not committed.", key=INSIST)
    if not st.session_state.get(INSIST):
        return
    for one in able:
        since = one.since
        assert since is not None
        with st.container(horizontal=True, vertical_alignment="center"):
            name = one.application_name or "no name"
            st.markdown(f"`{one.pid}` {fmt.plain(one.role)}, {fmt.plain(name)}", width="content")
            key = f"{one.pid}_{since.timestamp():.0f}"
            if one.state == ClientState.ACTIVE:
                st.button(
                    "Cancel its statement", key=f"cancel_{key}", on_click=_interrupt, args=(one.pid, since, How.CANCEL)
                )
            st.button("End its session", key=f"end_{key}", on_click=_interrupt, args=(one.pid, since, How.TERMINATE))


def long_ones() -> None:
    """The controls for those that are in the way now, before anything runs."""
    if components.has_flash():
        st.rerun()
    with components.error_boundary():
        controls(queries.in_the_way())
