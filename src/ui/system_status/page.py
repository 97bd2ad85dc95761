"""System Status, put together: health, where the schema is, the run, plans with their buttons, backups, history."""

import streamlit as st

from src.auth.authenticator import User
from src.health.model import Key, State
from src.schema.versions import SchemaVersion
from src.ui.reads import queries
from src.ui.system_status import actions, health_view, history_view
from src.ui.system_status.backups import backups_view
from src.ui.system_status.migration import findings_view, plan_view, run_view
from src.ui.widgets import components, markup
from src.ui.widgets.markup import Stage, StagePlace

STAGES = (
    (SchemaVersion.V1, "v1", "one portfolio"),
    (SchemaVersion.V2, "v2", "several portfolios, v1 clients go on"),
    (SchemaVersion.V3, "v3", "complete: v1 compatibility removed"),
)


def show(who: User) -> None:
    """For an admin with buttons."""
    may = who.is_admin
    st.title("System Status")
    live = queries.live_state()
    health_view.show()
    if live.problem is not None:
        st.caption("This page checks again every few seconds; nothing needs to be restarted here.")
        if may and _answers():
            with components.error_boundary():
                _unreadable()
            with components.error_boundary():
                backups_view.show(may)
            with components.error_boundary():
                history_view.show(may)
        return
    with components.error_boundary():
        _schema(live)
    if not may:
        st.caption(f"Only an admin may migrate, back up and restore; you are logged in as {who.name}, {who.role}.")
    with components.error_boundary():
        run_view.panel(may)
    if may:
        with components.error_boundary():
            plan_view.show(live)
    with components.error_boundary():
        backups_view.show(may)
    with components.error_boundary():
        history_view.show(may)
    if may and live.sample:
        _sample()


def _answers() -> bool:
    """Whether PostgreSQL answers, though not all can be read: something is locked, or a right is missing."""
    return any(one.key is Key.DATABASE and one.state is not State.DOWN for one in queries.health())


def _unreadable() -> None:
    """For an admin: what is known nevertheless, what is missing, and who is in the way."""
    inspection = queries.inspection()
    _stages(inspection.version, inspection.title)
    findings_view.show(inspection.findings, choices=False)
    run_view.in_the_way()


def _schema(live: queries.LiveState) -> None:
    inspection = queries.inspection()
    _stages(live.version, inspection.title)
    if live.version not in plan_view.POSSIBLE:
        findings_view.show(inspection.findings, choices=False)


def _stages(current: str | None, title: str) -> None:
    st.subheader("Schema")
    order: list[str] = [version for version, _, _ in STAGES]
    here = order.index(current) if current in order else -1
    items = [
        Stage(name, text, StagePlace.HERE if place == here else StagePlace.PAST if place < here else StagePlace.AHEAD)
        for place, (_, name, text) in enumerate(STAGES)
    ]
    st.html(markup.stages(items))
    st.caption(f"This database is {title}.")


def _remove_sample() -> None:
    typed = st.session_state.get("sample_typed", "")
    components.attempt(lambda: actions.remove_sample(typed).message)


def _sample() -> None:
    with st.expander("Remove the sample data"), st.form("sample_form", border=False):
        st.caption(
            "The sample's positions, prices and signals are deleted, and the notice goes. This cannot be undone."
        )
        st.text_input("Type sample to remove it", key="sample_typed")
        st.form_submit_button("Remove the sample data", key="sample_submit", on_click=_remove_sample)
