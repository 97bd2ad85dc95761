"""The embedded servers: shared, gone when nobody needs them, and back after whatever was killed."""

import contextlib
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from src.cli.exit import ending_of
from src.config import PROJECT_ROOT, Settings, load_settings
from src.embedded import api as embedded
from src.embedded import binaries
from src.embedded.api import PrivateServer
from src.embedded.os_user import server_account
from src.errors import ConfigurationError, DatabaseUnavailable

PATIENCE_S = 60.0
USER = """
import sys
from src.config import load_settings
from src.embedded.api import database_url
print(database_url(load_settings()), flush=True)
sys.stdin.read()
"""
PARENT = """
import subprocess
from src.config import load_settings
from src.embedded.api import database_url, held_descriptors
url = database_url(load_settings())
child = subprocess.Popen(["/bin/sleep", "600"], stdout=subprocess.DEVNULL, pass_fds=held_descriptors())
print(url, child.pid, flush=True)
"""
OWNER = """
import pathlib, sys
from src.embedded.api import PrivateServer
server = PrivateServer(pathlib.Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
"""


def start(script: str, *arguments: str, home: Path | None = None) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
    if home is not None:
        environment["HK_STRATEGY_HOME"] = str(home)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT_ROOT,
        env=environment | {"PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the process ended without a word"
    return line


class User:
    """A process that uses the embedded server, until it is told to end or is killed."""

    def __init__(self, home: Path) -> None:
        self.process = start(USER, home=home)

    @property
    def url(self) -> str:
        return first_line(self.process)

    def end(self) -> None:
        self.process.communicate("", timeout=PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def settings_for(home: Path, **changes: str) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("HK_STRATEGY_HOME", str(home))
        for name, value in changes.items():
            patch.setenv(name, value)
        return load_settings(home / "no-env-file")


def processes_in(directory: Path) -> list[psutil.Process]:
    """Server processes that work in `directory`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(directory) and process.name() in ("postgres", "valkey-server"):
                found.append(process)
    return found


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "pgdata18" / "postmaster.pid").read_text().splitlines()[0]))


def supervisor(home: Path) -> psutil.Process | None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "src.embedded.supervisor" in command and json.loads(command[-1])["directory"] == str(home):
                return process
    return None


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.05)


def wait_until_gone(home: Path) -> None:
    wait_until(lambda: not processes_in(home / "pgdata18"), "the server is stopped")
    wait_until(lambda: supervisor(home) is None, "the supervisor is through")


def ask(url: str, question: str) -> object:
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]
    finally:
        conn.close()


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg2.OperationalError:
        return False


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose first start is over."""
    home = tmp_path_factory.mktemp("seed") / "home"
    user = User(home)
    assert user.url
    user.end()
    wait_until_gone(home)
    return home


@pytest.fixture
def home(seed: Path, tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "home"
    subprocess.run(["cp", "-a", str(seed), str(copy)], check=True)
    (copy / "postgresql18.socket").unlink()
    yield copy
    embedded.stop(settings_for(copy))
    assert processes_in(copy / "pgdata18") == []


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Path]:
    """A home that was never used."""
    home = tmp_path / "cold"
    yield home
    embedded.stop(settings_for(home))


def test_first_start_gives_a_v1_database_with_sample_data(home: Path) -> None:
    user = User(home)
    url = user.url
    assert ask(url, "SELECT count(*) FROM portfolio_positions") == 12
    assert ask(url, "SELECT count(*) FROM hk_migration.mark WHERE name = 'sample'") == 1
    assert ask(url, "SELECT to_regclass('public.portfolios')") is None
    assert ask(url, "SELECT current_user::text") == "trader"
    assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = 'trader'") is False
    assert ask(url, "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'trader'") is True
    assert ask(url, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'hk_strategy'") == "trader"
    assert int(str(ask(url, "SELECT current_setting('server_version_num')"))) >= 180000
    assert int(str(ask(url, "SELECT current_setting('max_connections')"))) >= 100
    assert ask(url, "SELECT current_setting('fsync')") == "on"
    user.end()


def test_the_sample_is_loaded_once_only(home: Path) -> None:
    user = User(home)
    ask(user.url, "TRUNCATE portfolio_positions CASCADE")
    user.end()
    wait_until_gone(home)
    again = User(home)
    assert ask(again.url, "SELECT count(*) FROM portfolio_positions") == 0
    again.end()


def test_nothing_listens_on_tcp_and_the_socket_is_private(home: Path) -> None:
    user = User(home)
    url = user.url
    links = postmaster(home).net_connections(kind="inet")
    assert [link for link in links if link.status == psutil.CONN_LISTEN] == []
    assert stat.S_IMODE(Path(url.split("host=")[1]).stat().st_mode) == 0o700
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry|[Pp]eer authentication failed"):
        psycopg2.connect(url.replace("trader@", "pg_read_all_data@"))
    user.end()


def test_two_processes_share_one_server_which_ends_with_the_last(home: Path) -> None:
    first, second = User(home), User(home)
    url = first.url
    assert second.url == url
    server = postmaster(home)
    first.end()
    time.sleep(5)
    assert answers(url), "the second process still uses it"
    assert postmaster(home) == server
    second.end()
    wait_until_gone(home)
    assert not answers(url)


def test_many_processes_from_cold_at_the_same_instant(cold: Path) -> None:
    users = [User(cold) for _ in range(4)]
    urls = {user.url for user in users}
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT count(*) FROM portfolio_positions") == 12
    for user in users:
        user.end()
    wait_until_gone(cold)


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


def test_a_child_that_inherits_the_use_keeps_the_server(home: Path) -> None:
    parent = start(PARENT, home=home)
    url, child = first_line(parent).split()
    parent.communicate("", timeout=PATIENCE_S)
    time.sleep(5)
    assert answers(url)
    os.kill(int(child), signal.SIGKILL)
    wait_until_gone(home)


def test_the_embedded_url_is_known_as_such_when_it_is_handed_on(home: Path) -> None:
    user = User(home)
    assert embedded.is_embedded(settings_for(home, DATABASE_URL=user.url))
    assert not embedded.is_embedded(settings_for(home, DATABASE_URL="postgresql://elsewhere/db"))
    user.end()


def test_a_home_of_a_long_name(seed: Path, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-directory-with-quite-a-long-name"] * 5, "home")
    deep.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(seed), str(deep)], check=True)
    (deep / "postgresql18.socket").unlink()
    user = User(deep)
    url = user.url
    assert answers(url)
    assert len(url.split("host=")[1]) < 80
    user.end()
    wait_until_gone(deep)


def test_with_urls_set_nothing_is_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = settings_for(home, DATABASE_URL="postgresql://elsewhere/db", REDIS_URL="redis://elsewhere/0")
    assert embedded.database_url(settings) == "postgresql://elsewhere/db"
    assert embedded.cache_url(settings) == "redis://elsewhere/0"
    assert not home.exists()


def test_stop_ends_the_servers_for_everyone(home: Path) -> None:
    settings = settings_for(home)
    user = User(home)
    url = user.url
    assert embedded.cache_url(settings) is not None
    assert embedded.stop(settings) == ["PostgreSQL", "cache"]
    assert not answers(url)
    assert processes_in(home / "pgdata18") + processes_in(home / "valkey") == []
    time.sleep(1)
    assert not answers(url), "the process that used it does not bring it back"
    assert embedded.stop(settings) == []
    user.end()


def test_the_cache_is_private_and_started_again_when_it_dies(cold: Path) -> None:
    url = embedded.cache_url(settings_for(cold))
    assert url is not None
    client = redis.Redis.from_url(url)
    client.set("key", "value")
    assert client.get("key") == b"value"
    (server,) = processes_in(cold / "valkey")
    links = server.net_connections(kind="inet")
    assert [link for link in links if link.status == psutil.CONN_LISTEN] == []
    assert stat.S_IMODE(Path(url.removeprefix("unix://")).parent.stat().st_mode) == 0o700
    server.send_signal(signal.SIGKILL)

    def back() -> bool:
        try:
            return bool(client.ping()) and processes_in(cold / "valkey") != [server]
        except redis.ConnectionError:
            return False

    wait_until(back, "the cache is there again, at the same place")
    client.close()


def test_a_cache_that_cannot_start_is_done_without(cold: Path, caplog: pytest.LogCaptureFixture) -> None:
    cold.mkdir()
    (cold / "valkey").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert embedded.cache_url(settings_for(cold)) is None
    assert "Working without a cache" in caplog.text
    assert "valkey" in caplog.text


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="HK_STRATEGY_HOME"):
        embedded.database_url(settings_for(tmp_path / "file" / "home"))


def test_a_home_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ConfigurationError, match=r"cannot write to .*home: it is read-only\. Set HK_STRATEGY_HOME"):
        embedded.database_url(settings_for(home))
    os.chown(home, 65534, -1)
    with pytest.raises(ConfigurationError, match=r"cannot write to .*home: it belongs to nobody\."):
        embedded.database_url(settings_for(home))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which no database has room."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)], check=False).returncode != 0:
        pytest.skip("only root can mount a disk of its own")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_is_told_without_the_noise(small_disk: Path) -> None:
    """What initdb says is many lines, of which two matter."""
    with pytest.raises(DatabaseUnavailable) as caught:
        embedded.database_url(settings_for(small_disk))
    embedded.stop(settings_for(small_disk))
    told = str(caught.value)
    assert re.search("No space left on device|Check free disk space", told)
    assert "removing contents" not in told
    assert "\n" not in told
    assert "DATABASE_URL right" not in ending_of(caught.value).next_step, "there is none"


