"""The script that Streamlit runs: page settings, navigation, notices, then the page.

It has no `pages/` folder beside it on purpose: until a session has called st.navigation, Streamlit would serve such a
folder's files by themselves.
"""

from pathlib import Path

import streamlit as st

from src.config import PROJECT_ROOT
from src.errors import DatabaseUnavailable
from src.ui.access import current_user
from src.ui.reads import queries
from src.ui.reads.live_state import FRESH_S
from src.ui.widgets import components, markup, preferences

ICON = Path(__file__).parent / "widgets" / "assets" / "icon.png"
PAGES = PROJECT_ROOT / "pages"

st.set_page_config(page_title="HK Strategy", page_icon=str(ICON), layout="wide", initial_sidebar_state="auto")
st.html(markup.STYLE)
me = current_user.user()
if me is None:
    # For a session that has ended, and for a script that runs without the middleware, which lets nobody else in.
    components.ask_to_log_in()
    st.stop()
page = st.navigation(
    [
        # Streamlit serves its default page at "/" alone; /portfolios is to be a URL too.
        st.Page(components.go_home, title="HK Strategy", url_path="home", default=True, visibility="hidden"),
        st.Page(PAGES / "portfolios.py", title="Portfolios", url_path="portfolios"),
        st.Page(PAGES / "portfolio.py", title="Portfolio", url_path="portfolio"),
        st.Page(PAGES / "comparison.py", title="Comparison", url_path="comparison"),
        st.Page(PAGES / "system_status.py", title="System Status", url_path="system_status"),
    ],
    position="top",
)
components.account_menu(me)
components.follow()
preferences.show(me)
status = page.url_path == "system_status"
st.session_state[components.ON_SYSTEM_STATUS] = status
if status:
    with components.error_boundary():
        queries.monitor().refresh(FRESH_S)  # while the page waits for the live state
live = queries.live_state(wait=not status)
components.remember(live)
components.notices(wait=not status)
components.show_flash()
components.title(page.title)
with components.error_boundary():
    if live.problem is not None and not status:
        st.title(page.title)
        raise DatabaseUnavailable(live.problem)
    page.run()
