"""Stopping what never started removes nothing. (It once removed the supervisor's working directory.)"""

from pathlib import Path

import pytest

from src.embedded.os_user import remove_socket_dir
from src.embedded.postgres import Postgres
from src.embedded.valkey import Valkey


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file that must survive."""
    directory = tmp_path / "project"
    (directory / "inside").mkdir(parents=True)
    (directory / "inside" / "precious").write_text("keep me")
    monkeypatch.chdir(directory)
    return directory


@pytest.mark.parametrize("durable", [True, False])
def test_stopping_servers_that_never_started(elsewhere: Path, tmp_path: Path, durable: bool) -> None:
    Valkey(tmp_path / "home").stop()
    Postgres(tmp_path / "home", durable=durable).stop()
    assert (elsewhere / "inside" / "precious").read_text() == "keep me"


def test_a_start_that_fails_before_there_is_a_socket(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "logs").write_text("in the way")
    for server in (Valkey(tmp_path / "home"), Postgres(tmp_path / "home", durable=False)):
        with pytest.raises(OSError, match="exists"):
            server.start()
        server.stop()
    assert (elsewhere / "inside" / "precious").read_text() == "keep me"


@pytest.mark.parametrize("wrong", [Path(), Path("hk-pg-relative"), Path("/")])
def test_only_a_directory_of_ours_is_removed(elsewhere: Path, wrong: Path) -> None:
    remove_socket_dir(wrong, "hk-pg-")
    remove_socket_dir(elsewhere, "hk-pg-")
    assert (elsewhere / "inside" / "precious").exists()


def test_a_directory_with_anything_else_in_it_stays(tmp_path: Path) -> None:
    directory = tmp_path / "hk-pg-x"
    directory.mkdir()
    (directory / "a file").write_text("keep me")
    remove_socket_dir(directory, "hk-pg-")
    assert (directory / "a file").exists()


@pytest.mark.parametrize("server", [Valkey, Postgres])
def test_a_relative_directory_is_refused(server: type[Valkey] | type[Postgres]) -> None:
    with pytest.raises(ValueError, match="not absolute"):
        server(Path("home"))
