"""What will change before it is saved: each edit in words and figures, and what they come to together."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import streamlit as st

from src.domain.analytics.trading import lot_warning, tick_warning
from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position
from src.domain.revisions import RevisedPosition
from src.domain.valuation import ZERO, Totals, cost_basis, market_value, total, unrealized_pnl
from src.market import facts
from src.market.calendar import HONG_KONG
from src.text import plural
from src.ui.portfolio.editor_state import FIELDS, LABELS, changed_fields, positions_after
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

NAMES = dict(zip(FIELDS, LABELS[1:], strict=True))
ORDER = ("quantity", "avg_cost", "price", "company_name", "sector")
COLUMNS = (
    Column("Symbol", "title"),
    Column("What", "wide"),
    Column("Cost", "number"),
    Column("Market value", "number"),
    Column("Unrealized P&L", "number"),
)
EFFECT = (Column("HKD", "title"), Column("Now", "number"), Column("Then", "number"), Column("Difference", "number"))
PAGE_ROWS = 100
PAGE = "review_page"
PRICE_NOTE = "A price is the market's: where one changes, it changes in every portfolio that has the symbol."


def kind(before: PositionValues | None, after: PositionValues | None) -> str:
    """Whether an edit adds, changes or removes its position."""
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def shown(field: str, row: PositionValues | None) -> str:
    """One value of a position as pages show it."""
    if row is None:
        return fmt.MISSING
    if field == "quantity":
        return fmt.count(row.quantity)
    if field == "avg_cost":
        return fmt.price(row.avg_cost)
    if field == "price":
        return fmt.price(row.price)
    return (row.company_name if field == "company_name" else row.sector) or fmt.MISSING


def in_words(before: PositionValues | None, after: PositionValues | None) -> str:
    """`Quantity 3,100 → 3,200`, or what was added or removed."""
    if before is not None and after is not None:
        changed = sorted(changed_fields(before, after), key=ORDER.index)
        return ", ".join(f"{NAMES[name]} {shown(name, before)} → {shown(name, after)}" for name in changed)
    row = after or before
    price = "" if row is None or row.price is None else f", price {fmt.price(row.price)}"
    return f"{kind(before, after)}: {shown('quantity', row)} at {shown('avg_cost', row)}{price}"


def summary(edits: Sequence[Edit | RevisedPosition]) -> str:
    """2 changed, 1 added, 1 removed."""
    kinds = [kind(edit.before, edit.after) for edit in edits]
    return ", ".join(f"{kinds.count(one):,} {one}" for one in ("changed", "added", "removed") if one in kinds)


def _position(symbol: str, row: PositionValues | None) -> Position:
    return Position(symbol, row.quantity, row.avg_cost, row.price) if row else Position(symbol, 0, ZERO, None)


def _worth(position: Position) -> Decimal | None:
    return ZERO if position.quantity == 0 else market_value(position)


def _gain(position: Position) -> Decimal | None:
    return ZERO if position.quantity == 0 else unrealized_pnl(position)


def _moved(before: Decimal | None, after: Decimal | None, *, gain: bool = False) -> Cell:
    """The difference; what has no price before or after has none."""
    moved = None if before is None or after is None else after - before
    if gain and moved:
        return Cell(f"{fmt.arrow(moved)} {fmt.money(moved, signed=True)}", fmt.tone(moved))
    return Cell(fmt.money(moved, signed=True), "" if moved else "muted")


def warnings(edit: Edit) -> list[str]:
    """What the exchange would object to, were the edit traded today: odd lots, and a price between two ticks."""
    rules = facts.rules(datetime.now(HONG_KONG).date())
    before, after = edit.before, edit.after
    found = []
    traded = (after.quantity if after else 0) - (before.quantity if before else 0)
    if traded:
        found.append(lot_warning(traded, rules.lot(edit.symbol)))
    price = after.price if after else None
    if price is not None and price != (before.price if before else None):
        found.append(tick_warning(price, rules.ticks_of(edit.symbol)))
    return [warning for warning in found if warning]


def changes(edits: Sequence[Edit], notes: Mapping[str, Sequence[str]] | None = None) -> str:
    """A table of the edits with their effect on cost, market value and P&L. `notes`: warnings by symbol."""
    rows: list[tuple[Cell | str, ...]] = []
    for edit in edits:
        old, new = _position(edit.symbol, edit.before), _position(edit.symbol, edit.after)
        row = edit.after or edit.before
        remarks = [*warnings(edit), *(notes or {}).get(edit.symbol, ())]
        if edit.after is None:
            remarks.append("Its signals go with it; undoing brings them back.")
        rows.append(
            (
                Cell(edit.symbol, note=(row.company_name if row else None) or ""),
                Cell(in_words(edit.before, edit.after), note=" ".join(remarks)),
                _moved(cost_basis(old), cost_basis(new)),
                _moved(_worth(old), _worth(new)),
                _moved(_gain(old), _gain(new), gain=True),
            )
        )
    return markup.table(COLUMNS, rows, caption="What will change, and by how much; money in HKD")


def effect(before: Totals, after: Totals) -> str:
    """The portfolio's cost, market value and P&L now and then."""
    figures = (
        ("Cost", before.cost_basis, after.cost_basis),
        ("Market value", before.market_value, after.market_value),
        ("Unrealized P&L", before.unrealized_pnl, after.unrealized_pnl),
    )
    rows = []
    for label, now, then in figures:
        rows.append((label, fmt.money(now), fmt.money(then), _moved(now, then, gain=label == "Unrealized P&L")))
    table = markup.table(EFFECT, rows, caption="The portfolio now, and with these changes; HKD", stack=False)
    if before.complete and after.complete:
        return table
    return f'{table}<div class="hk-note">Market value and P&amp;L are of the positions that have a price.</div>'


def errors(rows: Sequence[tuple[int, str, str]]) -> str:
    """Rows that cannot be taken: number, what stands in it, and why."""
    columns = (Column("Row", "title"), Column("What stands there"), Column("Why not", "wide"))
    cells = [(Cell(f"{number:,}"), Cell(text[:60], "muted"), Cell(reason, "bad")) for number, text, reason in rows]
    return markup.table(columns, cells, caption="Rows that cannot be taken")


def show(
    edits: Sequence[Edit], positions: Sequence[Position], notes: Mapping[str, Sequence[str]] | None = None
) -> None:
    """What will change in a portfolio that holds `positions`, and what that comes to. Long lists come in pages."""
    st.subheader("What will change")
    listed = f"{plural(len(edits), 'change')}; the figures below are of all"
    st.html(changes(edits[components.page(len(edits), PAGE_ROWS, listed, PAGE)], notes))
    st.html(effect(total(positions), total(positions_after(positions, edits))))
    if changes_price(edits):
        st.caption(PRICE_NOTE)


def changes_price(edits: Sequence[Edit]) -> bool:
    """Whether a price changes that other portfolios may have too."""
    return any(
        edit.after is not None and edit.after.price != (edit.before.price if edit.before else None) for edit in edits
    )
