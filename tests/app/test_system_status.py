"""System Status: what it says, who may press what, and that the refusal is in the action, not in the drawing."""

import time
from contextlib import closing
from datetime import UTC, datetime

import psycopg2
import pytest
from streamlit.testing.v1 import AppTest

from src.auth.store import Role
from src.backup import make
from src.config import load_settings
from src.errors import HKStrategyError
from src.journal import audit, runs
from src.journal.model import Event, Phase
from src.migration.model import Options
from src.migration.preflight.blocking_sessions import How
from src.ui.access.current_user import Forbidden
from src.ui.reads import commands, live_state, queries
from src.ui.system_status import actions
from tests.app.conftest import SCRIPT, OpenPage, execute, log_in, shown
from tests.conftest import MakeDatabase
from tests.support.health_cases import all_taken, black_hole, note_run

DOWN = "postgresql://trader:x@127.0.0.1:9/hk_strategy?connect_timeout=2"


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.button]


@pytest.mark.parametrize(
    ("schema", "here", "offered"),
    [("v1", "single-portfolio (v1.0)", "Start phase 1"), ("v3", "multi-portfolio (v3.0)", "Roll back to v2")],
)
def test_health_schema_plan_and_button(
    make_database: MakeDatabase, open_page: OpenPage, schema: str, here: str, offered: str
) -> None:
    app = open_page(make_database(schema, sample=True), "system_status")
    text = shown(app)
    assert text.count("✓ healthy") == 8
    assert "All 8 components are healthy." in text
    assert here in text
    assert offered in labels(app)
    assert "portfolio_positions" in text
    assert not app.error


