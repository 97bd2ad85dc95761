"""A private server is for one process and ends with it."""

from pathlib import Path

from src.embedded.api import PrivateServer
from tests.support.embedded_users import answers, ask, first_line, processes_in, start, wait_until

OWNER = """
import pathlib, sys
from src.embedded.api import PrivateServer
server = PrivateServer(pathlib.Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
"""


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
