"""Real servers for the tests: PostgreSQL 16 and 18 (and 15 where the machine has it), and Valkey.

One server per version serves the whole test run, all workers of pytest-xdist together. Each test gets a
database of its own, copied from a template that holds the schema.
"""

import fcntl
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import settings
from psycopg2 import sql

from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer, has_version
from src.embedded.lifetime import Spec, Use
from tests import durations

# How long an example takes says nothing on a machine that runs other tests at the same time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.support.fixtures"]

MAIN = sys.modules["__main__"]
VERSIONS = tuple(version for version in (15, 16, 18) if version != 15 or has_version(15))
TRADER_PASSWORD = "s3cret/p@ss:word"
SCHEMA_FILES = {"v1": "init.sql", "v3": "init_multi_portfolio.sql"}


class MakeDatabase(Protocol):
    def __call__(self, schema: str | None = "v1", *, version: int = 18, sample: bool = False) -> str: ...


class Servers(Mapping[int, str]):
    """Superuser URLs by version. A server starts when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: dict[int, PrivateServer] = {}

    def __getitem__(self, version: int) -> str:
        if version not in VERSIONS:
            raise KeyError(version)
        if version not in self._started:
            directory = self.directory / f"postgresql{version}"
            server = PrivateServer(directory, version, shared=True, options={"autovacuum_naptime": "5s"})
            server.start()
            self._started[version] = server
            with OneAtATime(directory / "templates"):
                _create_role(server.url)
        return self._started[version].url

    def __iter__(self) -> Iterator[int]:
        return iter(VERSIONS)

    def __len__(self) -> int:
        return len(VERSIONS)

    def url(self, version: int, role: str, database: str) -> str:
        """A URL over the socket, with the role's password."""
        host = self[version].split("host=", 1)[1]
        return f"postgresql://{role}:{quote(TRADER_PASSWORD, safe='')}@/{database}?host={host}"

    def stop(self) -> None:
        for server in self._started.values():
            server.stop()


class OneAtATime:
    """A lock between the workers of a test run."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(".lock")

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _execute(url: str, *statements: sql.Composable) -> None:
    conn = psycopg2.connect(url)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        conn.close()


def _exists(url: str, query: str, value: str) -> bool:
    conn = psycopg2.connect(url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(query, (value,))
            return cursor.fetchone() is not None
    finally:
        conn.close()


def _create_role(superuser: str) -> None:
    if not _exists(superuser, "SELECT 1 FROM pg_roles WHERE rolname = %s", "trader"):
        password = sql.Literal(TRADER_PASSWORD)
        _execute(superuser, sql.SQL("CREATE ROLE trader LOGIN CREATEDB PASSWORD {}").format(password))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    durations.mark(items)
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        durations.longest_first(items, worker["workercount"])


@pytest.fixture(autouse=True)
def _own_main() -> None:
    """Streamlit puts a page's script in the place of the main module: a process that a test starts would run it."""
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Superuser URLs by version; `servers.url(version, role, database)` for other roles."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    running = Servers(base)
    yield running
    running.stop()


@pytest.fixture(scope="session", params=VERSIONS)
def pg_version(request: pytest.FixtureRequest) -> int:
    """Runs the test once per version of PostgreSQL."""
    version: int = request.param
    return version


@pytest.fixture(scope="session")
def _template(servers: Servers) -> Callable[[int, str, bool], str]:
    known: set[str] = set()

    def template(version: int, schema: str, sample: bool) -> str:
        name = f"template_{schema}{'_sample' if sample else ''}"
        if f"{version}{name}" in known:
            return name
        superuser = servers[version]
        with OneAtATime(servers.directory / f"postgresql{version}" / "templates"):
            if not _exists(superuser, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                _build_template(servers, version, name, schema, sample)
        known.add(f"{version}{name}")
        return name

    return template


def _build_template(servers: Servers, version: int, name: str, schema: str, sample: bool) -> None:
    superuser, building = servers[version], f"building_{name}"
    _execute(superuser, sql.SQL("CREATE DATABASE {} OWNER trader").format(sql.Identifier(building)))
    conn = psycopg2.connect(servers.url(version, "trader", building))
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute((PROJECT_ROOT / "migrations" / SCHEMA_FILES[schema]).read_text(encoding="utf-8"))
        if sample:
            from src.sample.load import load_sample

            load_sample(conn, schema)
            conn.commit()
    finally:
        conn.close()
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
    _execute(superuser, rename)


@pytest.fixture
def make_database(
    servers: Servers, _template: Callable[[int, str, bool], str], request: pytest.FixtureRequest
) -> Iterator[MakeDatabase]:
    """`make_database("v1")` gives the URL of a fresh database owned by the role trader; dropped after the test."""
    made: list[tuple[int, str]] = []
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")

    def make(schema: str | None = "v1", *, version: int = 18, sample: bool = False) -> str:
        name = f"test_{worker}_{os.getpid()}_{next(_numbers)}"
        source = "template0" if schema is None else _template(version, schema, sample)
        statement = sql.SQL("CREATE DATABASE {} OWNER trader TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(source)
        )
        _execute(servers[version], statement)
        made.append((version, name))
        return servers.url(version, "trader", name)

    yield make
    for version, name in made:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        _execute(servers[version], drop)


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    use = Use(Spec("valkey", str(tmp_path_factory.mktemp("valkey")), idle_timeout_s=0.0))
    yield use.join()
    use.stop()


@pytest.fixture
def cache_url(_cache: str) -> str:
    """The URL of a real Valkey, emptied before each test."""
    import redis

    client = redis.Redis.from_url(_cache)
    client.flushall()
    client.close()
    return _cache
