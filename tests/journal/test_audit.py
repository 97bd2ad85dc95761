"""Who did what: the audit is written from anything that talks to the database, and never changed."""

from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.errors import DatabaseUnavailable, PrerequisiteError
from src.journal import audit
from src.journal.audit import AuditEntry
from src.journal.model import Phase
from tests.conftest import MakeDatabase, Servers
from tests.support.migration_env import migration_env

REFUSED = AuditEntry("tom", "trader", "192.0.2.7", "phase1", "refused", {"why": "Only an admin may do this."})
STARTED = AuditEntry("mei", "admin", "127.0.0.1", "restore", "started", {"backup": "20260101-v1", "typed": True})


@pytest.mark.parametrize("schema", ["v1", "v3", None])
def test_it_is_kept_in_order_in_any_database(make_database: MakeDatabase, pg_version: int, schema: str | None) -> None:
    url = make_database(schema, version=pg_version)
    assert audit.read(url) == []
    audit.record(url, REFUSED)
    audit.record(url, STARTED)
    newest, oldest = audit.read(url)
    assert (newest.by, newest.role, newest.action, newest.outcome) == ("mei", "admin", "restore", "started")
    assert newest.detail == STARTED.detail
    assert (oldest.address, oldest.detail) == (REFUSED.address, REFUSED.detail)
    assert newest.at is not None and oldest.at is not None
    assert newest.at >= oldest.at
    assert newest.at.tzinfo is not None
    assert len(audit.read(url, limit=1)) == 1


@pytest.mark.parametrize("statement", ["UPDATE hk_migration.audit SET by = 'x'", "DELETE FROM hk_migration.audit"])
def test_nobody_rewrites_it(make_database: MakeDatabase, statement: str) -> None:
    url = make_database("v1")
    audit.record(url, REFUSED)
    conn = psycopg2.connect(url)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"), conn, conn.cursor() as cursor:
        cursor.execute(statement)
    conn.close()
    assert [entry.by for entry in audit.read(url)] == ["tom"]


def test_why_it_cannot_be_written_is_said(make_database: MakeDatabase, servers: Servers) -> None:
    url = make_database("v1")
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        name = sql.Identifier(conn.info.dbname)
        cursor.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    conn.close()
    with pytest.raises(PrerequisiteError, match="audit cannot be written"):
        audit.record(url, STARTED)
    with pytest.raises(DatabaseUnavailable):
        audit.record("postgresql://trader:n0t-told@127.0.0.1:9/x", STARTED)


def test_a_run_says_on_whose_behalf_it_was_started(make_database: MakeDatabase, tmp_path: Path) -> None:
    it = migration_env(make_database("v1"), tmp_path)
    it.settings = replace(it.settings, acting_for="mei")
    it.run(Phase.PHASE1)
    assert it.rows("SELECT started_by LIKE 'trader (mei via %%)' FROM hk_migration.run") == [(True,)]
