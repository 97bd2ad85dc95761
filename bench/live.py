"""The live migration beside its rivals: same data, same old application at work, one after the other."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from bench.rivals import BUILDS_ALONE, PLAIN_SQL, TEXTBOOK, TEXTBOOK_DEFAULT, Rival
from src.config import Settings
from src.embedded.api import PrivateServer
from src.journal.model import Event, Keep, OutcomeState, Phase, RunOutcome
from src.migration import engine
from src.migration.model import Options
from tests.support.load import Report, V1Load, fill, verify

# Durable commits, as on a server that people rely on; room for the data, so that checkpoints are not what is measured.
SERVER = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}
TRADER_PASSWORD = "bench"
BEFORE_S, AFTER_S = 2.0, 3.0
PAUSE_S = 0.002


@dataclass(frozen=True)
class Sizes:
    prices: int
    signals: int
    positions: int


FULL = Sizes(prices=5_000_000, signals=200_000, positions=2_000)
QUICK = Sizes(prices=300_000, signals=50_000, positions=2_000)


@dataclass(frozen=True)
class Measured:
    """One row of the table. `failed_after`: in the seconds after it had ended. `wrong`: answers without an error
    that are not v1's, columns that it does not know say. `lost`: acknowledged writes that are not there at the end.
    None: not measured for this row.
    """

    letter: str
    name: str
    stall_ms: float | None = None
    p99_ms: float | None = None
    statements: int = 0
    failed_during: int | None = None
    failed_after: int | None = None
    wrong: int | None = None
    lost: int | None = None
    wall_s: float | None = None
    exclusive_ms: float | None = None
    remark: str = ""


class Bench:
    def __init__(self, server: PrivateServer, sizes: Sizes, home: Path) -> None:
        self.server, self.sizes = server, sizes
        self.settings = Settings(None, None, home, home / "backups", home / "logs", "127.0.0.1", 8501)
        self.step_seconds: dict[str, float] = {}
        self._made = 0

    def _admin(self, *statements: sql.Composable) -> None:
        conn = psycopg2.connect(self.server.url)
        conn.autocommit = True
        try:
            with conn.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            conn.close()

    def url(self, database: str) -> str:
        host = self.server.url.split("host=", 1)[1]
        return f"postgresql://trader:{quote(TRADER_PASSWORD)}@/{database}?host={host}"

    def build_template(self) -> None:
        role = sql.SQL("CREATE ROLE trader LOGIN CREATEDB PASSWORD {}").format(sql.Literal(TRADER_PASSWORD))
        self._admin(role, sql.SQL("CREATE DATABASE filled OWNER trader"))
        fill(
            self.url("filled"),
            prices=self.sizes.prices,
            signals=self.sizes.signals,
            positions=self.sizes.positions,
        )

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh copy of the data, the same for every rival."""
        self._made += 1
        name = sql.Identifier(f"rival_{self._made}")
        create = sql.SQL("CREATE DATABASE {} OWNER trader TEMPLATE filled STRATEGY file_copy").format(name)
        self._admin(create, sql.SQL("CHECKPOINT"))
        yield self.url(f"rival_{self._made}")
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def noise_floor(self, seconds: float) -> Measured:
        """The old application alone, for as long as ours took."""
        with self.database() as url, V1Load(url, pause_s=PAUSE_S) as load:
            load.run_for(BEFORE_S)
            load.mark("during")
            load.run_for(seconds)
            load.mark("after")
            load.run_for(AFTER_S)
            return self._measured("a", "no migration: noise floor", load.stop(), url, seconds)

    def rival(self, rival: Rival) -> Measured:
        with self.database() as url:
            if rival.prepare is not None:
                rival.prepare(url)
            with V1Load(url, pause_s=PAUSE_S) as load:
                load.run_for(BEFORE_S)
                load.mark("during")
                begin = time.monotonic()
                rival.run(url)
                wall = time.monotonic() - begin
                load.mark("after")
                load.run_for(AFTER_S)
                return self._measured(rival.letter, rival.name, load.stop(), url, wall)

    def ours(self) -> list[Measured]:
        """Phase 1; then, with a second portfolio of the same symbols, rollback; phase 1 again; phase 2 alone."""
        with self.database() as url:
            with V1Load(url, pause_s=PAUSE_S) as load:
                load.run_for(BEFORE_S)
                load.mark("during")
                first = self._run(url, Phase.PHASE1)
                load.mark("after")
                load.run_for(AFTER_S)
                report = load.stop()
                phase1 = self._measured("b", "ours, phase 1", report, url, first.seconds)
            rows = [replace(phase1, exclusive_ms=first.exclusive_ms)]
            self.copy_portfolio(url)
            with V1Load(url, load=2, pause_s=PAUSE_S) as load:
                load.run_for(BEFORE_S)
                load.mark("during")
                back = self._run(url, Phase.ROLLBACK_V1)
                load.mark("after")
                load.run_for(AFTER_S)
                report = load.stop()
                rollback = self._measured("", "ours, rollback of 2 portfolios", report, url, back.seconds)
            rows.append(replace(rollback, exclusive_ms=back.exclusive_ms))
            self._run(url, Phase.PHASE1)
            second = self._run(url, Phase.PHASE2)
            name = "ours, phase 2 (no v1 clients)"
            rows.append(Measured("", name, wall_s=second.seconds, exclusive_ms=second.exclusive_ms))
            return rows

    def _run(self, url: str, phase: Phase) -> RunOutcome:
        began: list[tuple[str, float]] = []

        def on_event(event: Event) -> None:
            if event.step is not None and (not began or began[-1][0] != event.step):
                began.append((event.step, time.monotonic()))

        begin = time.monotonic()
        outcome: RunOutcome = engine.run(url, phase, Options(backup=False, keep=Keep.DEFAULT), self.settings, on_event)
        end = time.monotonic()
        if outcome.state != OutcomeState.DONE:
            raise RuntimeError(f"{phase.value} did not end as it should: {outcome}")
        if phase is Phase.PHASE1 and not self.step_seconds:
            ends = [at for _, at in began[1:]] + [end]
            for (step, at), until in zip(began, ends, strict=True):
                self.step_seconds[step] = self.step_seconds.get(step, 0.0) + until - at
        return replace(outcome, seconds=end - begin)

    def copy_portfolio(self, url: str) -> None:
        """A second portfolio that holds the same symbols, for the rollback to deal with."""
        conn = psycopg2.connect(url, application_name="hk_strategy bench")
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute("INSERT INTO public.portfolios (portfolio_id, name) VALUES ('COPY', 'Copy')")
                cursor.execute(
                    "INSERT INTO public.portfolio_positions"
                    " (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector)"
                    " SELECT 'COPY', symbol, company_name, quantity, avg_cost, current_price, sector"
                    " FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT'"
                )
        finally:
            conn.close()

    def _measured(self, letter: str, name: str, report: Report, url: str, wall_s: float) -> Measured:
        during, after = report.windows["during"], report.windows["after"]
        states = Counter(f"{f.sqlstate} {f.message[:60]}" for f in report.failures)
        remark = "; ".join(f"{count} times {text}" for text, count in states.most_common(4))
        if report.wrong and letter in ("", "a", "b"):
            remark += f"; wrong: {report.wrong[0][:200]}"
        lost = verify(url, report.ledger) if letter in ("", "a", "b") else []
        if lost:
            remark += f"; lost: {lost[0]}"
        return Measured(
            letter,
            name,
            stall_ms=during.longest_ms,
            p99_ms=during.p99_ms,
            statements=during.statements,
            failed_during=during.failures,
            failed_after=after.failures,
            wrong=len(report.wrong),
            lost=len(lost) if letter in ("", "a", "b") else None,
            wall_s=wall_s,
            remark=remark,
        )


def measure(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Measured], dict[str, float]]:
    """All rows, in the order of the table, and the seconds that each step of our phase 1 took."""
    with tempfile.TemporaryDirectory(prefix="hk_bench_") as directory:
        home = Path(directory)
        with PrivateServer(home / "server", 18, options=SERVER) as server:
            bench = Bench(server, QUICK if quick else FULL, home)
            say("filling the database")
            bench.build_template()
            say("ours")
            ours = bench.ours()
            say("no migration")
            rows = [bench.noise_floor(max(5.0, ours[0].wall_s or 0.0)), *ours]
            for rival in (PLAIN_SQL, TEXTBOOK, TEXTBOOK_DEFAULT, BUILDS_ALONE):
                say(rival.name)
                rows.append(bench.rival(rival))
            return rows, bench.step_seconds
