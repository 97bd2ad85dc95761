"""Figures of the Comparison page. Colour is never alone: every line and bar carries its name or its share as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import plotly.graph_objects as go

from src.domain.analytics.comparison import Sector
from src.ui.widgets import format as fmt

LEFT, RIGHT = "#2f7fd1", "#d9822b"
MORE = ("#7a5ea8", "#3b9a8f", "#b5567d", "#8a8f2e", "#a3653a", "#5b6f80")
BENCHMARK = "#8593a0"
NO_SECTOR = "No sector"
# Lines that end closer together than this share of the whole range get their names moved apart.
_NAME_ROOM = 0.062


@dataclass(frozen=True)
class Curve:
    """`values`: an index by date, 100 on the first. `dash`: plotly's name of the line's style."""

    name: str
    values: pd.Series
    colour: str
    dash: str = "solid"


def colours(further: int) -> tuple[str, ...]:
    """Of the left, the right and the further portfolios."""
    return (LEFT, RIGHT, *(MORE[place % len(MORE)] for place in range(further)))


def curves(items: Sequence[Curve]) -> go.Figure:
    """Lines over time, each with its name at its end."""
    ends = [float(item.values.iloc[-1]) for item in items]
    names = [
        {
            "x": 1.0, "xref": "paper", "xanchor": "left", "xshift": 6, "y": height, "showarrow": False,
            "text": f"{escape(_short(item.name))} {end:.1f}", "font": {"color": item.colour, "size": 12},
        }
        for item, end, height in zip(items, ends, _apart(ends, items), strict=True)
    ]  # fmt: skip
    start = {
        "type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 100, "y1": 100, "opacity": 0.5,
        "line": {"color": BENCHMARK, "width": 1},
    }  # fmt: skip
    return _figure(
        [
            {
                "type": "scatter", "mode": "lines", "name": escape(item.name),
                "x": item.values.index, "y": item.values.to_numpy(),
                "line": {"color": item.colour, "width": 1.6 if item.dash == "dot" else 2.2, "dash": item.dash},
                "hovertemplate": "%{y:.2f}",
            }
            for item in items
        ],
        height=340,
        margin={"l": 0, "r": 104, "t": 8, "b": 0},
        showlegend=False,
        hovermode="x unified",
        xaxis={"fixedrange": True, "showgrid": False, "hoverformat": "%Y-%m-%d"},
        yaxis={"fixedrange": True, "nticks": 6, "tickformat": ".0f", "zeroline": False},
        annotations=names,
        shapes=[start],
    )  # fmt: skip


def _figure(data: Sequence[Mapping[str, object]], **layout: object) -> go.Figure:
    """Made at once: changing a figure bit by bit takes plotly several times as long."""
    quiet = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False}
    return go.Figure({"data": data, "layout": {**quiet, **layout}})


def _short(name: str) -> str:
    return name if len(name) <= 9 else f"{name[:8]}…"


def _apart(ends: Sequence[float], items: Sequence[Curve]) -> list[float]:
    """Where the names stand: at the ends of their lines, pushed upwards where they would cover one another."""
    low = min(float(item.values.min()) for item in items)
    high = max(float(item.values.max()) for item in items)
    room = (high - low or 1.0) * _NAME_ROOM
    heights = dict.fromkeys(range(len(ends)), 0.0)
    last = float("-inf")
    for place in sorted(heights, key=lambda one: ends[one]):
        last = max(ends[place], last + room)
        heights[place] = last
    return [heights[place] for place in range(len(ends))]


def sectors(items: Sequence[Sector], left: str, right: str) -> go.Figure | None:
    """Bars of both weights per sector, the largest on top; None where no weight is known."""
    known = [item for item in items if item.left is not None or item.right is not None]
    if not known:
        return None
    names = [escape(item.name or NO_SECTOR) for item in known]
    weights = [float(weight) for item in known for weight in (item.left, item.right) if weight is not None]
    reach, low = max(map(abs, weights)), min(weights)
    sides = (
        (left, LEFT, [item.left for item in known]),
        (right, RIGHT, [item.right for item in known]),
    )
    return _figure(
        [
            {
                "type": "bar", "orientation": "h", "name": escape(name), "y": names,
                "x": [None if weight is None else float(weight) for weight in of],
                "text": [fmt.percent(weight, decimals=1) for weight in of],
                "textposition": "outside", "cliponaxis": False, "marker": {"color": colour},
                "hovertemplate": f"%{{y}}: %{{text}}<extra>{escape(name)}</extra>",
            }
            for name, colour, of in sides
        ],
        barmode="group",
        bargap=0.3,
        bargroupgap=0.05,
        height=max(180, 50 * len(known) + 70),
        margin={"l": 0, "r": 0, "t": 4, "b": 0},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        xaxis={
            "range": [low * 1.25 if low < 0 else 0, (reach or 1.0) * 1.25],
            "tickformat": ".0%", "nticks": 5, "fixedrange": True,
        },
        yaxis={"autorange": "reversed", "type": "category", "ticks": "", "showgrid": False, "fixedrange": True},
    )  # fmt: skip
