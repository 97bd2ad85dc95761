"""Which portfolios are compared. The URL says it (`left`, `right`, any number of `also`), and is the only place."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

import streamlit as st

from src.domain.overview import PortfolioEntry
from src.ui.widgets import components, markup, url_choice
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

MOST_MORE = 6
MOST_OFFERED = 50


class PageSide(StrEnum):
    """A side of the comparison. The values are keys of the page's URL."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True)
class PortfolioChoice:
    """What the URL asks for, by id. None: it doesn't say, and there is nothing to take instead."""

    left: str | None
    right: str | None
    also: tuple[str, ...] = ()

    @property
    def all_ids(self) -> tuple[str, ...]:
        """Each once, the left one first."""
        return tuple(dict.fromkeys(one for one in (self.left, self.right, *self.also) if one is not None))


def as_given(text: str) -> str:
    """An id out of the URL, for a message: short, and never a link or a picture."""
    shown = text if len(text) <= 50 else f"{text[:50]}…"
    return fmt.plain(repr(shown))


def url_of(left: str, right: str, also: Sequence[str] = ()) -> str:
    """The URL that shows these two, relative to any page."""
    return f"comparison?{urlencode({'left': left, 'right': right, 'also': list(also)}, doseq=True)}"


def read(entries: Sequence[PortfolioEntry]) -> PortfolioChoice:
    """What the URL asks for; where it doesn't say: DEFAULT, and its newest copy or else another portfolio.

    Writes what was taken into the URL, so that it can be sent to a colleague as it stands.
    """
    given = {side: st.query_params.get(side) or None for side in PageSide}
    left = given[PageSide.LEFT] or _other(entries, given[PageSide.RIGHT])
    right = given[PageSide.RIGHT] or _other(entries, left)
    for side, one in zip(PageSide, (left, right), strict=True):
        if one is not None and given[side] is None:
            st.query_params[side] = one
    also = dict.fromkeys(one for one in st.query_params.get_all("also") if one not in (left, right))
    return PortfolioChoice(left, right, tuple(also)[:MOST_MORE])


def _other(entries: Sequence[PortfolioEntry], than: str | None) -> str | None:
    """The one that is most likely wanted beside `than`: its newest copy, what it was copied from, the first."""
    others = [entry for entry in entries if entry.portfolio_id != than and entry.archived_at is None]
    copies = [entry for entry in others if than and entry.copied_from == than and entry.copied_at]
    if copies:
        return max(copies, key=lambda entry: (entry.copied_at is not None, entry.copied_at)).portfolio_id
    this = next((entry for entry in entries if entry.portfolio_id == than), None)
    parents = [entry for entry in others if this is not None and entry.portfolio_id == this.copied_from]
    return next((entry.portfolio_id for entry in (*parents, *others)), None)


def _swap(choice: PortfolioChoice) -> None:
    if choice.left is not None and choice.right is not None:
        st.query_params["left"], st.query_params["right"] = choice.right, choice.left
        components.first_pages()


def controls(choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> None:
    """The two sides, the button that swaps them, and further portfolios."""
    names = {entry.portfolio_id: _label(entry) for entry in sorted(entries, key=lambda e: e.archived_at is not None)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _side(PageSide.LEFT, choice.left, names)
        st.button("Swap sides", icon=":material/swap_horiz:", key="swap", on_click=_swap, args=(choice,))
        _side(PageSide.RIGHT, choice.right, names)
        rest = [one for one in names if one not in (choice.left, choice.right)]
        if rest:
            chosen = [one for one in choice.also if one in rest]
            key = f"also {' '.join(chosen)} | {choice.left} {choice.right}"
            st.multiselect(
                "Further portfolios",
                rest,
                chosen,
                key=key,
                max_selections=MOST_MORE,
                format_func=lambda one: names.get(one, one),
                placeholder="In the figures and the curves",
                on_change=url_choice.choose,
                args=("also", key, st.query_params.get_all("also")),
                kwargs={"anew": False},
                width=300,
            )


def _side(side: PageSide, chosen: str | None, names: dict[str, str]) -> None:
    key = f"{side} {chosen}"
    st.selectbox(
        side.capitalize(),
        list(names),
        index=list(names).index(chosen) if chosen in names else None,
        key=key,
        format_func=lambda one: names.get(one, one),
        on_change=url_choice.choose,
        args=(side, key, st.query_params.get_all(side)),
        width=300,
    )


def _label(entry: PortfolioEntry) -> str:
    text = f"{entry.name or entry.portfolio_id} ({entry.portfolio_id})"
    return f"{text}, archived" if entry.archived_at else text


def is_missing(choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> bool:
    """Whether the URL names a portfolio that is not there."""
    return not {entry.portfolio_id for entry in entries}.issuperset(choice.all_ids)


def missing(choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> bool:
    """Say which portfolios of the URL are not there, and offer those that are. False when all are."""
    known = {entry.portfolio_id for entry in entries}
    for side, one in zip(PageSide, (choice.left, choice.right), strict=True):
        if one is not None and one not in known:
            st.warning(f"There is no portfolio {as_given(one)} in this database. Choose one of these:")
            _offer(side, choice, entries)
            return True
    gone = [one for one in choice.also if one not in known]
    if gone:
        st.warning(f"There is no portfolio {', '.join(map(as_given, gone))} in this database; the others are shown.")
    return False


def same(choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> None:
    """The same portfolio on both sides."""
    st.warning(
        f"Both sides are {as_given(choice.left or '')}: nothing to compare. Choose another one for the right side."
    )
    _offer(PageSide.RIGHT, choice, entries)


def _offer(side: PageSide, choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> None:
    other = choice.right if side is PageSide.LEFT else choice.left
    offered = [entry for entry in entries if entry.archived_at is None and entry.portfolio_id != other]
    if not offered:
        st.caption("There is no other portfolio. Copy this one on its page to have two to compare.")
        return
    rows = []
    for entry in offered[:MOST_OFFERED]:
        pair = (entry.portfolio_id, other or "") if side is PageSide.LEFT else (other or "", entry.portfolio_id)
        name = Cell(entry.name or entry.portfolio_id, href=url_of(*pair), note=entry.portfolio_id)
        rows.append((name, fmt.money(entry.totals.market_value)))
    columns = (Column("Portfolio", "title"), Column("Market value, HKD", "number"))
    st.html(markup.table(columns, rows, caption=f"Portfolios for the {side} side"))
    if len(offered) > MOST_OFFERED:
        st.caption(f"And {len(offered) - MOST_OFFERED:,} more: choose above.")
