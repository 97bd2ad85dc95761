"""Portfolios: all of them at a glance; create, copy."""

import streamlit as st

from src.ui import cache, portfolio_list

pulse = cache.pulse()
st.title("Portfolios")
portfolio_list.show(portfolio_list.load(pulse), pulse)
