"""One portfolio: headline figures, positions, allocation, P&L and signals."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from src.domain.valuation import ZERO, Valued, value
from src.ui import cache, charts, components, headline, markup, portfolio_forms, preferences, work, workbench
from src.ui import format as fmt
from src.ui.entries import Entry
from src.ui.markup import Cell, Column
from src.ui.rows import moment, number, positions, text

PAGE_ROWS = 100
SORTS: dict[str, Callable[[Valued], tuple[bool, Any]]] = {
    "Market value": lambda h: (h.market_value is None, -abs(h.market_value or ZERO)),
    "P&L": lambda h: (h.unrealized_pnl is None, -(h.unrealized_pnl or ZERO)),
    "P&L, worst first": lambda h: (h.unrealized_pnl is None, h.unrealized_pnl or ZERO),
    "P&L %": lambda h: (h.return_ratio is None, -(h.return_ratio or ZERO)),
    "Symbol": lambda h: (False, h.position.symbol),
    "Sector": lambda h: (not h.position.sector, (h.position.sector, h.position.symbol)),
}
COLUMNS = (
    Column("Symbol", "title"),
    Column("Sector"),
    Column("Quantity", "number"),
    Column("Average cost", "number"),
    Column("Price", "number"),
    Column("Market value", "number"),
    Column("Weight", "number"),
    Column("Unrealized P&L", "number"),
    Column("P&L %", "number"),
)
SIGNAL_COLUMNS = (
    Column("Symbol", "title"),
    Column("Signal"),
    Column("Strength", "number"),
    Column("Price", "number"),
    Column("RSI", "number"),
    Column("When", "number"),
)


def not_there(wanted: str, entries: Sequence[Entry]) -> None:
    """An unknown id: say so, and offer those that exist."""
    components.title("No such portfolio")
    st.title("No such portfolio")
    st.warning(f"There is no portfolio {fmt.plain(repr(wanted))} in this database. These exist:")
    rows = [
        (
            Cell(entry.title, href=entry.url, note=entry.portfolio_id),
            fmt.money(entry.totals.market_value),
        )
        for entry in entries
    ]
    st.html(
        markup.table((Column("Portfolio", "title"), Column("Market value, HKD", "number")), rows, caption="Portfolios")
    )


def show(entry: Entry, entries: Sequence[Entry], pulse: cache.Pulse) -> None:
    valuation = value(positions(cache.positions(pulse.token, entry.portfolio_id)))
    items = valuation.positions
    components.title(entry.title)
    _header(entry, entries, pulse)
    st.html(headline.strip(valuation.totals))
    held = [item.position for item in items]
    view = workbench.bar(entry, held, pulse)
    if view != work.POSITIONS:
        workbench.show(view, entry, held, pulse)
        return
    if not items:
        st.info("No positions yet. Add them under Edit, or import a broker's file.")
        return
    st.subheader("Positions")
    _positions(items, pulse.now)
    left, right = st.columns(2, gap="medium")
    with left:
        _allocation(items)
    with right:
        _profit_and_loss(items)
    st.subheader("Signals")
    _signals(cache.signals(pulse.token, entry.portfolio_id), pulse.now)


def _choose(key: str) -> None:
    st.query_params["id"] = st.session_state[key]


def _header(entry: Entry, entries: Sequence[Entry], pulse: cache.Pulse) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(width="content", gap=None):
            st.title(fmt.plain(entry.title))
            st.caption(_subtitle(entry, pulse.now))
        names = {other.portfolio_id: other.name for other in entries}
        if len(names) > 1:
            key = f"choice {entry.portfolio_id}"
            st.selectbox(
                "Portfolio",
                list(names),
                index=list(names).index(entry.portfolio_id),
                key=key,
                width=260,
                format_func=lambda one: f"{names.get(one, one)} ({one})",
                on_change=_choose,
                args=(key,),
            )
    if entry.description:
        st.text(entry.description)
    if pulse.multi_portfolio:
        with st.container(horizontal=True):
            portfolio_forms.copy([], entry.portfolio_id)
            portfolio_forms.rename(entry.portfolio_id, entry.name, entry.description, entry.strategy)
            if not entry.fixed:
                portfolio_forms.archive(entry.portfolio_id, entry.archived_at is not None)
                portfolio_forms.delete(entry)


def _subtitle(entry: Entry, now: datetime) -> str:
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


def position_row(item: Valued, now: datetime) -> tuple[Cell | str, ...]:
    price = Cell(fmt.price(item.position.price), note=fmt.age(item.position.last_updated, now))
    if item.position.price is None:
        price = Cell(fmt.MISSING, "warn", note="no price known")
    watch = "muted" if item.position.quantity == 0 else ""
    return (
        Cell(item.position.symbol, note=item.position.company_name or ""),
        Cell(item.position.sector or fmt.MISSING, "" if item.position.sector else "muted"),
        fmt.count(item.position.quantity),
        fmt.price(item.position.avg_cost),
        price,
        Cell(fmt.money(item.market_value), watch),
        Cell(fmt.percent(item.weight), watch),
        Cell(
            f"{fmt.arrow(item.unrealized_pnl)} {fmt.money(item.unrealized_pnl, signed=True)}".strip(),
            fmt.tone(item.unrealized_pnl) or watch,
        ),
        Cell(fmt.percent(item.return_ratio, signed=True), fmt.tone(item.return_ratio)),
    )


def _searched(item: Valued) -> str:
    held = item.position
    return " ".join(filter(None, (held.symbol, held.company_name, held.sector))).casefold()


def _positions(items: Sequence[Valued], now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox("Sort by", list(SORTS), key="sort", bind="query-params", width=150)
        wanted = st.text_input("Find", key="find", bind="query-params", width=190, placeholder="Symbol, name, sector")
    words = (wanted or "").casefold()
    found = [item for item in items if words in _searched(item)]
    found.sort(key=SORTS[order])
    if not found:
        st.caption(f"No position matches {wanted!r}.")
        return
    shown = found
    if len(found) > PAGE_ROWS:
        page = st.pagination(-(-len(found) // PAGE_ROWS), key="page")
        shown = found[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
        st.caption(f"{len(shown)} of {len(found):,} positions")
    rows = [position_row(item, now) for item in shown]
    st.html(markup.table(COLUMNS, rows, caption="Positions; money in HKD"))


def _allocation(items: Sequence[Valued]) -> None:
    st.subheader("Allocation")
    figure = charts.allocation(items)
    if figure is None:
        st.caption("Nothing held has a price yet.")
        return
    st.plotly_chart(figure, key="allocation", config=charts.CONFIG, alt="Market value by sector and position")
    short = [item.position.symbol for item in items if item.position.quantity < 0]
    if short:
        st.caption(f"Short positions count with their size: {', '.join(short)}.")


def _profit_and_loss(items: Sequence[Valued]) -> None:
    st.subheader("Unrealized P&L per position")
    figure = charts.profit_and_loss(items, preferences.palette())
    if figure is None:
        st.caption("No position has both a quantity and a price.")
        return
    rows, known = charts.shown_bars(items)
    if known > len(rows):
        st.caption(f"The best and the worst {len(rows) // 2} of {known:,}.")
    st.plotly_chart(figure, key="pnl", config=charts.CONFIG, alt="Unrealized P&L per position, in HKD")


def _signals(frame: pd.DataFrame, now: datetime) -> None:
    rows: list[tuple[Cell | str, ...]] = []
    for record in frame.to_dict("records"):
        at = moment(record.get("created_at"))
        rows.append(
            (
                Cell(str(record["symbol"])),
                text(record.get("signal_type")),
                fmt.percent(number(record.get("signal_strength")), decimals=0),
                fmt.price(number(record.get("price"))),
                fmt.count(None) if number(record.get("rsi")) is None else f"{number(record.get('rsi')):.1f}",
                Cell(fmt.moment(at), note=fmt.age(at, now)),
            )
        )
    if not rows:
        st.caption("No signals in this portfolio yet.")
        return
    st.html(markup.table(SIGNAL_COLUMNS, rows, caption="Signals, newest first"))
