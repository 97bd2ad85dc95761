"""Where it comes from that everything is read-only, and what takes it back there."""

from contextlib import closing

import psycopg2
import pytest

from src.postgres.connection import connect
from src.postgres.read_only_setting import read_only_setting
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import database_name

ON = "default_transaction_read_only = on"


def place(url: str) -> tuple[str, str] | None:
    with closing(connect(url)) as conn:
        found = read_only_setting(conn)
    return None if found is None else (found.place, found.statement)


def alter(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as conn:
        conn.autocommit = True
        conn.cursor().execute("SET default_transaction_read_only = off")
        conn.cursor().execute(statement)


def test_what_the_session_brings(make_database: MakeDatabase, pg_version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_database("v1", version=pg_version)
    assert place(url) is None
    assert place(f"{url}&options=-c%20default_transaction_read_only%3Don") == ("options in DATABASE_URL, in .env", "")
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    assert place(url) == ("PGOPTIONS, in the environment", "")


def test_what_the_server_keeps_is_taken_back_by_the_statement(
    make_database: MakeDatabase, servers: Servers, pg_version: int
) -> None:
    url = make_database("v1", version=pg_version)
    name = database_name(url)
    superuser = servers[pg_version].replace("/postgres?", f"/{name}?")
    for setting, where in (
        (f"ALTER DATABASE {name} SET {ON}", f"the database {name}"),
        (f"ALTER ROLE trader IN DATABASE {name} SET {ON}", f"the role trader in the database {name}"),
    ):
        alter(superuser, setting)
        found = place(url)
        assert found is not None and found[0] == where
        alter(superuser, found[1])
        assert place(url) is None


def test_a_role_and_the_whole_server(make_database: MakeDatabase, servers: Servers) -> None:
    url = make_database("v1")
    role = f"read_only_{database_name(url)}"
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    alter(superuser, f"CREATE ROLE {role} LOGIN PASSWORD 'x'; ALTER ROLE {role} SET {ON}")
    try:
        found = place(f"postgresql://{role}:x@{url.rpartition('@')[2]}")
    finally:
        alter(superuser, f"DROP ROLE {role}")
    assert found == (f"the role {role}", f"ALTER ROLE {role} RESET default_transaction_read_only")
