"""Forms that create, copy, rename, archive, bring back and delete a portfolio, each with its own refusal in it."""

from collections.abc import Callable, Sequence

import streamlit as st

from src.domain.overview import PortfolioEntry
from src.errors import HKStrategyError, InvalidInput
from src.text import plural
from src.ui.reads import queries
from src.ui.widgets import components
from src.ui.widgets import format as fmt

ROUND = "hk_form_round"
ID_HELP = "Short and lasting: it stands in the portfolio's URL. Letters, digits, - and _; for example TECH or ASIA-2."


def _key(form: str, name: str) -> str:
    return f"{form}_{name}_{st.session_state.get(ROUND, 0)}"


def _value(form: str, name: str) -> str:
    value = st.session_state.get(_key(form, name), "")
    return value.strip() if isinstance(value, str) else ""


def _needed(form: str, name: str, label: str) -> str:
    value = _value(form, name)
    if not value:
        raise InvalidInput(f"{label} is missing.")
    return value


def _submit(form: str, action: Callable[[], str]) -> None:
    """Callback of a form: does it, or leaves the reason in the form, with everything that was typed."""
    try:
        message = action()
    except HKStrategyError as error:
        st.session_state[_key(form, "refused")] = components.error_text(error)
        return
    finally:
        queries.forget()
    # A new round gives the widgets new keys: the form is empty again, and its popover closed.
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    components.flash(message)


def _refusal(form: str) -> None:
    reason = st.session_state.pop(_key(form, "refused"), None)
    if reason:
        st.error(reason)


def _identity(form: str, strategy: str = "") -> None:
    st.text_input("Id", key=_key(form, "id"), help=ID_HELP, max_chars=50, placeholder="TECH")
    st.text_input("Name", key=_key(form, "name"), max_chars=200, placeholder="Technology")
    st.text_input(
        "Strategy or theme", strategy, key=_key(form, "strategy"), max_chars=100, placeholder="Optional, to group by"
    )


def _create() -> str:
    portfolio_id, name = _needed("create", "id", "The id"), _needed("create", "name", "The name")
    queries.manager().create_portfolio(
        portfolio_id, name, _value("create", "description"), _value("create", "strategy") or None
    )
    components.go(portfolio_id)
    return f"{name} ({portfolio_id}) is there, without positions yet."


def _copy(source: str | None) -> str:
    source = source or _needed("copy", "source", "The portfolio to copy")
    portfolio_id, name = _needed("copy", "id", "The id"), _needed("copy", "name", "The name")
    manager = queries.manager()
    copied = manager.copy_portfolio(source, portfolio_id, name)
    if _value("copy", "strategy"):
        manager.rename_portfolio(portfolio_id, name, strategy=_value("copy", "strategy"))
    components.go(portfolio_id)
    held = plural(copied, "position")
    return f"{name} ({portfolio_id}) is a copy of {source}, with {held}. What you change in it changes nothing there."


def _rename(portfolio_id: str) -> str:
    name = _needed("rename", "name", "The name")
    queries.manager().rename_portfolio(
        portfolio_id, name, description=_value("rename", "description"), strategy=_value("rename", "strategy")
    )
    return f"Saved: {portfolio_id} is called {name}."


def _archive(portfolio_id: str) -> str:
    queries.manager().archive_portfolio(portfolio_id)
    return f"{portfolio_id} is archived: nothing is deleted, it is only out of the list and its totals."


def _bring_back(portfolio_id: str) -> str:
    queries.manager().restore_portfolio(portfolio_id)
    return f"{portfolio_id} is back in the list."


def create() -> None:
    """Draw the form that creates a portfolio."""
    with (
        st.popover("New portfolio", icon=":material/add:", key=_key("create", "popover")),
        st.form(_key("create", "form"), border=False),
    ):
        _identity("create")
        st.text_area("Description", key=_key("create", "description"), height=80, placeholder="Optional")
        _refusal("create")
        st.form_submit_button("Create", key="create_submit", type="primary", on_click=_submit, args=("create", _create))


def copy(sources: Sequence[tuple[str, str]], source: str | None = None) -> None:
    """The form that copies `source`, or one of `sources` (id, name) where it isn't given."""
    names = dict(sources)
    with (
        st.popover("Copy", icon=":material/content_copy:", key=_key("copy", "popover")),
        st.form(_key("copy", "form"), border=False),
    ):
        st.caption("A copy has the same positions at the same cost: change it, and compare.")
        if source is None:
            st.selectbox(
                "Portfolio to copy",
                list(names),
                key=_key("copy", "source"),
                format_func=lambda key: f"{names.get(key, key)} ({key})",
            )
        _identity("copy")
        _refusal("copy")
        st.form_submit_button(
            "Copy", key="copy_submit", type="primary", on_click=_submit, args=("copy", lambda: _copy(source))
        )


