"""Starts the dashboard: `python dashboard.py`, or `streamlit run dashboard.py`.

A launcher only. The script that Streamlit runs is src/ui/entry.py: beside a `pages/` folder Streamlit would serve every
file in it, on a fresh server, without that script and its checks.
"""

from src.bootstrap import prepare

if __name__ == "__main__":
    prepare(__file__, ("streamlit", "psycopg2", "dotenv", "redis"))

import streamlit as st  # only now: the Python that has the packages may have had to be found
from starlette.middleware import Middleware

from src.ui.door import door
from src.ui.downloads import ROUTES as DOWNLOADS
from src.ui.probes import ROUTES as PROBES
from src.ui.server import lifespan, serve

app = st.App("src/ui/entry.py", lifespan=lifespan, middleware=[Middleware(door)], routes=(*PROBES, *DOWNLOADS))

if __name__ == "__main__":
    raise SystemExit(serve(app))
