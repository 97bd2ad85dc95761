"""The list of portfolios: totals over all of them, then each with its figures, grouped by strategy."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from src.domain.valuation import Totals
from src.ui import cache, entries, headline, markup, portfolio_forms
from src.ui import format as fmt
from src.ui.entries import NO_STRATEGY, Entry, Group
from src.ui.markup import Cell, Column, Heading, Row

PAGE_ROWS = 50
V1_NOTE = (
    "This is a v1 database: one portfolio, DEFAULT. Phase 1 (on System Status) would add more of them, copies for "
    "trying a strategy, and a strategy to group them by, while v1 clients go on working."
)
COLUMNS = (
    Column("Portfolio", "title"),
    Column("Positions", "number", "How many symbols it has; those that are only watched (quantity 0) count too."),
    Column("Market value", "number", "HKD: price × quantity of each position held that has a price, added up."),
    Column("Unrealized P&L", "number", "HKD: (price − average cost) × quantity of each priced position, added up."),
    Column("P&L %", "number", "Unrealized P&L over the cost of the same positions; short ones count by their size."),
    Column(
        "Priced", "number", "The share of what is held, by its cost, that has a price: the figures are of that share."
    ),
    Column("Last change", "number", "When the portfolio or one of its positions was changed last."),
)
STRATEGY = Column("Strategy", why="The theme by which portfolios are grouped: `Rename` on a portfolio's page sets it.")


def priced(sums: Totals) -> Cell:
    """How much of what is held has a price."""
    if not sums.held_count:
        return Cell(fmt.MISSING, "muted")
    if sums.complete:
        return Cell("100%")
    return Cell(
        fmt.percent(sums.coverage, decimals=0), "warn", note=f"{sums.priced_count} of {sums.held_count} positions"
    )


def _figures(sums: Totals) -> tuple[Cell | str, ...]:
    pnl, ratio = sums.unrealized_pnl, sums.return_ratio
    return (
        fmt.count(sums.position_count),
        fmt.money(sums.market_value),
        Cell(fmt.gain(pnl), fmt.tone(pnl)),
        Cell(fmt.percent(ratio, signed=True), fmt.tone(ratio)),
        priced(sums),
    )


def row(entry: Entry, now: datetime, *, with_strategy: bool) -> Row:
    note = entry.portfolio_id
    if entry.copied_from:
        note += f" · copy of {entry.copied_from}"
    if entry.archived_at:
        note += " · archived"
    strategy = (Cell(entry.strategy or fmt.MISSING, "" if entry.strategy else "muted"),) if with_strategy else ()
    return (
        Cell(entry.title, href=entry.url, note=note),
        *strategy,
        *_figures(entry.totals),
        Cell(fmt.age(entry.updated_at, now), "muted"),
    )


def heading(group: Group, now: datetime) -> Heading:
    name = Cell(group.title, note=fmt.plural(group.count, "portfolio"))
    return Heading((name, *_figures(group.totals), Cell(fmt.age(group.updated_at, now), "muted")))


def show(items: Sequence[Entry], pulse: cache.Pulse) -> None:
    active = [entry for entry in items if entry.archived_at is None]
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Portfolios", width="content")
        if pulse.multi_portfolio:
            portfolio_forms.list_actions(items)
    count = markup.Figure("Portfolios", fmt.count(len(active)), _strategies_note(active))
    st.html(headline.strip(entries.together(active), count))
    if not pulse.multi_portfolio:
        st.info(V1_NOTE, icon=":material/info:")
    _list(items, active, pulse.now)


def _strategies_note(active: Sequence[Entry]) -> str:
    used = [name for name in entries.strategies(active) if name]
    return fmt.plural(len(used), "strategy", "strategies") if used else ""


def _list(items: Sequence[Entry], active: Sequence[Entry], now: datetime) -> None:
    shown, order, group = list(active), "Market value", False
    if len(items) > 1:
        shown, order, group = _controls(items, active)
    if not shown:
        st.caption("No portfolio matches. Clear the search or the strategy to see all of them.")
        return
    pages = -(-len(shown) // PAGE_ROWS)
    page = 1
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            page = st.pagination(pages, key="page", bind="query-params")
            first = (page - 1) * PAGE_ROWS
            st.caption(f"{first + 1:,} to {min(first + PAGE_ROWS, len(shown)):,} of {len(shown):,} portfolios")
    st.html(_table(shown, order, group, (page - 1) * PAGE_ROWS, now, whole=len(shown) == len(active)))


def _table(shown: Sequence[Entry], order: str, group: bool, start: int, now: datetime, *, whole: bool) -> str:
    columns = COLUMNS if group else (COLUMNS[0], STRATEGY, *COLUMNS[1:])
    rows: list[Row | Heading] = []
    if group:
        for part in entries.page_of(entries.grouped(shown, order), start, PAGE_ROWS):
            rows.append(heading(part, now))
            rows += [row(entry, now, with_strategy=False) for entry in part.entries]
    else:
        ordered = sorted(shown, key=entries.SORTS[order])[start : start + PAGE_ROWS]
        rows += [row(entry, now, with_strategy=True) for entry in ordered]
    total = None
    if not whole and len(shown) > 1:
        blank = () if group else ("",)
        total = (Cell(f"These {len(shown):,} together"), *blank, *_figures(entries.together(shown)), "")
    caption = "Portfolios and their figures; money in HKD"
    return markup.table(columns, rows, caption=caption, total=total) + markup.legend(columns)


def _first_page() -> None:
    st.session_state["page"] = 1


def _controls(items: Sequence[Entry], active: Sequence[Entry]) -> tuple[list[Entry], str, bool]:
    """Which portfolios to show, in which order, and whether grouped. All of it stands in the URL."""
    archived = len(items) - len(active)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox("Sort by", list(entries.SORTS), key="order", bind="query-params", width=170)
        strategy = None
        names = entries.strategies(items)
        if names != [""]:
            strategy = st.selectbox(
                "Strategy",
                names,
                index=None,
                key="strategy",
                bind="query-params",
                width=190,
                placeholder="All strategies",
                format_func=lambda name: name or NO_STRATEGY,
                on_change=_first_page,
            )
        words = st.text_input(
            "Search",
            key="search",
            bind="query-params",
            width=190,
            placeholder="Name, id or strategy",
            on_change=_first_page,
        )
        group = names != [""] and st.toggle("Group by strategy", value=True, key="grouped", bind="query-params")
        with_archived = archived > 0 and st.toggle(
            f"Show {fmt.plural(archived, 'archived portfolio')}", key="archived", bind="query-params"
        )
    found = entries.found(items if with_archived else active, words or "", strategy)
    return found, order, group
