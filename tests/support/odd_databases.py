"""What the tests of odd states share: a small v1 database, its plan's findings, and a refusal that touches nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.cli.exit import ending_of
from src.cli.findings import advice
from src.errors import PrerequisiteError
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Finding, Options
from tests.conftest import MakeDatabase
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import MigrationEnv, migration_env

MakeEnv = Callable[..., MigrationEnv]

FEW_ROWS = """
INSERT INTO portfolio_positions (symbol, company_name, quantity, avg_cost, current_price)
VALUES ('0005.HK', 'HSBC', 400, 38.5, 39.75), ('0700.HK', 'Tencent', 100, 320.5, 315.2);
INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0005.HK', 'A', 39);
INSERT INTO price_history (symbol, price) VALUES ('0005.HK', 39), ('0700.HK', 315);
"""


HOLDINGS = """
CREATE TABLE public.portfolio_holdings (
    portfolio_id varchar(50), symbol varchar(20), company_name varchar(200), quantity numeric, avg_cost numeric(14,2),
    sector varchar(50), created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now()
);
"""
UNIQUE_HOLDINGS = HOLDINGS + "ALTER TABLE public.portfolio_holdings ADD UNIQUE (portfolio_id, symbol);"


@pytest.fixture
def make_lab(make_database: MakeDatabase, tmp_path: Path) -> MakeEnv:
    def make(version: int = 18, schema: str | None = "v1", rows: str = FEW_ROWS) -> MigrationEnv:
        url = make_database(schema, version=version)
        return migration_env(url, tmp_path, version, rows=rows if schema == "v1" else "")

    return make


def planned(it: MigrationEnv, phase: Phase, **choices: Any) -> tuple[Finding, ...]:
    return engine.make_plan(it.url, phase, Options(backup=False, **choices), it.settings).findings


def titles(findings: tuple[Finding, ...], severity: str) -> list[str]:
    return [finding.title for finding in findings if finding.severity == severity]


def refused(it: MigrationEnv, phase: Phase, *words: str, **choices: Any) -> str:
    """The run is refused for a reason with these words, the plan says so too, and the database is as it was."""
    had_own_schema = it.rows("SELECT to_regnamespace('hk_migration')::text")
    before = whole_dump(it.url, it.version)
    with pytest.raises(PrerequisiteError) as caught:
        it.run(phase, **choices)
    message = ending_of(caught.value).message
    assert message.startswith("Nothing was touched.")
    for word in words:
        assert word in message
    refusals = [finding for finding in planned(it, phase, **choices) if finding.severity == "refusal"]
    assert refusals
    assert all(finding.title in message and advice(finding) in message for finding in refusals)
    assert all(advice(finding) for finding in refusals)
    assert difference(before, whole_dump(it.url, it.version)) == ""
    assert it.rows("SELECT to_regnamespace('hk_migration')::text") == had_own_schema
    return message


def phase_1_done(it: MigrationEnv) -> None:
    outcome = it.run(Phase.PHASE1)
    assert outcome.state == "done"
    assert [row for row in outcome.proof if row.equal is False] == []
    assert engine.inspect(it.url).version == "2.0"
