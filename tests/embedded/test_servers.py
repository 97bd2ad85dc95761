"""The embedded servers: private, shared, and gone when nobody needs them."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from src.embedded import api as embedded
from tests.support.embedded_users import (
    PARENT,
    TIMEOUT_S,
    User,
    answers,
    ask,
    first_line,
    postmaster,
    processes_in,
    settings_for,
    start,
    wait_until,
    wait_until_gone,
)


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


def test_a_child_that_inherits_the_use_keeps_the_server(home: Path) -> None:
    parent = start(PARENT, home=home)
    url, child = first_line(parent).split()
    parent.communicate("", timeout=TIMEOUT_S)
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
