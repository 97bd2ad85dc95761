"""The pictures of one portfolio, remembered: drawing them takes longer than reading what they show."""

from collections.abc import Sequence

import plotly.graph_objects as go

from src.domain.valuation import Valued
from src.ui.reads.cached import Source, cached
from src.ui.widgets import charts
from src.ui.widgets.preferences import Palette

Pictures = tuple[go.Figure | None, go.Figure | None]


@cached(ttl=10, most=100)
def pictures(source: Source, portfolio_id: str, palette: Palette, _items: Sequence[Valued]) -> Pictures:
    """Allocation and P&L of `_items`, the positions of that portfolio; None where there is nothing to draw."""
    return charts.allocation(_items), charts.profit_and_loss(_items, palette)
