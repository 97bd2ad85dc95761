"""One portfolio: figures, positions, allocation, P&L, signals."""

import streamlit as st

from src.ui import cache, portfolio_list, portfolio_view

pulse = cache.pulse()
entries = portfolio_list.load(pulse)
wanted = st.query_params.get("id", "DEFAULT")
entry = next((entry for entry in entries if entry.portfolio_id == wanted), None)
if entry is None:
    portfolio_view.not_there(wanted, entries)
else:
    portfolio_view.show(entry, entries, pulse)
