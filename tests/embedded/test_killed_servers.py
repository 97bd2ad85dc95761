"""The embedded PostgreSQL is back, with its data, after whatever was killed."""

import contextlib
import json
import signal
from pathlib import Path

import psutil

from src.embedded.os_user import server_account
from tests.support.embedded_users import (
    User,
    answers,
    ask,
    postmaster,
    processes_in,
    supervisor,
    wait_until,
    wait_until_gone,
)


def test_killing_the_last_user_ends_the_server(home: Path) -> None:
    user = User(home)
    assert answers(user.url)
    user.kill()
    wait_until_gone(home)


def test_killing_the_postmaster_loses_nothing(home: Path) -> None:
    user = User(home)
    url = user.url
    ask(url, "UPDATE portfolio_positions SET quantity = 4242 WHERE symbol = '0700.HK'")
    postmaster(home).send_signal(signal.SIGKILL)
    other = User(home)
    assert ask(other.url, "SELECT quantity FROM portfolio_positions WHERE symbol = '0700.HK'") == 4242
    assert answers(url), "whoever used it before goes on with the same URL"
    other.end()
    user.end()


def test_killing_the_supervisor_disturbs_nobody_and_the_server_still_ends(home: Path) -> None:
    user = User(home)
    url = user.url
    server, killed = postmaster(home), supervisor(home)
    assert killed is not None
    killed.send_signal(signal.SIGKILL)
    wait_until(lambda: supervisor(home) not in (None, killed), "there is a new supervisor")
    assert answers(url)
    assert postmaster(home) == server, "the running server was taken over"
    user.end()
    wait_until_gone(home)


def test_killing_everything_at_once_as_a_power_cut_does(home: Path) -> None:
    user = User(home)
    ask(user.url, "UPDATE portfolio_positions SET quantity = 4242 WHERE symbol = '0700.HK'")
    found = supervisor(home)
    assert found is not None
    for process in (found, *processes_in(home / "pgdata18")):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    user.kill()
    wait_until_gone(home)
    again = User(home)
    assert ask(again.url, "SELECT quantity FROM portfolio_positions WHERE symbol = '0700.HK'") == 4242
    again.end()


def test_lock_files_left_by_a_power_cut_whose_process_ids_are_taken_by_others(home: Path) -> None:
    account = server_account(home / "pgdata18")
    other = account.launch(["/bin/sleep", "600"], Path("/"), home / "sleep.log")
    try:
        stale = f"{other.pid}\n{home / 'pgdata18'}\n1700000000\n5432\n/tmp\n\n"
        (home / "pgdata18" / "postmaster.pid").write_text(stale)
        left = {"keeper": other.pid, "url": "postgresql://nowhere/x", "error": None}
        (home / "postgres18.json").write_text(json.dumps(left))
        user = User(home)
        assert ask(user.url, "SELECT count(*) FROM portfolio_positions") == 12
        user.end()
        wait_until_gone(home)
        assert other.poll() is None, "a process that has nothing to do with it was left alone"
    finally:
        other.kill()
        other.wait()


def test_a_first_start_that_was_killed_half_way_starts_over(cold: Path) -> None:
    user = User(cold)
    wait_until(lambda: bool(list(cold.glob("pgdata18*"))), "initdb is at work")
    killed = supervisor(cold)
    assert killed is not None
    killed.send_signal(signal.SIGKILL)
    user.kill()
    again = User(cold)
    assert ask(again.url, "SELECT count(*) FROM portfolio_positions") == 12
    again.end()
