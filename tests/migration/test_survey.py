"""What the survey tells of servers, roles, sessions and locks, and what it leaves as it was."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS, make_dsn, parse_dsn

from src.config import PROJECT_ROOT
from src.db.connection import Connection, connect
from src.embedded import PrivateServer
from src.errors import DatabaseUnavailable, PrerequisiteError
from src.migration.clients import legacy_clients, legacy_roles, lock_holder_of_run, lock_holders, long_transactions
from src.migration.merge_preview import merge_preview
from src.migration.model import Client, Keep, MergedSymbol, Options, Phase
from src.migration.survey import Survey, survey
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers
from tests.migration.dumps import difference, whole_dump
from tests.migration.lab import OTHER_PORTFOLIOS, Lab, lab, session

_numbers = itertools.count(1)
MakeRole = Callable[..., str]
POSITIONS = ("portfolio_positions",)
V1_SCHEMA = (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8")


def look(url: str, phase: Phase | None = Phase.PHASE1, options: Options | None = None) -> Survey:
    conn = connect(url, purpose="survey", autocommit=True)
    try:
        return survey(conn, phase, options or Options())
    finally:
        conn.close()


def said(found: Survey, severity: str) -> str:
    return "\n".join(f"{f.title} {f.advice}" for f in found.findings if f.severity == severity)


def database_of(url: str) -> str:
    return str(parse_dsn(url)["dbname"])


def superuser(servers: Servers, version: int, url: str) -> str:
    return make_dsn(**{**parse_dsn(servers[version]), "dbname": database_of(url)})


def execute(url: str, *statements: str) -> None:
    with session(url, "hk_strategy test") as conn, conn.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


@pytest.fixture
def make_role(servers: Servers, make_database: MakeDatabase) -> Iterator[MakeRole]:
    """`make_role(version, "LOGIN", url)` → the name of a new role; gone, with what it was granted, after."""
    made: list[tuple[int, str, str]] = []

    def make(version: int, attributes: str, url: str) -> str:
        name = f"app_{os.getpid()}_{next(_numbers)}"
        with session(servers[version], "hk_strategy test") as conn, conn.cursor() as cur:
            cur.execute(f"CREATE ROLE {name} {attributes} PASSWORD %s", (TRADER_PASSWORD,))
        made.append((version, name, url))
        return name

    yield make
    for version, name, url in made:
        execute(superuser(servers, version, url), f"DROP OWNED BY {name}", f"DROP ROLE {name}")


# --- what it leaves behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["v1", "v3", None])
@pytest.mark.parametrize("autocommit", [True, False])
def test_it_leaves_the_database_and_the_connection_as_they_were(
    make_database: MakeDatabase, pg_version: int, schema: str | None, autocommit: bool
) -> None:
    url = make_database(schema, version=pg_version)
    before = whole_dump(url, pg_version)
    conn = connect(url, autocommit=autocommit)
    for phase in (None, *Phase):
        survey(conn, phase, Options())
        assert conn.info.transaction_status == TRANSACTION_STATUS_IDLE
    with conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("SET LOCAL search_path = public")
        survey(conn, None, Options())
        assert conn.info.transaction_status == TRANSACTION_STATUS_INTRANS
        cur.execute(
            "SELECT current_setting('search_path'), current_setting('lock_timeout'), "
            "current_setting('statement_timeout'), current_setting('transaction_read_only')"
        )
        assert cur.fetchone() == ("public", "0", "0", "off")
        cur.execute("CREATE TABLE public.still_writable (id int)")
        cur.execute("ROLLBACK")
    conn.close()
    assert difference(before, whole_dump(url, pg_version)) == ""


@pytest.mark.parametrize(
    ("schema", "version", "title"),
    [("v1", "1.0", "single-portfolio (v1.0)"), ("v3", "3.0", "multi-portfolio (v3.0)"), (None, None, "empty database")],
)
def test_a_healthy_database_has_nothing_to_tell(
    make_database: MakeDatabase, pg_version: int, schema: str | None, version: str | None, title: str
) -> None:
    found = look(make_database(schema, version=pg_version), None)
    assert (found.version, found.title, found.empty) == (version, title, schema is None)
    assert found.legacy_roles == ("trader",)
    assert found.server_version // 10000 == pg_version
    assert (found.findings == ()) == (schema is not None)


def test_tables_have_their_sizes(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    sizes = {table.table: table for table in look(it.url).tables}
    assert sizes["price_history"].rows_estimate == 100
    assert sizes["price_history"].bytes == it.rows("SELECT pg_total_relation_size('public.price_history')")[0][0]


def test_a_locked_table_is_not_waited_for(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(url, "ALTER TABLE trading_signals ADD COLUMN portfolio_id varchar(50)")
    with session(url) as other, other.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("LOCK TABLE trading_signals IN ACCESS EXCLUSIVE MODE")
        found = look(url)
        assert "trading_signals could not be looked at: someone has locked them" in said(found, "warning")
        assert found.version == "1.0"
        cur.execute("ROLLBACK")


# --- the server and rights --------------------------------------------------------------------------------------


def test_a_standby_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A server in recovery, which is what a standby is."""
    directory = tmp_path_factory.mktemp("standby")
    server = PrivateServer(directory, 18)
    server.start()
    try:
        execute(server.url, V1_SCHEMA)
        assert "Changes go to the primary" not in said(look(server.url), "refusal")
        with session(server.url) as conn, conn.cursor() as cur:
            cur.execute("SELECT current_setting('data_directory')")
            (data,) = cur.fetchone() or ("",)
    finally:
        server.stop()
    (Path(directory) / "data").mkdir(exist_ok=True)
    signal_file = next(path for path in directory.rglob("postgresql.conf")).parent / "standby.signal"
    signal_file.touch()
    assert data
    again = PrivateServer(directory, 18)
    again.start()
    try:
        found = look(again.url)
        assert found.version == "1.0"
        assert "This server is a read-only standby. Changes go to the primary" in said(found, "refusal")
    finally:
        again.stop()


