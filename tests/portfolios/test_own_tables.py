"""The tables of the audit: made with the first save, with the rights that takes, and in nobody's way."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.diagnostics.runner import diagnose
from src.errors import CapabilityMissing, ConfigurationError
from src.journal.model import Phase
from src.sample import database as sample_data
from tests.conftest import Servers
from tests.support.databases import SCHEMAS, Database, ManagerOf, Migrate, at_once, database_name, execute
from tests.support.dumps import difference, whole_dump
from tests.support.editing import edit_of, rows_of

OWN = "SELECT (SELECT count(*) FROM hk_migration.save), (SELECT count(*) FROM hk_migration.saved_row)"


def save(manager: DatabaseManager, quantity: int = 1) -> None:
    manager.save_positions("DEFAULT", [edit_of(manager, "0700.HK", quantity=quantity)])


@pytest.mark.parametrize("schema", SCHEMAS)
def test_first_saves_at_once_make_the_tables_once(
    database: Database, manager_of: ManagerOf, migrate: Migrate, schema: str, pg_version: int
) -> None:
    """Together with a phase that makes the same schema."""
    url = database(schema, pg_version)
    symbols = ["0005.HK", "0700.HK", "9988.HK", "0857.HK"]

    def saver(symbol: str) -> Callable[[], None]:
        manager = manager_of(url)
        edit = edit_of(manager, symbol, quantity=77)
        return lambda: manager.save_positions("DEFAULT", [edit]) and None

    works = [saver(symbol) for symbol in symbols]
    phase = {"v1": Phase.PHASE1, "v2": Phase.PHASE2, "v3": Phase.ROLLBACK_V2}[schema]
    assert at_once(*works, lambda: migrate(url, phase)) == []
    assert {row.quantity for row in rows_of(manager_of(url)).values()} == {77}
    assert execute(url, OWN) == [(4, 4)]


@pytest.mark.parametrize(
    ("schema", "taken"),
    [
        ("v1", ["REVOKE CREATE ON DATABASE {db} FROM trader"]),
        ("v3", ["REVOKE CREATE ON DATABASE {db} FROM trader"]),
        ("v2", ["REVOKE ALL ON SCHEMA hk_migration FROM trader"]),
        ("v2", ["save", "REVOKE INSERT ON ALL TABLES IN SCHEMA hk_migration FROM trader"]),
        ("v2", ["save", "REVOKE ALL ON SCHEMA hk_migration FROM trader"]),
    ],
)
def test_a_role_without_the_right_is_reported_what_to_grant(
    database: Database, manager_of: ManagerOf, servers: Servers, schema: str, taken: list[str]
) -> None:
    url = database(schema, 18)
    manager = manager_of(url)
    for statement in taken:
        if statement == "save":
            save(manager, 5)
        else:
            execute(url, statement.format(db=f'"{database_name(url)}"'))
    before = rows_of(manager)
    with pytest.raises(ConfigurationError, match=r"lacks a right\. Let the owner of the database run: ") as reported:
        save(manager)
    assert rows_of(manager) == before
    grants = re.findall(r"GRANT [^;]+;", str(reported.value))
    assert grants
    with (
        closing(psycopg2.connect(servers.url(18, "postgres", database_name(url)))) as owner,
        owner,
        owner.cursor() as cur,
    ):
        for grant in grants:
            cur.execute(grant)
    save(manager)
    assert rows_of(manager)["0700.HK"].quantity == 1
    assert len(manager.revisions()) == 1 + ("save" in taken)


def test_reading_without_the_right_says_so(database: Database, manager_of: ManagerOf) -> None:
    url = database("v2", 18)
    manager = manager_of(url)
    save(manager)
    execute(url, "REVOKE ALL ON SCHEMA hk_migration FROM trader")
    with pytest.raises(ConfigurationError, match=r'run: GRANT USAGE ON SCHEMA hk_migration TO "trader"; GRANT SELECT'):
        manager.revisions()


def test_a_read_only_server_says_so(database: Database, manager_of: ManagerOf) -> None:
    url = database("v3", 18)
    manager = manager_of(f"{url}&options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(CapabilityMissing, match="read-only"):
        save(manager)
    save(manager_of(url))
    assert len(manager.revisions()) == 1


def test_phases_and_their_rollback_leave_the_database_and_the_audit_as_they_were(
    database: Database, manager_of: ManagerOf, migrate: Migrate, pg_version: int
) -> None:
    url = database("v1", pg_version)
    manager = manager_of(url)
    save(manager)
    before, revisions = whole_dump(url, pg_version), manager.revisions()
    for phase in (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1):
        migrate(url, phase)
        assert manager.revisions() == revisions
    assert difference(before, whole_dump(url, pg_version)) == ""
    manager.undo_revision(revisions[0].revision_id)
    assert rows_of(manager)["0700.HK"].quantity == 3100


@pytest.mark.parametrize("schema", SCHEMAS)
def test_diagnostics_pass_and_leave_no_trace_in_the_audit(
    database: Database, manager_of: ManagerOf, schema: str, tmp_path: Path
) -> None:
    url = database(schema, 18)
    manager = manager_of(url)
    save(manager)
    before, revisions = whole_dump(url), manager.revisions()
    settings = Settings(url, None, tmp_path, tmp_path / "backups", tmp_path / "logs", "127.0.0.1", 8501)
    results = diagnose(url, settings, None, lambda result: None)
    assert [r.name for r in results if not r.passed and r.name not in ("cache", "backup folder", "log folder")] == []
    assert difference(before, whole_dump(url)) == ""
    assert manager.revisions() == revisions


def test_a_database_with_nothing_but_an_audit_counts_as_empty(database: Database, manager_of: ManagerOf) -> None:
    """So that init makes its tables there."""
    url = database("v3", 18)
    save(manager_of(url))
    execute(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with closing(psycopg2.connect(url)) as conn:
        assert sample_data.contents(conn) == []
