"""What v1 clients make in the schemas of their views: it is there all the way, or nothing begins."""

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from src.errors import HKStrategyError
from src.journal.model import Event, Phase
from src.migration.findings import PlanRefused
from tests.conftest import MakeDatabase, Servers
from tests.support.cli_process import execute
from tests.support.databases import database_name
from tests.support.migration_env import MigrationEnv, migration_env, v1_clients_work

MADE = {
    "partitioned table": (
        "CREATE TABLE ticks (a int) PARTITION BY RANGE (a); "
        "CREATE TABLE ticks_1 PARTITION OF ticks FOR VALUES FROM (0) TO (10); INSERT INTO ticks VALUES (1)",
        "SELECT a FROM ticks",
    ),
    "table with sequences": (
        "CREATE TABLE notes (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY); "
        "INSERT INTO notes DEFAULT VALUES",
        "SELECT id, n FROM notes",
    ),
    "statistics": (
        "CREATE TABLE pairs (a int, b int); CREATE STATISTICS pairs_ab ON a, b FROM pairs; "
        "INSERT INTO pairs VALUES (1, 1)",
        "SELECT a FROM pairs",
    ),
    "collation": ('CREATE COLLATION mine FROM "C"', "SELECT 'a' COLLATE mine"),
    "text search": (
        "CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple); "
        "CREATE TEXT SEARCH CONFIGURATION words (COPY = english)",
        "SELECT to_tsvector('words', 'a house')::text",
    ),
    "types": (
        "CREATE TYPE side AS ENUM ('buy'); CREATE DOMAIN lots AS int; CREATE TYPE leg AS (n int)",
        "SELECT 'buy'::side::text, 1::lots, '(1)'::leg::text",
    ),
    "routines": (
        "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2'; "
        "CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1'; "
        "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int); "
        "CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
        "SELECT twice(1), total(2), 1 ### 2",
    ),
    "views": (
        "CREATE VIEW own_view AS SELECT 1 AS a; CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a; "
        'CREATE TABLE "Odd name" (a int)',
        'SELECT a FROM own_view JOIN kept USING (a) LEFT JOIN "Odd name" USING (a)',
    ),
}


@pytest.fixture
def v2(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> MigrationEnv:
    it = migration_env(make_database("v1", version=pg_version), tmp_path, pg_version)
    it.run(Phase.PHASE1)
    return it


def schema_of_views(it: MigrationEnv) -> list[tuple[Any, ...]]:
    return it.rows("SELECT nspname::text FROM pg_namespace WHERE nspname = 'trader' OR nspname LIKE 'hk_v1%%'")


def test_whatever_clients_made_is_there_all_the_way(v2: MigrationEnv) -> None:
    for statements, _ in MADE.values():
        v2.v1(statements)
    before = {kind: v2.v1(question) for kind, (_, question) in MADE.items()}
    assert all(before.values())
    v2.run(Phase.ROLLBACK_V1)
    assert schema_of_views(v2) == []
    assert {kind: v2.v1(question) for kind, (_, question) in MADE.items()} == before
    v1_clients_work(v2)
    v2.run(Phase.PHASE1)
    assert {kind: v2.v1(question) for kind, (_, question) in MADE.items()} == before
    v2.run(Phase.PHASE2, force=True)
    assert schema_of_views(v2) == []
    assert {kind: v2.v1(question) for kind, (_, question) in MADE.items()} == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE portfolios (x int)", "table trader.portfolios"),
        ("CREATE TYPE public.settings AS ENUM ('a'); CREATE TABLE settings (x int)", "table trader.settings"),
        ("CREATE FUNCTION hk_share_price() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function trader.hk_share_price()"),
        ("CREATE TYPE between AS RANGE (SUBTYPE = int)", "type trader.between"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.ROLLBACK_V1, Phase.PHASE2])
def test_what_cannot_move_refuses_before_anything_is_touched(
    make_database: MakeDatabase, tmp_path: Path, statement: str, named: str, phase: Phase
) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    it.run(Phase.PHASE1)
    it.v1(statement)
    with pytest.raises(PlanRefused, match="v1 clients have made") as refused:
        it.run(phase, force=True)
    assert named.replace('"', "") in str(refused.value).replace('"', "")
    assert schema_of_views(it) == [("trader",)]
    v1_clients_work(it)


@pytest.mark.parametrize("phase", [Phase.ROLLBACK_V1, Phase.PHASE2])
def test_what_is_not_ours_to_move_is_named_with_its_owner(
    make_database: MakeDatabase, tmp_path: Path, servers: Servers, phase: Phase
) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    it.run(Phase.PHASE1)
    app = f"app_{database_name(it.url)}"
    execute(servers[18], f"CREATE ROLE {app}")
    try:
        in_it = servers[18].replace("/postgres?", f"/{database_name(it.url)}?")
        execute(in_it, f"CREATE TABLE trader.notes (k text); ALTER TABLE trader.notes OWNER TO {app}")
        with pytest.raises(PlanRefused) as refused:
            it.run(phase, force=True)
        assert f"Role {app} owns trader.notes" in str(refused.value)
        execute(in_it, f"ALTER TABLE trader.notes OWNER TO trader; ALTER SCHEMA trader OWNER TO {app}")
        with pytest.raises(PlanRefused) as refused:
            it.run(phase, force=True)
        assert f"Role {app} owns schema trader" in str(refused.value)
        execute(in_it, "ALTER SCHEMA trader OWNER TO trader; GRANT USAGE, CREATE ON SCHEMA trader TO trader")
        execute(in_it, f"REVOKE CREATE ON DATABASE {database_name(it.url)} FROM trader")
        with pytest.raises(PlanRefused, match="lacks the right CREATE on database"):
            it.run(phase, force=True)
        assert schema_of_views(it) == [("trader",)]
        execute(in_it, f"GRANT CREATE ON DATABASE {database_name(it.url)} TO trader")
        it.run(phase, force=True)
    finally:
        execute(servers[18].replace("/postgres?", f"/{database_name(it.url)}?"), f"DROP OWNED BY {app}")
        execute(servers[18], f"DROP ROLE {app}")


def test_what_comes_in_the_midst_stops_the_switch_and_loses_nothing(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """It was not there for the plan: the switch, one transaction, changes nothing, and going back is possible."""
    it = migration_env(make_database("v1"), tmp_path)
    it.run(Phase.PHASE1)

    def on_event(event: Event) -> None:
        if event.kind == "step" and event.step == "index_symbol" and event.detail["state"] == "done":
            it.v1("CREATE TYPE between AS RANGE (SUBTYPE = int)")

    with pytest.raises(HKStrategyError, match="cannot be moved to schema public") as stopped:
        it.run(Phase.ROLLBACK_V1, on_event)
    assert "CONTEXT" not in str(stopped.value)
    assert schema_of_views(it) == [("trader",)]
    v1_clients_work(it)
    it.run(Phase.PHASE1)
    v1_clients_work(it)
    with closing(psycopg2.connect(it.url)) as conn, conn, conn.cursor() as cursor:
        cursor.execute("SELECT 'trader.between'::regtype::text")
