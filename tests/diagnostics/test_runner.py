"""Diagnostics of real databases: all pass on healthy ones, faults are named, and no trace is left."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.config import PROJECT_ROOT
from src.embedded.api import bin_dir
from src.schema.catalog import compare, expected_catalog, read_catalog
from src.schema.versions import SchemaVersion
from tests.conftest import MakeDatabase
from tests.support.dumps import without_password
from tests.support.locks import APPLICATION, locked

SAMPLE = """
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector) VALUES
    ('0005.HK', 'HSBC', 13428, 38.50, 39.75, 'Financials'), ('0700.HK', 'Tencent', 3100, 320.50, 315.20, 'Tech'),
    ('0857.HK', 'PetroChina', 0, 7.50, 7.80, 'Energy'), ('9999.HK', 'No price', 100, 10, NULL, NULL);
INSERT INTO public.trading_signals (symbol, signal_type, price) VALUES ('0005.HK', 'A', 39.75), ('0700.HK', 'B', 315);
INSERT INTO public.price_history (symbol, price) VALUES ('0005.HK', 39.5), ('0005.HK', 39.75), ('0700.HK', 315.2);
"""
COPY = """
INSERT INTO public.portfolios (portfolio_id, name) VALUES ('TECH', 'Technology');
INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price)
    VALUES ('TECH', '0700.HK', 500, 300, 315.20);
INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price) VALUES ('TECH', '0700.HK', 'C', 310);
"""


def execute(url: str, statements: str) -> None:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(statements)
    conn.close()


@dataclass(frozen=True)
class Report:
    exit_code: int
    checks: dict[str, dict[str, object]]
    outcome: dict[str, object]
    output: str

    @property
    def failed(self) -> set[str]:
        return {name for name, check in self.checks.items() if not check["passed"]}


Diagnose = Callable[..., Report]


@pytest.fixture
def environment(tmp_path: Path, cache_url: str) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")},
        "REDIS_URL": cache_url,
        "HK_STRATEGY_HOME": str(tmp_path / "home"),
        "HK_STRATEGY_LOGS": str(tmp_path / "logs"),
        "HK_STRATEGY_BACKUPS": str(tmp_path / "backups"),
    }


@pytest.fixture
def diagnose(environment: dict[str, str]) -> Diagnose:
    def run(url: str, **more: str) -> Report:
        result = subprocess.run(
            [sys.executable, str(PROJECT_ROOT / "test_migration.py"), "--json"],
            env={**environment, "DATABASE_URL": url, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert records, result.stderr
        checks = {str(record["name"]): record for record in records if record["type"] == "check"}
        return Report(result.returncode, checks, records[-1], result.stdout + result.stderr)

    return run


def dump(url: str, version: int) -> str:
    """Everything in the database: schema, rows, the values of sequences."""
    program = str(bin_dir(18 if version > 16 else 16) / "pg_dump")
    dsn, environment = without_password(url)
    result = subprocess.run([program, "--dbname", dsn], capture_output=True, text=True, check=True, env=environment)
    return re.sub(r"^\\(un)?restrict .*$", "", result.stdout, flags=re.MULTILINE)


def make(make_database: MakeDatabase, schema: str, version: int = 18) -> str:
    """A database of the schema with rows in it; v2 by phase 1."""
    url = make_database(schema, version=version, rows=SAMPLE)
    if schema != "v1":
        execute(url, COPY)
    return url


@pytest.mark.parametrize("schema", ["v1", "v2", "v3"])
def test_all_pass_on_a_healthy_database_and_no_trace_is_left(
    make_database: MakeDatabase, diagnose: Diagnose, pg_version: int, schema: str, tmp_path: Path
) -> None:
    url = make(make_database, schema, pg_version)
    before = dump(url, pg_version)
    report = diagnose(url)
    assert report.failed == set(), report.output
    assert report.exit_code == 0
    assert report.outcome["type"] == "outcome"
    assert dump(url, pg_version) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"home"}


def test_each_version_has_the_checks_that_fit_it(make_database: MakeDatabase, diagnose: Diagnose) -> None:
    v1 = diagnose(make(make_database, "v1")).checks
    v3 = diagnose(make(make_database, "v3")).checks
    for name in ("connection", "server", "schema", "rights on the data", "rights to migrate", "cache", "pg_dump"):
        assert name in v1
        assert name in v3
    assert "v1 client: INSERT … ON CONFLICT (symbol) DO NOTHING" in v1
    assert not any(name.startswith("v1 client") for name in v3)
    assert "isolation: a deleted position takes its own signals, not the other's" in v3
    assert v3["schema"]["reason"] == "multi-portfolio (v3.0)"


def test_on_v2_the_statements_of_v1_clients_and_isolation_are_both_tried(
    make_database: MakeDatabase, diagnose: Diagnose
) -> None:
    checks = diagnose(make(make_database, "v2")).checks
    assert checks["v1 client as trader: the signals follow their position"]["passed"]
    assert checks["v1 client as trader: SELECT *, prepared"]["passed"]
    assert checks["a price reaches the symbol in every portfolio"]["passed"]
    assert checks["v1 views of role trader"]["passed"]


@pytest.mark.parametrize(
    ("schema", "damage", "check"),
    [
        ("v1", "DROP INDEX idx_signals_created", "indexes are those of v1.0"),
        ("v1", "ALTER TABLE portfolio_positions DROP COLUMN sector", "columns are those of v1.0"),
        ("v1", "ALTER TABLE portfolio_positions ALTER company_name TYPE text", "columns are those of v1.0"),
        (
            "v1",
            "ALTER TABLE price_history DROP CONSTRAINT price_history_symbol_fkey",
            "constraints are those of v1.0",
        ),
        ("v3", "DROP VIEW portfolio_performance", "views are those of v3.0"),
        ("v3", "DROP FUNCTION validate_portfolio_integrity(varchar)", "functions are those of v3.0"),
        ("v3", "DROP TRIGGER portfolio_positions_share_price ON portfolio_positions", "triggers are those of v3.0"),
        (
            "v3",
            "DROP TRIGGER portfolio_positions_share_price ON portfolio_positions",
            "a price reaches the symbol in every portfolio",
        ),
        (
            "v3",
            "ALTER TABLE portfolio_positions DISABLE TRIGGER portfolio_positions_share_price",
            "triggers are those of v3.0",
        ),
        (
            "v3",
            "ALTER TABLE portfolio_positions DISABLE TRIGGER portfolio_positions_share_price; "
            "UPDATE portfolio_positions SET current_price = 1 WHERE portfolio_id = 'TECH'",
            "a symbol has one price in all portfolios",
        ),
        (
            "v3",
            "ALTER TABLE trading_signals DROP CONSTRAINT trading_signals_portfolio_id_symbol_fkey; "
            "DELETE FROM portfolio_positions WHERE symbol = '0005.HK'",
            "signals belong to positions",
        ),
        (
            "v3",
            "CREATE OR REPLACE FUNCTION check_migration_status() RETURNS TABLE (tbl_name text, "
            "has_portfolio_id boolean, null_portfolio_ids bigint, total_rows bigint) LANGUAGE sql STABLE AS "
            "$$ SELECT 'portfolios', true, 0::bigint, 77::bigint $$",
            "check_migration_status()",
        ),
        (
            "v1",
            "ALTER TABLE portfolio_positions DROP COLUMN market_value; "
            "ALTER TABLE portfolio_positions ADD market_value decimal(12,2) DEFAULT 5",
            "market value and P&L are computed right",
        ),
    ],
)
def test_damage_is_named(make_database: MakeDatabase, diagnose: Diagnose, schema: str, damage: str, check: str) -> None:
    url = make(make_database, schema)
    execute(url, damage)
    report = diagnose(url)
    assert report.exit_code == 1
    assert check in report.failed, report.output
    assert report.checks[check]["advice"]


def test_other_peoples_things_are_no_fault(make_database: MakeDatabase, diagnose: Diagnose) -> None:
    url = make(make_database, "v1")
    execute(
        url,
        "CREATE TABLE watchlist (id int); ALTER TABLE price_history ADD portfolio_id varchar(50); "
        "DROP TABLE portfolio_value_history, portfolio_analyses",
    )
    report = diagnose(url)
    assert report.failed == set(), report.output
    assert "watchlist" in report.output


def test_an_empty_database_is_reported_as_empty(make_database: MakeDatabase, diagnose: Diagnose) -> None:
    report = diagnose(make_database(None))
    assert report.failed == {"schema"}
    assert "empty" in str(report.checks["schema"]["reason"])
    assert "init" in str(report.checks["schema"]["advice"])


def test_a_server_that_is_down_fails_the_connection(diagnose: Diagnose, tmp_path: Path) -> None:
    report = diagnose(f"postgresql://trader:s3cret@/hk?host={tmp_path}")
    assert report.exit_code == 1
    assert "connection" in report.failed
    assert "does not answer" in str(report.checks["connection"]["reason"])
    assert "s3cret" not in report.output


def test_a_cache_that_is_down_fails_only_the_cache(
    make_database: MakeDatabase, diagnose: Diagnose, tmp_path: Path
) -> None:
    report = diagnose(make(make_database, "v1"), REDIS_URL=f"unix://{tmp_path}/nobody.sock")
    assert report.failed == {"cache"}
    assert "only slower" in str(report.checks["cache"]["advice"])


def test_a_read_only_database_is_reported(make_database: MakeDatabase, diagnose: Diagnose) -> None:
    url = make(make_database, "v1")
    name = url.split("@/")[1].split("?")[0]
    conn = psycopg2.connect(url)
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
    conn.close()
    report = diagnose(url)
    assert "server is writable" in report.failed
    assert report.exit_code == 1


@pytest.fixture
def reader(servers: Mapping[int, str], make_database: MakeDatabase) -> Iterator[str]:
    """The URL of a role that may only read."""
    url = make(make_database, "v1")
    role = f"reader_{os.getpid()}"
    superuser = servers[18].replace("/postgres?", url[url.index("@/") + 1 : url.index("?") + 1])
    execute(superuser, f"CREATE ROLE {role} LOGIN PASSWORD 'r3ad'")
    execute(superuser, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    yield re.sub(r"//[^@]*@", f"//{role}:r3ad@", url)
    execute(superuser, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_role_without_rights_is_reported_which(reader: str, diagnose: Diagnose) -> None:
    report = diagnose(reader)
    assert {"rights on the data", "rights to migrate"} <= report.failed
    assert "INSERT on portfolio_positions" in str(report.checks["rights on the data"]["reason"])
    assert "ownership of portfolio_positions" in str(report.checks["rights to migrate"]["reason"])


def test_the_grants_that_are_named_are_those_that_help(
    reader: str, diagnose: Diagnose, servers: Mapping[int, str]
) -> None:
    report = diagnose(reader)
    role = reader.partition("//")[2].partition(":")[0]
    wrong = [f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", "hk_migration.", "SCHEMA hk_migration"]
    assert not any(text in report.output for text in wrong), "it may read, and that schema is not used"
    advice = str(report.checks["rights on the data"]["advice"])
    assert "GRANT INSERT, UPDATE, DELETE ON public.portfolio_positions, " in advice
    migrate = str(report.checks["rights to migrate"]["advice"])
    assert f"GRANT trader TO {role}" in migrate and "GRANT CREATE ON DATABASE" in migrate
    superuser = servers[18].replace("/postgres?", reader[reader.index("@/") + 1 : reader.index("?") + 1])
    execute(superuser, advice.partition("run: ")[2])
    assert "rights on the data" not in diagnose(reader).failed


def test_a_refused_statement_is_said_as_commands_say_it(reader: str, diagnose: Diagnose) -> None:
    report = diagnose(reader)
    (refused,) = (check for name, check in report.checks.items() if name.startswith("v1 client: INSERT"))
    assert str(refused["reason"]).startswith("The database role lacks a right: permission denied for table")
    assert "Let the owner run: GRANT INSERT, UPDATE, DELETE ON public.portfolio_positions" in str(refused["reason"])


@pytest.mark.parametrize("mode", ["SHARE", "ACCESS EXCLUSIVE"])
def test_a_lock_is_said_as_commands_say_it(make_database: MakeDatabase, diagnose: Diagnose, mode: str) -> None:
    url = make(make_database, "v1")
    with locked(url, "public.portfolio_positions", mode=mode) as pid:
        report = diagnose(url)
    reasons = {name: str(check["reason"]) for name, check in report.checks.items() if not check["passed"]}
    probe = next(reason for name, reason in reasons.items() if name.startswith("v1 client: INSERT"))
    how = "" if mode == "ACCESS EXCLUSIVE" else f" in {mode} mode"
    assert probe.startswith(f"portfolio_positions is locked{how} by pid {pid} (role trader, application {APPLICATION})")
    assert "canceling statement" not in report.output


def test_a_read_only_session_names_where_that_is_set(make_database: MakeDatabase, diagnose: Diagnose) -> None:
    url = make(make_database, "v1")
    report = diagnose(f"{url}&options=-c%20default_transaction_read_only%3Don")
    assert "options in DATABASE_URL, in .env" in str(report.checks["server is writable"]["advice"])
    (refused,) = (check for name, check in report.checks.items() if name.startswith("v1 client: INSERT"))
    assert "options in DATABASE_URL, in .env" in str(refused["reason"])


@pytest.mark.parametrize("schema", ["v1", "v2", "v3"])
def test_the_expected_catalog_is_that_of_a_real_database(
    make_database: MakeDatabase, pg_version: int, schema: str
) -> None:
    """Where it is not: `python -m tests.schema.expected_catalogs` writes the files anew, to be reviewed."""
    version = {"v1": SchemaVersion.V1, "v2": SchemaVersion.V2, "v3": SchemaVersion.V3}[schema]
    conn = psycopg2.connect(make(make_database, schema, version=pg_version))
    live = read_catalog(conn)
    conn.close()
    assert {item.key: item for item in live} == {item.key: item for item in expected_catalog(version)}


def test_a_dump_and_restore_is_no_drift(make_database: MakeDatabase) -> None:
    """PostgreSQL writes a CHECK and a generated column differently after it."""
    source, target = make_database("v3"), make_database(None)
    dsn, environment = without_password(target)
    subprocess.run(
        [str(bin_dir(18) / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", dsn],
        env=environment,
        input=dump(source, 18),
        text=True,
        check=True,
        capture_output=True,
    )
    conn = psycopg2.connect(target)
    drift = compare(SchemaVersion.V3, read_catalog(conn))
    conn.close()
    assert drift.healthy, drift


def test_usage(environment: dict[str, str]) -> None:
    command = [sys.executable, str(PROJECT_ROOT / "test_migration.py"), "--nonsense"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--nonsense" in result.stderr
