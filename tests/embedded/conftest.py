"""Homes of embedded servers: one whose first start is over, and one that was never used."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.embedded import api as embedded
from tests.support.embedded_users import User, processes_in, settings_for, wait_until_gone


@pytest.fixture(scope="session")
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
