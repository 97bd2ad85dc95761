"""Commands that a dashboard starts: seen in every session and by the next dashboard, and one at a time."""

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import streamlit as st

from src.auth.store import Role
from src.config import load_settings
from src.errors import HKStrategyError, RunInProgress
from src.journal import audit
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from src.ui.reads import commands, queries
from src.ui.system_status import actions
from tests.app.conftest import OpenPage, log_in, shown
from tests.conftest import MakeDatabase


def ended(task: commands.StartedCommand) -> None:
    while task.running:
        time.sleep(0.05)


def test_another_session_and_a_dashboard_started_anew_show_what_was_started_and_how_it_ended(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v1", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    log_in(settings_env, "anna")
    task = actions.verify("20260101-none")
    ended(task)
    # What a new process does not have: everything that was remembered.
    st.cache_resource.clear()
    st.cache_data.clear()
    log_in(settings_env, "mei")
    app = open_page(url, "system_status")
    (reported,) = (one.value for one in app.error)
    assert reported.startswith("**verify**, started by anna: ")
    assert "20260101-none" in reported
    log_in(settings_env, "tom", Role.TRADER)
    assert "20260101-none" not in shown(open_page(url, "system_status"))


def test_old_news_is_no_news(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v1", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    task = actions.verify("20260101-none")
    ended(task)
    just_now, long_ago = time.time() - 60, time.time() - 3600
    os.utime(task.output, (just_now, just_now))
    assert len(open_page(url, "system_status").error) == 1
    os.utime(task.output, (long_ago, long_ago))
    assert not open_page(url, "system_status").error
    os.utime(task.output, (just_now, just_now))
    engine.run(url, Phase.PHASE1, Options(backup=False), load_settings(), lambda event: None)
    queries.forget()
    assert not open_page(url, "system_status").error, "a run has begun since"


def test_a_database_of_its_own_is_reported_of_its_own_commands(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("DATABASE_URL", make_database("v1"))
    task = actions.verify("20260101-none")
    assert commands.last_command(load_settings()) == task
    settings_env.setenv("DATABASE_URL", make_database("v1"))
    assert commands.last_command(load_settings()) is None
    ended(task)


def test_the_note_is_for_nobody_else_and_holds_no_password(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = make_database("v1")
    settings_env.setenv("DATABASE_URL", url)
    ended(actions.verify("20260101-none"))
    (note,) = (tmp_path / "logs").glob("*.task")
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert stat.S_IMODE(note.parent.stat().st_mode) == 0o700
    assert "s3cret" not in note.read_text() and "postgresql" not in note.read_text()


def test_a_number_that_was_given_to_another_process_is_not_taken_for_the_command() -> None:
    me = psutil.Process()
    mine = commands.StartedCommand(("backup",), "anna", me.pid, me.create_time(), 0.0, Path("/nowhere.out"))
    assert mine.running
    other = commands.StartedCommand(("backup",), "anna", me.pid, me.create_time() - 60, 0.0, Path("/nowhere.out"))
    assert not other.running


def test_of_two_that_press_at_the_same_instant_one_starts_and_the_other_is_reported(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v1", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    log_in(settings_env, "anna")
    together = threading.Barrier(2)

    def press(_number: int) -> commands.StartedCommand | HKStrategyError:
        together.wait()
        try:
            return actions.back_up()
        except HKStrategyError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(press, range(2)))
    (started,) = (one for one in answers if isinstance(one, commands.StartedCommand))
    (refused,) = (one for one in answers if not isinstance(one, commands.StartedCommand))
    assert isinstance(refused, RunInProgress)
    assert "`backup` is under way, started by anna" in str(refused)
    ended(started)
    outcome = started.outcome()
    assert outcome is not None and outcome["exit_code"] == 0
    assert sorted(entry.outcome for entry in audit.read(url) if entry.by == "anna")[-2:] == ["refused", "started"]
