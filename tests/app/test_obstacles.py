"""System Status where somebody has locked a table, and for a role of few rights: it says so, and offers no more."""

import re
from contextlib import closing

import psycopg2
import pytest

from src.portfolios import own_tables
from tests.app.conftest import OpenPage, execute, shown
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import database_name
from tests.support.locks import EVERY_TABLE, locked, shown_name

pytestmark = pytest.mark.usefixtures("short_lock_waits")


@pytest.mark.parametrize("schema", ["v1", "v2", "v3"])
def test_a_locked_table_is_named_with_who_holds_it(
    make_database: MakeDatabase, open_page: OpenPage, schema: str
) -> None:
    url = make_database(schema, sample=True)
    with closing(psycopg2.connect(url, application_name="nightly import")) as holder:
        holder.cursor().execute("LOCK TABLE public.trading_signals IN ACCESS EXCLUSIVE MODE")
        app = open_page(url, "system_status")
        text, pid = shown(app), holder.info.backend_pid
        portfolios = shown(open_page(url, "portfolios"))
    named = f"trading_signals is locked by pid {pid} (role trader, application nightly import)"
    assert named in text
    assert named in portfolios, "traders read the same"
    assert "1 component of 8 needs attention: Schema." in text
    errors = " ".join(one.value for one in app.error)
    assert "does not answer" not in text + errors
    warnings = " ".join(one.value for one in app.warning).replace("\\", "")
    assert "The rows of trading_signals could not be read" in warnings
    assert "In the way now" in " ".join(one.value for one in app.markdown), "and the lock can be ended here"
    assert "A table is locked by somebody else" not in text + errors, "it is known who"


# Those that no page reads: tests/cli/test_locked_tables.py has them, as `check` judges them in the same way.
UNREAD = re.compile(r"hk_migration\.(archived_(?!portfolio)|proof|own_write|lineage|save)")


@pytest.mark.parametrize("table", [one for one in EVERY_TABLE if not UNREAD.match(one)])
def test_system_status_names_who_has_locked_a_table_and_shows_all_else(
    make_database: MakeDatabase, open_page: OpenPage, table: str
) -> None:
    url = make_database("v2", sample=True)
    with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cursor:
        own_tables.ensure(cursor)
    with locked(url, table) as pid:
        app = open_page(url, "system_status")
        text = shown(app)
    assert f"{shown_name(table)} is locked by pid {pid} (role trader, application nightly import)" in text
    assert "This database is multi-portfolio (v2.0)." in text
    headings = {one.value for one in app.subheader}
    assert {"Schema", "Backups", "Activity"} <= headings
    errors = " ".join(one.value for one in (*app.error, *app.warning))
    assert not any(said in text + errors for said in ("does not answer", "has not answered", "somebody else"))


@pytest.mark.parametrize("own", ["run", "event", "mark", "audit"])
def test_a_locked_table_of_the_history_is_named_on_every_page(
    make_database: MakeDatabase, open_page: OpenPage, own: str
) -> None:
    url = make_database("v2", sample=True)
    with locked(url, f"hk_migration.{own}") as pid:
        portfolios = shown(open_page(url, "portfolios"))
    named = f"hk_migration.{own} is locked by pid {pid} (role trader, application nightly import)"
    assert named in portfolios or "2,177,898.90" in portfolios, "who holds it, or all else"
    assert "does not answer" not in portfolios and "has not answered" not in portfolios


def test_a_role_that_may_not_read_is_shown_what_is_missing_and_offered_nothing(
    make_database: MakeDatabase, open_page: OpenPage, servers: Servers
) -> None:
    url = make_database("v2", sample=True)
    name = f"few_{database_name(url)}"
    execute(servers[18], f"CREATE ROLE {name} LOGIN PASSWORD 'few rights'")
    try:
        app = open_page(f"postgresql://{name}:few%20rights@{url.rpartition('@')[2]}", "system_status")
    finally:
        execute(servers[18], f"DROP ROLE {name}")
    text = shown(app)
    assert f"The role {name} may not read everything" in text
    assert f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name};" in text
    assert text.count("? not known") == 3, "data, prices and the last run"
    assert not [one.label for one in app.button if one.label.startswith(("Start", "Roll back"))]
    problems = " ".join(one.value for one in app.error)
    assert f"GRANT trader TO {name}" in problems + " ".join(one.value for one in app.code)
    assert "Traceback" not in text
    warnings = " ".join(one.value for one in app.warning).replace("\\", "")
    assert "could not be looked up" in warnings and f"GRANT USAGE ON SCHEMA hk_migration TO {name};" in warnings


def test_a_newer_program_is_shown_and_no_phase_is_offered(make_database: MakeDatabase, open_page: OpenPage) -> None:
    url = make_database("v2", sample=True)
    execute(url, "COMMENT ON TABLE hk_migration.run IS 'HK Strategy: version 900'")
    app = open_page(url, "system_status")
    assert any("last used by a newer version of this program" in one.value for one in app.error)
    assert not [one.label for one in app.button if one.label.startswith("Start")]


def test_an_own_schema_of_another_owner_is_shown_with_what_helps(
    make_database: MakeDatabase, open_page: OpenPage, servers: Servers
) -> None:
    url = make_database("v2", sample=True)
    owner = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    execute(owner, "ALTER SCHEMA hk_migration OWNER TO postgres")
    app = open_page(url, "system_status")
    assert any("ALTER SCHEMA hk_migration OWNER TO trader" in one.value for one in app.code)
    assert not [one.label for one in app.button if one.label.startswith("Start")]
