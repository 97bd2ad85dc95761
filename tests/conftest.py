"""Real servers for the tests: PostgreSQL 16 and 18 (and 15 where the machine has it), and Valkey.

One server per version serves the whole test run, all workers of pytest-xdist together. Each test gets a
database of its own, copied from a template that holds the schema.
"""

import fcntl
import gc
import hashlib
import hmac
import itertools
import os
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import psutil
import psycopg2
import pytest
from hypothesis import settings
from psycopg2 import sql

from src.config import PROJECT_ROOT, Settings
from src.embedded.api import PrivateServer, has_version
from src.embedded.lifetime import ServerKind, Spec, Use
from tests import durations

# How long an example takes says nothing on a machine that runs other tests at the same time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A test starts many processes: none of them should compile the program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 8 << 30
if MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ENOUGH_BYTES:
    # Servers of tests make and delete tens of thousands of files: a disk takes a fifth of the time for that alone.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

pytest_plugins = ["tests.support.fixtures"]

# By default Python searches for cycles after every 700 new objects: a tenth of a worker's time.
gc.set_threshold(100_000, 20, 50)

MAIN = sys.modules["__main__"]
VERSIONS = tuple(version for version in (15, 16, 18) if version != 15 or has_version(15))
SERVER_OPTIONS = {"full_page_writes": "off"}
TRADER_PASSWORD = "s3cret/p@ss:word"
SCHEMA_FILES = {"v1": "init.sql", "v2": "init.sql", "v3": "init_multi_portfolio.sql"}


class MakeDatabase(Protocol):
    def __call__(
        self, schema: str | None = "v1", *, version: int = 18, sample: bool = False, rows: str = ""
    ) -> str: ...


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
            server = PrivateServer(directory, version, shared=True, options=SERVER_OPTIONS)
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
        verifier = sql.Literal(_scram_verifier(TRADER_PASSWORD))
        _execute(superuser, sql.SQL("CREATE ROLE trader LOGIN CREATEDB PASSWORD {}").format(verifier))


def _scram_verifier(password: str) -> str:
    """What PostgreSQL stores of a password (RFC 5803), with one iteration where it takes 4,096.

    Tests log in many thousand times, and each time the client hashes as often.
    """
    salt = b"salt of the tests"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = ":".join(b64encode(key).decode() for key in (stored, hmac.digest(salted, b"Server Key", "sha256")))
    return f"SCRAM-SHA-256$1:{b64encode(salt).decode()}${keys}"


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


@dataclass(frozen=True)
class Template:
    """What a database is copied from. v2 is v1 with `rows` (statements of a v1 client) or the sample, after phase 1."""

    version: int
    schema: str
    sample: bool
    rows: str

    @property
    def name(self) -> str:
        digest = f"_{hashlib.sha256(self.rows.encode()).hexdigest()[:12]}" if self.rows else ""
        return f"template_{self.schema}{'_sample' if self.sample else ''}{digest}"


@pytest.fixture(scope="session")
def _template(servers: Servers) -> Callable[[Template], str]:
    known: set[Template] = set()

    def name_of(wanted: Template) -> str:
        if wanted not in known:
            superuser = servers[wanted.version]
            with OneAtATime(servers.directory / f"postgresql{wanted.version}" / "templates"):
                if not _exists(superuser, "SELECT 1 FROM pg_database WHERE datname = %s", wanted.name):
                    _build_template(servers, wanted)
            known.add(wanted)
        return wanted.name

    return name_of


def _build_template(servers: Servers, wanted: Template) -> None:
    superuser, name, building = servers[wanted.version], wanted.name, f"building_{wanted.name}"
    _execute(superuser, sql.SQL("CREATE DATABASE {} OWNER trader").format(sql.Identifier(building)))
    url = servers.url(wanted.version, "trader", building)
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute((PROJECT_ROOT / "migrations" / SCHEMA_FILES[wanted.schema]).read_text(encoding="utf-8"))
            if wanted.rows:
                cursor.execute(wanted.rows)
        if wanted.sample:
            from src.sample.load import load_sample

            load_sample(conn, "v3" if wanted.schema == "v3" else "v1")
            conn.commit()
    finally:
        conn.close()
    if wanted.schema == "v2":
        _run_phase1(url, servers.directory)
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(building), sql.Identifier(name))
    _execute(superuser, rename)


def _run_phase1(url: str, directory: Path) -> None:
    from src.journal.model import Phase
    from src.migration import engine
    from src.migration.model import Options

    settings = Settings(url, None, directory, directory / "backups", directory / "logs", "127.0.0.1", 8501)
    options = Options(backup=False, force=True, legacy_roles=("trader",))
    outcome = engine.run(url, Phase.PHASE1, options, settings, lambda event: None)
    assert outcome.state == "done"


def _drop(superuser: str, name: str) -> None:
    """Drop a database, once its sessions have ended: DROP DATABASE itself would wait for them in steps of 100 ms."""
    sessions = "FROM pg_stat_activity WHERE datname = %s"
    conn = psycopg2.connect(superuser)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            cursor.execute(f"SELECT count(pg_terminate_backend(pid)) {sessions}", (name,))
            for _ in range(50):
                cursor.execute(f"SELECT count(*) {sessions}", (name,))
                if cursor.fetchone() == (0,):
                    break
                time.sleep(0.002)
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    finally:
        conn.close()


@contextmanager
def _databases(servers: Servers, template: Callable[[Template], str]) -> Iterator[MakeDatabase]:
    """Makes databases, and drops them at the end. Copying files takes a third of what the log takes."""
    made: list[tuple[int, str]] = []
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")

    def make(schema: str | None = "v1", *, version: int = 18, sample: bool = False, rows: str = "") -> str:
        name = f"test_{worker}_{os.getpid()}_{next(_numbers)}"
        source = "template0" if schema is None else template(Template(version, schema, sample, rows))
        statement = sql.SQL("CREATE DATABASE {} OWNER trader TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(source)
        )
        _execute(servers[version], statement)
        made.append((version, name))
        return servers.url(version, "trader", name)

    yield make
    for version, name in made:
        _drop(servers[version], name)


@pytest.fixture
def make_database(servers: Servers, _template: Callable[[Template], str]) -> Iterator[MakeDatabase]:
    """`make_database("v1")` gives the URL of a fresh database owned by the role trader; dropped after the test.

    `rows` are statements of a client of v1 (of v3 on "v3"). "v2" is what phase 1 makes of v1 with the sample or `rows`;
    it ran once for all tests that ask for the same, so its run in the history is older than the test.
    """
    with _databases(servers, _template) as make:
        yield make


@pytest.fixture(scope="session")
def shared_v3(servers: Servers, _template: Callable[[Template], str]) -> Iterator[str]:
    """The URL of a v3 database with the sample, for all tests that only read."""
    with _databases(servers, _template) as make:
        yield make("v3", sample=True)


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    use = Use(Spec(ServerKind.VALKEY, str(tmp_path_factory.mktemp("valkey")), idle_timeout_s=0.0))
    yield use.join()
    use.stop()


@pytest.fixture
def cache_url(_cache: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a real Valkey, emptied before each test."""
    import redis

    # On a busy machine an answer may take longer than a page would wait for it.
    monkeypatch.setattr("src.cache._TIMEOUT_S", 60.0)

    client = redis.Redis.from_url(_cache)
    client.flushall()
    client.close()
    return _cache
