"""What a v1 database may hold that phase 1 refuses, before anything is touched, with what to do about it."""

from dataclasses import dataclass

import pytest

from src.journal.model import Phase
from src.migration import engine
from tests.support.odd_databases import HOLDINGS, UNIQUE_HOLDINGS, MakeEnv, make_lab, refused

__all__ = ["make_lab"]


@dataclass(frozen=True)
class Refused:
    """A v1 database changed by `made`; phase 1 refuses it, and `words` are in the reason."""

    name: str
    made: str
    words: tuple[str, ...]


PHASE_1_REFUSES = (
    Refused("signals missing", "DROP TABLE trading_signals", ("Table public.trading_signals is missing", "init.sql")),
    Refused("prices missing", "DROP TABLE price_history", ("Table public.price_history is missing", "init.sql")),
    Refused(
        "no unique symbol",
        "ALTER TABLE portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key CASCADE",
        ("Positions are not unique by symbol", "ADD CONSTRAINT portfolio_positions_symbol_key UNIQUE (symbol)"),
    ),
    Refused(
        "unique symbol of another name",
        "ALTER TABLE portfolio_positions RENAME CONSTRAINT portfolio_positions_symbol_key TO positions_symbol_uq",
        ("named positions_symbol_uq", "RENAME CONSTRAINT positions_symbol_uq TO portfolio_positions_symbol_key"),
    ),
    Refused(
        "unique index without a constraint",
        """ALTER TABLE portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key CASCADE;
        CREATE UNIQUE INDEX one_symbol ON portfolio_positions (symbol);
        ALTER TABLE trading_signals ADD CONSTRAINT trading_signals_symbol_fkey FOREIGN KEY (symbol)
            REFERENCES portfolio_positions(symbol) ON DELETE CASCADE;
        ALTER TABLE price_history ADD CONSTRAINT price_history_symbol_fkey FOREIGN KEY (symbol)
            REFERENCES portfolio_positions(symbol) ON DELETE CASCADE""",
        ("by the index public.one_symbol", "UNIQUE USING INDEX one_symbol"),
    ),
    Refused(
        "second unique index",
        "CREATE UNIQUE INDEX second ON portfolio_positions (symbol)",
        ("second", "forbid a symbol in two portfolios", "DROP INDEX CONCURRENTLY public.second"),
    ),
    Refused(
        "unique expression",
        "CREATE UNIQUE INDEX lowered ON portfolio_positions (lower(symbol))",
        ("lowered", "forbid a symbol in two portfolios"),
    ),
    Refused(
        "foreign key of another name",
        "ALTER TABLE trading_signals RENAME CONSTRAINT trading_signals_symbol_fkey TO signals_fk",
        ("named signals_fk", "RENAME CONSTRAINT signals_fk TO trading_signals_symbol_fkey"),
    ),
    Refused(
        "signals of no position",
        """ALTER TABLE trading_signals DROP CONSTRAINT trading_signals_symbol_fkey;
        INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('9999.HK', 'A', 1)""",
        ("9999.HK", "no position", "watch row"),
    ),
    Refused(
        "another application's foreign key",
        "CREATE TABLE alerts (id int, symbol varchar(10) REFERENCES portfolio_positions(symbol))",
        ("alerts_symbol_fkey", "table alerts", "ALTER TABLE alerts DROP CONSTRAINT alerts_symbol_fkey"),
    ),
    Refused(
        "another application's view",
        "CREATE VIEW public.exposure AS SELECT sum(market_value) AS total FROM portfolio_positions",
        ("View public.exposure", "every portfolio", "DROP VIEW public.exposure"),
    ),
    Refused(
        "a materialized view of signals",
        "CREATE MATERIALIZED VIEW public.latest AS SELECT max(created_at) FROM trading_signals",
        ("Materialized view public.latest", "trading_signals", "DROP MATERIALIZED VIEW public.latest"),
    ),
    Refused(
        "a function that names public",
        """CREATE FUNCTION public.total() RETURNS bigint LANGUAGE sql
        AS 'SELECT sum(quantity) FROM public.portfolio_positions'""",
        ("Function public.total()", "every portfolio"),
    ),
    Refused(
        "a function with a parsed body",
        """CREATE FUNCTION public.total() RETURNS bigint LANGUAGE sql
        BEGIN ATOMIC SELECT sum(quantity) FROM portfolio_positions; END""",
        ("Function public.total()", "DROP FUNCTION public.total()"),
    ),
    Refused(
        "a function of our name",
        "CREATE FUNCTION public.check_migration_status() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ("check_migration_status is taken", "RENAME TO check_migration_status_old"),
    ),
    Refused(
        "a table of our view's name",
        "CREATE TABLE public.portfolio_summary (id int)",
        ("portfolio_summary is taken by a table", "ALTER TABLE public.portfolio_summary RENAME"),
    ),
    Refused(
        "row-level security",
        "ALTER TABLE trading_signals ENABLE ROW LEVEL SECURITY",
        ("Row-level security is on for table trading_signals", "DISABLE ROW LEVEL SECURITY"),
    ),
    Refused(
        "inheritance",
        "CREATE TABLE old_prices () INHERITS (price_history)",
        ("Table price_history is partitioned, or inherits",),
    ),
    Refused(
        "symbol of another type",
        "ALTER TABLE portfolio_positions ALTER COLUMN symbol TYPE varchar(20)",
        ("symbol is character varying(20)", "TYPE varchar(10)"),
    ),
    Refused("a column missing", "ALTER TABLE portfolio_positions DROP COLUMN sector", ("lacks sector", "init.sql")),
    Refused(
        "portfolio_id of another type",
        "ALTER TABLE portfolio_positions ADD COLUMN portfolio_id integer",
        ("portfolio_id, of type integer", "ALTER COLUMN portfolio_id TYPE varchar(50)"),
    ),
    Refused(
        "portfolio_id with values",
        """ALTER TABLE portfolio_positions ADD COLUMN portfolio_id varchar(50);
        UPDATE portfolio_positions SET portfolio_id = 'TECH' WHERE symbol = '0700.HK'""",
        ("other than DEFAULT: TECH (1 row)", "RENAME COLUMN portfolio_id TO portfolio_id_old"),
    ),
    Refused(
        "signals' portfolio_id with values",
        "ALTER TABLE trading_signals ADD COLUMN portfolio_id varchar(50) DEFAULT 'MAIN'",
        ("trading_signals already has", "MAIN (1 row)"),
    ),
    Refused(
        "legacy_symbol of somebody",
        "ALTER TABLE portfolio_positions ADD COLUMN legacy_symbol varchar(10)",
        ("legacy_symbol that is not this project's", "RENAME COLUMN legacy_symbol"),
    ),
    Refused(
        "a foreign key to portfolios too early",
        """CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200));
        INSERT INTO portfolios VALUES ('DEFAULT', 'Mine');
        ALTER TABLE portfolio_positions ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT' REFERENCES portfolios""",
        ("portfolio_positions already has a foreign key to portfolios", "DROP CONSTRAINT"),
    ),
    Refused(
        "portfolios without portfolio_id",
        "CREATE TABLE portfolios (id serial PRIMARY KEY, name varchar(200))",
        ("without a column portfolio_id",),
    ),
    Refused(
        "portfolios keyed by a number",
        "CREATE TABLE portfolios (portfolio_id serial PRIMARY KEY, name varchar(200))",
        ("portfolios.portfolio_id is integer", "TYPE varchar(50)"),
    ),
    Refused(
        "portfolios with a column that must be given",
        "CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200), owner varchar(20) NOT NULL)",
        ("NOT NULL without a default: owner", "SET DEFAULT"),
    ),
    Refused(
        "portfolio ids that cannot stay",
        """CREATE TABLE portfolios (portfolio_id text, name varchar(200));
        INSERT INTO portfolios VALUES ('A', 'x'), ('A', 'y'), (NULL, 'z'), (repeat('b', 51), 'long')""",
        ("A (there twice)", "NULL", "longer than 50 characters"),
    ),
    Refused(
        "portfolios with a name too narrow",
        "CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(10))",
        ("portfolios.name is character varying(10), too narrow", "TYPE varchar(200)"),
    ),
    Refused(
        "portfolios with an archived_at of its own",
        "CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200), archived_at timestamp)",
        ("archived_at of its own", "RENAME COLUMN archived_at"),
    ),
    Refused(
        "holdings that do not fit",
        UNIQUE_HOLDINGS
        + """INSERT INTO portfolio_holdings (portfolio_id, symbol, quantity, avg_cost) VALUES
        ('TECH', '0700.HK.LONGER', 1, 1), ('TECH', '0005.HK', 1.5, 1), ('TECH', NULL, 1, 1), (NULL, '0001.HK', 1, 1),
        ('TECH', '0002.HK', 3000000000, 1), ('TECH', '0003.HK', 1, 99999999), ('TECH', '0700.HK', 1000000000, 1)""",
        (
            "TECH 0700.HK.LONGER: symbol longer than 10 characters",
            "TECH 0005.HK: quantity 1.5 is no whole number",
            "TECH (none): no symbol",
            "(none) 0001.HK: no portfolio",
            "TECH 0002.HK: quantity 3000000000 is too large",
            "TECH 0003.HK: avg_cost 99999999.00 is too large",
            "TECH 0700.HK: its value is too large",
            "RENAME TO portfolio_holdings_old",
        ),
    ),
    Refused(
        "holdings there twice",
        HOLDINGS
        + """INSERT INTO portfolio_holdings (portfolio_id, symbol, quantity)
        VALUES ('A', '0005.HK', 1), ('A', '0005.HK', 2)""",
        ("A 0005.HK: there 2 times",),
    ),
    Refused(
        "holdings of DEFAULT that it does not hold",
        UNIQUE_HOLDINGS
        + """INSERT INTO portfolio_holdings (portfolio_id, symbol, quantity, avg_cost)
        VALUES ('DEFAULT', '0388.HK', 3, 280), ('DEFAULT', '0005.HK', 400, 38.5)""",
        ("rows for DEFAULT that are no positions: 0388.HK.", "add them to portfolio_positions first"),
    ),
    Refused(
        "holdings without a column",
        "CREATE TABLE portfolio_holdings (portfolio_id varchar(50), symbol varchar(20), quantity int)",
        ("portfolio_holdings lacks company_name, avg_cost and sector",),
    ),
    Refused(
        "holdings without numbers",
        "CREATE TABLE portfolio_holdings (portfolio_id varchar(50), symbol varchar(20), company_name text, "
        "quantity text, avg_cost numeric, sector text)",
        ("quantity (text) should be numbers",),
    ),
    Refused(
        "an index of our name",
        "CREATE INDEX idx_signals_portfolio_symbol ON price_history (symbol)",
        ("idx_signals_portfolio_symbol is taken", "RENAME TO idx_signals_portfolio_symbol_old"),
    ),
    Refused(
        "made by another tool",
        """ALTER TABLE portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key CASCADE;
        CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200), description text,
            created_at timestamp, updated_at timestamp, strategy varchar(100), copied_from varchar(50),
            copied_at timestamp, archived_at timestamp);
        ALTER TABLE portfolio_positions ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT',
            ADD UNIQUE (portfolio_id, symbol);
        ALTER TABLE trading_signals ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'""",
        ("made by another tool", "portfolio_positions.legacy_symbol", "restore a backup"),
    ),
    Refused(
        "read-only",
        """DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
        END $$""",
        ("read-only (default_transaction_read_only is on)", "RESET default_transaction_read_only"),
    ),
)


@pytest.mark.parametrize("case", PHASE_1_REFUSES, ids=lambda case: case.name.replace(" ", "-"))
def test_phase_1_refuses_and_touches_nothing(make_lab: MakeEnv, pg_version: int, case: Refused) -> None:
    it = make_lab(pg_version)
    it.v1(case.made)
    refused(it, Phase.PHASE1, *case.words)
    found = engine.inspect(it.url).findings
    assert any(word in finding.title for word in case.words for finding in found if finding.severity == "refusal")


def test_an_empty_database_is_refused_and_is_not_called_v1(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version, None)
    refused(it, Phase.PHASE1, "empty", "run_migration.py init --schema v1")
    found = engine.inspect(it.url)
    assert (found.version, found.title) == (None, "empty")
