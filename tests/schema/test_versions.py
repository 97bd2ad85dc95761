"""What `detect` says about databases of every kind, and that it neither waits nor guesses."""

import psycopg2
import pytest
from psycopg2 import sql

from src.errors import Action, CapabilityMissing, DatabaseUnavailable, NextStep
from src.journal.model import Phase
from src.postgres.connection import connect
from src.schema.versions import CREATE_PORTFOLIO, READ_POSITIONS, SchemaState, SchemaVersion, detect, require, why_not
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers
from tests.support.databases import Database, ManagerOf, Migrate, database_name, execute


def state_of(url: str, options: str = "") -> SchemaState:
    conn = connect(url, options=options)
    try:
        return detect(conn)
    finally:
        conn.close()


def test_the_three_schemas(database: Database, pg_version: int) -> None:
    v1, v2, v3 = (state_of(database(schema, pg_version)) for schema in ("v1", "v2", "v3"))
    assert (v1.title, v2.title, v3.title) == (
        "single-portfolio (v1.0)",
        "multi-portfolio (v2.0)",
        "multi-portfolio (v3.0)",
    )
    assert v1.flags() == {
        "multi_portfolio": False,
        "portfolio_isolation": False,
        "backward_compatible": True,
        "has_constraints": False,
        "portfolio_id_required": False,
    }
    assert v2.flags() == {
        "multi_portfolio": True,
        "portfolio_isolation": True,
        "backward_compatible": True,
        "has_constraints": False,
        "portfolio_id_required": False,
    }
    assert v3.flags() == {
        "multi_portfolio": True,
        "portfolio_isolation": True,
        "backward_compatible": False,
        "has_constraints": True,
        "portfolio_id_required": True,
    }


def test_every_phase_there_and_back(database: Database, migrate: Migrate, pg_version: int) -> None:
    url = database("v1", pg_version)
    seen = []
    for phase in (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1, Phase.PHASE1):
        migrate(url, phase)
        state = state_of(url)
        assert state.warning is None
        seen.append(state.version)
    assert seen == [SchemaVersion.V2, SchemaVersion.V3, SchemaVersion.V2, SchemaVersion.V1, SchemaVersion.V2]


def test_an_empty_database_is_not_v1(make_database: MakeDatabase, manager_of: ManagerOf, pg_version: int) -> None:
    url = make_database(None, version=pg_version)
    state = state_of(url)
    assert state.version is None
    assert state.empty
    version, flags = manager_of(url).detect_schema_version()
    assert version is None
    assert "empty" in str(flags["warning"])
    with pytest.raises(CapabilityMissing, match="this database is empty") as missing:
        manager_of(url).get_portfolios()
    assert missing.value.next_step == NextStep(Action.INIT)


def test_a_database_in_the_middle_of_phase_1_is_v1_with_a_warning(database: Database, pg_version: int) -> None:
    url = database("v1", pg_version)
    execute(url, "ALTER TABLE public.portfolio_positions ADD portfolio_id varchar(50) DEFAULT 'DEFAULT'")
    execute(url, "CREATE TABLE public.portfolios (portfolio_id varchar(50) PRIMARY KEY)")
    state = state_of(url)
    assert state.version is SchemaVersion.V1
    assert not state.multi_portfolio
    assert "column portfolio_positions.portfolio_id" in str(state.warning)
    assert "table portfolios" in str(state.warning)


