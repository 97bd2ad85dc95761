"""The two usual ways to make this schema change, written as a competent person would, to be measured beside ours.

Both end where phase 1 ends: several portfolios, one symbol in as many of them as wanted, v1's rows in DEFAULT. Both
also give `price_history` a portfolio_id, as the guides for such changes do. Neither has compatibility views: that
v1's ON CONFLICT (symbol) fails afterwards is not counted against their time, and is counted as failed statements.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

PLAIN = """
BEGIN;
CREATE TABLE public.portfolios (
    id serial PRIMARY KEY, portfolio_id varchar(50) NOT NULL UNIQUE, name varchar(200) NOT NULL, description text,
    created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP);
INSERT INTO public.portfolios (portfolio_id, name) VALUES ('DEFAULT', 'Legacy Portfolio');
ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50);
ALTER TABLE public.trading_signals ADD COLUMN portfolio_id varchar(50);
ALTER TABLE public.price_history ADD COLUMN portfolio_id varchar(50);
UPDATE public.portfolio_positions SET portfolio_id = 'DEFAULT';
UPDATE public.trading_signals SET portfolio_id = 'DEFAULT';
UPDATE public.price_history SET portfolio_id = 'DEFAULT';
CREATE INDEX idx_signals_portfolio_symbol ON public.trading_signals (portfolio_id, symbol);
CREATE INDEX idx_signals_portfolio_created ON public.trading_signals (portfolio_id, created_at DESC);
CREATE INDEX idx_price_portfolio_symbol ON public.price_history (portfolio_id, symbol, timestamp DESC);
ALTER TABLE public.portfolio_positions
    ALTER COLUMN portfolio_id SET NOT NULL, ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT';
ALTER TABLE public.trading_signals
    ALTER COLUMN portfolio_id SET NOT NULL, ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT';
ALTER TABLE public.price_history
    ALTER COLUMN portfolio_id SET NOT NULL, ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT';
ALTER TABLE public.trading_signals DROP CONSTRAINT trading_signals_symbol_fkey;
ALTER TABLE public.price_history DROP CONSTRAINT price_history_symbol_fkey;
ALTER TABLE public.portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key;
ALTER TABLE public.portfolio_positions
    ADD CONSTRAINT portfolio_positions_portfolio_id_symbol_key UNIQUE (portfolio_id, symbol);
ALTER TABLE public.portfolio_positions ADD FOREIGN KEY (portfolio_id) REFERENCES public.portfolios (portfolio_id);
ALTER TABLE public.trading_signals ADD FOREIGN KEY (portfolio_id, symbol)
    REFERENCES public.portfolio_positions (portfolio_id, symbol) ON DELETE CASCADE;
ALTER TABLE public.price_history ADD FOREIGN KEY (portfolio_id, symbol)
    REFERENCES public.portfolio_positions (portfolio_id, symbol) ON DELETE CASCADE;
COMMIT;
"""


def plain_sql(url: str) -> None:
    """One script in one transaction, as `psql -1 -f` runs it. A deadlock's victim tries again, as a person would."""
    for _ in range(5):
        conn = psycopg2.connect(url, application_name="rival plain")
        conn.autocommit = True
        try:
            with conn.cursor() as cursor:
                cursor.execute(PLAIN)
            return
        except errors.DeadlockDetected:
            continue
        finally:
            conn.close()
    raise RuntimeError("plain SQL was a deadlock's victim five times")


# -- The textbook's way. Each entry is one statement in a transaction of its own.

