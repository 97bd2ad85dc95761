"""Plotly figures. Colour is never alone: every mark carries its sign or its share as text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape

import plotly.graph_objects as go

from src.domain.valuation import Valued
from src.ui.widgets import format as fmt
from src.ui.widgets.preferences import Palette

FRAME = "#3d4c5a"
NO_SECTOR = "No sector"
# Calm neighbours of the accent colour, readable with white text in both themes.
SECTORS = ("#0b5cad", "#3b7f86", "#7a5ea8", "#a3653a", "#5b6f80", "#8a4b6b", "#4f7a46", "#7d6a2f")
MOST_BARS = 24
MOST_TILES = 120
CONFIG = {"displayModeBar": False, "responsive": True}


def _plain(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 4, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
    )
    return figure


@dataclass
class _Tree:
    """The columns of a treemap, tile by tile."""

    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    hovers: list[str] = field(default_factory=list)

    def add(self, name: str, label: str, parent: str, value: Decimal, colour: str, share: str, hover: str) -> None:
        self.ids.append(name)
        self.labels.append(label)
        self.parents.append(parent)
        self.values.append(float(value))
        self.colours.append(colour)
        self.shares.append(share)
        self.hovers.append(hover)


def _tree(held: Sequence[tuple[Valued, Decimal]]) -> _Tree:
    whole = sum((value for _, value in held), Decimal(0))
    sectors: dict[str, Decimal] = {}
    for item, value in held:
        name = item.position.sector or NO_SECTOR
        sectors[name] = sectors.get(name, Decimal(0)) + value
    order = sorted(sectors, key=lambda name: sectors[name], reverse=True)
    colour = {name: SECTORS[place % len(SECTORS)] for place, name in enumerate(order)}
    tree = _Tree()
    tree.add("all", f"HKD {fmt.money(whole)}", "", whole, FRAME, "", "All that is priced")
    for name in order:
        share = fmt.percent(sectors[name] / whole, decimals=1)
        hover = f"{escape(name)}<br>HKD {fmt.money(sectors[name])}"
        tree.add(f"sector {name}", f"{escape(name)}  {share}", "all", sectors[name], colour[name], "", hover)
    largest = sorted(held, key=lambda pair: pair[1], reverse=True)
    for item, value in largest[:MOST_TILES]:
        name = item.position.sector or NO_SECTOR
        share = fmt.percent(value / whole, decimals=1)
        hover = f"{_named(item)}<br>HKD {fmt.money(item.market_value)}, {share}<br>{_gain(item)}"
        tree.add(
            f"position {item.position.symbol}",
            item.position.symbol,
            f"sector {name}",
            value,
            colour[name],
            share,
            hover,
        )
    for name in order:
        rest = [value for item, value in largest[MOST_TILES:] if (item.position.sector or NO_SECTOR) == name]
        if rest:
            value = sum(rest, Decimal(0))
            share = fmt.percent(value / whole, decimals=1)
            hover = f"The smaller {len(rest):,}<br>HKD {fmt.money(value)}, {share}"
            tree.add(f"rest {name}", f"{len(rest):,} more", f"sector {name}", value, colour[name], share, hover)
    return tree


def _named(item: Valued) -> str:
    return escape(f"{item.position.symbol} {item.position.company_name or ''}".strip())


def _gain(item: Valued) -> str:
    return f"P&amp;L HKD {fmt.money(item.unrealized_pnl, signed=True)} ({fmt.percent(item.return_ratio, signed=True)})"


def allocation(items: Sequence[Valued]) -> go.Figure | None:
    """A treemap of market value by sector, then position; None where nothing held has a price.

    Short positions count with the size of their market value.
    """
    held = [(item, abs(item.market_value)) for item in items if item.market_value]
    if not held:
        return None
    tree = _tree(held)
    tiles = go.Treemap(
        ids=tree.ids,
        labels=tree.labels,
        parents=tree.parents,
        values=tree.values,
        branchvalues="total",
        text=tree.shares,
        textinfo="label+text",
        customdata=tree.hovers,
        hovertemplate="%{customdata}<extra></extra>",
        marker={
            "colors": tree.colours,
            "line": {"width": 1, "color": "rgba(255,255,255,.45)"},
            "pad": {"t": 22, "l": 2, "r": 2, "b": 2},
        },
        textfont={"color": "#ffffff", "size": 13},
        pathbar={"visible": False},
        tiling={"packing": "squarify"},
    )
    return _plain(go.Figure(tiles), 340)


def shown_bars(items: Sequence[Valued]) -> tuple[list[Valued], int]:
    """The positions whose P&L is drawn (best first), and how many there are with one."""
    known = sorted(
        (item for item in items if item.position.quantity and item.unrealized_pnl is not None),
        key=lambda i: i.unrealized_pnl or 0,
    )
    known.reverse()
    if len(known) <= MOST_BARS:
        return known, len(known)
    half = MOST_BARS // 2
    return known[:half] + known[-half:], len(known)


def profit_and_loss(items: Sequence[Valued], palette: Palette) -> go.Figure | None:
    """Bars of unrealized P&L per position, best on top."""
    rows, _ = shown_bars(items)
    if not rows:
        return None
    pnl = [row.unrealized_pnl or Decimal(0) for row in rows]
    figure = go.Figure(
        go.Bar(
            x=[float(value) for value in pnl],
            y=[row.position.symbol for row in rows],
            orientation="h",
            marker={"color": [palette.of(value) for value in pnl]},
            text=[f"{fmt.arrow(value)} {fmt.money_short(value, signed=True)}".strip() for value in pnl],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 12},
            customdata=[f"{_named(row)}<br>{_gain(row)}" for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    reach = [float(value) for value in pnl] + [0.0]
    room = (max(reach) - min(reach)) * 0.28 or 1.0
    figure.update_yaxes(autorange="reversed", type="category", ticks="", showgrid=False)
    figure.update_xaxes(
        range=[min(reach) - (room if min(reach) < 0 else 0), max(reach) + (room if max(reach) > 0 else 0)],
        zeroline=True,
        zerolinewidth=1,
        tickformat="~s",
        showgrid=True,
        nticks=5,
        fixedrange=True,
    )
    figure.update_layout(bargap=0.35, dragmode=False)
    return _plain(figure, max(160, 26 * len(rows) + 40))