def rename(portfolio_id: str, name: str, description: str, strategy: str) -> None:
    """Draw the form that changes name, description and strategy."""
    with (
        st.popover("Rename", icon=":material/edit:", key=_key("rename", "popover")),
        st.form(_key("rename", "form"), border=False),
    ):
        st.text_input("Name", name, key=_key("rename", "name"), max_chars=200)
        st.text_input("Strategy or theme", strategy, key=_key("rename", "strategy"), max_chars=100)
        st.text_area("Description", description, key=_key("rename", "description"), height=80)
        _refusal("rename")
        st.form_submit_button(
            "Save",
            key="rename_submit",
            type="primary",
            on_click=_submit,
            args=("rename", lambda: _rename(portfolio_id)),
        )


def archive(portfolio_id: str, archived: bool, choice: str | None = None) -> None:
    """The button for `portfolio_id`. `choice`: the key of a selectbox that says which portfolio it is when pressed."""
    label, icon, action = (
        ("Bring back", ":material/unarchive:", _bring_back) if archived else ("Archive", ":material/archive:", _archive)
    )
    st.button(
        label,
        icon=icon,
        key="archive",
        on_click=components.attempt,
        # Chosen and pressed at once, the press arrives before the button was drawn for the new choice.
        args=(lambda: action(st.session_state.get(choice, portfolio_id) if choice else portfolio_id),),
        help="Nothing is deleted: an archived portfolio is out of the list and its totals, and can be brought back.",
    )


def _delete(entry: PortfolioEntry, leave: bool) -> str:
    if _value("delete", "name") != entry.title.strip():
        raise InvalidInput(f"Type the portfolio's name, {entry.title}, to delete it. Nothing was deleted.")
    queries.manager().delete_portfolio(entry.portfolio_id)
    if leave:
        components.leave()
    held = plural(entry.totals.position_count, "position")
    return f"{fmt.plain(entry.title)} ({entry.portfolio_id}) is deleted for good, with {held}."


def _delete_form(entry: PortfolioEntry, *, leave: bool, chosen: Callable[[], PortfolioEntry] | None = None) -> None:
    """`chosen`: which portfolio it is when the button is pressed, where that can be another than `entry`."""
    held = plural(entry.totals.position_count, "position")
    with st.form(_key("delete", "form"), border=False):
        st.caption(f"Deletes {held} and their signals. This cannot be undone; archiving can.")
        st.text_input(f"Type {fmt.plain(entry.title)} to delete it", key=_key("delete", "name"), max_chars=200)
        _refusal("delete")
        st.form_submit_button(
            "Delete for good",
            key="delete_submit",
            on_click=_submit,
            args=("delete", lambda: _delete(chosen() if chosen else entry, leave)),
        )


def delete(entry: PortfolioEntry) -> None:
    """Draw the form that deletes a portfolio for good."""
    with st.popover("Delete", icon=":material/delete:", key=_key("delete", "popover")):
        _delete_form(entry, leave=True)


def _manage(items: Sequence[PortfolioEntry]) -> None:
    """Archive, bring back and delete any portfolio but the one that the single-portfolio application has."""
    by_id = {entry.portfolio_id: entry for entry in items if not entry.fixed}
    if not by_id:
        return
    choice = _key("manage", "choice")
    with st.popover("Archive, delete", icon=":material/archive:", key=_key("manage", "popover")):
        chosen = st.selectbox(
            "Portfolio",
            list(by_id),
            key=choice,
            format_func=lambda key: by_id[key].label if key in by_id else key,
        )
        entry = by_id[chosen]
        archive(entry.portfolio_id, entry.archived_at is not None, choice)
        _delete_form(entry, leave=False, chosen=lambda: by_id.get(st.session_state.get(choice, chosen), entry))


def list_actions(items: Sequence[PortfolioEntry]) -> None:
    """Draw what can be done with the list: create, copy."""
    with st.container(horizontal=True, width="content"):
        create()
        copy([(entry.portfolio_id, entry.title) for entry in items if entry.archived_at is None])
        _manage(items)
