"""Pieces that every page shares: the boundary where errors become messages, notices, messages after an action."""

import contextlib
from collections.abc import Callable, Iterator

import streamlit as st

from src.auth.authenticator import User
from src.config import PROJECT_ROOT
from src.errors import CapabilityMissing, DatabaseUnavailable, HKStrategyError, PortfolioNotFound
from src.ui.access import current_user
from src.ui.reads import queries
from src.ui.widgets import format as fmt
from src.ui.widgets import markup, next_steps

FLASH = "hk_flash"
GO = "hk_go"
ON_SYSTEM_STATUS = "hk_on_system_status"
PORTFOLIOS_PAGE = PROJECT_ROOT / "pages" / "portfolios.py"
PORTFOLIO_PAGE = PROJECT_ROOT / "pages" / "portfolio.py"
SEEN = "hk_seen"
PAGED = "hk_paged"
POLL_S = 10
ALERT_S = 3  # while a run is under way, or the database does not answer


@contextlib.contextmanager
def error_boundary() -> Iterator[None]:
    """The one place where an error of ours becomes a message on a page."""
    try:
        yield
    except DatabaseUnavailable as error:
        st.error(str(error), icon=":material/cloud_off:")
        where = "Health, above," if _on_system_status() else "System Status"
        st.caption(f"{where} says what is down and what to do. This page comes back by itself.")
    except PortfolioNotFound as error:
        _rerun_if_moved_on()
        st.error(str(error))
    except CapabilityMissing as error:
        _rerun_if_moved_on()
        st.error(error_text(error))
    except HKStrategyError as error:
        st.error(error_text(error))


def _on_system_status() -> bool:
    return bool(st.session_state.get(ON_SYSTEM_STATUS))


def error_text(error: HKStrategyError) -> str:
    """An error, and what can be done about it, in the words of the pages."""
    return " ".join(filter(None, (str(error), next_steps.words(error.next_step, elsewhere=not _on_system_status()))))


def _rerun_if_moved_on() -> None:
    """Where the page was drawn for a schema that is no longer the live one."""
    try:
        moved_on = queries.moved_on(queries.live_state())
    except HKStrategyError:
        return
    if moved_on:
        st.rerun()


def ask_to_log_in() -> None:
    """Instead of every page."""
    st.title("Log in")
    st.html('<p>Your session has ended. <a href="/auth/login" target="_self">Log in again</a></p>')


def account_menu(me: User) -> None:
    """Who is logged in, at the top of every page; leads to the password and to logging out."""
    st.html(markup.account(me.name, me.role.value))


def flash(text: str, kind: str = "success") -> None:
    """A message for the next time the page is drawn. `kind`: success, error or info."""
    st.session_state[FLASH] = (kind, text)


def go(portfolio_id: str) -> None:
    """Show this portfolio when the page is drawn next. For callbacks, which cannot switch pages themselves."""
    first_pages()
    st.session_state[GO] = portfolio_id


def leave() -> None:
    """Show the list of portfolios when the page is drawn next: the one shown is gone."""
    st.session_state[GO] = ""


def go_home() -> None:
    """What "/" shows: the list of portfolios."""
    st.switch_page(PORTFOLIOS_PAGE)


def follow() -> None:
    """Switch to where a callback wanted to go."""
    wanted = st.session_state.pop(GO, None)
    if wanted == "":
        # Not None: Streamlit refuses to clear what widgets have put into the URL.
        st.switch_page(PORTFOLIOS_PAGE, query_params={})
    if wanted is not None:
        st.switch_page(PORTFOLIO_PAGE, query_params={"id": wanted})


def has_flash() -> bool:
    """Whether a message waits for the page to be drawn: a fragment alone does not show it."""
    return FLASH in st.session_state


def show_flash() -> None:
    """Draw the message that `flash` left, once."""
    found = st.session_state.pop(FLASH, None)
    if found is None:
        return
    kind, text = found
    {"success": st.success, "error": st.error, "info": st.info}[kind](text)


def attempt(action: Callable[[], str]) -> None:
    """Run `action` from a callback; its text, or why it was refused, is shown when the page is drawn."""
    try:
        flash(action())
    except HKStrategyError as error:
        flash(error_text(error), "error")
    finally:
        queries.forget()


def _running_text(live: queries.LiveState) -> str | None:
    """What a run means for whoever reads this page; only an admin sees what to do about it."""
    run = live.run
    if run is None:
        return None
    by = run.by
    at = f"step {min(run.steps_done + 1, run.steps_total)} of {run.steps_total}"
    if run.is_running:
        return f"The database is being migrated; go on working. Started {fmt.clock(run.started_at)} by {by}; {at}."
    me = current_user.user()
    if me is not None and me.is_admin:
        return f"A migration {run.standing} ({run.phase}, {at}). System Status offers to resume it or to roll it back."
    return f"The migration of the database {run.standing} at {at}; go on working. Started by {by}, who can resume it."


def _draw_notices(live: queries.LiveState) -> None:
    bands = []
    if live.sample:
        bands.append(markup.band("Sample data: these positions and prices were made up for trying things out."))
    running = _running_text(live)
    if running is not None:
        bands.append(markup.band(running, kind="running"))
    elif live.warning and live.problem is None:
        bands.append(markup.band(f"{live.warning} System Status says what to do.", kind="warn"))
    if bands:
        st.html(f'<div class="hk-bands">{"".join(bands)}</div>')


def notices(*, wait: bool) -> None:
    """The lines above every page, checked every few seconds; a change of schema or run draws the page again.

    `wait`: as in live_state().
    """
    live = queries.live_state(wait=wait)
    alert = live.problem is not None or (live.run is not None and live.run.is_running)
    st.fragment(_notices, run_every=ALERT_S if alert else POLL_S)(wait)


def _notices(wait: bool) -> None:
    live = queries.live_state(wait=wait)
    seen = st.session_state.get(SEEN)
    st.session_state[SEEN] = live.shown
    if seen is not None and seen != live.shown:
        st.rerun()
    _draw_notices(live)


def title(text: str) -> None:
    """What the browser's tab says."""
    st.set_page_config(page_title=f"{text} · HK Strategy")


def page(count: int, size: int, what: str, key: str) -> slice:
    """Which of `count` rows to show, `size` at a time; where there are more, with the buttons to leaf through them."""
    pages = -(-count // size)
    if pages < 2:
        return slice(0, count)
    st.session_state.setdefault(PAGED, set()).add(key)
    with st.container(key=f"hk_{key}", gap="xsmall"):
        first = (st.pagination(pages, key=key, bind="query-params", width="stretch") - 1) * size
        st.caption(f"{first + 1:,} to {min(first + size, count):,} of {what}")
    return slice(first, first + size)


def first_page(*keys: str) -> None:
    """The callback of a filter or an order: what comes of it is shown from the beginning. `keys`: of `page`."""
    for key in keys:
        st.session_state[key] = 1


def first_pages() -> None:
    """The same for each list of the page, where it is to be about something else."""
    first_page(*(key for key in st.session_state.get(PAGED, ()) if key in st.session_state))


def remember(live: queries.LiveState) -> None:
    """This drawing of the page shows `live`: no need to draw it again for that."""
    st.session_state[SEEN] = live.shown
