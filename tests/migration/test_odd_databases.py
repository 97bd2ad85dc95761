"""Databases that are none of the three, and are handled; and what phase 2 and the rollbacks refuse."""

from decimal import Decimal

import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from src.journal.model import Keep, Phase
from src.migration import engine
from tests.conftest import Servers
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import OTHER_PORTFOLIOS, V1_ROWS, MigrationEnv, session, v1_clients_work
from tests.support.odd_databases import UNIQUE_HOLDINGS, MakeEnv, make_lab, phase_1_done, planned, refused, titles

__all__ = ["make_lab"]

HAND_MADE = (
    """CREATE TABLE portfolios (portfolio_id varchar(50) PRIMARY KEY, name varchar(200) NOT NULL);
    INSERT INTO portfolios VALUES ('TECH', 'Technology')""",
    """CREATE TABLE portfolios (id serial PRIMARY KEY, portfolio_id text NOT NULL, description text,
        owner text DEFAULT 'me');
    INSERT INTO portfolios (portfolio_id, owner) VALUES ('TECH', 'she')""",
    """CREATE TABLE portfolios (id int GENERATED ALWAYS AS IDENTITY, portfolio_id varchar(50) UNIQUE, name text);
    INSERT INTO portfolios (portfolio_id, name) VALUES ('DEFAULT', 'Mine'), ('TECH', 'Technology')""",
)


@pytest.mark.parametrize("made", HAND_MADE, ids=("keyed", "nameless", "with-default"))
def test_a_hand_made_portfolios_table_is_adopted_and_given_back(make_lab: MakeEnv, pg_version: int, made: str) -> None:
    it = make_lab(pg_version, rows=V1_ROWS)
    it.v1(made)
    before = whole_dump(it.url, pg_version)
    assert any("adopted" in title for title in titles(planned(it, Phase.PHASE1), "info"))

    phase_1_done(it)
    rows = dict(it.rows("SELECT portfolio_id::text, name::text FROM public.portfolios"))
    assert rows.keys() == {"DEFAULT", "TECH"}
    assert rows["TECH"] in ("Technology", "TECH")
    it.rows(
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost) "
        "VALUES ('TECH', '0005.HK', 5, 300)"
    )
    v1_clients_work(it)

    it.run(Phase.ROLLBACK_V1, keep=Keep.DEFAULT)
    assert difference(before, whole_dump(it.url, pg_version)) == ""
    phase_1_done(it)
    restored = it.rows("SELECT portfolio_id, quantity FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT'")
    assert restored == [("TECH", 5)]


