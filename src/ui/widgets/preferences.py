"""What each browser keeps: which colour a gain has, and the name that stands beside what its user changes.

Both are cookies that the browser sets itself, by a script whose text never changes. The server hears of them when a
page is opened; until then what was chosen in this session counts.
"""

from dataclasses import dataclass
from decimal import Decimal
from html import escape
from urllib.parse import quote, unquote

import streamlit as st

from src.auth.authenticator import User
from src.auth.sessions import LoginKind
from src.domain.portfolio import check_text
from src.errors import InvalidInput
from src.ui.access import current_user, scripts

COLOURS = "hk_colours"
NAME = "hk_name"
CHANGED = "hk_preferences_changed"
MAX_NAME = 60
HONG_KONG, MAINLAND = "hong_kong", "mainland"
CHOICES = {HONG_KONG: "▲ green, ▼ red (Hong Kong)", MAINLAND: "▲ red, ▼ green (mainland)"}

GREEN, RED = "#1f9d66", "#d8475a"
_SWAPPED = "<style>:root:root{--hk-up:var(--hk-red);--hk-down:var(--hk-green)}</style>"


@dataclass(frozen=True)
class Palette:
    """Colours for charts, readable on a light and on a dark page."""

    up: str
    down: str
    flat: str = "#7c8a97"

    def of(self, change: Decimal) -> str:
        """The colour of a change: a gain, a loss, or neither."""
        return self.up if change > 0 else self.down if change < 0 else self.flat


def _kept(cookie: str) -> str:
    """What this session chose; else what the browser brought with it."""
    if cookie in st.session_state:
        return str(st.session_state[cookie] or "")
    return unquote(st.context.cookies.get(cookie, ""))


def _colours() -> str:
    kept = _kept(COLOURS)
    return kept if kept in CHOICES else HONG_KONG


def palette() -> Palette:
    """The colours of gains and losses, as this browser wants them."""
    return Palette(RED, GREEN) if _colours() == MAINLAND else Palette(GREEN, RED)


def your_name() -> str | None:
    """Who changes things here: the account's name; by the terminal's link, which several may use, what they say."""
    me = current_user.user()
    if me is None or me.kind is not LoginKind.TOKEN:
        return None if me is None else me.name
    return _own_name() or me.name


def _own_name() -> str | None:
    try:
        return check_text(_kept(NAME), "Your name", MAX_NAME)
    except InvalidInput:
        return None  # a cookie that this page did not write


def _changed() -> None:
    st.session_state[CHANGED] = True


def show(me: User) -> None:
    """The settings, in the corner of every page."""
    if _colours() == MAINLAND:
        st.html(_SWAPPED)
    with st.container(key="hk_settings"), st.popover("Settings", icon=":material/tune:", type="tertiary"):
        st.radio(
            "Colours of gains and losses",
            list(CHOICES),
            index=list(CHOICES).index(_colours()),
            key=COLOURS,
            format_func=lambda choice: CHOICES[choice],
            on_change=_changed,
        )
        if me.kind is LoginKind.TOKEN:
            st.text_input(
                "Your name",
                _own_name() or "",
                key=NAME,
                max_chars=MAX_NAME,
                placeholder=me.name,
                help="It stands beside the changes that you save, for your colleagues to see who it was.",
                on_change=_changed,
            )
        st.caption("Kept in this browser only.")
        if st.session_state.get(CHANGED):
            st.html(_storage_script(_colours(), _own_name() or ""), unsafe_allow_javascript=True)


def _storage_script(colours: str, name: str) -> str:
    # Percent-encoded: nothing in it can end an attribute, a cookie or a tag.
    values = f'data-hk_colours="{escape(quote(colours, safe=""))}" data-hk_name="{escape(quote(name, safe=""))}"'
    return f'<div id="hk-keep" {values}></div>{scripts.tag(scripts.KEEP)}'
