"""The list of portfolios with their figures, and the totals over all of them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from src.domain.valuation import Totals, combined
from src.ui import cache, markup, portfolio_forms
from src.ui import format as fmt
from src.ui.markup import Cell, Column, Figure
from src.ui.rows import moment, text, totals

V1_NOTE = (
    "This is a v1 database: one portfolio, DEFAULT. Phase 1 (on System Status) would add more of them, copies for "
    "trying a strategy, and a strategy to group them by, while v1 clients go on working."
)


@dataclass(frozen=True)
class Entry:
    """A portfolio and what it is worth."""

    portfolio_id: str
    name: str
    description: str
    strategy: str
    copied_from: str
    copied_at: datetime | None
    archived_at: datetime | None
    updated_at: datetime | None
    totals: Totals

    @property
    def url(self) -> str:
        return f"portfolio?{urlencode({'id': self.portfolio_id})}"


def entry(row: Mapping[Hashable, Any]) -> Entry:
    """From a row of DatabaseManager.get_portfolios."""
    return Entry(
        portfolio_id=str(row["portfolio_id"]),
        name=text(row["name"]),
        description=text(row["description"]),
        strategy=text(row["strategy"]),
        copied_from=text(row["copied_from"]),
        copied_at=moment(row["copied_at"]),
        archived_at=moment(row["archived_at"]),
        updated_at=moment(row["updated_at"]),
        totals=totals(row),
    )


def load(pulse: cache.Pulse) -> tuple[Entry, ...]:
    return tuple(entry(row) for row in cache.portfolios(pulse.token).to_dict("records"))


SORTS: dict[str, Callable[[Entry], tuple[bool, Any]]] = {
    "Market value": lambda e: (e.totals.market_value is None, -(e.totals.market_value or 0)),
    "P&L": lambda e: (e.totals.unrealized_pnl is None, -(e.totals.unrealized_pnl or 0)),
    "P&L %": lambda e: (e.totals.return_ratio is None, -(e.totals.return_ratio or 0)),
    "Name": lambda e: (False, e.name.casefold()),
    "Strategy": lambda e: (not e.strategy, (e.strategy.casefold(), e.name.casefold())),
    "Last change": lambda e: (e.updated_at is None, -(e.updated_at.timestamp() if e.updated_at else 0)),
}
COLUMNS = (
    Column("Portfolio", "title"),
    Column("Strategy"),
    Column("Positions", "number"),
    Column("Market value", "number"),
    Column("Unrealized P&L", "number"),
    Column("P&L %", "number"),
    Column("Priced", "number"),
    Column("Last change", "number"),
)


def priced(sums: Totals) -> Cell:
    """How much of what is held has a price."""
    if not sums.held_count:
        return Cell(fmt.MISSING, "muted")
    if sums.complete:
        return Cell("100%")
    return Cell(fmt.percent(sums.coverage, decimals=0), "warn", note=f"{sums.priced_count} of {sums.held_count}")


def row(entry: Entry, now: datetime) -> tuple[Cell | str, ...]:
    sums = entry.totals
    note = entry.portfolio_id
    if entry.copied_from:
        note += f" · copy of {entry.copied_from}"
    if entry.archived_at:
        note += " · archived"
    return (
        Cell(entry.name or entry.portfolio_id, href=entry.url, note=note),
        Cell(entry.strategy or fmt.MISSING, "" if entry.strategy else "muted"),
        fmt.count(sums.position_count),
        fmt.money(sums.market_value),
        Cell(
            f"{fmt.arrow(sums.unrealized_pnl)} {fmt.money(sums.unrealized_pnl, signed=True)}".strip(),
            fmt.tone(sums.unrealized_pnl),
        ),
        Cell(fmt.percent(sums.return_ratio, signed=True), fmt.tone(sums.return_ratio)),
        priced(sums),
        Cell(fmt.age(entry.updated_at, now), "muted"),
    )


def headline(sums: Totals, *extra: Figure) -> str:
    """The strip of figures above a list or a portfolio."""
    coverage = "all of what is held is priced"
    if not sums.complete:
        share = fmt.percent(sums.coverage, decimals=0)
        coverage = f"{sums.priced_count} of {sums.held_count} positions priced ({share} by cost)"
    return markup.figures(
        (
            Figure("Market value", fmt.money(sums.market_value), coverage if sums.held_count else "", unit="HKD"),
            Figure("Cost", fmt.money(sums.cost_basis), f"{fmt.plural(sums.held_count, 'position')} held", unit="HKD"),
            Figure(
                "Unrealized P&L",
                f"{fmt.arrow(sums.unrealized_pnl)} {fmt.money(sums.unrealized_pnl, signed=True)}".strip(),
                "" if sums.complete else "of the priced positions",
                fmt.tone(sums.unrealized_pnl),
                unit="HKD",
            ),
            Figure("Return on cost", fmt.percent(sums.return_ratio, signed=True), tone=fmt.tone(sums.return_ratio)),
            *extra,
        )
    )


def show(items: Sequence[Entry], pulse: cache.Pulse) -> None:
    active = [entry for entry in items if entry.archived_at is None]
    archived = len(items) - len(active)
    st.html(headline(combined([one.totals for one in active]), Figure("Portfolios", fmt.count(len(active)))))
    if not pulse.multi_portfolio:
        st.info(V1_NOTE, icon=":material/info:")
    else:
        portfolio_forms.list_actions([(entry.portfolio_id, entry.name) for entry in active])
    shown = list(items) if archived and _with_archived(archived) else active
    if len(shown) > 1:
        shown = _arranged(shown)
    if not shown:
        st.caption("No portfolio here.")
        return
    st.html(
        markup.table(
            COLUMNS, [row(entry, pulse.now) for entry in shown], caption="Portfolios and their figures; money in HKD"
        )
    )


def _with_archived(number: int) -> bool:
    return st.toggle(f"Show {fmt.plural(number, 'archived portfolio')}", key="archived", bind="query-params")


def _arranged(items: Sequence[Entry]) -> list[Entry]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox("Sort by", list(SORTS), key="order", bind="query-params", width=150)
        wanted = st.text_input(
            "Search", key="search", bind="query-params", width=190, placeholder="Name, id or strategy"
        )
    words = (wanted or "").casefold()
    found = [entry for entry in items if words in f"{entry.name} {entry.portfolio_id} {entry.strategy}".casefold()]
    return sorted(found, key=SORTS[order])
