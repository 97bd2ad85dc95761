"""What the survey finds of servers, roles, sessions and locks, and what it leaves as it was."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS

from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.errors import PrerequisiteError
from src.journal.model import Client, Phase
from src.journal.sessions import lock_holder_of_run, lock_holders, long_transactions
from src.migration.model import Options
from src.migration.preflight.survey import survey
from src.postgres.connection import Connection, connect
from tests.conftest import MakeDatabase, Servers
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import V1_ROWS, MigrationEnv, migration_env, session
from tests.support.surveys import MakeRole, database_of, execute, own_all, roles_made, said, superuser, survey_of

POSITIONS = ("portfolio_positions",)
V1_SCHEMA = (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8")


@pytest.fixture
def make_role(servers: Servers, make_database: MakeDatabase) -> Iterator[MakeRole]:
    with roles_made(servers) as make:
        yield make


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
    [("v1", "1.0", "single-portfolio (v1.0)"), ("v3", "3.0", "multi-portfolio (v3.0)"), (None, None, "empty")],
)
def test_a_healthy_database_has_no_findings(
    make_database: MakeDatabase, pg_version: int, schema: str | None, version: str | None, title: str
) -> None:
    found = survey_of(make_database(schema, version=pg_version), None)
    assert (found.version, found.title, found.empty) == (version, title, schema is None)
    assert found.legacy_roles == ("trader",)
    assert found.server_version // 10000 == pg_version
    assert (found.findings == ()) == (schema is not None)


def test_tables_have_their_sizes(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = migration_env(make_database("v1", version=pg_version), tmp_path, pg_version)
    sizes = {table.table: table for table in survey_of(it.url).tables}
    assert sizes["price_history"].rows_estimate == 100
    assert sizes["price_history"].bytes == it.rows("SELECT pg_total_relation_size('public.price_history')")[0][0]


def test_a_locked_table_is_not_waited_for(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(url, "ALTER TABLE trading_signals ADD COLUMN portfolio_id varchar(50)")
    with session(url) as other, other.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("LOCK TABLE trading_signals IN ACCESS EXCLUSIVE MODE")
        found = survey_of(url)
        assert "trading_signals could not be read: someone has locked them" in said(found, "warning")
        assert found.version == "1.0"
        cur.execute("ROLLBACK")


# --- the server and rights --------------------------------------------------------------------------------------


def test_a_standby_is_refused(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """A server in recovery, which is what a standby is."""
    directory = tmp_path_factory.mktemp("standby")
    server = PrivateServer(directory, 18)
    server.start()
    try:
        execute(server.url, V1_SCHEMA)
        assert "Changes go to the primary" not in said(survey_of(server.url), "refusal")
    finally:
        server.stop()
    (next(directory.rglob("postgresql.conf")).parent / "standby.signal").touch()
    again = PrivateServer(directory, 18)
    again.start()
    try:
        found = survey_of(again.url)
        assert found.version == "1.0"
        assert "This server is a read-only standby. Changes go to the primary" in said(found, "refusal")
        with pytest.raises(PrerequisiteError, match="read-only standby"):
            migration_env(again.url, tmp_path, rows="").run(Phase.PHASE1)
    finally:
        again.stop()


def test_each_missing_right_is_named(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    database, role = database_of(url), make_role(pg_version, "LOGIN", url)
    as_role = servers.url(pg_version, role, database)
    execute(superuser(servers, pg_version, url), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    refusals = said(survey_of(as_role), "refusal")
    assert f"lacks the right CREATE on database {database}" in refusals
    assert f"schemas: hk_migration, trader and {role}" in refusals
    assert f"GRANT CREATE ON DATABASE {database} TO {role}" in refusals
    assert "lacks the right CREATE on schema public" in refusals
    owned = "portfolio_analyses, portfolio_positions, portfolio_value_history, price_history and trading_signals"
    assert f"Role trader owns {owned}, and {role} is no member of it." in refusals
    assert refusals.count(f"GRANT trader TO {role}") == 1

    execute(
        superuser(servers, pg_version, url),
        f"GRANT CREATE ON DATABASE {database} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        f"GRANT trader TO {role}",
    )
    assert said(survey_of(as_role), "refusal") == ""


def test_no_membership_of_a_superuser_is_advised_and_what_is_advised_helps(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v2", version=pg_version)
    database, role = database_of(url), make_role(pg_version, "LOGIN", url)
    by_superuser = superuser(servers, pg_version, url)
    own_all(by_superuser, "postgres")
    execute(by_superuser, f"GRANT CREATE ON DATABASE {database} TO {role}", f"GRANT ALL ON SCHEMA public TO {role}")
    as_role = servers.url(pg_version, role, database)
    found = [one for one in survey_of(as_role).findings if one.code in ("owned-by-superuser", "no-rights")]
    assert "GRANT postgres" not in said(survey_of(as_role), "refusal")
    assert "function name" not in said(survey_of(as_role), "refusal"), "ours, though another role owns it"
    assert {one.code for one in found} == {"owned-by-superuser", "no-rights"}
    execute(by_superuser, *(statement for one in found for statement in one.statements))
    assert said(survey_of(as_role), "refusal") == ""
    own_all(by_superuser, "trader")


def test_a_run_without_rights_touches_nothing(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, tmp_path: Path, pg_version: int
) -> None:
    owner = migration_env(make_database("v1", version=pg_version), tmp_path, pg_version)
    role = make_role(pg_version, "LOGIN", owner.url)
    before = whole_dump(owner.url, pg_version)
    it = MigrationEnv(servers.url(pg_version, role, database_of(owner.url)), owner.settings, pg_version)
    with pytest.raises(PrerequisiteError, match="no member of it"):
        it.run(Phase.PHASE1)
    assert difference(before, whole_dump(owner.url, pg_version)) == ""


# --- sessions and locks -----------------------------------------------------------------------------------------


def test_clients_of_v1_stop_phase_2_unless_forced(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    url = make_database("v2", version=pg_version, rows=V1_ROWS)
    it = migration_env(url, tmp_path, pg_version, rows="")
    assert said(survey_of(it.url, Phase.PHASE2), "refusal") == ""
    with session(it.url, "the old app") as old, old.cursor() as cur:
        cur.execute("SELECT 1")
        found = survey_of(it.url, Phase.PHASE2)
        assert [client.application_name for client in found.legacy_clients] == ["the old app"]
        refusals = said(found, "refusal")
        assert "1 v1 client connected" in refusals
        assert "trader (the old app, local socket, last statement" in refusals
        assert "--force" in refusals
        with pytest.raises(PrerequisiteError, match="the old app"):
            it.run(Phase.PHASE2)
        forced = survey_of(it.url, Phase.PHASE2, Options(force=True))
        assert said(forced, "refusal") == ""
        assert "will be cut off" in said(forced, "warning")
        checked = survey_of(it.url, None)
        assert said(checked, "refusal") == ""
        assert "1 v1 client connected" in said(checked, "info")


def test_lock_holders_are_named(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = migration_env(make_database("v1", version=pg_version), tmp_path, pg_version)
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
    url = make_database("v2", version=pg_version, rows=V1_ROWS)
    it = migration_env(url, tmp_path, pg_version, rows="")
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
        assert (holder.pid, holder.gid) == (0, "left")
        assert [old.gid for old in long_transactions(conn, 0.0)] == ["left"]
        conn.close()
    finally:
        server.stop()


def test_old_transactions_are_reported(make_database: MakeDatabase, pg_version: int) -> None:
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


def test_a_publication_is_reported(make_database: MakeDatabase, servers: Servers, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(superuser(servers, pg_version, url), "CREATE PUBLICATION feed FOR TABLE portfolio_positions")
    assert "Publication feed replicates portfolio_positions." in said(survey_of(url), "warning")
