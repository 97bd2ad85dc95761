"""A schema hk_migration that a newer version of the program has worked on: read as far as it can be, never written."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.database_enhanced import DatabaseManager
from src.errors import PrerequisiteError
from src.journal import activity, audit, runs
from src.journal.model import Phase
from src.portfolios import own_tables
from src.sample.load import remove_sample
from src.schema import own_schema
from src.schema.own_schema import Part
from tests.conftest import MakeDatabase
from tests.support.migration_env import MigrationEnv, migration_env


def comment(url: str, table: str, text: str | None) -> None:
    with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cur:
        cur.execute(sql.SQL("COMMENT ON TABLE hk_migration.{} IS {}").format(sql.Identifier(table), sql.Literal(text)))


NEWER = "This database was last used by a newer version of this program. Update this one."
GARBAGE = "names no version of this program"
TABLES = pytest.mark.parametrize("table", ["run", "save"])
RECORDS = pytest.mark.parametrize(
    ("text", "said"),
    [
        ("HK Strategy: version 999", NEWER),
        ("HK Strategy: version 99999999999999999999", GARBAGE),
        ("HK Strategy: version two", GARBAGE),
        ("HK Strategy: version \u0663", GARBAGE),
        ("HK Strategy: version 2\nDROP", GARBAGE),
    ],
)


@pytest.fixture
def env(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    """A v2 database with both parts of the schema."""
    it = migration_env(make_database("v2", sample=True), tmp_path, rows="")
    with closing(psycopg2.connect(it.url)) as conn, conn, conn.cursor() as cur:
        own_tables.ensure(cur)
    return it


def everything(it: MigrationEnv) -> dict[str, object]:
    """A digest of the rows of each table."""
    tables = it.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace IN ('public'::regnamespace, 'hk_migration'::regnamespace)"
    )
    return {name: it.rows(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t") for (name,) in tables}


@TABLES
@RECORDS
def test_nothing_is_written_to_a_schema_of_a_newer_version(env: MigrationEnv, table: str, text: str, said: str) -> None:
    comment(env.url, table, text)
    before = everything(env)
    store = DatabaseManager(env.url)
    entry = audit.AuditEntry("mei", "admin", "192.0.2.7", "phase2", "started")
    for write in (
        lambda: env.run(Phase.PHASE2),
        lambda: env.run(Phase.ROLLBACK_V1),
        env.resume,
        lambda: audit.record(env.url, entry),
        lambda: remove_sample(env.url),
        lambda: store.change_position("DEFAULT", "0700.HK", quantity=1),
        lambda: store.rename_portfolio("DEFAULT", "Renamed"),
    ):
        with pytest.raises(PrerequisiteError) as raised:
            write()
        assert said in str(raised.value)
    assert everything(env) == before
    store.close()


@TABLES
@RECORDS
def test_what_a_newer_version_wrote_is_read(env: MigrationEnv, table: str, text: str, said: str) -> None:
    comment(env.url, table, text)
    store = DatabaseManager(env.url)
    assert len(store.get_portfolios()) == 1
    assert len(store.get_portfolio_positions("DEFAULT"))
    assert store.get_saves("DEFAULT") == ()
    assert runs.fetch_runs(env.url)
    assert activity.read(env.url).entries
    store.close()


def test_a_table_that_a_newer_version_has_changed_is_reported_as_that(env: MigrationEnv) -> None:
    with closing(psycopg2.connect(env.url)) as conn, conn, conn.cursor() as cur:
        cur.execute(
            "ALTER TABLE hk_migration.event RENAME COLUMN kind TO sort; "
            "ALTER TABLE hk_migration.save RENAME COLUMN kind TO sort"
        )
    comment(env.url, "run", "HK Strategy: version 7")
    store = DatabaseManager(env.url)
    for read in (lambda: runs.fetch_runs(env.url), lambda: store.get_saves("DEFAULT")):
        with pytest.raises(PrerequisiteError, match=NEWER):
            read()
    store.close()


def test_a_comment_of_somebody_else_is_no_record(env: MigrationEnv) -> None:
    comment(env.url, "run", "Runs of the migration, kept for the auditors")
    comment(env.url, "save", None)
    assert recorded(env) == {Part.JOURNAL: 0, Part.REVISIONS: 0}
    assert env.run(Phase.PHASE2).state == "done"
    assert recorded(env)[Part.JOURNAL] == own_schema.newest(Part.JOURNAL)


def recorded(it: MigrationEnv) -> dict[Part, int]:
    with closing(psycopg2.connect(it.url)) as conn, conn.cursor() as cur:
        return own_schema.known(cur)
