"""What the tests of the survey share."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg2.extensions import make_dsn, parse_dsn

from src.cli.findings import advice
from src.journal.model import Phase
from src.migration.model import Options
from src.migration.preflight.survey import Survey, survey
from src.postgres.connection import connect
from tests.conftest import TRADER_PASSWORD, Servers
from tests.support.migration_env import session

_numbers = itertools.count(1)
MakeRole = Callable[..., str]
# A sequence of a column goes with its table.
_OWN_ALL = """
SELECT format('ALTER SCHEMA %%I OWNER TO %%I', nspname, %(role)s)
  FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'
 UNION ALL
SELECT format('ALTER TABLE %%s OWNER TO %%I', c.oid::regclass, %(role)s)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^(pg_|information_schema$)' AND c.relkind IN ('r', 'p', 'v')
 UNION ALL
SELECT format('ALTER ROUTINE %%s OWNER TO %%I', p.oid::regprocedure, %(role)s)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^(pg_|information_schema$)'
"""


def survey_of(url: str, phase: Phase | None = Phase.PHASE1, options: Options | None = None) -> Survey:
    conn = connect(url, purpose="survey", autocommit=True)
    try:
        return survey(conn, phase, options or Options())
    finally:
        conn.close()


def said(found: Survey, severity: str) -> str:
    return "\n".join(f"{f.title} {advice(f)}" for f in found.findings if f.severity == severity)


def database_of(url: str) -> str:
    return str(parse_dsn(url)["dbname"])


def superuser(servers: Servers, version: int, url: str) -> str:
    return make_dsn(**{**parse_dsn(servers[version]), "dbname": database_of(url)})


def execute(url: str, *statements: str) -> None:
    with session(url, "hk_strategy test") as conn, conn.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


def own_all(by_superuser: str, role: str) -> None:
    """Give the schemas, tables, views and functions of this database to `role`.

    REASSIGN OWNED would take every other database of the server from its owner as well.
    """
    with session(by_superuser, "hk_strategy test") as conn, conn.cursor() as cur:
        cur.execute(_OWN_ALL, {"role": role})
        for (statement,) in cur.fetchall():
            cur.execute(statement)


@contextmanager
def roles_made(servers: Servers) -> Iterator[MakeRole]:
    """`make_role(version, "LOGIN", url)` → the name of a new role; gone, with what it was granted, after."""
    made: list[tuple[int, str, str]] = []

    def make(version: int, attributes: str, url: str) -> str:
        name = f"app_{os.getpid()}_{next(_numbers)}"
        with session(servers[version], "hk_strategy test") as conn, conn.cursor() as cur:
            cur.execute(f"CREATE ROLE {name} {attributes} PASSWORD %s", (TRADER_PASSWORD,))
        made.append((version, name, url))
        return name

    yield make
    for version, name, url in made:
        execute(superuser(servers, version, url), f"DROP OWNED BY {name}", f"DROP ROLE {name}")
