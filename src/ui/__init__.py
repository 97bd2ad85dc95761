"""The dashboard: the only package that knows Streamlit. A page is inputs, one call, render."""
