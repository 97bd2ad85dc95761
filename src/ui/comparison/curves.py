"""Value over time of the compared portfolios, and their return and risk, on the page."""

from collections.abc import Sequence

import streamlit as st

from src.market.calendar import HONG_KONG
from src.ui.comparison import performance
from src.ui.comparison.performance import MONTHS, OverTime
from src.ui.reads import queries
from src.ui.reads.valued import Side
from src.ui.widgets import charts, markup
from src.ui.widgets import format as fmt


def show(sides: Sequence[Side], live: queries.LiveState) -> OverTime:
    """The period's choice, the chart and what is left out."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Value over time")
        period = st.segmented_control(
            "Period",
            list(MONTHS),
            default="1Y",
            required=True,
            key="period",
            bind="query-params",
            label_visibility="collapsed",
        )
    today = live.at.astimezone(HONG_KONG).date()
    found = performance.over_time(tuple(sides), performance.start_of(period, today))
    notes = [fmt.plain(one) for one in found.lines.notes]
    if found.figure is None:
        st.caption(" ".join(("There are no prices of these holdings in this period yet.", *notes)))
        return found
    alt = "Value over time, 100 on the first common day"
    st.plotly_chart(found.figure, key="curves", config=charts.CONFIG, alt=alt)
    st.caption(
        f"Current holdings held constant: what the quantities of today were worth at past prices, 100 on "
        f"{found.lines.values.index[0]:%Y-%m-%d}, their first common day. {' '.join(notes)}"
    )
    return found


def risk(found: OverTime) -> None:
    """Draw the table of return and risk of each portfolio."""
    st.subheader("Return and risk")
    if not found.rows:
        st.caption("Without curves there is nothing to say.")
        return
    st.html(markup.table(found.columns, found.rows, caption="Return and risk") + markup.legend(found.columns))
