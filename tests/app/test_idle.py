"""What a page that nobody touches asks of the database: little, and no more for many sessions than for one."""

import time

import psycopg2
import pytest

from src.journal import runs
from src.postgres.queries import query
from src.ui.reads import live_state, queries
from src.ui.system_status import health_view
from src.ui.system_status.migration import plan_view
from src.ui.widgets import components
from tests.app.conftest import MakeAt, OpenPage, execute
from tests.conftest import MakeDatabase
from tests.support.health_cases import all_taken
from tests.support.statements import counted


def names(sent: list[str]) -> list[str]:
    known = {
        query(f"portfolios.markers.{name}"): name for name in ("change_single", "change_multi", "own_changes", "others")
    }
    return [known.get(one, one) for one in sent]


@pytest.mark.parametrize(
    ("version", "markers"), [("v1", "change_single"), ("v2", "change_multi"), ("v3", "change_multi")]
)
def test_a_poll_takes_two_statements_while_nothing_happens(
    sample_at: MakeAt, settings_env: pytest.MonkeyPatch, version: str, markers: str
) -> None:
    settings_env.setenv("DATABASE_URL", sample_at(version))
    first = queries.live_state()
    settings_env.setattr(live_state, "FRESH_S", 0.0)
    settings_env.setattr(runs, "fetch_current_run", lambda url: pytest.fail("nothing has happened to a run"))
    with counted() as sent:
        again = queries.live_state()
    assert again.shown == first.shown
    assert again.at > first.at
    assert names(sent) == [markers, "own_changes"]


def test_what_happens_is_seen_by_that_poll(sample_at: MakeAt, settings_env: pytest.MonkeyPatch) -> None:
    url = sample_at("v1")
    settings_env.setenv("DATABASE_URL", url)
    settings_env.setattr(live_state, "FRESH_S", 0.0)
    seen = [queries.live_state().shown]
    for statement in (
        "UPDATE public.portfolio_positions SET quantity = quantity + 1 WHERE symbol = '0005.HK'",
        "INSERT INTO public.trading_signals (symbol, signal_type, price) VALUES ('0005.HK', 'A', 1)",
        "DELETE FROM hk_migration.mark",
        "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
        "VALUES ('phase1', '1.0', '2.0', 'tester', '{}', '[]', '{}')",
    ):
        execute(url, statement)
        seen.append(queries.live_state().shown)
    assert len(set(seen)) == len(seen)
    run = queries.live_state().run
    assert run is not None and run.state == "interrupted"


def test_fifty_sessions_ask_what_one_asks(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setenv("DATABASE_URL", make_database("v3"))
    settings_env.setattr(live_state, "FRESH_S", 600.0)
    with counted() as sent:
        for _ in range(50):
            queries.live_state()
    assert len(sent) <= 2


def test_pages_poll_a_few_times_a_minute_and_not_more(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    """Of all fragments that a page leaves behind to run by themselves."""
    import streamlit as st

    url = make_database("v3", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    every: list[float] = []
    fragment = st.fragment

    def noted(*args: object, run_every: float | None = None, **more: object) -> object:
        if run_every is not None:
            every.append(run_every)
        return fragment(*args, run_every=run_every, **more)  # type: ignore[call-overload]

    settings_env.setattr(st, "fragment", noted)
    for page in ("portfolios", "portfolio", "comparison", "system_status"):
        app = open_page(url, page)
        every.clear()
        app.run()
        assert every, "a change by somebody else would not be seen"
        assert sum(60 / seconds for seconds in every) <= 7, page
    assert components.POLL_S in every and health_view.EVERY_S in every


def test_a_plan_that_is_refused_asks_who_else_is_there_and_not_for_a_whole_plan(
    sample_at: MakeAt, open_page: OpenPage
) -> None:
    url = sample_at("v2")
    client = psycopg2.connect(url, application_name="old_app")
    pid = client.info.backend_pid
    try:
        app = open_page(url, "system_status")
        assert "old_app" in app.error[0].value.replace("\\", "")
        assert app.session_state[plan_view.INSPECTED][0] == queries.other_sessions() == (pid,)
    finally:
        client.close()
    while queries.other_sessions():
        time.sleep(0.05)
        queries.forget()
    assert "Start phase 2" in [one.label for one in open_page(url, "system_status").button]


def test_what_is_in_the_way_is_asked_past_connections_that_pages_have_taken(
    sample_at: MakeAt, settings_env: pytest.MonkeyPatch
) -> None:
    url = sample_at("v2")
    settings_env.setenv("DATABASE_URL", url)
    with all_taken(queries.manager()):
        assert queries.other_sessions() == ()
        assert not queries.moved_on(queries.live_state())
        assert queries.manager().pool_status().waiting == 0
