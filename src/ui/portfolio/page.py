"""One portfolio: headline figures, positions, allocation, P&L and signals."""

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go
import streamlit as st

from src.domain.day_change import day, moves
from src.domain.overview import PortfolioEntry
from src.domain.valuation import Valued
from src.ui.lineage import view as lineage_view
from src.ui.portfolio import pictures, positions_table, signals_view, view_state, workbench
from src.ui.portfolios import forms
from src.ui.reads import queries
from src.ui.widgets import charts, components, headline, markup, preferences, url_choice
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

SIGNALS = 200
OFFERED = 20


def not_there(wanted: str, entries: Sequence[PortfolioEntry]) -> None:
    """An unknown id: say so, and offer those that exist."""
    components.title("No such portfolio")
    st.title("No such portfolio")
    asked = repr(wanted if len(wanted) <= 60 else f"{wanted[:60]}…")
    st.warning(f"There is no portfolio {fmt.plain(asked)} in this database. These exist:")
    rows = [
        (Cell(entry.title, href=entry.url, note=entry.portfolio_id), fmt.money(entry.totals.market_value))
        for entry in entries[:OFFERED]
    ]
    columns = (Column("Portfolio", "title"), Column("Market value, HKD", "number"))
    st.html(markup.table(columns, rows, caption="Portfolios"))
    if len(entries) > OFFERED:
        st.page_link(components.PORTFOLIOS_PAGE, label=f"All {len(entries):,} portfolios")


def show(entry: PortfolioEntry, entries: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    """Draw the page of one portfolio."""
    valuation = queries.valuation(entry.portfolio_id)
    items = valuation.positions
    sessions = queries.sessions()
    symbols = frozenset(item.position.symbol for item in items)
    moved = moves(items, queries.quotes(sessions.latest.opens, symbols), sessions)
    components.title(entry.title)
    _header(entry, entries, live)
    st.html(headline.strip(valuation.totals, day(items, moved), sessions))
    held = [item.position for item in items]
    view = workbench.bar(entry, held)
    if view != view_state.POSITIONS:
        workbench.show(view, entry, held, live)
        return
    if not items:
        st.info("No positions yet. Add them under Edit, or import a broker's file.")
        return
    positions_table.show(items, moved)
    left, right = st.columns(2, gap="medium")
    allocation, pnl = pictures.pictures(entry.portfolio_id, preferences.palette(), items)
    with left:
        _allocation(allocation, items)
    with right:
        _profit_and_loss(pnl, items)
    with components.error_boundary():
        lineage_view.show(entry, entries, live)
    signals_view.show(queries.signals(entry.portfolio_id, SIGNALS), live.now, SIGNALS)


def _header(entry: PortfolioEntry, entries: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(width="content", gap=None):
            st.title(fmt.plain(entry.title))
            st.caption(_subtitle(entry, live.now))
        names = {other.portfolio_id: other.label for other in entries}
        if len(names) > 1:
            key = f"choice {entry.portfolio_id}"
            st.selectbox(
                "Portfolio",
                list(names),
                index=list(names).index(entry.portfolio_id),
                key=key,
                width=260,
                format_func=lambda one: names.get(one, one),
                on_change=url_choice.choose,
                args=("id", key, st.query_params.get_all("id")),
            )
    if entry.description:
        st.text(entry.description)
    if live.multi_portfolio:
        with st.container(horizontal=True):
            forms.copy([], entry.portfolio_id)
            forms.rename(entry.portfolio_id, entry.name, entry.description or "", entry.strategy or "")
            if not entry.fixed:
                forms.archive(entry.portfolio_id, entry.archived_at is not None)
                forms.delete(entry)


def _subtitle(entry: PortfolioEntry, now: datetime) -> str:
    parts = [entry.portfolio_id]
    if entry.strategy:
        parts.append(entry.strategy)
    if entry.copied_from:
        parts.append(f"copied from {entry.copied_from} on {fmt.moment(entry.copied_at)}")
    if entry.archived_at:
        parts.append(f"archived {fmt.age(entry.archived_at, now)}")
    if entry.updated_at:
        parts.append(f"changed {fmt.age(entry.updated_at, now)}")
    return fmt.plain(" · ".join(parts))


def _allocation(figure: go.Figure | None, items: Sequence[Valued]) -> None:
    st.subheader("Allocation")
    if figure is None:
        st.caption("Nothing held has a price yet.")
        return
    st.plotly_chart(figure, key="allocation", config=charts.CONFIG, alt="Market value by sector and position")
    short = [item.position.symbol for item in items if item.position.quantity < 0]
    if short:
        st.caption(f"Short positions count with their size: {', '.join(short)}.")


def _profit_and_loss(figure: go.Figure | None, items: Sequence[Valued]) -> None:
    st.subheader("Unrealized P&L per position")
    if figure is None:
        st.caption("No position has both a quantity and a price.")
        return
    rows, known = charts.shown_bars(items)
    if known > len(rows):
        st.caption(f"The best and the worst {len(rows) // 2} of {known:,}.")
    st.plotly_chart(figure, key="pnl", config=charts.CONFIG, alt="Unrealized P&L per position, in HKD")
