"""Who uses the dashboard: the current user, OpenID Connect, and the ASGI middleware in front of Streamlit.

Imported by dashboard.py, pages/, ui.portfolio, ui.process, ui.script, ui.system_status and ui.widgets.
"""
