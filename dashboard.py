"""Starts the dashboard: `python dashboard.py`, or `streamlit run dashboard.py`.

A launcher only. The script that Streamlit runs is src/ui/script.py: beside a `pages/` folder Streamlit would serve each
file in it, on a fresh server, without that script and its checks.
"""

from src.bootstrap import prepare

if __name__ == "__main__":
    prepare(__file__, ("streamlit", "psycopg2", "dotenv", "redis"))

import streamlit as st  # only now: the Python that has the packages may have had to be found
from starlette.middleware import Middleware

from src.ui.access.asgi import authentication
from src.ui.process.endpoints import ROUTES
from src.ui.process.process import lifespan, serve

app = st.App("src/ui/script.py", lifespan=lifespan, middleware=[Middleware(authentication)], routes=ROUTES)

if __name__ == "__main__":
    raise SystemExit(serve(app))
