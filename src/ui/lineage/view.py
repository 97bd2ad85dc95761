"""A copy and its parent: what was changed since, what each change is worth, and what its trades would cost."""

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from src.domain.analytics.attribution import Attribution, Change, ChangeKind, LineageSide, Stake, attribute
from src.domain.analytics.trading import WhatIf
from src.domain.overview import PortfolioEntry
from src.domain.valuation import ZERO
from src.text import plural
from src.ui.lineage import actions
from src.ui.lineage import pair as lineage_pair
from src.ui.lineage import trades as lineage_trades
from src.ui.lineage.pair import Pair
from src.ui.reads import queries
from src.ui.widgets import components, links, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Figure

PAGE_ROWS = 50
COLUMNS = (
    Column("Symbol", "title"),
    Column("Changed in"),
    Column("Change"),
    Column("Before", "number"),
    Column("After", "number"),
    Column(
        "Part of the P&L difference",
        "number",
        "P&L after the change less P&L before it, at the current price, HKD to the cent; changes of the parent count "
        "the other way round. Where quantity and cost changed both, the quantity comes first, at the old cost.",
    ),
)
KINDS = {
    ChangeKind.ADDED: "added",
    ChangeKind.REMOVED: "removed",
    ChangeKind.QUANTITY: "quantity",
    ChangeKind.COST: "average cost",
}


def show(entry: PortfolioEntry, entries: Sequence[PortfolioEntry], live: queries.LiveState) -> None:
    """The section of a copy's page; nothing for a portfolio that is no copy."""
    if not entry.copied_from or not live.multi_portfolio:
        return
    st.subheader(f"A copy of {fmt.plain(entry.copied_from)}")
    parent = next((one for one in entries if one.portfolio_id == entry.copied_from), None)
    if parent is None:
        st.caption(
            f"{fmt.plain(entry.copied_from)}, which it was copied from, is not there any more: there is nothing to "
            "hold it against."
        )
        return
    pair = lineage_pair.load(entry, parent)
    st.page_link(
        links.PAGE,
        label=fmt.plain(f"Compare {parent.portfolio_id} and {entry.portfolio_id} side by side"),
        icon=":material/compare_arrows:",
        query_params={"left": parent.portfolio_id, "right": entry.portfolio_id},
    )
    changes(pair)
    actions.show(pair)


def changes(pair: Pair) -> None:
    """What was changed on both sides, what each change is worth, and the trades that lead from parent to copy."""
    found = attribute(pair.base, pair.parent_now, pair.now)
    trades = lineage_trades.trades(pair)
    st.html(_headline(found, pair, trades))
    if not found.base_kept:
        st.caption(
            f"The positions of {fmt.plain(pair.parent.portfolio_id)} at the time of the copy were not kept: those of "
            "today stand for them, and every difference counts as a change of the copy."
        )
    if not found.changes:
        st.caption(f"Nothing was changed on either side since {_when(pair)}.")
        return
    st.markdown(f"**What was changed since {_when(pair)}**")
    _table(found, pair)
    if found.unpriced:
        st.caption(f"No price is known of {', '.join(found.unpriced)}: these changes are not in the sum.")
    lineage_trades.show(trades, pair)


def to_actions(pair: Pair) -> None:
    """Where a change is carried over: on the copy's own page."""
    st.page_link(
        components.PORTFOLIO_PAGE,
        label=f"Apply to the parent, or take a fresh copy: on the page of {fmt.plain(pair.copy.portfolio_id)}",
        icon=":material/arrow_forward:",
        query_params={"id": pair.copy.portfolio_id},
    )


def _when(pair: Pair) -> str:
    return fmt.moment(pair.taken_at) if pair.taken_at else "the copy was taken"


def _headline(found: Attribution, pair: Pair, trades: WhatIf) -> str:
    parts = {side: _sum(found, side) for side in LineageSide}
    return markup.figures(
        (
            Figure(f"P&L of {pair.copy.portfolio_id}", fmt.money(found.copy_pnl, signed=True), unit="HKD"),
            Figure(f"P&L of {pair.parent.portfolio_id}", fmt.money(found.parent_pnl, signed=True), unit="HKD"),
            Figure(
                "Difference",
                fmt.gain(found.difference),
                f"{fmt.money(parts[LineageSide.COPY], signed=True)} by changes of the copy, "
                f"{fmt.money(parts[LineageSide.PARENT], signed=True)} of the parent",
                fmt.tone(found.difference),
                unit="HKD",
            ),
            lineage_trades.figure(trades),
        )
    )


def _sum(found: Attribution, side: LineageSide) -> Decimal:
    return sum((one.part for one in found.changes if one.side is side and one.part is not None), ZERO)


def _table(found: Attribution, pair: Pair) -> None:
    ordered = sorted(found.changes, key=lambda one: (one.part is None, -abs(one.part or ZERO), one.symbol, one.side))
    listed = f"{plural(len(ordered), 'change')}, the largest part first"
    shown = ordered[components.page(len(ordered), PAGE_ROWS, listed, "changes_page")]
    drawn = [_row(one, pair) for one in shown]
    whole = Cell(fmt.gain(found.difference), fmt.tone(found.difference))
    total = (Cell(f"All {plural(len(ordered), 'change')}"), "", "", "", "", whole)
    caption = "Changes since the copy, and their parts of the P&L difference; HKD"
    st.html(markup.table(COLUMNS, drawn, caption=caption, total=total) + markup.legend(COLUMNS))


def _row(one: Change, pair: Pair) -> tuple[Cell | str, ...]:
    side = pair.copy if one.side is LineageSide.COPY else pair.parent
    return (
        Cell(one.symbol, note=one.company_name or ""),
        Cell(side.portfolio_id, note=one.side),
        KINDS[one.kind],
        _stake(one.before, one.kind),
        _stake(one.after, one.kind),
        Cell(fmt.gain(one.part), fmt.tone(one.part))
        if one.part is not None
        else Cell(fmt.MISSING, "warn", note="no price"),
    )


def _stake(stake: Stake | None, kind: ChangeKind) -> Cell | str:
    """What the change is about comes first."""
    if stake is None:
        return Cell(fmt.MISSING, "muted")
    cost = fmt.price(stake.avg_cost)
    if kind is ChangeKind.COST:
        return Cell(cost, note=plural(stake.quantity, "share"))
    return Cell(fmt.count(stake.quantity), note=f"at {cost}")
