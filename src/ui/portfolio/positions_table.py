"""The table of a portfolio's positions: sorted, searched, in pages, each figure with its inputs."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from src.domain.day_change import Move, day
from src.domain.price_age import age_text
from src.domain.valuation import ZERO, Valued, total
from src.text import plural
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Row

PAGE_ROWS = 100
PAGE = "position_page"
Moves = Mapping[str, Move]
COLUMNS = (
    Column("Symbol", "title"),
    Column("Sector"),
    Column("Quantity", "number", "Shares held; below zero is a short position, 0 a symbol that is only watched."),
    Column("Average cost", "number", "HKD per share, as entered or imported."),
    Column("Price", "number", "HKD per share, the last one known, and how many sessions of the exchange ago that was."),
    Column(
        "Day change",
        "number",
        "HKD: (price − close of the session before) × quantity, for a price of the latest session.",
    ),
    Column("Market value", "number", "HKD: price × quantity, to the cent."),
    Column("Weight", "number", "Market value over that of the whole portfolio; short positions count below zero."),
    Column("Unrealized P&L", "number", "HKD: (price − average cost) × quantity, to the cent."),
    Column("P&L %", "number", "Unrealized P&L over the cost, average cost × quantity."),
)
_Order = Callable[[Valued, Move], tuple[bool, Any]]
# Unknown comes last, whichever way a column is sorted.
SORTS: dict[str, _Order] = {
    "Market value": lambda h, m: (h.market_value is None, -abs(h.market_value or ZERO)),
    "Day change": lambda h, m: (m.change is None, -(m.change or ZERO)),
    "Day change, worst first": lambda h, m: (m.change is None, m.change or ZERO),
    "P&L": lambda h, m: (h.unrealized_pnl is None, -(h.unrealized_pnl or ZERO)),
    "P&L, worst first": lambda h, m: (h.unrealized_pnl is None, h.unrealized_pnl or ZERO),
    "P&L %": lambda h, m: (h.return_ratio is None, -(h.return_ratio or ZERO)),
    "Oldest price": lambda h, m: (m.age is None, -(m.age or 0)),
    "Symbol": lambda h, m: (False, h.position.symbol),
    "Sector": lambda h, m: (not h.position.sector, (h.position.sector, h.position.symbol)),
}


def _price(item: Valued, moved: Move) -> Cell:
    price, as_of = item.position.price, moved.quote.as_of
    if price is None:
        return Cell(fmt.MISSING, "warn" if item.position.quantity else "muted", note="no price known")
    why = f"As of {fmt.exchange_time(as_of)}." if as_of is not None else "When it was right is not known."
    if moved.age == 0 and as_of is not None:
        return Cell(fmt.price(price), note=fmt.exchange_time(as_of), why=why)
    return Cell(fmt.price(price), "warn", note=age_text(moved.age), why=why)


def _day_change(item: Valued, moved: Move) -> Cell:
    quote = moved.quote
    if moved.change is None or quote.price is None or quote.previous_close is None:
        why = "Needs a price of the latest session, and the close of the session before."
        return Cell(fmt.MISSING, "muted", why=why)
    each = fmt.percent((quote.price - quote.previous_close) / quote.previous_close, signed=True)
    why = f"({fmt.price(quote.price)} − {fmt.price(quote.previous_close)}) × {fmt.count(item.position.quantity)}"
    return Cell(
        fmt.gain(moved.change),
        fmt.tone(moved.change),
        note=each if item.position.quantity > 0 else f"price {each}",
        why=why,
    )


def _watched(item: Valued, moved: Move) -> Row:
    held = item.position
    blank = Cell(fmt.MISSING, "muted")
    return (
        Cell(held.symbol, note=held.company_name or ""),
        Cell(held.sector or fmt.MISSING, "" if held.sector else "muted"),
        Cell("0", "muted", note="watched"),
        Cell(fmt.price(held.avg_cost), "muted"),
        _price(item, moved),
        *(blank,) * 5,
    )


def position_row(item: Valued, moved: Move) -> Row:
    """The row of one position. `moved`: its move in the latest trading session."""
    held = item.position
    if held.quantity == 0:
        return _watched(item, moved)
    quantity, price = fmt.count(held.quantity), fmt.price(held.price)
    pnl, ratio = item.unrealized_pnl, item.return_ratio
    known = held.price is not None
    return (
        Cell(held.symbol, note=held.company_name or ""),
        Cell(held.sector or fmt.MISSING, "" if held.sector else "muted"),
        quantity,
        fmt.price(held.avg_cost),
        _price(item, moved),
        _day_change(item, moved),
        Cell(fmt.money(item.market_value), why=f"{price} × {quantity}" if known else ""),
        fmt.percent(item.weight),
        Cell(fmt.gain(pnl), fmt.tone(pnl), why=f"({price} − {fmt.price(held.avg_cost)}) × {quantity}" if known else ""),
        Cell(fmt.percent(ratio, signed=True), fmt.tone(ratio)),
    )


def _total(items: Sequence[Valued], moved: Moves, *, whole: bool) -> Row:
    sums, today = total([item.position for item in items]), day(items, moved)
    weights = [item.weight for item in items if item.weight is not None]
    return (
        Cell("Total" if whole else f"These {len(items):,} together"),
        "",
        "",
        "",
        "",
        Cell(fmt.gain(today.change), fmt.tone(today.change), note=fmt.percent(today.ratio, signed=True)),
        fmt.money(sums.market_value),
        fmt.percent(sum(weights, Decimal(0)) if weights else None),
        Cell(fmt.gain(sums.unrealized_pnl), fmt.tone(sums.unrealized_pnl)),
        Cell(fmt.percent(sums.return_ratio, signed=True), fmt.tone(sums.return_ratio)),
    )


def _searched(item: Valued) -> str:
    held = item.position
    return " ".join(filter(None, (held.symbol, held.company_name, held.sector))).casefold()


def show(items: Sequence[Valued], moved: Moves) -> None:
    """Draw the table of positions with its legend."""
    found = _arranged(items, moved) if len(items) > 1 else list(items)
    if not found:
        st.caption("No position matches. Clear the search to see all of them.")
        return
    shown = found[components.page(len(found), PAGE_ROWS, plural(len(found), "position"), PAGE)]
    rows = [position_row(item, moved[item.position.symbol]) for item in shown]
    total_row = _total(found, moved, whole=len(found) == len(items)) if len(found) > 1 else None
    table = markup.table(COLUMNS, rows, caption="Positions; money in HKD", total=total_row)
    st.html(table + markup.legend(COLUMNS))


def _arranged(items: Sequence[Valued], moved: Moves) -> list[Valued]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox(
            "Sort by", list(SORTS), key="sort", bind="query-params", width=165, on_change=components.first_page,
            args=(PAGE,),
        )  # fmt: skip
        wanted = st.text_input(
            "Find",
            key="find",
            bind="query-params",
            width=165,
            placeholder="Symbol, name, sector",
            on_change=components.first_page,
            args=(PAGE,),
        )
    words = (wanted or "").strip().casefold()
    found = [item for item in items if words in _searched(item)]
    key = SORTS[order]
    return sorted(found, key=lambda item: key(item, moved[item.position.symbol]))