def test_a_unique_index_that_is_not_valid_does_not_count(database: Database, pg_version: int) -> None:
    url = database("v3", pg_version)
    execute(url, "INSERT INTO portfolios (portfolio_id, name) VALUES ('TECH', 'Tech')")
    execute(url, "INSERT INTO portfolio_positions (portfolio_id, symbol) VALUES ('TECH', '0700.HK')")
    conn = psycopg2.connect(url)
    conn.autocommit = True
    with conn.cursor() as cursor, pytest.raises(psycopg2.errors.UniqueViolation):
        cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY half_built ON public.portfolio_positions (symbol)")
    conn.close()
    state = state_of(url)
    assert state.version is SchemaVersion.V3
    assert "half_built" in str(state.warning)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE public.portfolio_positions ALTER portfolio_id SET NOT NULL", "portfolio_id is NOT NULL already"),
        ("DROP VIEW trader.portfolio_positions", "compatibility views"),
        ("DROP INDEX public.portfolio_positions_legacy_symbol_key", "not unique"),
    ],
)
def test_a_v2_with_odd_parts_says_which(database: Database, pg_version: int, change: str, said: str) -> None:
    url = database("v2", pg_version)
    execute(url, change)
    state = state_of(url)
    assert state.version is SchemaVersion.V2
    assert said in str(state.warning)


def test_a_v3_without_its_keys_is_not_called_v3(database: Database, pg_version: int) -> None:
    url = database("v3", pg_version)
    execute(url, "ALTER TABLE public.trading_signals DROP CONSTRAINT trading_signals_portfolio_id_fkey")
    state = state_of(url)
    assert state.version is SchemaVersion.V2
    assert not state.has_constraints
    assert state.warning is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE portfolio_positions DROP CONSTRAINT portfolio_positions_symbol_key CASCADE", "unique neither"),
        ("DROP TABLE public.trading_signals", "trading_signals is missing"),
    ],
)
def test_what_is_none_of_the_three_is_not_recognised(
    database: Database, manager_of: ManagerOf, pg_version: int, change: str, said: str
) -> None:
    url = database("v1", pg_version)
    execute(url, change)
    state = state_of(url)
    assert state.version is None
    assert not state.empty
    assert said in str(state.warning)
    with pytest.raises(CapabilityMissing, match=said):
        manager_of(url).get_portfolio_positions()


def test_detection_does_not_wait_for_a_locked_table(database: Database, pg_version: int) -> None:
    url = database("v2", pg_version)
    holder = psycopg2.connect(url)
    with holder.cursor() as cursor:
        cursor.execute(
            "LOCK TABLE public.portfolio_positions, public.trading_signals, public.price_history, public.portfolios "
            "IN ACCESS EXCLUSIVE MODE"
        )
    try:
        assert state_of(url, options="-c lock_timeout=1").version is SchemaVersion.V2
    finally:
        holder.close()


def test_detection_needs_no_right_on_the_tables(database: Database, servers: Servers, pg_version: int) -> None:
    url = database("v3", pg_version)
    role = f"stranger_{database_name(url)}"
    admin = psycopg2.connect(servers[pg_version])
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(role)), (TRADER_PASSWORD,))
    conn = connect(servers.url(pg_version, role, database_name(url)))
    try:
        with conn.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT 1 FROM public.portfolio_positions")
        conn.rollback()
        assert detect(conn).version is SchemaVersion.V3
    finally:
        conn.close()
        with admin.cursor() as cursor:
            cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        admin.close()


def test_a_database_that_is_down_is_not_v1(database: Database, servers: Servers, manager_of: ManagerOf) -> None:
    url = database("v1", 18)
    name = database_name(url)
    manager = manager_of(url)
    assert manager.detect_schema_version()[0] is SchemaVersion.V1
    admin = psycopg2.connect(servers[18])
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    admin.close()
    with pytest.raises(DatabaseUnavailable, match="accepts no connections"):
        manager.detect_schema_version(force_refresh=True)
    with pytest.raises(DatabaseUnavailable):
        manager.get_portfolio_positions()
    health = manager.test_connection_health()
    assert (health["database"]["status"], health["schema"]["status"]) == ("down", "down")
    assert "s3cret" not in str(health)


def test_a_capability_explains_its_no(database: Database) -> None:
    state = state_of(database("v1", 18))
    require(state, READ_POSITIONS)
    assert why_not(state, READ_POSITIONS) is None
    with pytest.raises(CapabilityMissing, match=r"Creating a portfolio needs schema v2; this database is v1"):
        require(state, CREATE_PORTFOLIO)