def test_a_plan_says_of_each_step_why_what_it_locks_and_how_long_and_shows_its_sql_when_asked(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    app = open_page(make_database("v1", sample=True), "system_status")
    text = shown(app)
    for part in (
        "v1 clients look a table up by its bare name",
        "Lock: ACCESS EXCLUSIVE, for some milliseconds, tried for and never queued for: portfolio_positions",
        "Lock: SHARE UPDATE EXCLUSIVE, clients go on reading and writing",
        "About ",
        "Possible after it",
        "Not possible any more",
    ):
        assert part in text, part
    assert "Estimate of all steps: about" in " ".join(one.value for one in app.caption)
    assert len(app.code) == 0
    chosen = next(one for one in app.selectbox("sql phase1").options if "Add portfolio_id" in one)
    app.selectbox("sql phase1").set_value(chosen).run()
    assert "ADD COLUMN IF NOT EXISTS portfolio_id varchar(50) DEFAULT 'DEFAULT'" in app.code[0].value


def test_a_wrong_word_starts_nothing(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v1", sample=True), "system_status")
    app.text_input("typed phase1").set_value("yes")
    app.button("start_phase1").click().run()
    assert app.error[0].value == "Type phase1 to start it; nothing was started."
    assert "Start phase 1" in labels(app)


def test_a_trader_sees_health_and_no_button(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    log_in(settings_env, "tom", Role.TRADER)
    app = open_page(make_database("v1", sample=True), "system_status")
    assert labels(app) == []
    assert any("Only an admin may migrate" in one.value and "tom, trader" in one.value for one in app.caption)
    assert "✓ healthy" in shown(app)
    assert "portfolio_positions" not in shown(app), "no plan, and nobody's statements"


@pytest.mark.parametrize("page", ["portfolios", "portfolio", "system_status"])
def test_nobody_sees_nothing_where_there_is_no_authentication(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch, page: str
) -> None:
    """`streamlit run src/ui/script.py` has no middleware in front of it."""
    log_in(settings_env, None)
    settings_env.setenv("DATABASE_URL", make_database("v1", sample=True))
    app = AppTest.from_file(SCRIPT, default_timeout=60).run()
    app.switch_page(f"../../pages/{page}.py").run()
    assert [one.value for one in app.title] == ["Log in"]
    assert "Sample data" not in shown(app)
    assert not app.exception


ACTIONS = {
    "phase1": lambda: actions.start_phase(Phase.PHASE1, "phase1", "1.0", Options()),
    "resume": actions.resume,
    "pause": actions.pause,
    "interrupt": lambda: actions.interrupt(1, datetime.now(UTC), How.TERMINATE, insists=True),
    "undo": lambda: actions.undo(Phase.PHASE1, "rollback"),
    "backup": actions.back_up,
    "verify": lambda: actions.verify("x"),
    "restore": lambda: actions.restore("x", "x"),
    "delete": lambda: actions.delete("x", "delete"),
    "prune": lambda: actions.prune(1, 0, ["x"], "delete"),
    "remove sample": lambda: actions.remove_sample("sample"),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("who", ["tom", None])
def test_every_action_refuses_by_itself_whoever_is_no_admin_and_writes_it_down(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch, name: str, who: str | None
) -> None:
    url = make_database("v1")
    settings_env.setenv("DATABASE_URL", url)
    log_in(settings_env, who, Role.TRADER)
    before = commands.last_command(load_settings())
    with pytest.raises(Forbidden):
        ACTIONS[name]()
    assert commands.last_command(load_settings()) is before is None
    (entry,) = audit.read(url)
    assert (entry.by, entry.outcome) == (who or "nobody", "refused")
    assert "admin" in str(entry.detail["why"]) or "log in" in str(entry.detail["why"])


def test_an_action_is_written_down_with_who_started_it(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v1")
    settings_env.setenv("DATABASE_URL", url)
    task = actions.verify("20260101-none")
    while task.running:
        time.sleep(0.05)
    end, start = audit.read(url)
    assert (start.by, start.role, start.action, start.outcome) == ("admin", "admin", "verify", "started")
    assert start.detail["backup"] == "20260101-none"
    assert (end.by, end.action, end.outcome) == ("admin", "verify", "failed")
    assert "There is no backup" in str(end.detail["message"])
    assert end.detail["task"] == start.detail["task"]


def test_the_schema_moved_on_since_the_page_was_drawn(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("DATABASE_URL", make_database("v3"))
    with pytest.raises(HKStrategyError, match=r"The schema is 3\.0 by now, not 1\.0"):
        actions.start_phase(Phase.PHASE1, "phase1", "1.0", Options())


def test_the_page_answers_when_the_database_is_down(open_page: OpenPage) -> None:
    app = open_page(DOWN, "system_status")
    text = shown(app)
    assert "✕ down" in text
    assert "1 component of 8 needs attention: PostgreSQL." in text
    assert text.count("? not known") == 5
    assert "Start PostgreSQL, or correct DATABASE_URL, in .env." in text
    assert labels(app) == []


@pytest.mark.parametrize("page", ["system_status", "portfolios", "portfolio", "comparison"])
def test_a_page_does_not_wait_for_a_server_that_never_answers(
    open_page: OpenPage, settings_env: pytest.MonkeyPatch, page: str
) -> None:
    settings_env.setattr(live_state, "LIMIT_S", 0.2)
    settings_env.setattr(live_state, "WAIT_S", 0.2)
    with black_hole() as url:
        app = open_page(url, page)
        # Had it waited for an attempt to end, there would be another answer: that it timed out.
        assert queries.monitor()._server.get(60).silent_s is not None or page != "system_status"
    text = shown(app)
    assert "PostgreSQL has not answered for" in text or "PostgreSQL has not answered for" in app.error[0].value
    assert "timeout" not in text
    assert labels(app) == []


def test_a_page_says_who_waits_when_all_connections_are_taken(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v3", sample=True)
    app = open_page(url, "system_status")
    assert "All 10 connections" not in shown(app)
    with all_taken(queries.manager()):
        queries.forget()
        app = open_page(url, "system_status")
    text = shown(app)
    assert "1 component of 8 needs attention: Connections." in text
    assert "All 10 connections of this dashboard are in use." in text
    assert "Roll back to v2" in labels(app), "what is to be done here does not wait for those connections"


def test_drift_and_a_disk_that_is_nearly_full_are_shown(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v1")
    execute(url, "DROP INDEX public.idx_signals_created")
    settings_env.setattr(make, "free_bytes", lambda folder: 200_000_000)
    app = open_page(url, "system_status")
    text = shown(app)
    assert "2 components of 8 need attention: Schema and Backups." in text
    assert "missing: index idx_signals_created on trading_signals" in text
    assert "The disk for backups is nearly full: 200 MB are free" in text
    assert "No backup of this database has been verified yet." in text


def test_a_schema_that_is_none_of_the_three_is_said_in_a_sentence(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database(None)
    assert "This database is empty." in shown(open_page(url, "system_status"))
    execute(url, "CREATE TABLE public.portfolio_positions (id int)")
    queries.forget()
    assert "This database is not recognised." in shown(open_page(url, "system_status"))


def test_a_cache_that_is_down_is_said_and_everything_else_works(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    url = make_database("v1", sample=True)
    text = shown(open_page(url, "system_status"))
    assert text.count("only slower") == 1
    assert ".." not in text
    assert "2,177,898.90" in shown(open_page(url, "portfolios"))


def test_sample_data_is_said_on_every_page(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v1", sample=True)
    for page in ("portfolios", "portfolio", "system_status"):
        assert "Sample data" in shown(open_page(url, page))
    assert "Sample data" not in shown(open_page(make_database("v1"), "portfolios"))


def test_an_empty_database_is_reported_what_to_do(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database(None), "system_status")
    assert "run_migration.py init" in shown(app)
    assert "Start phase 1" not in labels(app)


def test_a_run_that_has_just_ended_is_not_shown_as_it_was_a_moment_ago(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    """Nothing is read again once a run is over: what is shown last stays."""
    url = make_database("v1")
    settings_env.setenv("DATABASE_URL", url)
    run_id = note_run(url, Phase.PHASE1, None)
    assert [run.state for run in queries.history()] == ["interrupted"]
    with closing(psycopg2.connect(url)) as conn, conn:
        runs.add_event(conn, Event(runs.now(), run_id, "outcome", None, "Done.", detail={"state": "done"}))
    live_state.forget()
    assert [run.state for run in queries.history()] == ["done"]


@pytest.mark.parametrize("state", [None, "paused", "failed"])
def test_beside_a_run_that_did_not_end_only_its_end_is_offered(
    make_database: MakeDatabase, open_page: OpenPage, state: str | None
) -> None:
    url = make_database("v2", sample=True)
    note_run(url, Phase.PHASE2, state)
    app = open_page(url, "system_status")
    headings = [one.value for one in app.subheader]
    assert "Run that has not ended" in headings and "What can be done" not in headings
    assert "Resume" in labels(app) and not [one for one in labels(app) if one.startswith("Start phase")]
