"""Plotly figures. Colour is never alone: every mark carries its sign or its share as text."""

from collections.abc import Sequence
from decimal import Decimal

import plotly.graph_objects as go

from src.ui import format as fmt
from src.ui.holdings import Holding

UP = "#1f9d66"
DOWN = "#d8475a"
FLAT = "#7c8a97"
FRAME = "#3d4c5a"
# Calm neighbours of the accent colour, readable with white text in both themes.
SECTORS = ("#0b5cad", "#3b7f86", "#7a5ea8", "#a3653a", "#5b6f80", "#8a4b6b", "#4f7a46", "#7d6a2f")
MOST_BARS = 24
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


def allocation(items: Sequence[Holding]) -> go.Figure | None:
    """A treemap of market value by sector, then position; None where nothing held has a price.

    Short positions count with the size of their market value.
    """
    held = [(item, abs(item.market_value)) for item in items if item.market_value]
    if not held:
        return None
    whole = sum((value for _, value in held), Decimal(0))
    sectors: dict[str, Decimal] = {}
    for item, value in held:
        name = item.sector or "No sector"
        sectors[name] = sectors.get(name, Decimal(0)) + value
    order = sorted(sectors, key=lambda name: sectors[name], reverse=True)
    ids, labels, parents, values, colours, texts, hovers = ["all"], [""], [""], [float(whole)], [FRAME], [""], [""]
    labels[0] = f"HKD {fmt.money(whole)}"
    hovers[0] = f"All that is priced<br>HKD {fmt.money(whole)}"
    for place, name in enumerate(order):
        ids.append(f"sector {name}")
        labels.append(f"{name}  {fmt.percent(sectors[name] / whole, decimals=1)}")
        parents.append("all")
        values.append(float(sectors[name]))
        colours.append(SECTORS[place % len(SECTORS)])
        texts.append("")
        hovers.append(f"{name}<br>HKD {fmt.money(sectors[name])}")
    for item, value in held:
        name = item.sector or "No sector"
        ids.append(f"position {item.symbol}")
        labels.append(item.symbol)
        parents.append(f"sector {name}")
        values.append(float(value))
        colours.append(SECTORS[order.index(name) % len(SECTORS)])
        texts.append(fmt.percent(value / whole, decimals=1))
        hovers.append(
            f"{item.symbol} {item.name}<br>HKD {fmt.money(item.market_value)}, {fmt.percent(value / whole)}"
            f"<br>P&L {fmt.money(item.pnl, signed=True)} ({fmt.percent(item.pnl_share, signed=True)})"
        )
    figure = go.Figure(
        go.Treemap(
            ids=ids,
            labels=labels,
            parents=parents,
            values=values,
            branchvalues="total",
            text=texts,
            textinfo="label+text",
            customdata=hovers,
            hovertemplate="%{customdata}<extra></extra>",
            marker={
                "colors": colours,
                "line": {"width": 1, "color": "rgba(255,255,255,.45)"},
                "pad": {"t": 22, "l": 2, "r": 2, "b": 2},
            },
            textfont={"color": "#ffffff", "size": 13},
            pathbar={"visible": False},
            tiling={"packing": "squarify"},
        )
    )
    return _plain(figure, 340)


def shown_bars(items: Sequence[Holding]) -> tuple[list[Holding], int]:
    """The positions whose P&L is drawn (best first), and how many there are with one."""
    known = sorted((item for item in items if item.quantity and item.pnl is not None), key=lambda i: i.pnl or 0)
    known.reverse()
    if len(known) <= MOST_BARS:
        return known, len(known)
    half = MOST_BARS // 2
    return known[:half] + known[-half:], len(known)


def profit_and_loss(items: Sequence[Holding]) -> go.Figure | None:
    """Bars of unrealized P&L per position, best on top."""
    rows, _ = shown_bars(items)
    if not rows:
        return None
    pnl = [row.pnl or Decimal(0) for row in rows]
    figure = go.Figure(
        go.Bar(
            x=[float(value) for value in pnl],
            y=[row.symbol for row in rows],
            orientation="h",
            marker={"color": [UP if value > 0 else DOWN if value < 0 else FLAT for value in pnl]},
            text=[f"{fmt.arrow(value)} {fmt.money_short(value, signed=True)}".strip() for value in pnl],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 12},
            customdata=[
                f"{row.symbol} {row.name}<br>P&L HKD {fmt.money(row.pnl, signed=True)} "
                f"({fmt.percent(row.pnl_share, signed=True)})"
                for row in rows
            ],
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
