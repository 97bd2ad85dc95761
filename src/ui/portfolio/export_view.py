"""Export of a portfolio: CSV that imports again unchanged, and a workbook."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.market.calendar import HONG_KONG
from src.transfer import exporting


def button(entry: PortfolioEntry, positions: Sequence[Position]) -> None:
    """Each file is made when it is asked for, not when the page is drawn."""
    now = datetime.now(HONG_KONG)
    about = exporting.About(entry.portfolio_id, entry.title, now, entry.strategy or "")
    with st.popover("Export", icon=":material/download:", key="hk_export"):
        st.download_button(
            "CSV",
            lambda: exporting.to_csv(positions),
            exporting.file_name(entry.portfolio_id, now, "csv"),
            exporting.CSV_TYPE,
            key="export_csv",
            on_click="ignore",
            icon=":material/table_rows:",
        )
        st.caption("Can be imported again, here or in another portfolio.")
        st.download_button(
            "Workbook",
            lambda: exporting.to_workbook(positions, about),
            exporting.file_name(entry.portfolio_id, now, "xlsx"),
            exporting.WORKBOOK_TYPE,
            key="export_workbook",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        st.caption("Positions and a summary, for a spreadsheet.")
