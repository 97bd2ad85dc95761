"""Which roles v1's clients connect as, and whether they would find their views."""

import os
from collections.abc import Iterator

import pytest

from src.config import PROJECT_ROOT
from src.embedded.api import PrivateServer
from src.journal.sessions import legacy_clients, legacy_roles
from src.migration.findings import Severity
from src.migration.model import Options
from src.postgres.connection import connect
from tests.conftest import MakeDatabase, Servers
from tests.support.migration_env import session
from tests.support.surveys import MakeRole, database_of, execute, roles_made, said, superuser, survey_of

V1_SCHEMA = (PROJECT_ROOT / "migrations" / "init.sql").read_text(encoding="utf-8")


@pytest.fixture
def make_role(servers: Servers, make_database: MakeDatabase) -> Iterator[MakeRole]:
    with roles_made(servers) as make:
        yield make


def test_legacy_roles_are_found(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    connected, granted, column, outside = (make_role(pg_version, "LOGIN", url) for _ in range(4))
    nologin, boss = make_role(pg_version, "NOLOGIN", url), make_role(pg_version, "LOGIN SUPERUSER", url)
    execute(
        url,
        f"GRANT SELECT ON portfolio_positions TO {granted}",
        f"GRANT UPDATE (current_price) ON portfolio_positions TO {column}",
        f"GRANT SELECT ON portfolio_positions TO {nologin}",
    )
    conn = connect(url, autocommit=True)
    own = connect(servers.url(pg_version, outside, database_of(url)), purpose="dashboard")
    with session(servers.url(pg_version, connected, database_of(url)), "the old app"):
        assert legacy_roles(conn) == ("trader", connected, *sorted((granted, column)))
        assert legacy_roles(conn, ("x", "y", "x")) == ("x", "y")
        (client,) = legacy_clients(conn, legacy_roles(conn))
        assert (client.role, client.application_name) == (connected, "the old app")
    assert not {boss, nologin, outside} & set(legacy_roles(conn))
    own.close()
    conn.close()


SETTINGS = (
    ("ALTER ROLE {role} SET search_path = public", "ALTER ROLE {role} SET search_path"),
    (
        "ALTER ROLE {role} IN DATABASE {database} SET search_path = app, public",
        "ALTER ROLE {role} IN DATABASE {database}",
    ),
    ('ALTER DATABASE {database} SET search_path = public, "$user"', "ALTER DATABASE {database} SET search_path"),
    ("ALTER ROLE {role} SET search_path = ''", "their search_path is"),
)


@pytest.mark.parametrize(("setting", "words"), SETTINGS, ids=("role", "role-in-database", "database", "nothing"))
def test_a_search_path_without_user_is_refused(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int, setting: str, words: str
) -> None:
    url = make_database("v1", version=pg_version)
    role, database = make_role(pg_version, "LOGIN", url), database_of(url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {role}")
    execute(superuser(servers, pg_version, url), setting.format(role=role, database=database))
    refusals = said(survey_of(url), "refusal")
    assert f"Sessions of role {role} would not find the compatibility views" in refusals
    assert words.format(role=role, database=database) in refusals
    remedy = f'ALTER ROLE {role} IN DATABASE {database} SET search_path = "$user", public'
    assert remedy in refusals

    assert role not in said(survey_of(url, options=Options(legacy_roles=("trader",))), "refusal")
    execute(superuser(servers, pg_version, url), remedy)
    assert f"Sessions of role {role} " not in said(survey_of(url), "refusal")


def test_what_to_type_is_written_so_that_it_can_be_typed(
    make_database: MakeDatabase, servers: Servers, pg_version: int
) -> None:
    """A role whose name needs quotes."""
    url, role = make_database("v1", version=pg_version), f"Old App-{os.getpid()}"
    admin = superuser(servers, pg_version, url)
    execute(admin, f'CREATE ROLE "{role}" LOGIN', f'ALTER ROLE "{role}" SET search_path = public')
    try:
        execute(url, f'GRANT SELECT ON portfolio_positions TO "{role}"')
        (finding,) = (f for f in survey_of(url).findings if f.severity is Severity.REFUSAL)
        (remedy,) = finding.statements
        execute(admin, remedy)
        assert said(survey_of(url), "refusal") == ""
    finally:
        execute(admin, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


def test_paths_that_lead_to_the_views_are_fine(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    named, behind = make_role(pg_version, "LOGIN", url), make_role(pg_version, "LOGIN", url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {named}, {behind}")
    execute(
        superuser(servers, pg_version, url),
        f"ALTER ROLE {named} SET search_path = {named}, public",
        f'ALTER ROLE {behind} SET search_path = pg_catalog, "$user", public',
    )
    assert said(survey_of(url), "refusal") == ""


def test_the_servers_own_search_path_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = PrivateServer(tmp_path_factory.mktemp("path"), 18, options={"search_path": "public"})
    server.start()
    try:
        execute(server.url, V1_SCHEMA)
        assert "It is set by the server's configuration: search_path." in said(survey_of(server.url), "refusal")
    finally:
        server.stop()


def test_roles_that_cannot_have_a_schema_are_refused(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    refusals = said(survey_of(url, options=Options(legacy_roles=("pg_monitor", "nobody_here"))), "refusal")
    assert "No schema for v1 compatibility can be named pg_monitor" in refusals
    assert "There is no role nobody_here on this server. Name the v1 roles: --legacy-role ROLE" in refusals


def test_a_role_that_acts_as_another_is_refused(
    make_database: MakeDatabase, make_role: MakeRole, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    role = make_role(pg_version, "LOGIN", url)
    execute(url, f"GRANT SELECT ON portfolio_positions TO {role}")
    execute(superuser(servers, pg_version, url), f"ALTER ROLE {role} SET role = pg_monitor")
    refusals = said(survey_of(url), "refusal")
    assert f"Sessions of role {role} act as role pg_monitor" in refusals
    assert "--legacy-role pg_monitor" in refusals


def test_a_schema_named_like_a_role(make_database: MakeDatabase, pg_version: int) -> None:
    url = make_database("v1", version=pg_version)
    execute(url, "CREATE SCHEMA trader", "CREATE TABLE trader.scratch (id int)")
    found = survey_of(url)
    assert said(found, "refusal") == ""
    assert "Schema trader is there already" in said(found, "info")
    execute(url, "CREATE TABLE trader.trading_signals (id int)")
    assert "already has trading_signals of its own" in said(survey_of(url), "refusal")
