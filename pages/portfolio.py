"""One portfolio: figures, positions, allocation, P&L, signals."""

import streamlit as st

from src.ui.portfolio import page
from src.ui.portfolios.listing import load
from src.ui.reads import queries

live = queries.known()
entries = load()
wanted = st.query_params.get("id", "DEFAULT")
entry = next((entry for entry in entries if entry.portfolio_id == wanted), None)
if entry is None:
    page.not_there(wanted, entries)
else:
    page.show(entry, entries, live)
