"""A version 1 database with as many rows as wanted, made in seconds."""

import psycopg2

from tests.support.load.v1 import INIT_SQL

# Rows first, then what checks and indexes them: the other way round 5 million prices take a minute.
_TAKE_OFF = """
ALTER TABLE public.price_history DROP CONSTRAINT price_history_symbol_fkey;
ALTER TABLE public.price_history DROP CONSTRAINT price_history_pkey;
ALTER TABLE public.trading_signals DROP CONSTRAINT trading_signals_symbol_fkey;
DROP INDEX public.idx_price_symbol_time;
"""
_POSITIONS = """
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector)
SELECT lpad(i::text, 4, '0') || '.HK', 'Company ' || i, i %% 700 * 100, (i %% 5000) * 0.125 + 1, (i %% 5000) * 0.13 + 1,
       (ARRAY['Financials', 'Tech', 'REIT', 'Energy', 'Other'])[i %% 5 + 1]
  FROM generate_series(1, %(positions)s) AS i
"""
_SIGNALS = """
INSERT INTO public.trading_signals (symbol, signal_type, signal_strength, price, volume, rsi, created_at)
SELECT lpad((i %% %(positions)s + 1)::text, 4, '0') || '.HK', chr(65 + i %% 4), (i %% 100) * 0.01,
       (i %% 5000) * 0.13 + 1, i %% 90000, 50, timestamp '2024-01-01' + i * interval '1 minute'
  FROM generate_series(1, %(signals)s) AS i
"""
# Five thousand different rows, each many times with another time: numbers cost most to work out.
_PRICES = """
WITH one AS MATERIALIZED (
    SELECT i, lpad((i %% %(positions)s + 1)::text, 4, '0') || '.HK' AS symbol, i %% 90000 AS volume, p,
           (p * 1.01)::numeric(10,3) AS high, (p * 0.99)::numeric(10,3) AS low
      FROM generate_series(1, 5000) AS i, LATERAL (SELECT (i * 0.13 + 1)::numeric(10,3) AS p) AS price
)
INSERT INTO public.price_history (symbol, price, volume, high, low, open_price, close_price, timestamp)
SELECT symbol, p, volume, high, low, p, p, timestamp '2022-01-01' + (again * 5000 + i) * interval '10 seconds'
  FROM generate_series(0, (%(prices)s - 1) / 5000) AS again, one
 LIMIT %(prices)s
"""
_PUT_BACK = """
ALTER TABLE public.price_history ADD CONSTRAINT price_history_pkey PRIMARY KEY (id);
CREATE INDEX idx_price_symbol_time ON public.price_history(symbol, timestamp DESC);
ALTER TABLE public.price_history ADD CONSTRAINT price_history_symbol_fkey
    FOREIGN KEY (symbol) REFERENCES public.portfolio_positions(symbol) ON DELETE CASCADE;
ALTER TABLE public.trading_signals ADD CONSTRAINT trading_signals_symbol_fkey
    FOREIGN KEY (symbol) REFERENCES public.portfolio_positions(symbol) ON DELETE CASCADE;
"""


def fill(url: str, *, prices: int = 300_000, signals: int = 50_000, positions: int = 2_000) -> None:
    """Make the v1 tables where they are missing, and fill them (they must be empty). Symbols: 0001.HK and so on."""
    sizes = {"prices": prices, "signals": signals, "positions": positions}
    conn = psycopg2.connect(
        url, application_name="filling", options="-c synchronous_commit=off -c maintenance_work_mem=512MB"
    )
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            cursor.execute(INIT_SQL.read_text())
            cursor.execute(_TAKE_OFF)
            cursor.execute(_POSITIONS, sizes)
            cursor.execute(_SIGNALS, sizes)
            cursor.execute(_PRICES, sizes)
            cursor.execute(_PUT_BACK)
            # Now, so that no automatic one comes in the middle of what is tested.
            for table in ("portfolio_positions", "trading_signals", "price_history"):
                cursor.execute("VACUUM (ANALYZE) public." + table)
    finally:
        conn.close()
