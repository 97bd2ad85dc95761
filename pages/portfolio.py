"""One portfolio: figures, positions, allocation, P&L, signals."""

import streamlit as st

from src.ui import cache, portfolio_view
from src.ui.entries import load

pulse = cache.pulse()
entries = load(pulse)
wanted = st.query_params.get("id", "DEFAULT")
entry = next((entry for entry in entries if entry.portfolio_id == wanted), None)
if entry is None:
    portfolio_view.not_there(wanted, entries)
else:
    portfolio_view.show(entry, entries, pulse)