ADD_COLUMNS = (
    """CREATE TABLE public.portfolios (
        id serial PRIMARY KEY, portfolio_id varchar(50) NOT NULL UNIQUE, name varchar(200) NOT NULL, description text,
        created_at timestamp DEFAULT CURRENT_TIMESTAMP, updated_at timestamp DEFAULT CURRENT_TIMESTAMP)""",
    "INSERT INTO public.portfolios (portfolio_id, name) VALUES ('DEFAULT', 'Legacy Portfolio')",
    "ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50)",
    "ALTER TABLE public.trading_signals ADD COLUMN portfolio_id varchar(50)",
    "ALTER TABLE public.price_history ADD COLUMN portfolio_id varchar(50)",
    "ALTER TABLE public.portfolio_positions ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT'",
    "ALTER TABLE public.trading_signals ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT'",
    "ALTER TABLE public.price_history ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT'",
)
BATCHES = {
    "portfolio_positions": "UPDATE public.portfolio_positions SET portfolio_id = 'DEFAULT'"
    " WHERE id >= %s AND id < %s AND portfolio_id IS NULL",
    "trading_signals": "UPDATE public.trading_signals SET portfolio_id = 'DEFAULT'"
    " WHERE id >= %s AND id < %s AND portfolio_id IS NULL",
    "price_history": "UPDATE public.price_history SET portfolio_id = 'DEFAULT'"
    " WHERE id >= %s AND id < %s AND portfolio_id IS NULL",
}
HIGHEST_ID = {
    "portfolio_positions": "SELECT max(id) FROM public.portfolio_positions",
    "trading_signals": "SELECT max(id) FROM public.trading_signals",
    "price_history": "SELECT max(id) FROM public.price_history",
}
BATCH_ROWS = 10_000
INDEXES = (
    "CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_portfolio_id_symbol_key"
    " ON public.portfolio_positions (portfolio_id, symbol)",
    "CREATE INDEX CONCURRENTLY idx_signals_portfolio_symbol ON public.trading_signals (portfolio_id, symbol)",
    "CREATE INDEX CONCURRENTLY idx_signals_portfolio_created ON public.trading_signals (portfolio_id, created_at DESC)",
    "CREATE INDEX CONCURRENTLY idx_price_portfolio_symbol"
    " ON public.price_history (portfolio_id, symbol, timestamp DESC)",
)
CONSTRAINTS = (
    "ALTER TABLE public.portfolio_positions ADD CONSTRAINT p_nn CHECK (portfolio_id IS NOT NULL) NOT VALID",
    "ALTER TABLE public.trading_signals ADD CONSTRAINT s_nn CHECK (portfolio_id IS NOT NULL) NOT VALID",
    "ALTER TABLE public.price_history ADD CONSTRAINT h_nn CHECK (portfolio_id IS NOT NULL) NOT VALID",
    "ALTER TABLE public.portfolio_positions VALIDATE CONSTRAINT p_nn",
    "ALTER TABLE public.trading_signals VALIDATE CONSTRAINT s_nn",
    "ALTER TABLE public.price_history VALIDATE CONSTRAINT h_nn",
    "ALTER TABLE public.portfolio_positions ALTER COLUMN portfolio_id SET NOT NULL",
    "ALTER TABLE public.trading_signals ALTER COLUMN portfolio_id SET NOT NULL",
    "ALTER TABLE public.price_history ALTER COLUMN portfolio_id SET NOT NULL",
    "ALTER TABLE public.portfolio_positions DROP CONSTRAINT p_nn",
    "ALTER TABLE public.trading_signals DROP CONSTRAINT s_nn",
    "ALTER TABLE public.price_history DROP CONSTRAINT h_nn",
    "ALTER TABLE public.portfolio_positions ADD CONSTRAINT portfolio_positions_portfolio_id_symbol_key"
    " UNIQUE USING INDEX portfolio_positions_portfolio_id_symbol_key",
    "ALTER TABLE public.portfolio_positions ADD CONSTRAINT p_fk FOREIGN KEY (portfolio_id)"
    " REFERENCES public.portfolios (portfolio_id) NOT VALID",
    "ALTER TABLE public.trading_signals ADD CONSTRAINT s_fk FOREIGN KEY (portfolio_id, symbol)"
    " REFERENCES public.portfolio_positions (portfolio_id, symbol) ON DELETE CASCADE NOT VALID",
    "ALTER TABLE public.price_history ADD CONSTRAINT h_fk FOREIGN KEY (portfolio_id, symbol)"
    " REFERENCES public.portfolio_positions (portfolio_id, symbol) ON DELETE CASCADE NOT VALID",
    "ALTER TABLE public.portfolio_positions VALIDATE CONSTRAINT p_fk",
    "ALTER TABLE public.trading_signals VALIDATE CONSTRAINT s_fk",
    "ALTER TABLE public.price_history VALIDATE CONSTRAINT h_fk",
    "ALTER TABLE public.trading_signals DROP CONSTRAINT trading_signals_symbol_fkey",
    "ALTER TABLE public.price_history DROP CONSTRAINT price_history_symbol_fkey",
    "ALTER TABLE public.portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key",
)


