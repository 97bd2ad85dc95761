"""What two portfolios hold, line by line; overlap, active share and sectors."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import streamlit as st

from src.domain.analytics.comparison import ComparedSymbol, Comparison, HeldBy
from src.domain.valuation import ZERO
from src.text import plural
from src.ui.comparison import charts as comparison_charts
from src.ui.comparison.figures import points
from src.ui.reads.valued import Side
from src.ui.widgets import charts, components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Figure

PAGE_ROWS = 100
PAGE = "held_page"
HELD: dict[str, Callable[[ComparedSymbol], bool]] = {
    "All": lambda line: True,
    "Only left": lambda line: line.held_by is HeldBy.LEFT,
    "Only right": lambda line: line.held_by is HeldBy.RIGHT,
    "Both": lambda line: line.held_by is HeldBy.BOTH,
    "Different": lambda line: bool(line.difference.quantity or line.difference.cost),
}


def show(found: Comparison, left: Side, right: Side) -> None:
    """The section, with its own heading."""
    st.html(_headline(found))
    if not found.lines:
        st.caption("Neither of them holds anything.")
        return
    wanted = st.segmented_control(
        "Held by",
        list(HELD),
        default="All",
        required=True,
        key="held",
        bind="query-params",
        label_visibility="collapsed",
        on_change=components.first_page,
        args=(PAGE,),
    )
    lines = sorted(filter(HELD[wanted], found.lines), key=_weight_of_difference)
    if not lines:
        st.caption(fmt.plain(_none(wanted, left, right)))
        return
    ordered = f"{plural(len(lines), 'symbol')}, the largest difference in weight first"
    shown = lines[components.page(len(lines), PAGE_ROWS, ordered, PAGE)]
    columns = (
        Column("Symbol", "title"),
        Column("Held by"),
        *(Column(f"{what}, {one}", "number") for what in ("Quantity", "Weight") for one in ("left", "right")),
        Column("Difference in weight", "number"),
        *(Column(f"P&L, {one}", "number") for one in ("left", "right")),
        Column("Difference in P&L", "number"),
    )
    rows = [_row(line, left, right) for line in shown]
    st.html(markup.table(columns, rows, caption=f"Holdings of {left.name} (left) and {right.name} (right); HKD"))


def sectors(found: Comparison, left: Side, right: Side) -> None:
    """Draw a chart of the weights of both sides by sector."""
    figure = comparison_charts.sectors(found.sectors, left.name, right.name)
    if figure is None:
        st.caption("Nothing held has a price yet.")
        return
    st.plotly_chart(figure, key="sectors", config=charts.CONFIG, alt="Weight of each sector in both portfolios")


def _headline(found: Comparison) -> str:
    counts = {held_by: sum(line.held_by is held_by for line in found.lines) for held_by in HeldBy}
    return markup.figures(
        (
            Figure("Overlap", fmt.percent(found.overlap, decimals=1), "of the value lies in the same shares"),
            Figure("Active share", fmt.percent(found.active_share, decimals=1), "½ Σ |difference in weight|"),
            Figure("Held by both", fmt.count(counts[HeldBy.BOTH]), _alike(found.lines)),
            Figure("Only on the left", fmt.count(counts[HeldBy.LEFT])),
            Figure("Only on the right", fmt.count(counts[HeldBy.RIGHT])),
        )
    )


def _alike(lines: Sequence[ComparedSymbol]) -> str:
    same = sum(line.held_by is HeldBy.BOTH and not HELD["Different"](line) for line in lines)
    return f"{same:,} of them alike in quantity and cost"


def _weight_of_difference(line: ComparedSymbol) -> tuple[bool, Decimal, str]:
    weight = line.difference.weight
    return weight is None, -abs(weight or ZERO), line.symbol


def _none(wanted: str, left: Side, right: Side) -> str:
    return {
        "Only left": f"Nothing is held by {left.name} alone.",
        "Only right": f"Nothing is held by {right.name} alone.",
        "Both": "Nothing is held by both.",
        "Different": "Both hold the same quantities at the same cost.",
    }[wanted]


def _row(line: ComparedSymbol, left: Side, right: Side) -> tuple[Cell | str, ...]:
    held_by = {HeldBy.LEFT: left.name, HeldBy.RIGHT: right.name, HeldBy.BOTH: "both"}[line.held_by]
    pnl = line.difference.pnl
    return (
        Cell(line.symbol, note=line.company_name or ""),
        Cell(held_by, "muted" if line.held_by is HeldBy.BOTH else ""),
        *(_quantity(figures.quantity) for figures in (line.left, line.right)),
        *(_held(fmt.percent(figures.weight), figures.quantity) for figures in (line.left, line.right)),
        points(line.difference.weight),
        *(_pnl(figures.pnl, figures.quantity) for figures in (line.left, line.right)),
        Cell(fmt.gain(pnl), fmt.tone(pnl)),
    )


def _quantity(value: int) -> Cell:
    return Cell(fmt.count(value), "" if value else "muted")


def _held(text: str, quantity: int) -> Cell:
    """What is not held is drawn quietly."""
    return Cell(text, "" if quantity else "muted")


def _pnl(value: Decimal | None, quantity: int) -> Cell:
    return Cell(fmt.gain(value), fmt.tone(value)) if quantity else Cell(fmt.money(value), "muted")
