"""The dashboard as a process, and Debian's Chromium in front of it."""

import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from src.auth.passwords import Cost
from src.auth.sessions import LoginKind, LoginSessions
from src.auth.store import Accounts, Role
from src.config import PROJECT_ROOT

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "/usr/bin/chromium"
)
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-gpu",
    "--disable-software-rasterizer",
]
START_LIMIT_S = 90
PASSWORD = "correct horse battery"
# A busy machine is slow to draw, and that is no fault of the page.
expect.set_options(timeout=60_000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@lru_cache(maxsize=1)
def _ports() -> range:
    """Ports that no other test run on this machine takes: this process holds the lock of a file until it ends."""
    for first in range(21_000, 31_000, 50):
        lock = os.open(Path(tempfile.gettempdir(), f"hk_strategy-test-ports-{first}.lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return range(first, first + 50)
    raise AssertionError("two hundred test runs at once: all ports are taken")


def _port() -> int:
    """One of this process's own, for one dashboard after the other: a browser keeps what it has compiled by address."""
    return next((port for port in _ports() if _is_free(port)), None) or free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Dashboard:
    """A running dashboard. `said`: what it wrote so far; `link`: the address that it prints for whoever started it."""

    process: subprocess.Popen[str]
    url: str
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)
    link: str = ""
    _unread: bytes = b""

    @property
    def home(self) -> Path:
        return Path(self.environment["HK_STRATEGY_HOME"])

    @property
    def cookie_name(self) -> str:
        return f"hk_session_{self.url.rsplit(':', 1)[1]}"

    def admin(self) -> str:
        """The cookie of a session that whoever started the dashboard has logged in to."""
        return LoginSessions(self.home).issue(LoginKind.TOKEN, "tester")

    def account(self, name: str, role: Role) -> str:
        """The cookie of a session of an account; it is added where it is not there yet."""
        accounts = Accounts(self.home, Cost(16, 1, 1))
        account = accounts.get(name) or accounts.add(name, role, PASSWORD)
        return LoginSessions(self.home).issue(LoginKind.ACCOUNT, account.name, account.generation)

    def await_url(self) -> None:
        """Wait until it says where it is."""
        line = self.await_line("HK Strategy is at ")
        self.link = line.split("HK Strategy is at ")[1].split()[0]
        self.url = self.link.partition("/auth/")[0]
        _running[self.url] = self

    def await_line(self, part: str) -> str:
        """The next line it writes that has `part` in it."""
        assert self.process.stdout is not None
        # Past the buffer of a file: lines that came together are in it, and select() sees only what is still to come.
        source = self.process.stdout.fileno()
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            before, end, after = self._unread.partition(b"\n")
            if end:
                self._unread, line = after, (before + end).decode()
                self.said.append(line)
                if part in line:
                    return line
            elif select.select([source], [], [], 1)[0]:
                read = os.read(source, 8192)
                if not read:
                    break
                self._unread += read
            elif self.process.poll() is not None:
                break
        raise AssertionError(f"the dashboard never said {part!r}: {''.join(self.said)}")

    def logged(self) -> str:
        """What it and its commands have written to log files."""
        logs = sorted(Path(self.environment["HK_STRATEGY_LOGS"]).glob("*.log"))
        return "\n".join(path.read_text(encoding="utf-8") for path in logs)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`run_migration.py` on the same database, as from a terminal."""
        command = [sys.executable, str(PROJECT_ROOT / "run_migration.py"), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=300
        )


StartDashboard = Callable[..., Dashboard]
_running: dict[str, Dashboard] = {}


def log_in(context: BrowserContext, dashboard: Dashboard, cookie: str) -> None:
    """As if the browser had logged in."""
    context.add_cookies(
        [
            {
                "name": dashboard.cookie_name,
                "value": cookie,
                "url": dashboard.url,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


def launch(
    url: str, cache_url: str, directory: Path, *, command: tuple[str, ...] = (), port: int | None = None, **more: str
) -> Dashboard:
    """Start a dashboard that keeps its files in `directory`. Not up yet: `await_url`."""
    port = port or _port()
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": cache_url,
        "HK_STRATEGY_HOME": str(directory / "home"),
        "HK_STRATEGY_BACKUPS": str(directory / "backups"),
        "HK_STRATEGY_LOGS": str(directory / "logs"),
        "DASHBOARD_ADDRESS": "127.0.0.1",
        "DASHBOARD_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    words = [part.format(port=port) for part in command] or [sys.executable, "dashboard.py"]
    process = subprocess.Popen(
        words, env=environment, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return Dashboard(process, "", environment)


@pytest.fixture
def start_dashboard(tmp_path: Path, cache_url: str) -> Iterator[StartDashboard]:
    """`start_dashboard(database_url)`; `command` starts it in another way. All are ended after the test."""
    started: list[Dashboard] = []

    def start(url: str, *, command: tuple[str, ...] = (), port: int | None = None, **more: str) -> Dashboard:
        dashboard = launch(url, cache_url, tmp_path, command=command, port=port, **more)
        started.append(dashboard)
        dashboard.await_url()
        return dashboard

    yield start
    for dashboard in started:
        dashboard.end()
        if dashboard.process.stdout is not None:
            dashboard.process.stdout.close()


@pytest.fixture(scope="session")
def sample_dashboard(shared_v3: str, _cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One dashboard on the sample (v3) for all tests of a worker that only read."""
    dashboard = launch(shared_v3, _cache, tmp_path_factory.mktemp("sample_dashboard"))
    try:
        dashboard.await_url()
        yield dashboard
    finally:
        dashboard.end()
        if dashboard.process.stdout is not None:
            dashboard.process.stdout.close()


OpenBrowser = Callable[..., Page]


class Browsers:
    """Browsers of one worker, used by one test after the other.

    Each keeps its profile: it need not fetch and compile the scripts of a page again, which is a third of opening one.
    """

    def __init__(self, playwright: Playwright, profiles: Path) -> None:
        self._playwright, self._profiles = playwright, profiles
        self._all: list[BrowserContext] = []
        self._free: list[BrowserContext] = []

    def take(self) -> BrowserContext:
        if not self._free:
            profile = self._profiles / str(len(self._all))
            context = self._playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
            self._all.append(context)
            self._free.append(context)
        return self._free.pop()

    def give_back(self, context: BrowserContext, origin: str) -> None:
        """As good as new: no page, no cookie, nothing that `origin` has stored."""
        used = context.pages
        link = context.new_cdp_session(context.new_page())
        for page in used:
            page.close()
        link.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage,indexeddb"})
        context.clear_cookies()
        self._free.append(context)

    def close(self) -> None:
        for context in self._all:
            context.close()


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    with sync_playwright() as playwright:
        running = Browsers(playwright, tmp_path_factory.mktemp("browsers"))
        yield running
        running.close()


@pytest.fixture
def visit(browsers: Browsers) -> Iterator[OpenBrowser]:
    """`visit(url, width=390)` opens a page in a browser of its own, and waits until it is drawn.

    As the admin, unless `cookie` is somebody else's; with `cookie=""` as nobody.
    """
    taken = []

    def open_url(url: str, *, width: int = 1440, dark: bool = False, cookie: str | None = None) -> Page:
        context, origin = browsers.take(), "/".join(url.split("/")[:3])
        taken.append((context, origin))
        dashboard = _running[origin]
        if cookie != "":
            log_in(context, dashboard, cookie or dashboard.admin())
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        page.goto(url)
        page.wait_for_selector("h1")
        return page

    yield open_url
    for context, origin in taken:
        browsers.give_back(context, origin)