def test_side_table_rows_become_positions(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    it.v1(
        UNIQUE_HOLDINGS
        + """INSERT INTO portfolio_holdings (portfolio_id, symbol, company_name, quantity, avg_cost, sector) VALUES
        ('TECH', '0700.HK', 'Tencent', 50, 300, 'Tech'), ('TECH', '9999.HK', 'Unknown price', 10, 7.5, NULL),
        ('DEFAULT', '0005.HK', 'HSBC', 999, 1, 'Bank'),
        ('BLANK', '0005.HK', NULL, NULL, NULL, NULL)"""
    )
    side_table = it.rows("SELECT * FROM public.portfolio_holdings ORDER BY 1, 2")
    found = planned(it, Phase.PHASE1)
    assert titles(found, "refusal") == []
    assert any("its 4 rows become positions of BLANK, DEFAULT and TECH" in title for title in titles(found, "info"))
    warnings = titles(found, "warning")
    assert any("0005.HK: 999 at 1.00, position 400 at 38.500" in title for title in warnings)
    assert any("BLANK 0005.HK (no quantity)" in title for title in warnings)

    phase_1_done(it)
    held = it.rows(
        "SELECT portfolio_id, symbol, quantity, avg_cost, current_price FROM public.portfolio_positions ORDER BY 1, 2"
    )
    assert held == [
        ("BLANK", "0005.HK", 0, Decimal(0), Decimal("39.75")),
        ("DEFAULT", "0005.HK", 400, Decimal("38.5"), Decimal("39.75")),
        ("DEFAULT", "0700.HK", 100, Decimal("320.5"), Decimal("315.2")),
        ("TECH", "0700.HK", 50, Decimal(300), Decimal("315.2")),
        ("TECH", "9999.HK", 10, Decimal("7.5"), None),
    ]
    assert it.rows("SELECT * FROM public.portfolio_holdings ORDER BY 1, 2") == side_table
    assert any("stays as it is" in title for title in titles(engine.inspect(it.url).findings, "info"))


def test_portfolio_id_on_some_tables_only_is_filled(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    it.v1("ALTER TABLE portfolio_positions ADD COLUMN portfolio_id varchar(50)")
    it.v1("UPDATE portfolio_positions SET portfolio_id = 'DEFAULT' WHERE symbol = '0005.HK'")
    it.v1("ALTER TABLE price_history ADD COLUMN portfolio_id varchar(50) DEFAULT 'X'")
    reported = titles(planned(it, Phase.PHASE1), "info")
    assert any("portfolio_positions already has a column portfolio_id" in t and "1 row without" in t for t in reported)
    assert any("price_history has a column portfolio_id: kept and ignored" in t for t in reported)

    phase_1_done(it)
    assert it.rows("SELECT DISTINCT portfolio_id FROM public.portfolio_positions") == [("DEFAULT",)]
    assert it.rows("SELECT DISTINCT portfolio_id FROM public.price_history") == [("X",)]
    assert it.v1("SELECT symbol FROM portfolio_positions ORDER BY 1") == [("0005.HK",), ("0700.HK",)]


def as_superuser(it: MigrationEnv, servers: Servers) -> str:
    return make_dsn(**{**parse_dsn(servers[it.version]), "dbname": parse_dsn(it.url)["dbname"]})


def mark_invalid(it: MigrationEnv, servers: Servers, *indexes: str) -> None:
    """As a build that was cut short leaves them."""
    with session(as_superuser(it, servers), "hk_strategy test") as conn, conn.cursor() as cur:
        cur.execute("SET allow_system_table_mods = on")
        cur.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (%s::text[]::regclass[])", (list(indexes),)
        )


def test_invalid_indexes_are_rebuilt_or_reported(make_lab: MakeEnv, pg_version: int, servers: Servers) -> None:
    it = make_lab(pg_version)
    it.v1("ALTER TABLE trading_signals ADD COLUMN portfolio_id varchar(50) DEFAULT 'DEFAULT'")
    it.v1("CREATE INDEX idx_signals_portfolio_created ON trading_signals (portfolio_id, created_at DESC)")
    it.v1("CREATE INDEX somebodys ON trading_signals (price)")
    mark_invalid(it, servers, "idx_signals_portfolio_created", "somebodys")
    found = planned(it, Phase.PHASE1)
    assert any("idx_signals_portfolio_created is INVALID" in title for title in titles(found, "info"))
    assert any("somebodys" in title and "INVALID" in title for title in titles(found, "warning"))

    phase_1_done(it)
    assert it.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == [("somebodys",)]
    assert it.rows("SELECT to_regclass('public.idx_signals_portfolio_created') IS NOT NULL") == [(True,)]


def test_what_others_have_stays(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    it.v1(
        """CREATE TABLE notes (id serial PRIMARY KEY, position_id int REFERENCES portfolio_positions(id), note text);
        INSERT INTO notes (position_id, note) SELECT id, 'hold' FROM portfolio_positions;
        DROP TABLE portfolio_value_history, portfolio_analyses;
        CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER count_it BEFORE UPDATE ON portfolio_positions FOR EACH ROW EXECUTE FUNCTION count_it();
        CREATE VIEW last_prices AS SELECT symbol, max(timestamp) AS at FROM price_history GROUP BY symbol"""
    )
    before = whole_dump(it.url, pg_version)
    reported = titles(planned(it, Phase.PHASE1), "info")
    assert any("Other tables in schema public: notes" in title for title in reported)
    assert any("notes_position_id_fkey" in title and "stays" in title for title in reported)
    assert any("Trigger count_it" in title for title in reported)
    assert any("missing: portfolio_analyses and portfolio_value_history" in title for title in reported)

    phase_1_done(it)
    joined = "SELECT count(*) FROM public.notes n JOIN public.portfolio_positions p ON p.id = n.position_id"
    assert it.rows(joined) == [(2,)]
    it.run(Phase.ROLLBACK_V1)
    assert difference(before, whole_dump(it.url, pg_version)) == ""


def test_missing_foreign_keys_are_reported_and_made(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    it.v1("ALTER TABLE trading_signals DROP CONSTRAINT trading_signals_symbol_fkey")
    it.v1("ALTER TABLE price_history DROP CONSTRAINT price_history_symbol_fkey")
    it.v1("INSERT INTO price_history (symbol, price) VALUES ('^HSI', 20000)")
    warnings = titles(planned(it, Phase.PHASE1), "warning")
    assert any("trading_signals has no foreign key" in title for title in warnings)
    assert any("price_history has no foreign key" in title for title in warnings)
    phase_1_done(it)
    it.run(Phase.ROLLBACK_V1)
    assert it.v1("SELECT count(*) FROM price_history WHERE symbol = '^HSI'") == [(0,)]
    phase_1_done(it)
    assert it.rows("SELECT price FROM public.price_history WHERE symbol = '^HSI'") == [(Decimal(20000),)]


# --- phase 2 and the rollbacks ----------------------------------------------------------------------------------


def test_phase_2_refuses_rows_without_a_portfolio(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    phase_1_done(it)
    it.rows(
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol) VALUES ('GONE', '0005.HK'), ('GONE', '0700.HK')"
    )
    it.rows(
        "INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price) "
        "VALUES ('GONE', '0005.HK', 'A', 1)"
    )
    it.rows("ALTER TABLE public.trading_signals DISABLE TRIGGER trading_signals_default_portfolio")
    it.rows("UPDATE public.trading_signals SET portfolio_id = NULL WHERE portfolio_id = 'DEFAULT'")
    refused(
        it,
        Phase.PHASE2,
        "portfolio_positions has rows of portfolios that are not in table portfolios: GONE (2 rows)",
        "GONE (1 row)",
        "1 row of trading_signals belong to no portfolio",
        force=True,
    )


def test_phase_2_refuses_what_hangs_on_the_compatibility_layer(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    phase_1_done(it)
    it.v1("CREATE VIEW public.over_v1 AS SELECT symbol FROM portfolio_positions")
    it.rows("CREATE VIEW public.over_legacy AS SELECT legacy_symbol FROM public.portfolio_positions")
    it.rows("CREATE TABLE public.watched (symbol varchar(10) REFERENCES public.portfolio_positions(legacy_symbol))")
    refused(it, Phase.PHASE2, "public.over_v1", "public.over_legacy", "watched_symbol_fkey", force=True)
    refused(it, Phase.ROLLBACK_V1, "public.over_v1", "public.over_legacy", "watched_symbol_fkey")


def test_a_rollback_refuses_what_hangs_on_portfolios(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version, rows=V1_ROWS)
    phase_1_done(it)
    it.rows(OTHER_PORTFOLIOS)
    it.rows(
        """CREATE TABLE public.goals (portfolio_id varchar(50) REFERENCES public.portfolios(portfolio_id));
        CREATE VIEW public.names AS SELECT portfolio_id, name FROM public.portfolios;
        CREATE VIEW public.totals AS SELECT total_cost FROM public.portfolio_summary;
        CREATE TABLE public.notes (position_id int REFERENCES public.portfolio_positions(id));
        INSERT INTO public.notes SELECT id FROM public.portfolio_positions WHERE symbol = '7777.HK'"""
    )
    refused(it, Phase.ROLLBACK_V1, "goals_portfolio_id_fkey", "public.names", "public.totals", "2 rows of table notes")


def test_a_rollback_from_v3_refuses_what_hangs_on_its_view(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version, "v3")
    it.rows("CREATE VIEW public.returns AS SELECT return_percentage FROM public.portfolio_performance")
    refused(it, Phase.ROLLBACK_V2, "public.returns", "portfolio_performance", "DROP VIEW public.returns")


def test_a_rollback_refuses_sums_that_v1_cannot_hold(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    phase_1_done(it)
    it.rows(
        """INSERT INTO public.portfolios (portfolio_id, name, copied_from)
        VALUES ('A', 'A', 'DEFAULT'), ('B', 'B', NULL);
        INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) VALUES
        ('A', '1111.HK', 2000000000, 0.01, 0.01), ('B', '1111.HK', 2000000000, 0.01, 0.01),
        ('A', '2222.HK', 100000000, 60, 60), ('B', '2222.HK', 100000000, 60, 60),
        ('A', '3333.HK', 50, 10, 11), ('B', '3333.HK', -50, 8, 11)"""
    )
    message = refused(
        it, Phase.ROLLBACK_V1, "1111.HK (4,000,000,000 shares)", "2222.HK (market value", "--keep default"
    )
    assert "3333.HK" not in message
    warnings = titles(planned(it, Phase.ROLLBACK_V1), "warning")
    assert any("3333.HK (HKD 100.00)" in title for title in warnings)
    assert any("A of DEFAULT" in title for title in warnings)

    assert it.run(Phase.ROLLBACK_V1, keep=Keep.DEFAULT).state == "done"
    reported = titles(planned(it, Phase.PHASE1), "info")
    assert any("2 portfolios of an earlier rollback will be restored: A and B" in title for title in reported)
    left = titles(planned(it, Phase.PHASE1, restore_archive=False), "info")
    assert any("stay in the archive" in title for title in left)
