"""Who is in the way, by name; and interrupting exactly the session that was meant, or none."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.errors import Conflict, PrerequisiteError
from src.journal.model import Client, Phase
from src.migration.preflight import blocking_sessions
from src.migration.preflight.blocking_sessions import How
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers
from tests.support.migration_env import Apart, MigrationEnv, migration_env, session, wait_until
from tests.support.surveys import execute


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def holders(it: MigrationEnv) -> tuple[Client, ...]:
    return tuple(one for one in blocking_sessions.in_the_way(it.url) if one.holds_lock)


def test_ending_the_session_in_the_way_lets_the_run_go_on(v1: MigrationEnv) -> None:
    with session(v1.url, "month-end report") as report, report.cursor() as cur, session(v1.url, "idle app"):
        cur.execute("BEGIN; SELECT * FROM portfolio_positions")
        run = Apart(v1, Phase.PHASE1)
        run.wait_for(kind="blocked")
        (found,) = holders(v1)
        assert (found.application_name, found.role, found.state) == (
            "month-end report",
            "trader",
            "idle in transaction",
        )
        assert found.since is not None
        client, ended = blocking_sessions.interrupt(v1.url, found.pid, found.since, How.TERMINATE)
        assert ended and client.application_name == "month-end report"
        assert run.end() == 0
        with pytest.raises(psycopg2.OperationalError):
            cur.execute("SELECT 1")
    assert v1.rows("SELECT to_regclass('public.portfolios') IS NOT NULL") == [(True,)]


def test_a_statement_is_cancelled_and_its_session_stays(v1: MigrationEnv) -> None:
    said: list[str] = []
    with session(v1.url, "slow report") as report:

        def work() -> None:
            with report.cursor() as cur:
                try:
                    cur.execute("SELECT pg_sleep(600) FROM portfolio_positions")
                except psycopg2.errors.QueryCanceled as error:
                    said.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: holders(v1), "the report runs")
        (found,) = holders(v1)
        assert found.since is not None
        blocking_sessions.interrupt(v1.url, found.pid, found.since, How.CANCEL)
        thread.join(60)
        assert "canceling statement" in said[0]
        with report.cursor() as cur:
            cur.execute("SELECT 1")


def test_another_session_or_one_that_is_not_in_the_way_any_more_is_left_alone(v1: MigrationEnv) -> None:
    with session(v1.url, "report") as report, report.cursor() as cur:
        cur.execute("BEGIN; SELECT * FROM portfolio_positions")
        (found,) = holders(v1)
        assert found.since is not None
        with pytest.raises(Conflict, match="not in the way any more"):
            blocking_sessions.interrupt(v1.url, found.pid, found.since - timedelta(seconds=1), How.TERMINATE)
        cur.execute("COMMIT")
        with pytest.raises(Conflict, match="not in the way any more"):
            blocking_sessions.interrupt(v1.url, found.pid, found.since, How.TERMINATE)
        cur.execute("SELECT 1")


def test_sessions_of_this_project_are_never_in_the_way(v1: MigrationEnv) -> None:
    for name in ("hk_strategy migration", "hk_strategy canary", "hk_strategy"):
        with session(v1.url, name) as ours, ours.cursor() as cur:
            cur.execute("BEGIN; SELECT * FROM portfolio_positions; SELECT pg_backend_pid(), backend_start "
                        "FROM pg_stat_activity WHERE pid = pg_backend_pid()")  # fmt: skip
            pid, since = cur.fetchone() or (0, None)
            assert blocking_sessions.in_the_way(v1.url) == ()
            with pytest.raises(Conflict):
                blocking_sessions.interrupt(v1.url, pid, since, How.TERMINATE)
            cur.execute("SELECT 1")


@pytest.fixture
def vacuumed(tmp_path: Path) -> Iterator[tuple[MigrationEnv, str]]:
    """A v1 database of the role trader on a server whose autovacuum starts each second, and the superuser's URL."""
    with PrivateServer(tmp_path / "server", options={"autovacuum_naptime": "1s"}) as server:
        execute(
            server.url, f"CREATE ROLE trader LOGIN PASSWORD '{TRADER_PASSWORD}'", "CREATE DATABASE live OWNER trader"
        )
        role = {"user": "trader", "password": TRADER_PASSWORD}
        urls = [make_dsn(**{**parse_dsn(server.url), "dbname": "live", **given}) for given in (role, {})]
        execute(urls[0], (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8"))
        yield migration_env(urls[0], tmp_path), urls[1]


def test_autovacuum_is_not_in_the_way_for_a_role_that_cannot_see_what_it_is(
    vacuumed: tuple[MigrationEnv, str],
) -> None:
    v1, superuser = vacuumed
    # Before the rows: a worker that began earlier would be done too soon.
    execute(
        v1.url,
        "ALTER TABLE trading_signals SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, "
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
        "INSERT INTO trading_signals (symbol, signal_type, price) "
        "SELECT '0001.HK', 'A', n FROM generate_series(1, 50000) n",
        "UPDATE trading_signals SET price = price + 1",
    )
    works = (
        "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE a.backend_type = 'autovacuum worker' AND l.relation = 'trading_signals'::regclass"
    )
    with session(superuser, "test") as conn, conn.cursor() as cur:

        def is_vacuumed() -> bool:
            cur.execute(works)
            return bool((cur.fetchone() or (False,))[0])

        def is_seen_while_vacuumed() -> bool:
            """A worker may come and go: it counts only if it was there before and after."""
            before = is_vacuumed()
            assert blocking_sessions.in_the_way(v1.url) == ()
            return before and is_vacuumed()

        wait_until(is_seen_while_vacuumed, "autovacuum works on the table")


@pytest.fixture
def roles(servers: Servers) -> Iterator[tuple[str, str]]:
    """Two roles; the first sees the sessions of the second, and may not end them. Asked for before the databases."""
    watching, other = f"watching_{os.getpid()}", f"other_{os.getpid()}"
    with session(servers[18], "test") as conn, conn.cursor() as cur:
        for role in (watching, other):
            cur.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", (TRADER_PASSWORD,))
        cur.execute(f"GRANT pg_read_all_stats TO {watching}")
        yield watching, other
        cur.execute(f"DROP ROLE {watching}, {other}")


def test_what_this_role_may_not_end_is_reported_plainly(
    roles: tuple[str, str], servers: Servers, v1: MigrationEnv
) -> None:
    v1.v1(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {roles[1]}")
    database = str(parse_dsn(v1.url)["dbname"])
    watching, other = (servers.url(18, role, database) for role in roles)
    with session(other, "theirs") as theirs, theirs.cursor() as cur:
        cur.execute("BEGIN; SELECT * FROM portfolio_positions")
        (found,) = (one for one in blocking_sessions.in_the_way(watching) if one.holds_lock)
        assert found.since is not None
        with pytest.raises(PrerequisiteError, match=f"sessions of the role {roles[1]}.*pg_signal_backend"):
            blocking_sessions.interrupt(watching, found.pid, found.since, How.TERMINATE)
        cur.execute("SELECT 1")
        cur.execute("ROLLBACK")
    v1.v1(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {roles[1]}")
