"""Who uses the dashboard: the current user, OpenID Connect, and the ASGI middleware in front of Streamlit."""
