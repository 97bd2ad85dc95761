"""Databases that hold what commit e46a308 left, each on every server version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.conftest import open_page, settings_env
from tests.conftest import MakeDatabase
from tests.field.field import restore
from tests.support.cli_process import Cli, cli_in

__all__ = ["cli", "left", "left18", "open_page", "settings_env"]

Left = Callable[[str], str]


@pytest.fixture
def left(make_database: MakeDatabase, pg_version: int) -> Left:
    """`left("v2_history")`: the URL of a fresh database with that dump in it."""

    def make(name: str) -> str:
        url = make_database(None, version=pg_version)
        restore(url, name)
        return url

    return make


@pytest.fixture
def left18(make_database: MakeDatabase) -> Left:
    """The same on the newest version only."""

    def make(name: str) -> str:
        url = make_database(None)
        restore(url, name)
        return url

    return make


@pytest.fixture
def cli(tmp_path: Path, cache_url: str) -> Cli:
    return cli_in(tmp_path, cache_url)
