"""A choice that the URL keeps, made with a widget whose key changes with the choice."""

from collections.abc import Sequence

import streamlit as st

from src.ui.widgets import components


def choose(name: str, key: str, drawn_with: Sequence[str], *, anew: bool = True) -> None:
    """The widget's callback: writes its value into the URL's parameter `name`.

    `anew`: the page's lists are about something else then, and begin with the first page.

    `drawn_with`: what the parameter was when the widget was drawn. Where it is something else by now, the widget has
    been replaced: a browser sends the values of such widgets once more while the page is drawn slowly.
    """
    if st.query_params.get_all(name) == list(drawn_with):
        st.query_params[name] = st.session_state[key]
        if anew:
            components.first_pages()
