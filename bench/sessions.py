"""Whether open sessions of the dashboard slow a migration: the same phase with no page open, and with fifty.

    python -m bench.sessions

A session is what a browser's page is to the server: a WebSocket that draws the page, and draws its parts again as often
as the page asks for. All of it shares one machine: database, dashboard, run, and those who play the browsers.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from bench.live import SERVER, Bench, Sizes
from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from tests.browser.conftest import Dashboard, launch

SESSIONS = 50
ROUNDS = 3
# So long after the pages are drawn the run begins: they are asked again by then as usual.
SETTLED_S = 3.0
SIZES = Sizes(prices=2_000_000, signals=200_000, positions=5_000)
PAGES = ("system_status", "portfolios")
TICK_S = 0.05


@dataclass(frozen=True)
class Watched:
    """Medians of some runs of phase 1 with its backup, in seconds; the longest wait of the stall probe in ms.

    `drawn`: parts of pages that were drawn again during a run.
    """

    sessions: int
    seconds: float
    stall_ms: float
    drawn: int


class Session:
    """A page that somebody has open."""

    def __init__(self, link: ClientConnection, page: str) -> None:
        self._link, self._page = link, page
        self._hash = ""
        self._every: dict[str, tuple[float, float]] = {}
        self.drawn = 0
        self.ready = asyncio.Event()

    async def live(self) -> None:
        message = BackMsg()
        message.rerun_script.page_name = self._page
        await self._link.send(message.SerializeToString())
        await asyncio.gather(self._hear(), self._ask_again())

    async def _hear(self) -> None:
        async for raw in self._link:
            message = ForwardMsg()
            message.ParseFromString(raw if isinstance(raw, bytes) else raw.encode())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._hash = message.new_session.page_script_hash
            elif kind == "auto_rerun":
                interval = message.auto_rerun.interval
                self._every[message.auto_rerun.fragment_id] = (interval, time.monotonic() + interval)
            elif kind == "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._every.pop(fragment, None)
            elif kind == "script_finished":
                self.drawn += 1
                self.ready.set()

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for fragment, (interval, due) in list(self._every.items()):
                if now >= due:
                    self._every[fragment] = (interval, now + interval)
                    message = BackMsg()
                    message.rerun_script.page_script_hash = self._hash
                    message.rerun_script.fragment_id = fragment
                    message.rerun_script.is_auto_rerun = True
                    await self._link.send(message.SerializeToString())


async def _open(place: str, cookie: str, sessions: int) -> None:
    """Until this process ends. Says "ready" once all pages are drawn; then, for each line read, what was drawn."""
    links = [
        await connect(
            f"ws://{place}/_stcore/stream",
            origin=Origin(f"http://{place}"),
            additional_headers={"Cookie": cookie},
            subprotocols=[Subprotocol("streamlit"), Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
            max_size=None,
        )
        for _ in range(sessions)
    ]
    opened = [Session(link, PAGES[number % len(PAGES)]) for number, link in enumerate(links)]
    alive = [asyncio.create_task(one.live()) for one in opened]
    for one, task in zip(opened, alive, strict=True):
        while not one.ready.is_set():
            await asyncio.sleep(TICK_S)
            if task.done():
                task.result()
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        for task in alive:
            if task.done():
                task.result()
        print(sum(one.drawn for one in opened), flush=True)
    for task in alive:
        task.cancel()


class Watchers:
    """The process that plays the browsers."""

    def __init__(self, dashboard: Dashboard, sessions: int) -> None:
        place, cookie = dashboard.url.removeprefix("http://"), f"{dashboard.cookie_name}={dashboard.admin()}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sessions", place, str(sessions)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT,
            env={**os.environ, "BENCH_COOKIE": cookie},
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the pages were not drawn")

    def drawn(self) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def _dashboard(url: str, directory: Path) -> Iterator[Dashboard]:
    dashboard = launch(url, "redis://127.0.0.1:9/0", directory)
    try:
        dashboard.await_url()
        yield dashboard
    finally:
        dashboard.end()
        if dashboard.process.stdout is not None:
            dashboard.process.stdout.close()


def _one(bench: Bench, sessions: int, directory: Path) -> Watched:
    """The dashboard stands in both cases; what differs is how many pages are open."""
    with bench.database() as url, _dashboard(url, directory) as dashboard:
        watchers = Watchers(dashboard, sessions) if sessions else None
        time.sleep(SETTLED_S)
        before = watchers.drawn() if watchers else 0
        begin = time.monotonic()
        outcome = engine.run(url, Phase.PHASE1, Options(), bench.settings, lambda event: None)
        seconds = time.monotonic() - begin
        drawn = watchers.drawn() - before if watchers else 0
        if watchers:
            watchers.close()
        return Watched(sessions, seconds, outcome.longest_stall_ms or 0.0, drawn)


def measure(*, quick: bool, say: Callable[[str], None]) -> list[Watched]:
    """Without and with sessions, in turn, so that what the machine does besides meets both."""
    found: dict[int, list[Watched]] = {0: [], SESSIONS: []}
    with tempfile.TemporaryDirectory(prefix="hk_bench_") as directory:
        home = Path(directory)
        with PrivateServer(home / "server", 18, options={**SERVER, "max_connections": "200"}) as server:
            bench = Bench(server, SIZES, home)
            say("sessions: filling the database")
            bench.build_template()
            for number in range(1 if quick else ROUNDS):
                for sessions, rows in found.items():
                    say(f"sessions: phase 1 with {sessions}, round {number + 1}")
                    rows.append(_one(bench, sessions, home / f"dashboard_{number}_{sessions}"))
    median = statistics.median
    return [
        Watched(
            sessions,
            median(row.seconds for row in rows),
            median(row.stall_ms for row in rows),
            round(median(row.drawn for row in rows)),
        )
        for sessions, rows in found.items()
    ]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_open(sys.argv[1], os.environ["BENCH_COOKIE"], int(sys.argv[2])))
    else:
        alone, watched = measure(quick=True, say=lambda text: print(text, file=sys.stderr, flush=True))
        print(alone, watched, f"{watched.seconds / alone.seconds:.2f}x", sep="\n")
