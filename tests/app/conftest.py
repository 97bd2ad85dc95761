"""Pages without a browser: Streamlit's AppTest on the entry script, with real servers behind it."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import psycopg2
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from src.auth.passwords import Cost
from src.auth.sessions import LoginKind, LoginSessions
from src.auth.store import Accounts, Role
from src.config import PROJECT_ROOT
from src.ui.access import current_user
from src.ui.reads import live_state
from tests.conftest import MakeDatabase

SCRIPT = PROJECT_ROOT / "src" / "ui" / "script.py"
OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def _packages_are_read_once() -> Iterator[None]:
    """Each AppTest starts Streamlit's runtime anew, which reads the metadata of all installed packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def settings_env(tmp_path: Path, cache_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment of this test's own, DATABASE_URL left to it; pages are opened by whoever started the dashboard."""
    monkeypatch.setenv("REDIS_URL", cache_url)
    monkeypatch.setenv("HK_STRATEGY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HK_STRATEGY_BACKUPS", str(tmp_path / "backups"))
    monkeypatch.setenv("HK_STRATEGY_LOGS", str(tmp_path / "logs"))
    monkeypatch.setenv("DASHBOARD_ADDRESS", "127.0.0.1")
    cookie = LoginSessions(tmp_path / "home").issue(LoginKind.TOKEN, "admin")
    monkeypatch.setattr(current_user, "presented_cookie", lambda: cookie)
    monkeypatch.setattr(current_user, "address", lambda: "this machine")  # AppTest has no browser that is anywhere
    # On a busy machine a healthy server may take long; tests of those that never answer set this back.
    monkeypatch.setattr(live_state, "LIMIT_S", 60.0)
    monkeypatch.setattr(live_state, "WAIT_S", 60.0)
    return monkeypatch


def log_in(monkeypatch: pytest.MonkeyPatch, name: str | None, role: Role = Role.ADMIN) -> None:
    """From now on pages are opened by the account `name`, added where it is not there yet; None: by nobody.

    AppTest has no browser that could show a cookie; the cookie itself is a real one.
    """
    cookie = None
    if name is not None:
        home = Path(os.environ["HK_STRATEGY_HOME"])
        accounts = Accounts(home, Cost(16, 1, 1))
        account = accounts.get(name) or accounts.add(name, role, "correct horse battery")
        cookie = LoginSessions(home).issue(LoginKind.ACCOUNT, account.name, account.generation)
    monkeypatch.setattr(current_user, "presented_cookie", lambda: cookie)


def execute(url: str, *statements: str, values: Mapping[str, object] | None = None) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)
    conn.close()


MakeAt = Callable[[str], str]


@pytest.fixture
def sample_at(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> MakeAt:
    """`sample_at("v2")`: the sample on v1, on v2 as phase 1 makes it, or on v3."""

    return lambda version: make_database(version, sample=True)


@pytest.fixture
def open_page(settings_env: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """`open_page(url, "portfolio", id="DEFAULT")` shows that page of a dashboard on the database at `url`."""

    def show(url: str, name: str, **query: str) -> AppTest:
        settings_env.setenv("DATABASE_URL", url)
        app = AppTest.from_file(SCRIPT, default_timeout=60)
        app.run()
        for key, value in query.items():
            app.query_params[key] = value
        app.switch_page(f"../../pages/{name}.py").run()
        assert not app.exception, app.exception[0].message
        return app

    yield show
    st.cache_resource.clear()
    st.cache_data.clear()


def shown(app: AppTest) -> str:
    """All text of a page, HTML included, in the order it stands there."""
    parts: list[str] = []
    for element in app.main:
        found = [getattr(element, name, None) for name in ("value", "body", "label")]
        found.append(getattr(getattr(element, "proto", None), "body", None))
        parts += dict.fromkeys(text for text in found if isinstance(text, str))
    return "\n".join(parts)


def tables(app: AppTest) -> str:
    """The HTML of the tables of a page, without what forms and menus say."""
    return "\n".join(part for part in shown(app).split("\n") if "<table" in part)


def order_of(text: str, *words: str) -> list[str]:
    """`words` as they follow each other in `text`; each must be there."""
    return sorted(words, key=text.index)
