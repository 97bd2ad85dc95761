"""Portfolios: all of them at a glance; create, copy."""

import streamlit as st

from src.ui import cache, portfolio_list

pulse = cache.pulse()
entries = portfolio_list.load(pulse)
st.title("Portfolios")
portfolio_list.show(entries, pulse)
