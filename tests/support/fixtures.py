"""Databases of every version, with a few positions, and managers of them."""

import itertools
import os
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from psycopg2 import sql

from src.config import PROJECT_ROOT, Settings
from src.database_enhanced import DatabaseManager
from src.journal.model import Event, Phase
from src.migration.model import Options
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import POSITIONS, Database, ManagerOf, Migrate, execute

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


@pytest.fixture(scope="session")
def _v2_template(servers: Servers, migrate: Migrate) -> Iterator[Callable[[int], str]]:
    made: dict[int, str] = {}

    def template(version: int) -> str:
        if version not in made:
            name = f"integration_v2_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
            _administer(servers[version], "CREATE DATABASE {} OWNER trader", name)
            url = servers.url(version, "trader", name)
            execute(url, (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8"))
            execute(url, POSITIONS)
            migrate(url, Phase.PHASE1)
            made[version] = name
        return made[version]

    yield template
    for version, name in made.items():
        _administer(servers[version], "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _administer(superuser: str, statement: str, *names: str) -> None:
    conn = psycopg2.connect(superuser)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    finally:
        conn.close()


@pytest.fixture
def database(servers: Servers, make_database: MakeDatabase, _v2_template: Callable[[int], str]) -> Iterator[Database]:
    """`database("v2", 18)` gives the URL of a fresh database with four positions in DEFAULT, one of them watched."""
    made: list[tuple[int, str]] = []

    def make(schema: str, version: int) -> str:
        if schema != "v2":
            url = make_database(schema, version=version)
            execute(url, POSITIONS)
            return url
        name = f"integration_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}_{next(_numbers)}"
        template = _v2_template(version)
        _administer(servers[version], "CREATE DATABASE {} OWNER trader TEMPLATE {}", name, template)
        made.append((version, name))
        return servers.url(version, "trader", name)

    yield make
    for version, name in made:
        _administer(servers[version], "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


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
