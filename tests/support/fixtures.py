"""Databases of every version, with a few positions, managers of them, and short waits for locks."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.backup import make
from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.journal import runs
from src.journal.model import Event, Phase
from src.migration.model import Options
from src.portfolios import transactions
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, cli_in
from tests.support.databases import POSITIONS, Database, ManagerOf, Migrate

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def migrate(tmp_path_factory: pytest.TempPathFactory) -> Migrate:
    """Runs a phase to its end, without a backup."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(None, None, home, home / "backups", home / "logs", "127.0.0.1", 8501)

    def ignore(event: Event) -> None:
        del event

    def run(url: str, phase: Phase) -> None:
        from src.migration import engine

        engine.run(url, phase, Options(backup=False, force=True), settings, ignore)

    return run


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """`database("v2", 18)` gives the URL of a fresh database with four positions in DEFAULT, one of them watched."""
    return lambda schema, version: make_database(schema, version=version, rows=POSITIONS)


@pytest.fixture
def manager_of() -> Iterator[ManagerOf]:
    """Managers that are closed after the test."""
    made: list[DatabaseManager] = []

    def make(url: str, redis_url: str | None = None) -> DatabaseManager:
        made.append(DatabaseManager(database_url=url, redis_url=redis_url))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def short_lock_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and pages of this process wait less long for a table than they do elsewhere: nobody lets it go here."""
    for module in (runs, make):
        monkeypatch.setattr(module, "LOCK_WAIT", "300ms")
    monkeypatch.setattr(transactions, "READ_LOCK_MS", 300)


@pytest.fixture
def cli(tmp_path: Path, cache_url: str) -> Cli:
    """run_migration.py with its files in the test's folder."""
    return cli_in(tmp_path, cache_url)
