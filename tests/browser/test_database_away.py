"""An open page while its server goes, and comes back."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import expect

from src.auth.store import Role
from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from tests.browser.conftest import OpenBrowser, StartDashboard
from tests.browser.wire import ask


class Server:
    """One that may be stopped, and that is at the same address when it comes back."""

    def __init__(self, directory: Path, address: Path) -> None:
        self._private = PrivateServer(directory)
        self._address = address
        self.url = f"postgresql://postgres@/postgres?host={address}"

    def start(self) -> None:
        """Its socket is in another folder each time."""
        self._address.unlink(missing_ok=True)
        self._address.symlink_to(self._private.start().split("host=")[1])

    def stop(self) -> None:
        self._private.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With a v3 database."""
    with tempfile.TemporaryDirectory(prefix="hk-t-", dir="/tmp") as short:  # the path of a socket must be
        own = Server(tmp_path / "server", Path(short) / "s")
        own.start()
        conn = psycopg2.connect(own.url)
        with conn, conn.cursor() as cursor:
            cursor.execute((PROJECT_ROOT / "migrations" / "init_multi_portfolio.sql").read_text(encoding="utf-8"))
        conn.close()
        yield own
        own.stop()


def test_an_open_page_notices_a_server_that_goes_and_one_that_comes_back(
    server: Server, start_dashboard: StartDashboard, visit: OpenBrowser
) -> None:
    dashboard = start_dashboard(server.url)
    trader = dashboard.account("tom", Role.TRADER)
    status = visit(f"{dashboard.url}/system_status", cookie=trader)
    portfolios = visit(f"{dashboard.url}/portfolios", cookie=trader)
    database = status.locator(".hk-health").filter(has_text="PostgreSQL").first
    expect(database).to_contain_text("✓ healthy")
    expect(portfolios.locator("h1")).to_have_text("Portfolios")
    server.stop()
    expect(database).to_contain_text("✕ down")
    expect(database).to_contain_text("Start PostgreSQL")
    expect(status.locator(".hk-health-summary")).to_have_text("1 component of 8 needs attention: PostgreSQL.")
    expect(portfolios.get_by_text("PostgreSQL does not answer")).to_be_visible()
    answer = ask(dashboard, "/healthz", Accept="*/*")
    assert answer.status == 503
    assert json.loads(answer.text)["components"]["database"] == "down"
    server.start()
    expect(database).to_contain_text("✓ healthy")
    expect(portfolios.get_by_text("PostgreSQL does not answer")).not_to_be_visible()
    expect(portfolios.get_by_text("DEFAULT").first).to_be_visible()
    assert ask(dashboard, "/healthz", Accept="*/*").status == 200
