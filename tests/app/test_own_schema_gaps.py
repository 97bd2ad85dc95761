"""Pages where a part of schema hk_migration is gone: it is named with what to do, and all else is shown."""

from contextlib import closing

import pytest

from src.database_enhanced import DatabaseManager
from tests.app.conftest import OpenPage, execute, shown
from tests.conftest import MakeDatabase

LOST = {
    "DROP TABLE hk_migration.run CASCADE": "table hk_migration.run",
    "DROP TABLE hk_migration.event": "table hk_migration.event",
    "ALTER TABLE hk_migration.event DROP COLUMN event_id": "column hk_migration.event.event_id",
    "ALTER TABLE hk_migration.mark RENAME COLUMN name TO title": "column hk_migration.mark.name",
}
RUN = (
    "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
    "VALUES ('phase1', '1.0', '2.0', 'x', '{}', '[]', '{}'); "
    "INSERT INTO hk_migration.event (run_id, kind, message, detail) "
    "VALUES (1, 'outcome', 'x', '{\"state\": \"done\"}'); "
)


@pytest.mark.parametrize("statement", LOST)
def test_a_history_that_is_not_whole(make_database: MakeDatabase, open_page: OpenPage, statement: str) -> None:
    url = make_database("v2", sample=True)
    execute(url, RUN + statement)
    status = open_page(url, "system_status")
    text = shown(status).replace("\\", "")
    assert not status.exception
    assert LOST[statement] in text
    assert "This database is multi-portfolio (v2.0)." in text
    for page in ("portfolios", "portfolio", "comparison"):
        app = open_page(url, page)
        assert not app.exception, page
        assert not app.error, (page, [one.value for one in app.error])
    assert "2,177,898.90" in shown(open_page(url, "portfolios"))


def test_an_audit_that_is_gone(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v2", sample=True)
    execute(url, "DROP TABLE hk_migration.audit")
    status = open_page(url, "system_status")
    assert not status.exception and not status.error
    assert "lacks table hk_migration.audit" in shown(status).replace("\\", "")


@pytest.mark.parametrize("table", ["save", "saved_row", "lineage_base"])
def test_a_change_history_that_is_not_whole(make_database: MakeDatabase, open_page: OpenPage, table: str) -> None:
    url = make_database("v3", sample=True)
    with closing(DatabaseManager(url)) as manager:
        manager.copy_portfolio("DEFAULT", "COPY", "Copy")
    execute(
        url,
        "INSERT INTO hk_migration.save (portfolio_id, by, kind) VALUES ('DEFAULT', 'mei', 'edit'); "
        "INSERT INTO hk_migration.saved_row (save_id, symbol) VALUES (1, '0005.HK')",
        f"DROP TABLE hk_migration.{table} CASCADE",
    )
    for page in ("portfolios", "comparison", "portfolio"):
        app = open_page(url, page)
        assert not app.exception, page
        assert "0700.HK" in shown(app) or page == "portfolios"
    status = shown(open_page(url, "system_status")).replace("\\", "")
    assert f"table hk_migration.{table}" in status
