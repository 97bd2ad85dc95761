"""The versions of hk_migration: a fresh one is the same as one that was upgraded from any state in the field."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from src.errors import ConfigurationError
from src.journal.runs import ensure_own_schema
from src.portfolios import own_tables
from src.postgres.connection import Connection
from src.schema import own_schema
from src.schema.own_schema import Part, Version
from tests.conftest import MakeDatabase, Servers

# What the program of e46a308 executed: at each phase, and at the first save.
OLD = Path(__file__).parent / "own_schema_e46a308"
OLD_JOURNAL = (OLD / "own_schema.sql").read_text(encoding="utf-8")
OLD_REVISIONS = (OLD / "own_tables.sql").read_text(encoding="utf-8")
# Before audits were written, and before the proof noted what a step found.
OLDER_JOURNAL = (
    OLD_JOURNAL + "DROP TABLE hk_migration.audit; ALTER TABLE hk_migration.proof_position DROP COLUMN found;"
)

CATALOG = (
    """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
              pg_get_expr(d.adbin, d.adrelid), row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'hk_migration'::regnamespace AND c.relkind = 'r'
          AND a.attnum > 0 AND NOT a.attisdropped""",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'hk_migration'::regnamespace""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'hk_migration'",
    """SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p
        WHERE p.pronamespace = 'hk_migration'::regnamespace""",
    """SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'hk_migration'::regnamespace AND NOT t.tgisinternal""",
    """SELECT c.relname, c.relkind::text, obj_description(c.oid, 'pg_class') FROM pg_class c
        WHERE c.relnamespace = 'hk_migration'::regnamespace""",
    "SELECT 'schema', obj_description('hk_migration'::regnamespace, 'pg_namespace')",
    "SELECT sequencename, data_type::text, start_value FROM pg_sequences WHERE schemaname = 'hk_migration'",
)

Catalog = list[list[tuple[object, ...]]]
Work = Callable[[Connection], None]


def catalog(url: str) -> Catalog:
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
        found = []
        for statement in CATALOG:
            cur.execute(statement)
            found.append(sorted(cur.fetchall(), key=repr))
        return found


def journal(conn: Connection) -> None:
    ensure_own_schema(conn)


def revisions(conn: Connection) -> None:
    with conn.cursor() as cur:
        own_tables.ensure(cur)


def script(text: str) -> Work:
    def run(conn: Connection) -> None:
        conn.cursor().execute(text)

    return run


def versions_of(url: str) -> dict[Part, int]:
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
        return own_schema.known(cur)


FRESH: dict[int, Catalog] = {}


@pytest.fixture
def fresh(make_database: MakeDatabase, servers: Servers, pg_version: int) -> Catalog:
    """Read once for each version of PostgreSQL."""
    if pg_version not in FRESH:
        url = make_database(None, version=pg_version)
        apply(servers, pg_version, url, [("trader", journal), ("trader", revisions)])
        FRESH[pg_version] = catalog(url)
    return FRESH[pg_version]


def apply(servers: Servers, version: int, url: str, works: Sequence[tuple[str, Work]]) -> None:
    """Each of the works by its role, in a transaction of its own."""
    database = psycopg2.extensions.parse_dsn(url)["dbname"]
    for role, work in works:
        with closing(psycopg2.connect(servers.url(version, role, database))) as conn, conn:
            work(conn)


GRANT = script("GRANT USAGE, CREATE ON SCHEMA hk_migration TO trader")
STATES: dict[str, list[tuple[str, Work]]] = {
    "nothing, saved first": [("trader", revisions), ("trader", journal)],
    "a save": [("trader", script(OLD_REVISIONS))],
    "a phase": [("trader", script(OLD_JOURNAL))],
    "an older phase": [("trader", script(OLDER_JOURNAL))],
    "a phase, then a save": [("trader", script(OLD_JOURNAL)), ("trader", script(OLD_REVISIONS))],
    "a save, then a phase": [("trader", script(OLD_REVISIONS)), ("trader", script(OLD_JOURNAL))],
    "a save, then a phase of another role": [("trader", script(OLD_REVISIONS)), ("postgres", script(OLD_JOURNAL))],
    "a phase of another role": [("postgres", script(OLD_JOURNAL)), ("postgres", GRANT)],
    "a phase of another role, then a save": [
        ("postgres", script(OLD_JOURNAL)), ("postgres", GRANT), ("trader", script(OLD_REVISIONS)),
    ],
    "this program's phase of another role": [("postgres", journal), ("postgres", GRANT)],
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_fresh_schema_is_one_that_was_upgraded(
    make_database: MakeDatabase,
    servers: Servers,
    pg_version: int,
    fresh: Catalog,
    state: str,
) -> None:
    url = make_database(None, version=pg_version)
    earlier = STATES[state]
    apply(servers, pg_version, url, earlier)
    migrating = "postgres" if any(role == "postgres" for role, _ in earlier) else "trader"
    apply(servers, pg_version, url, [("trader", revisions), (migrating, journal), ("trader", revisions)])
    if versions_of(url)[Part.REVISIONS] == 0:
        # A dashboard writes nothing down about tables that are as it needs them; whoever owns them can.
        apply(servers, pg_version, url, [("trader", upgrade_revisions)])
    assert versions_of(url) == {part: own_schema.newest(part) for part in Part}
    for upgraded, made in zip(catalog(url), fresh, strict=True):
        assert upgraded == made


def upgrade_revisions(conn: Connection) -> None:
    with conn.cursor() as cur:
        own_schema.upgrade(cur, Part.REVISIONS)


def test_versions_are_numbered_without_a_gap() -> None:
    assert [version.number for version in own_schema.versions()] == list(range(1, len(own_schema.versions()) + 1))
    assert {version.part for version in own_schema.versions()} == set(Part)


def test_an_upgrade_that_fails_leaves_the_schema_as_it_was(make_database: MakeDatabase) -> None:
    url = make_database(None)
    with closing(psycopg2.connect(url)) as conn, conn:
        conn.cursor().execute(OLDER_JOURNAL)
    before = catalog(url)
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
        ensure_own_schema(conn)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cur.execute("SELECT 1/0")
    assert catalog(url) == before
    assert versions_of(url) == {Part.JOURNAL: 0, Part.REVISIONS: 0}


@pytest.mark.parametrize("earlier", [script(OLD_REVISIONS), revisions], ids=["unrecorded", "recorded"])
def test_a_later_version_is_applied_once_by_the_owner_and_refused_to_others(
    make_database: MakeDatabase, servers: Servers, monkeypatch: pytest.MonkeyPatch, earlier: Work
) -> None:
    url = make_database(None)
    apply(servers, 18, url, [("postgres", earlier)])
    grants = script(
        "GRANT USAGE ON SCHEMA hk_migration TO trader; "
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA hk_migration TO trader"
    )
    apply(servers, 18, url, [("postgres", grants), ("trader", revisions)])
    later = Version(3, Part.REVISIONS, "003_revisions_test")
    ours, read = own_schema.versions(), own_schema.sql_file
    monkeypatch.setattr(own_schema, "versions", lambda: (*ours, later))
    monkeypatch.setattr(
        own_schema, "sql_file",
        lambda package, name: "ALTER TABLE hk_migration.save ADD COLUMN IF NOT EXISTS later integer"
        if later.file in name else read(package, name),
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match='run: GRANT "postgres" TO "trader";'):
        apply(servers, 18, url, [("trader", revisions)])
    apply(servers, 18, url, [("postgres", revisions), ("postgres", revisions), ("trader", revisions)])
    assert versions_of(url)[Part.REVISIONS] == 3


def test_each_version_can_be_applied_again(make_database: MakeDatabase, pg_version: int) -> None:
    """Where the record was lost (a comment of somebody else in its place) all of them are."""
    url = make_database(None, version=pg_version)
    with closing(psycopg2.connect(url)) as conn, conn:
        ensure_own_schema(conn)
        revisions(conn)
    before = catalog(url)
    for version in own_schema.versions():
        with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cur:
            cur.execute(own_schema.sql_file("schema", f"own_schema_versions/{version.file}"))
        assert catalog(url) == before, version.file
