"""The traders' pages: how long their script takes beside the SQL that it sends, alone, in the same run.

Every round forgets what the pages remember, runs the script, and sends the same statements again over one connection.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
from psycopg2 import sql
from streamlit.testing.v1 import AppTest

from src.auth.sessions import LoginKind, LoginSessions
from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.postgres.connection import Connection, Cursor
from src.postgres.pool import Pool
from src.ui.access import current_user
from src.ui.reads import queries as cache

SCRIPT = PROJECT_ROOT / "src" / "ui" / "script.py"
PAGES: dict[str, dict[str, str]] = {
    "portfolios": {},
    "portfolio": {"id": "P1"},
    "comparison": {"left": "P1", "right": "P2"},
}
ROUNDS = 9
ALLOWED_MS = 60.0

FILL = """
INSERT INTO public.portfolios (portfolio_id, name, strategy)
SELECT 'P' || n, 'Book ' || n, 'Strategy ' || n %% 7 FROM generate_series(1, %(portfolios)s) n;
INSERT INTO public.portfolio_positions
       (portfolio_id, symbol, company_name, sector, quantity, avg_cost, current_price, last_updated)
SELECT 'P' || n, lpad(s::text, 4, '0') || '.HK', 'Company ' || s, 'Sector ' || s %% 9, 100 * (1 + (n + s) %% 50),
       10 + s %% 90, 11 + s %% 90, now()
  FROM generate_series(1, %(portfolios)s) n, generate_series(1, %(positions)s) s;
INSERT INTO public.price_history (symbol, price, timestamp)
SELECT lpad(s::text, 4, '0') || '.HK', 10 + (s + d) %% 90, now() - d * interval '1 day'
  FROM generate_series(1, %(positions)s) s, generate_series(0, 500) d;
INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price)
SELECT portfolio_id, symbol, 'A', 10 FROM public.portfolio_positions WHERE portfolio_id IN ('P1', 'P2')
"""


@dataclass(frozen=True)
class Size:
    portfolios: int
    positions: int


SIZES = (Size(20, 50), Size(1_000, 500))


@dataclass(frozen=True)
class Timed:
    """Medians of one page, in milliseconds. `again_ms`: its script when nothing has changed since."""

    size: Size
    page: str
    statements: int
    sql_ms: float
    script_ms: float
    again_ms: float

    @property
    def allowed_ms(self) -> float:
        """Twice its own SQL, and 60 ms."""
        return 2 * self.sql_ms + ALLOWED_MS


@contextmanager
def recorded(sent: list[tuple[Any, Any]]) -> Iterator[None]:
    """Every statement of every pool of this process, with its values."""
    take = Pool.take

    class Recorder(Cursor):  # type: ignore[misc]  # psycopg2 has no types
        def execute(self, statement: Any, values: Any = None) -> Any:
            sent.append((statement, values))
            return super().execute(statement, values)

    def recording(pool: Pool, *, checked: bool = False) -> Connection:
        conn = take(pool, checked=checked)
        conn.cursor_factory = Recorder
        return conn

    with patch.object(Pool, "take", recording):
        yield


def _replay(conn: Connection, sent: list[tuple[Any, Any]]) -> float:
    begin = time.perf_counter()
    with conn.cursor() as cursor:
        for statement, values in sent:
            cursor.execute(statement, values)
            if cursor.description:
                cursor.fetchall()
    conn.rollback()
    return (time.perf_counter() - begin) * 1000


def _run(app: AppTest) -> float:
    begin = time.perf_counter()
    app.run()
    took = (time.perf_counter() - begin) * 1000
    if app.exception or app.error:
        raise RuntimeError(f"the page shows an error: {(app.exception or app.error)[0].value}")
    return took


def _page(url: str, size: Size, name: str) -> Timed:
    app = AppTest.from_file(SCRIPT, default_timeout=120)
    app.run()
    for key, value in PAGES[name].items():
        app.query_params[key] = value
    app.switch_page(f"../../pages/{name}.py").run()
    for _ in range(2):
        cache.forget()
        _run(app)
    scripts, queries, again = [], [], []
    sent: list[tuple[Any, Any]] = []
    conn = psycopg2.connect(url, application_name="hk_strategy bench")
    for _ in range(ROUNDS):
        cache.forget()
        sent.clear()
        with recorded(sent):
            scripts.append(_run(app))
        queries.append(_replay(conn, sent))
        again.append(_run(app))
    conn.close()
    median = statistics.median
    return Timed(size, name, len(sent), median(queries), median(scripts), median(again))


def measure(*, quick: bool, say: Callable[[str], None]) -> list[Timed]:
    """Every page on 20 portfolios of 50 positions; unless `quick` also on 1,000 of 500."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="hk_bench_") as directory,
        PrivateServer(Path(directory) / "server", 18) as server,
    ):
        for number, size in enumerate(SIZES[:1] if quick else SIZES):
            say(f"pages, {size.portfolios:,} portfolios of {size.positions:,} positions")
            url = _database(server, f"pages_{number}", size)
            os.environ.update(DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:9/0", HK_STRATEGY_HOME=directory)
            cookie = LoginSessions(Path(directory)).issue(LoginKind.TOKEN, "bench")
            with patch.object(current_user, "presented_cookie", return_value=cookie):
                found += [_page(url, size, name) for name in PAGES]
            cache.manager().close()
    return found


def _database(server: PrivateServer, name: str, size: Size) -> str:
    conn = psycopg2.connect(server.url)
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    conn.close()
    url = f"postgresql:///{name}?{server.url.split('?', 1)[1]}"
    user = psycopg2.extensions.parse_dsn(server.url).get("user")
    url = url.replace("postgresql:///", f"postgresql://{user}@/") if user else url
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute((PROJECT_ROOT / "migrations" / "init_multi_portfolio.sql").read_text(encoding="utf-8"))
        cursor.execute(FILL, {"portfolios": size.portfolios, "positions": size.positions})
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    conn.close()
    return url
