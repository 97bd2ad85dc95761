"""A choice that the URL keeps, made with a widget whose key changes with the choice."""

from collections.abc import Sequence

import streamlit as st


def choose(name: str, key: str, drawn_with: Sequence[str]) -> None:
    """The widget's callback: writes its value into the URL's parameter `name`.

    `drawn_with`: what the parameter was when the widget was drawn. Where it is something else by now, the widget has
    been replaced: a browser sends the values of such widgets once more while the page is drawn slowly.
    """
    if st.query_params.get_all(name) == list(drawn_with):
        st.query_params[name] = st.session_state[key]
