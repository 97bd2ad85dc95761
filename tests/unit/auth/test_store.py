"""Accounts: what is kept of them, and the command that keeps them."""

import json
import os
import pty
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.auth import passwords
from src.auth.passwords import Cost, hash_from_text, hash_password
from src.auth.store import Accounts, Role
from src.config import PROJECT_ROOT
from src.errors import ConfigurationError, InvalidInput
from src.journal import audit
from tests.conftest import MakeDatabase

QUICK = Cost(n=2**4, r=1, p=1)
SECRET = "correct horse battery"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "home", QUICK)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=10, max_size=40), st.text(max_size=40))
def test_only_the_password_itself_matches_also_after_being_kept(password: str, other: str) -> None:
    kept = hash_from_text(hash_password(password, QUICK).to_text())
    assert kept.matches(password)
    assert kept.matches(other) == (other == password)


def test_two_hashes_of_a_password_differ_and_show_nothing_of_it() -> None:
    one, two = hash_password(SECRET, QUICK), hash_password(SECRET, QUICK)
    assert one.to_text() != two.to_text()
    assert SECRET not in one.to_text() + repr(one)


def test_the_default_costs_what_is_recommended() -> None:
    kept = hash_password(SECRET)
    assert kept.to_text().startswith("scrypt$32768$8$3$")
    assert kept.matches(SECRET)


@pytest.mark.parametrize("password", ["", "123456789", "x" * 1001])
def test_a_password_too_short_or_absurd_is_refused(accounts: Accounts, password: str) -> None:
    with pytest.raises(InvalidInput, match="characters; nothing was changed"):
        accounts.add("mei", Role.ADMIN, password)
    assert accounts.all() == ()


def test_files_are_their_owners_alone(accounts: Accounts) -> None:
    accounts.add("mei", Role.ADMIN, SECRET)
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts.path.parent.stat().st_mode) == 0o700
    assert SECRET not in accounts.path.read_text()


def test_a_name_is_the_same_in_any_case_and_odd_ones_are_refused(accounts: Accounts) -> None:
    accounts.add(" Mei ", Role.ADMIN, SECRET)
    assert accounts.check("MEI", SECRET) is not None
    with pytest.raises(InvalidInput, match="already"):
        accounts.add("mei", Role.TRADER, SECRET)
    for name in ("", "a b", "../x", "é", "x" * 65, "-x", "a\nb"):
        with pytest.raises(InvalidInput, match="cannot be a name"):
            accounts.add(name, Role.TRADER, SECRET)


def test_the_wrong_password_the_wrong_name_and_a_removed_account_do_not_pass(accounts: Accounts) -> None:
    accounts.add("mei", Role.ADMIN, SECRET)
    accounts.add("tom", Role.TRADER, SECRET)
    assert accounts.check("mei", SECRET + " ") is None
    assert accounts.check("nobody", SECRET) is None
    accounts.remove("tom")
    assert accounts.check("tom", SECRET) is None


def test_a_new_password_and_coming_back_are_other_generations(accounts: Accounts) -> None:
    first = accounts.add("mei", Role.ADMIN, SECRET)
    second = accounts.change_password("mei", SECRET)
    accounts.remove("mei", force=True)
    third = accounts.add("mei", Role.ADMIN, SECRET)
    assert len({first.generation, second.generation, third.generation}) == 3


def test_the_last_admin_stays_unless_forced(accounts: Accounts) -> None:
    accounts.add("mei", Role.ADMIN, SECRET)
    accounts.add("tom", Role.TRADER, SECRET)
    with pytest.raises(InvalidInput, match="last admin; nothing was changed"):
        accounts.remove("mei")
    accounts.add("ann", Role.ADMIN, SECRET)
    accounts.remove("mei")
    accounts.remove("ann", force=True)
    assert [one.name for one in accounts.all()] == ["tom"]


def test_another_process_is_heard_at_once(tmp_path: Path) -> None:
    here, there = Accounts(tmp_path, QUICK), Accounts(tmp_path, QUICK)
    assert here.all() == ()
    there.add("mei", Role.ADMIN, SECRET)
    assert here.check("mei", SECRET) is not None
    there.change_password("mei", SECRET + "2")
    assert here.check("mei", SECRET) is None


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        Accounts(tmp_path, QUICK).add(f"trader{number}", Role.TRADER, SECRET)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Accounts(tmp_path, QUICK).all()) == 12
    assert not list((tmp_path / "auth").glob(".accounts.json.*"))


@pytest.mark.parametrize("damage", ["", "{", '{"accounts": [{}]}', '{"accounts": [{"name": "x", "role": "god"}]}'])
def test_a_damaged_file_lets_nobody_in_and_is_not_overwritten(accounts: Accounts, damage: str) -> None:
    accounts.add("mei", Role.ADMIN, SECRET)
    accounts.path.write_text(damage)
    with pytest.raises(ConfigurationError, match="damaged, so nobody is let in"):
        accounts.check("mei", SECRET)
    with pytest.raises(ConfigurationError, match="damaged"):
        accounts.add("tom", Role.ADMIN, SECRET)
    assert accounts.path.read_text() == damage


