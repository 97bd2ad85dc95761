"""Comparison: two portfolios side by side, and more beside them in the figures and the curves."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from src.config import PROJECT_ROOT
from src.domain.analytics.comparison import Comparison, compare
from src.domain.overview import PortfolioEntry
from src.transfer import comparing, exporting
from src.ui.comparison import choice as comparison_choice
from src.ui.comparison import curves, figures, holdings
from src.ui.comparison.choice import PortfolioChoice
from src.ui.lineage import pair as lineage_pair
from src.ui.lineage import view
from src.ui.reads import queries, valued
from src.ui.reads.valued import Side
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt

STATUS_PAGE = PROJECT_ROOT / "pages" / "system_status.py"
V1_NOTE = (
    "This is a v1 database: one portfolio, DEFAULT, and nothing to put beside it. Phase 1 (on System Status) would add "
    "more portfolios and copies of them to compare, while v1 clients go on working."
)


def show(entries: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    """Draw the page for the portfolios that the address names."""
    st.title("Comparison")
    if not live.multi_portfolio:
        st.info(V1_NOTE, icon=":material/info:")
        st.page_link(STATUS_PAGE, label="System Status", icon=":material/arrow_forward:")
        return
    choice = comparison_choice.read(entries)
    if comparison_choice.is_missing(choice, entries) and queries.moved_on(live):
        st.rerun()
    comparison_choice.controls(choice, entries)
    if comparison_choice.missing(choice, entries):
        return
    if choice.left is None or choice.right is None:
        st.info("There is only one portfolio. Copy it on its page, change the copy, and compare the two here.")
        return
    if choice.left == choice.right:
        comparison_choice.same(choice, entries)
        return
    _compare(choice, entries, live)


def _compare(choice: PortfolioChoice, entries: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    left, right, *more = _sides(choice, entries)
    components.title(f"{left.name} and {right.name}")
    found = compare(left.positions, right.positions)
    if more:
        _figures(left, right, more)
        over_time = curves.show((left, right, *more), live)
    else:
        beside, over = st.columns([5, 6], gap="medium")
        with beside:
            _figures(left, right, ())
        with over:
            over_time = curves.show((left, right), live)
    risk, weights = st.columns([5, 4], gap="medium")
    with risk:
        curves.risk(over_time)
    with weights:
        st.subheader("Weight by sector")
        holdings.sectors(found, left, right)
    with components.error_boundary():
        _lineage(left, right)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Holdings")
        _export(found, left, right, live.now)
    holdings.show(found, left, right)


def _lineage(left: Side, right: Side) -> None:
    pair = lineage_pair.of(left, right)
    if pair is not None:
        st.subheader(f"{fmt.plain(pair.copy.portfolio_id)}, a copy of {fmt.plain(pair.parent.portfolio_id)}")
        view.changes(pair)
        view.to_actions(pair)


def _figures(left: Side, right: Side, more: Sequence[Side]) -> None:
    st.subheader("Figures")
    columns, lines = figures.figures(left, right, more)
    caption = f"Figures of {left.name} and {right.name}; HKD"
    st.html(markup.table(columns, lines, caption=caption) + markup.legend(figures.EXPLAINED))


def _export(found: Comparison, left: Side, right: Side, at: datetime) -> None:
    ids = (left.portfolio_id, right.portfolio_id)
    st.download_button(
        "Export CSV",
        lambda: comparing.to_csv(found, *ids),
        exporting.file_name(f"{ids[0]} and {ids[1]}", at, "csv"),
        exporting.CSV_TYPE,
        key="export_comparison",
        icon=":material/download:",
        on_click="ignore",
    )


def _sides(choice: PortfolioChoice, entries: Sequence[PortfolioEntry]) -> list[Side]:
    """All from one snapshot of the positions."""
    known = {entry.portfolio_id: entry for entry in entries}
    ids = tuple(one for one in choice.all_ids if one in known)
    found = queries.valuations(ids)
    symbols = frozenset(item.position.symbol for of in found.values() for item in of.positions)
    sessions = queries.sessions()
    quotes = queries.quotes(sessions.latest.opens, symbols)
    return [valued.side(known[one], found[one], quotes, sessions) for one in ids]