def test_a_damaged_data_directory_is_told_with_the_log(home: Path) -> None:
    (home / "pgdata18" / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseUnavailable, match=r"does not start.*postgresql18\.log"):
        embedded.database_url(settings_for(home))


def test_a_private_server_is_a_superusers_and_gone_after_use(tmp_path: Path, pg_version: int) -> None:
    with PrivateServer(tmp_path / "scratch", pg_version) as server:
        assert str(ask(server.url, "SELECT current_setting('server_version')")).startswith(str(pg_version))
        assert ask(server.url, "SELECT current_setting('is_superuser')") == "on"
        data = server.data
        assert processes_in(data)
    assert processes_in(data) == []


def test_a_private_server_ends_with_its_owner(tmp_path: Path) -> None:
    owner = start(OWNER, str(tmp_path / "scratch"))
    assert answers(first_line(owner))
    owner.kill()
    owner.communicate()
    wait_until(lambda: not processes_in(tmp_path / "scratch" / "pgdata18"), "the scratch server is stopped")


def test_programs_below_a_closed_directory_can_still_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project below /root: the server's user may not look into it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    original = binaries.wheel_directory()
    for name in (original.name, f"{original.name}.libs"):
        subprocess.run(["cp", "-a", str(original.parent / name), str(closed / name)], check=True)
    monkeypatch.setattr(binaries, "wheel_directory", lambda: closed / original.name)
    account = server_account(tmp_path / "none")
    programs = binaries.server_bin_dir(18, account)
    assert "PostgreSQL) 18" in account.run([str(programs / "initdb"), "--version"]).stdout
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700, "nobody's directories are opened up"