def test_a_file_that_others_may_read_is_not_trusted(accounts: Accounts) -> None:
    accounts.add("mei", Role.ADMIN, SECRET)
    accounts.path.chmod(0o644)
    fresh = Accounts(accounts.path.parent.parent, QUICK)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        fresh.all()


def command(home: Path, *arguments: str, given: str = "", url: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "src.accounts", *arguments],
        input=given, capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=60,
        env={**os.environ, "HK_STRATEGY_HOME": str(home), "DATABASE_URL": url},
    )  # fmt: skip


def test_the_command_adds_changes_lists_and_removes(tmp_path: Path) -> None:
    assert "There is no account" in command(tmp_path, "list").stdout
    added = command(tmp_path, "add", "Mei", "--role", "admin", given=SECRET + "\n")
    assert (added.returncode, added.stdout) == (0, "Added mei, admin.\n")
    assert "mei" in command(tmp_path, "list").stdout
    assert command(tmp_path, "passwd", "mei", given="another one, longer\n").returncode == 0
    assert Accounts(tmp_path).check("mei", "another one, longer") is not None
    refused = command(tmp_path, "remove", "mei")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "last admin" in refused.stderr
    assert command(tmp_path, "remove", "mei", "--force").returncode == 0
    assert Accounts(tmp_path).all() == ()


@pytest.mark.parametrize(
    ("arguments", "given", "why"),
    [
        (("add", "mei"), "short\n", "at least 10 characters"),
        (("add", "mei"), "", "at least 10 characters"),
        (("passwd", "nobody"), SECRET, "no account 'nobody'"),
        (("remove", "nobody"), "", "no account 'nobody'"),
        (("add", "a b"), SECRET, "cannot be a name"),
    ],
)
def test_the_command_refuses_and_changes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], given: str, why: str
) -> None:
    done = command(tmp_path, *arguments, given=given)
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert Accounts(tmp_path).all() == ()


def test_what_is_done_to_accounts_is_in_the_audit(tmp_path: Path, make_database: MakeDatabase) -> None:
    url = make_database("v1")
    typed = (
        (("add", "Mei", "--role", "admin"), SECRET, 0),
        (("add", "mei"), SECRET, 1),
        (("list",), "", 0),
        (("passwd", "mei"), "another one, longer", 0),
        (("remove", "mei", "--force"), "", 0),
    )
    for arguments, entered, code in typed:
        done = command(tmp_path, *arguments, given=f"{entered}\n", url=url)
        assert (done.returncode, "audit" in done.stderr) == (code, False), done.stderr
    found = [(one.action, one.outcome, dict(one.detail)) for one in reversed(audit.read(url))]
    assert found == [
        ("account add", "done", {"name": "mei", "role": "admin"}),
        ("account passwd", "done", {"name": "mei"}),
        ("account remove", "done", {"name": "mei"}),
    ]


def test_a_database_that_is_away_keeps_nobody_in(tmp_path: Path) -> None:
    url = "postgresql://trader:n0t-told@127.0.0.1:9/x?connect_timeout=2"
    added = command(tmp_path, "add", "mei", given=SECRET + "\n", url=url)
    assert (added.returncode, added.stdout) == (0, "Added mei, trader.\n")
    assert "It is done all the same." in added.stderr
    assert "n0t-told" not in added.stderr


def on_a_terminal(home: Path, *answers: str) -> str:
    """What the command says when a person types `answers`."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["HK_STRATEGY_HOME"] = str(home)
        os.chdir(PROJECT_ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "src.accounts", "add", "mei", "--role", "admin"])
    said = ""
    left = list(answers)
    while True:
        try:
            part = os.read(terminal, 1000)
        except OSError:  # the other side has closed it
            break
        if not part:
            break
        said += part.decode()
        if left and said.endswith(": "):
            os.write(terminal, (left.pop(0) + "\n").encode())
    os.waitpid(pid, 0)
    os.close(terminal)
    return said


def test_on_a_terminal_it_asks_twice_and_does_not_show_what_is_typed(tmp_path: Path) -> None:
    said = on_a_terminal(tmp_path, SECRET, SECRET)
    assert "Added mei, admin." in said
    assert SECRET not in said
    assert "The two are not the same" in on_a_terminal(tmp_path / "other", SECRET, SECRET + "x")
    assert Accounts(tmp_path / "other").all() == ()


def test_a_written_account_says_how_it_was_hashed(accounts: Accounts) -> None:
    """So that a later, dearer default leaves the older passwords valid."""
    accounts.add("mei", Role.ADMIN, SECRET)
    (row,) = json.loads(accounts.path.read_text())["accounts"]
    assert row["password"].startswith("scrypt$16$1$1$")
    assert Accounts(accounts.path.parent.parent, passwords.DEFAULT_COST).check("mei", SECRET) is not None
