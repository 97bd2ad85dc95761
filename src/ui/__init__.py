"""The dashboard: the only package that knows Streamlit. A page is inputs, one call, render.

Imported by dashboard.py and pages/.
"""