ADD_COLUMNS_WITH_DEFAULT = (
    *ADD_COLUMNS[:2],
    "ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'",
    "ALTER TABLE public.trading_signals ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'",
    "ALTER TABLE public.price_history ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'",
)


def textbook(url: str) -> None:
    """CONCURRENTLY, NOT VALID then VALIDATE, lock_timeout 500 ms with retries, backfill in batches of 10,000 ids."""
    _textbook(url, backfill=True)


def textbook_without_backfill(url: str) -> None:
    """The same by someone who knows that a column with a constant default needs no backfill."""
    _textbook(url, backfill=False)


def _textbook(url: str, *, backfill: bool) -> None:
    conn = psycopg2.connect(url, application_name="rival textbook")
    conn.autocommit = True
    try:
        for statement in ADD_COLUMNS if backfill else ADD_COLUMNS_WITH_DEFAULT:
            _with_retries(conn, statement)
        for table in BATCHES if backfill else ():
            _backfill(conn, table)
        _execute(conn, "SET lock_timeout = 0")  # an index build that gives up leaves an invalid index
        for statement in INDEXES:
            _execute(conn, statement)
        for statement in CONSTRAINTS:
            _with_retries(conn, statement)
    finally:
        conn.close()


def _execute(conn: Connection, statement: str, *params: object) -> None:
    with conn.cursor() as cursor:
        cursor.execute(statement, params or None)


def _with_retries(conn: Connection, statement: str) -> None:
    _execute(conn, "SET lock_timeout = '500ms'")
    for attempt in range(100):
        try:
            _execute(conn, statement)
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            time.sleep(min(2.0, 0.1 * 2**attempt))
    raise RuntimeError(f"no lock in 100 tries: {statement}")


def _backfill(conn: Connection, table: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(HIGHEST_ID[table])
        row = cursor.fetchone()
    highest = int(row[0]) if row and row[0] is not None else 0
    for first in range(0, highest + 1, BATCH_ROWS):
        for _ in range(20):
            try:
                _execute(conn, BATCHES[table], first, first + BATCH_ROWS)
                break
            except (errors.LockNotAvailable, errors.DeadlockDetected):
                time.sleep(0.1)


# -- What any way must do at least: the builds and validations of our phase 1, and nothing else.

BARE_MINIMUM = (
    "ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT',"
    " ADD COLUMN legacy_symbol varchar(10)",
    "ALTER TABLE public.trading_signals ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'",
)
BUILDS = (
    "CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_portfolio_id_symbol_key"
    " ON public.portfolio_positions (portfolio_id, symbol)",
    "CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_legacy_symbol_key"
    " ON public.portfolio_positions (legacy_symbol)",
    "CREATE INDEX CONCURRENTLY idx_signals_portfolio_symbol ON public.trading_signals (portfolio_id, symbol)",
    "CREATE INDEX CONCURRENTLY idx_signals_portfolio_created ON public.trading_signals (portfolio_id, created_at DESC)",
    "ALTER TABLE public.trading_signals ADD CONSTRAINT s_fk FOREIGN KEY (portfolio_id, symbol)"
    " REFERENCES public.portfolio_positions (portfolio_id, symbol) ON DELETE CASCADE NOT VALID",
    "ALTER TABLE public.trading_signals VALIDATE CONSTRAINT s_fk",
    "ANALYZE public.portfolio_positions, public.trading_signals",
)


@dataclass(frozen=True)
class Rival:
    """One way to be measured. `prepare` runs before the clock starts."""

    letter: str
    name: str
    run: Callable[[str], None]
    prepare: Callable[[str], None] | None = None


def _prepare_builds(url: str) -> None:
    _run_all(url, BARE_MINIMUM)


def _builds_alone(url: str) -> None:
    _run_all(url, BUILDS)


def _run_all(url: str, statements: tuple[str, ...]) -> None:
    conn = psycopg2.connect(url, application_name="rival builds")
    conn.autocommit = True
    try:
        for statement in statements:
            _execute(conn, statement)
    finally:
        conn.close()


PLAIN_SQL = Rival("c", "plain SQL, one transaction", plain_sql)
TEXTBOOK = Rival("d", "textbook: CONCURRENTLY, retries", textbook)
TEXTBOOK_DEFAULT = Rival("d2", "textbook, without backfill", textbook_without_backfill)
BUILDS_ALONE = Rival("e", "index builds and validations alone", _builds_alone, _prepare_builds)
