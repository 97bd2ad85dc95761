"""The list of portfolios: totals over all of them, then each with its figures, grouped by strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd
import streamlit as st

from src.domain.day_change import Day
from src.domain.overview import PortfolioEntry
from src.domain.price_age import MOST_SESSIONS as CURVE_SESSIONS
from src.domain.price_age import TradingSessions, age_in_sessions, age_text
from src.domain.valuation import Totals
from src.text import plural
from src.ui.portfolios import forms, listing
from src.ui.portfolios.listing import NO_STRATEGY, Group
from src.ui.reads import queries
from src.ui.widgets import components, headline, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Heading, Row

PAGE_ROWS = 50
PAGE = "page"
V1_NOTE = (
    "This is a v1 database: one portfolio, DEFAULT. Phase 1 (on System Status) would add more of them, copies for "
    "trying a strategy, and a strategy to group them by, while v1 clients go on working."
)
COLUMNS = (
    Column("Portfolio", "title"),
    Column("Positions", "number", "How many symbols it has; those that are only watched (quantity 0) count too."),
    Column("Market value", "number", "HKD: price × quantity of each position held that has a price, added up."),
    Column(
        "Day change",
        "number",
        "HKD: (price of the latest session − close of the session before) × quantity, of each position where both are "
        "known; the percentage is of what those were worth at that close.",
    ),
    Column("Unrealized P&L", "number", "HKD: (price − average cost) × quantity of each priced position, added up."),
    Column("P&L %", "number", "Unrealized P&L over the cost of the same positions; short ones count by their size."),
    Column(
        "Up to date",
        "number",
        "The share of the market value that was priced in the latest session. Below it, where some of what is held "
        "has no price: how much has one.",
    ),
    Column(
        "Value curve",
        "number",
        f"What today's holdings, held constant, were worth in the last {CURVE_SESSIONS} sessions, and how much more or "
        "less they are worth now than at its beginning. It is no record of what was held then.",
    ),
    Column("Last change", "number", "When the portfolio or one of its positions was changed last."),
)
STRATEGY = Column("Strategy", why="The theme by which portfolios are grouped: `Rename` on a portfolio's page sets it.")


@dataclass(frozen=True)
class RowContext:
    """What rows are drawn with: the server's clock, the exchange's sessions, and the curves of what is on this page."""

    now: datetime
    sessions: TradingSessions
    curves: pd.DataFrame


def up_to_date(sums: Totals, today: Day, sessions: TradingSessions) -> Cell:
    """How much of it has a price of the latest session, or none at all."""
    if not sums.held_count:
        return Cell(fmt.MISSING, "muted")
    notes = []
    if not sums.complete:
        notes.append(f"{sums.priced_count:,} of {sums.held_count:,} priced")
    if today.fresh_share is not None and today.fresh_share < 1:
        notes.append(f"oldest: {age_text(age_in_sessions(today.oldest_at, sessions))}")
    return Cell(fmt.share(today.fresh_share), "warn" if notes else "", note=", ".join(notes))


def _figures(sums: Totals, today: Day, sessions: TradingSessions) -> tuple[Cell | str, ...]:
    pnl, ratio = sums.unrealized_pnl, sums.return_ratio
    change = today.change
    return (
        fmt.count(sums.position_count),
        fmt.money(sums.market_value),
        Cell(fmt.gain(change), fmt.tone(change), note="" if change is None else fmt.percent(today.ratio, signed=True)),
        Cell(fmt.gain(pnl), fmt.tone(pnl)),
        Cell(fmt.percent(ratio, signed=True), fmt.tone(ratio)),
        up_to_date(sums, today, sessions),
    )


def curve(values: pd.DataFrame, portfolio_id: str) -> Cell:
    """Its line, and by how much its end is above or below its beginning."""
    points = values[portfolio_id].dropna().tolist() if portfolio_id in values else []
    if len(points) < 2 or not points[0]:
        return Cell(fmt.MISSING, "muted", why="Too few prices are recorded.")
    change = Decimal(str((points[-1] - points[0]) / abs(points[0])))
    return Cell(fmt.percent(change, signed=True, decimals=1), fmt.tone(change), curve=tuple(points))


def row(entry: PortfolioEntry, context: RowContext, *, with_strategy: bool) -> Row:
    """The row of one portfolio."""
    note = entry.portfolio_id
    if entry.copied_from:
        note += f" · copy of {entry.copied_from}"
    if entry.archived_at:
        note += " · archived"
    strategy = (Cell(entry.strategy or fmt.MISSING, "" if entry.strategy else "muted"),) if with_strategy else ()
    return (
        Cell(entry.title, href=entry.url, note=note),
        *strategy,
        *_figures(entry.totals, entry.day, context.sessions),
        curve(context.curves, entry.portfolio_id),
        Cell(fmt.age(entry.updated_at, context.now), "muted"),
    )


def heading(group: Group, context: RowContext) -> Heading:
    """The row that heads the portfolios of one strategy."""
    name = Cell(group.title, note=plural(group.count, "portfolio"))
    figures = _figures(group.totals, group.day, context.sessions)
    return Heading((name, *figures, "", Cell(fmt.age(group.updated_at, context.now), "muted")))


def show(items: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    """Draw the list of portfolios, grouped by strategy."""
    active = [entry for entry in items if entry.archived_at is None]
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Portfolios", width="content")
        if live.multi_portfolio:
            forms.list_actions(items)
    count = markup.Figure("Portfolios", fmt.count(len(active)), _strategies_note(active))
    sessions = queries.sessions()
    st.html(headline.strip(*listing.together(active), sessions, count))
    if not live.multi_portfolio:
        st.info(V1_NOTE, icon=":material/info:")
    _list(items, active, live, sessions)


def _strategies_note(active: Sequence[PortfolioEntry]) -> str:
    used = [name for name in listing.strategies(active) if name]
    return plural(len(used), "strategy", "strategies") if used else ""


def _list(
    items: Sequence[PortfolioEntry],
    active: Sequence[PortfolioEntry],
    live: queries.LiveState,
    sessions: TradingSessions,
) -> None:
    shown, order, group = list(active), "Market value", False
    if len(items) > 1:
        shown, order, group = _controls(items, active)
    if not shown:
        st.caption("No portfolio matches. Clear the search or the strategy to see all of them.")
        return
    on_page = components.page(len(shown), PAGE_ROWS, plural(len(shown), "portfolio"), PAGE)
    parts = listing.page_of(listing.arranged(shown, order, group=group), on_page)
    ids = frozenset(entry.portfolio_id for part in parts for entry in part.entries)
    context = RowContext(live.now, sessions, queries.curves(ids, sessions.recent[0].day))
    st.html(_table(parts, context, group=group, total_of=shown if len(shown) != len(active) else ()))


def _table(parts: Sequence[Group], context: RowContext, *, group: bool, total_of: Sequence[PortfolioEntry]) -> str:
    columns = COLUMNS if group else (COLUMNS[0], STRATEGY, *COLUMNS[1:])
    rows: list[Row | Heading] = []
    for part in parts:
        if group:
            rows.append(heading(part, context))
        rows += [row(entry, context, with_strategy=not group) for entry in part.entries]
    total = None
    if len(total_of) > 1:
        name, blank = Cell(f"These {len(total_of):,} together"), () if group else ("",)
        total = (name, *blank, *_figures(*listing.together(total_of), context.sessions), "", "")
    caption = "Portfolios and their figures; money in HKD"
    return markup.table(columns, rows, caption=caption, total=total) + markup.legend(columns)


def _controls(
    items: Sequence[PortfolioEntry], active: Sequence[PortfolioEntry]
) -> tuple[list[PortfolioEntry], str, bool]:
    """Which portfolios to show, in which order, and whether grouped. All of it stands in the URL."""
    archived = len(items) - len(active)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox(
            "Sort by", list(listing.SORTS), key="order", bind="query-params", width=165,
            on_change=components.first_page, args=(PAGE,),
        )  # fmt: skip
        strategy = None
        names = listing.strategies(items)
        if names != [""]:
            strategy = st.selectbox(
                "Strategy",
                names,
                index=None,
                key="strategy",
                bind="query-params",
                width=165,
                placeholder="All strategies",
                format_func=lambda name: name or NO_STRATEGY,
                on_change=components.first_page,
                args=(PAGE,),
            )
        words = st.text_input(
            "Search",
            key="search",
            bind="query-params",
            width=165,
            placeholder="Name, id or strategy",
            on_change=components.first_page,
            args=(PAGE,),
        )
        group = names != [""] and st.toggle(
            "Group by strategy", value=True, key="grouped", bind="query-params", on_change=components.first_page,
            args=(PAGE,),
        )  # fmt: skip
        with_archived = archived > 0 and st.toggle(
            f"Show {plural(archived, 'archived portfolio')}", key="archived", bind="query-params",
            on_change=components.first_page, args=(PAGE,),
        )  # fmt: skip
    found = listing.found(items if with_archived else active, words or "", strategy)
    return found, order, group
