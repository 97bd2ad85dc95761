"""Health: a card for each component of the system, and above them what needs attention."""

from collections.abc import Sequence

import streamlit as st

from src.health.model import Component, State
from src.text import listed, plural
from src.ui.reads import queries
from src.ui.widgets import components, markup, next_steps

EVERY_S = 60  # what is urgent, a database that is gone, every page notices within seconds by itself


def show() -> None:
    """Read when the page is drawn, and then once a minute."""
    st.fragment(_cards, run_every=EVERY_S)()


def _cards() -> None:
    with components.error_boundary():
        found = queries.health()
        st.html(markup.health([_card(one) for one in found], summary(found)))


def advice(of: Component) -> str:
    """What to do about it, and where on this page."""
    return " ".join(filter(None, (of.advice, next_steps.words(of.next_step))))


def _card(of: Component) -> str:
    state = of.state.value if of.known else markup.NOT_KNOWN
    return markup.health_card(of.name, state, of.message, advice(of), of.lines)


def summary(found: Sequence[Component]) -> str:
    """What needs attention first."""
    bad = [one.name for one in found if one.known and one.state is not State.HEALTHY]
    if bad:
        need = "needs" if len(bad) == 1 else "need"
        return f"{plural(len(bad), 'component')} of {len(found)} {need} attention: {listed(bad)}."
    unknown = [one.name for one in found if not one.known]
    return f"Not known: {listed(unknown)}." if unknown else f"All {len(found)} components are healthy."