def test_each_missing_right_is_named(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    database, role = database_of(url), make_role(pg_version, "LOGIN", url)
    as_role = servers.url(pg_version, role, database)
    execute(superuser(servers, pg_version, url), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    refusals = said(look(as_role), "refusal")
    assert f"lacks the right CREATE on database {database}" in refusals
    assert f"schemas hk_migration, trader and {role}" in refusals
    assert f"GRANT CREATE ON DATABASE {database} TO {role}" in refusals
    assert "lacks the right CREATE on schema public" in refusals
    for table in ("portfolio_positions", "trading_signals", "price_history"):
        assert f"Table {table} belongs to role trader, and {role} is no member of it." in refusals
    assert f"GRANT trader TO {role}" in refusals

    execute(
        superuser(servers, pg_version, url),
        f"GRANT CREATE ON DATABASE {database} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        f"GRANT trader TO {role}",
    )
    assert said(look(as_role), "refusal") == ""


def test_a_run_without_rights_touches_nothing(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, tmp_path: Path, pg_version: int
) -> None:
    owner = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    role = make_role(pg_version, "LOGIN", owner.url)
    before = whole_dump(owner.url, pg_version)
    it = Lab(servers.url(pg_version, role, database_of(owner.url)), owner.settings, pg_version)
    with pytest.raises(PrerequisiteError, match="no member of it"):
        it.run(Phase.PHASE1)
    assert difference(before, whole_dump(owner.url, pg_version)) == ""


# --- roles ------------------------------------------------------------------------------------------------------


def test_legacy_roles_are_found(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    connected, granted, column, outside = (make_role(pg_version, "LOGIN", url) for _ in range(4))
    nologin, boss = make_role(pg_version, "NOLOGIN", url), make_role(pg_version, "LOGIN SUPERUSER", url)
    execute(
        url,
        f"GRANT SELECT ON portfolio_positions TO {granted}",
        f"GRANT UPDATE (current_price) ON portfolio_positions TO {column}",
        f"GRANT SELECT ON portfolio_positions TO {nologin}",
    )
    conn = connect(url, autocommit=True)
    own = connect(servers.url(pg_version, outside, database_of(url)), purpose="dashboard")
    with session(servers.url(pg_version, connected, database_of(url)), "the old app"):
        assert legacy_roles(conn) == ("trader", connected, *sorted((granted, column)))
        assert legacy_roles(conn, ("x", "y", "x")) == ("x", "y")
        (client,) = legacy_clients(conn, legacy_roles(conn))
        assert (client.role, client.application_name) == (connected, "the old app")
    assert not {boss, nologin, outside} & set(legacy_roles(conn))
    own.close()
    conn.close()


SETTINGS = (
    ("ALTER ROLE {role} SET search_path = public", "ALTER ROLE {role} SET search_path"),
    (
        "ALTER ROLE {role} IN DATABASE {database} SET search_path = app, public",
        "ALTER ROLE {role} IN DATABASE {database}",
    ),
    ('ALTER DATABASE {database} SET search_path = public, "$user"', "ALTER DATABASE {database} SET search_path"),
    ("ALTER ROLE {role} SET search_path = ''", "their search_path is"),
)


@pytest.mark.parametrize(("setting", "words"), SETTINGS, ids=("role", "role-in-database", "database", "nothing"))
def test_a_search_path_without_user_is_refused(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int, setting: str, words: str
) -> None:
    url = make_database("v1", version=pg_version)
    role, database = make_role(pg_version, "LOGIN", url), database_of(url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {role}")
    execute(superuser(servers, pg_version, url), setting.format(role=role, database=database))
    refusals = said(look(url), "refusal")
    assert f"Sessions of role {role} would not find the compatibility views" in refusals
    assert words.format(role=role, database=database) in refusals
    remedy = f'ALTER ROLE {role} IN DATABASE {database} SET search_path = "$user", public'
    assert remedy in refusals

    assert role not in said(look(url, options=Options(legacy_roles=("trader",))), "refusal")
    execute(superuser(servers, pg_version, url), remedy)
    assert f"Sessions of role {role} " not in said(look(url), "refusal")


def test_paths_that_lead_to_the_views_are_fine(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    named, behind = make_role(pg_version, "LOGIN", url), make_role(pg_version, "LOGIN", url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {named}, {behind}")
    execute(
        superuser(servers, pg_version, url),
        f"ALTER ROLE {named} SET search_path = {named}, public",
        f'ALTER ROLE {behind} SET search_path = pg_catalog, "$user", public',
    )
    assert said(look(url), "refusal") == ""


def test_the_servers_own_search_path_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = PrivateServer(tmp_path_factory.mktemp("path"), 18, options={"search_path": "public"})
    server.start()
    try:
        execute(server.url, V1_SCHEMA)
        assert "It is set by the server's configuration: search_path." in said(look(server.url), "refusal")
    finally:
        server.stop()


def test_roles_that_cannot_have_a_schema_are_refused(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    refusals = said(look(url, options=Options(legacy_roles=("pg_monitor", "nobody_here"))), "refusal")
    assert "No schema for v1 compatibility can be named pg_monitor" in refusals
    assert "There is no role nobody_here on this server. Correct --legacy-role." in refusals


def test_a_role_that_acts_as_another_is_refused(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    role = make_role(pg_version, "LOGIN", url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {role}")
    execute(superuser(servers, pg_version, url), f"ALTER ROLE {role} SET role = pg_monitor")
    refusals = said(look(url), "refusal")
    assert f"Sessions of role {role} act as role pg_monitor" in refusals
    assert "--legacy-role pg_monitor" in refusals


def test_a_schema_named_like_a_role(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(url, "CREATE SCHEMA trader", "CREATE TABLE trader.scratch (id int)")
    found = look(url)
    assert said(found, "refusal") == ""
    assert "Schema trader is there already" in said(found, "info")
    execute(url, "CREATE TABLE trader.trading_signals (id int)")
    assert "already has trading_signals of its own" in said(look(url), "refusal")


# --- sessions and locks -----------------------------------------------------------------------------------------


def test_clients_of_v1_stop_phase_2_unless_forced(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    it.run(Phase.PHASE1)
    assert said(look(it.url, Phase.PHASE2), "refusal") == ""
    with session(it.url, "the old app") as old, old.cursor() as cur:
        cur.execute("SELECT 1")
        found = look(it.url, Phase.PHASE2)
        assert [client.application_name for client in found.legacy_clients] == ["the old app"]
        refusals = said(found, "refusal")
        assert "1 v1 client connected" in refusals
        assert "trader (the old app, local socket, last statement" in refusals
        assert "--force" in refusals
        with pytest.raises(PrerequisiteError, match="the old app"):
            it.run(Phase.PHASE2)
        forced = look(it.url, Phase.PHASE2, Options(force=True))
        assert said(forced, "refusal") == ""
        assert "will be cut off" in said(forced, "warning")
        checked = look(it.url, None)
        assert said(checked, "refusal") == ""
        assert "1 v1 client connected" in said(checked, "info")


def test_lock_holders_are_named(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    conn = connect(it.url, autocommit=True)
    with session(it.url, "reader") as reader, reader.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("SELECT count(*) FROM portfolio_positions")
        pid = reader.info.backend_pid
        (holder,) = (client for client in lock_holders(conn, POSITIONS) if client.pid == pid)
        assert (holder.role, holder.application_name, holder.state) == ("trader", "reader", "idle in transaction")
        assert holder.query == "SELECT count(*) FROM portfolio_positions"
        assert holder.transaction_s is not None
        assert [client for client in lock_holders(conn, ("price_history",)) if client.pid == pid] == []
        waiting = who_waits(conn, it.url)
        assert (waiting.application_name, waiting.wait_event) == ("hk_strategy writer", "Lock: relation")
        cur.execute("ROLLBACK")
    conn.close()


def who_waits(conn: Connection, url: str) -> Client:
    """Who awaits a lock on the positions, while a second session asks for one that it cannot have."""
    writer = connect(url, purpose="writer")
    ended: list[str | None] = []

    def take() -> None:
        try:
            with writer.cursor() as cur:
                cur.execute("LOCK TABLE public.portfolio_positions")
        except psycopg2.Error as error:
            ended.append(error.pgcode)

    thread = threading.Thread(target=take)
    thread.start()
    found: list[Client] = []
    while thread.is_alive() and not found:
        found = [c for c in lock_holders(conn, POSITIONS) if c.pid == writer.info.backend_pid and c.wait_event]
    with conn.cursor() as cur:
        cur.execute("SELECT pg_cancel_backend(%s)", (writer.info.backend_pid,))
    thread.join()
    writer.close()
    assert ended == ["57014"]
    return found[0]


def test_holders_of_a_compatibility_view_are_named(
    make_database: MakeDatabase, tmp_path: Path, pg_version: int
) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    it.run(Phase.PHASE1)
    conn = connect(it.url, autocommit=True)
    with session(it.url, "ddl") as other, other.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("COMMENT ON VIEW trader.portfolio_positions IS 'HK Strategy: v1 compatibility'")
        assert "ddl" in [client.application_name for client in lock_holders(conn, POSITIONS)]
        assert "ddl" not in [client.application_name for client in lock_holders(conn, ("trading_signals",))]
        cur.execute("ROLLBACK")
    conn.close()


def test_a_prepared_transaction_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It holds its locks though no session is there any more."""
    server = PrivateServer(tmp_path_factory.mktemp("prepared"), 18, options={"max_prepared_transactions": "2"})
    server.start()
    try:
        execute(server.url, V1_SCHEMA)
        execute(server.url, "BEGIN", "LOCK TABLE portfolio_positions IN SHARE MODE", "PREPARE TRANSACTION 'left'")
        conn = connect(server.url, autocommit=True)
        (holder,) = lock_holders(conn, POSITIONS)
        assert (holder.pid, holder.application_name) == (0, "prepared transaction left")
        assert [old.application_name for old in long_transactions(conn, 0.0)] == ["prepared transaction left"]
        conn.close()
    finally:
        server.stop()


def test_old_transactions_are_told(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    conn = connect(url, autocommit=True)
    with session(url, "forgotten") as other, other.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("SELECT 1")
        assert [c.application_name for c in long_transactions(conn, 0.0)] == ["forgotten"]
        assert long_transactions(conn, 3600.0) == ()
    conn.close()


def test_who_holds_the_lock_of_a_run(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    conn = connect(url, autocommit=True)
    assert lock_holder_of_run(conn, -5, 7) is None
    with session(url, "hk_strategy run") as other, other.cursor() as cur:
        cur.execute("SELECT pg_advisory_lock(-5, 7)")
        holder = lock_holder_of_run(conn, -5, 7)
        assert holder is not None
        assert (holder.pid, holder.application_name) == (other.info.backend_pid, "hk_strategy run")
        assert lock_holder_of_run(conn, -5, 8) is None
    conn.close()


def test_a_publication_is_told(make_database: MakeDatabase, servers: Servers, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(superuser(servers, pg_version, url), "CREATE PUBLICATION feed FOR TABLE portfolio_positions")
    assert "Publication feed replicates portfolio_positions." in said(look(url), "warning")


# --- the preview of a rollback ----------------------------------------------------------------------------------

MORE = """
INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) VALUES
('TECH', '0007.HK', -70, 3, 7.25), ('OWN', '0008.HK', -200, 1, 8.25), ('OWN', '6666.HK', 3, 1.111, NULL),
('TECH', '6666.HK', 4, 2.222, NULL), ('OWN', '5555.HK', 0, 2, 5), ('TECH', '5555.HK', 0, 4, 5),
('OWN', '0009.HK', 1, 0.001, 9.25), ('TECH', '4444.HK', -10, 4, 4), ('OWN', '4444.HK', 4, 9, 4)
"""


def preview(url: str, keep: Keep = Keep.MERGE) -> dict[str, MergedSymbol]:
    conn = connect(url, autocommit=True)
    try:
        return {merged.symbol: merged for merged in merge_preview(conn, keep)}
    finally:
        conn.close()


def test_the_preview_is_what_a_rollback_does(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    it.run(Phase.PHASE1)
    it.rows(OTHER_PORTFOLIOS)
    it.rows(MORE)
    others = it.rows("SELECT DISTINCT symbol FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT'")
    before = it.rows("SELECT sum(quantity) FROM public.portfolio_positions")
    shown = preview(it.url)
    assert sorted(shown) == sorted(symbol for (symbol,) in others)
    assert preview(it.url, Keep.DEFAULT) == {}
    assert shown["0001.HK"].portfolios == ("DEFAULT", "TECH")
    assert (shown["6666.HK"].value_before, shown["6666.HK"].value_after) == (None, None)
    # 10 at 1.125 and 15 at 2.458 are 48.12; 25 at 1.925 are 48.13.
    first = shown["0001.HK"]
    assert (first.quantity, first.avg_cost) == (25, Decimal("1.925"))
    assert (first.cost_before, first.cost_after) == (Decimal("48.12"), Decimal("48.13"))

    it.run(Phase.ROLLBACK_V1)
    rows = it.v1(
        "SELECT symbol, quantity, avg_cost, round(quantity * avg_cost, 2), market_value FROM portfolio_positions"
    )
    compared = [row for row in rows if row[0] in shown]
    assert len(compared) == len(shown)
    for symbol, quantity, avg_cost, cost, value in compared:
        merged = shown[symbol]
        assert (symbol, merged.quantity, merged.avg_cost) == (symbol, quantity, avg_cost)
        assert (symbol, merged.cost_after) == (symbol, cost)
        assert (symbol, merged.value_after) == (symbol, value)
    assert it.v1("SELECT sum(quantity) FROM portfolio_positions") == before


def test_a_price_that_only_another_portfolio_knows_survives_the_merge(
    make_database: MakeDatabase, tmp_path: Path, pg_version: int
) -> None:
    it = lab(make_database("v1", version=pg_version), tmp_path, pg_version)
    it.run(Phase.PHASE1)
    it.rows("INSERT INTO public.portfolios (portfolio_id, name) VALUES ('A', 'A')")
    it.v1("INSERT INTO portfolio_positions (symbol, quantity, avg_cost) VALUES ('4321.HK', 10, 2)")
    it.rows(
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('A', '4321.HK', 5, 2, 3.5)"
    )
    shown = preview(it.url)["4321.HK"]
    assert (shown.value_before, shown.value_after) == (None, Decimal("52.50"))
    it.run(Phase.ROLLBACK_V1)
    row = it.v1("SELECT quantity, current_price, market_value FROM portfolio_positions WHERE symbol = '4321.HK'")
    assert row == [(15, Decimal("3.5"), Decimal("52.50"))]


def test_the_preview_says_when_it_cannot_look(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v3", version=pg_version)
    with session(url) as other, other.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("LOCK TABLE portfolio_positions")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            preview(url)
        cur.execute("ROLLBACK")
