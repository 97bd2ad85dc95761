"""Every named statement is accepted by every server: names and syntax, against databases of each version."""

import re
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors, sql

from src.journal.runs import ensure_own_schema
from src.portfolios import own_tables
from src.postgres.connection import Cursor
from tests.conftest import MakeDatabase
from tests.support.migration_env import V1_ROWS
from tests.support.named_statements import named_statements

NOT_THERE = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)
# What a statement's {name} stands for.
IDENTIFIERS: dict[str, sql.Composable] = {
    "table": sql.Identifier("public", "portfolio_positions"),
    "tbl": sql.Identifier("public", "portfolio_positions"),
    "view": sql.Identifier("public", "portfolio_positions"),
    "child": sql.Identifier("public", "portfolio_positions"),
    "parent": sql.Identifier("public", "portfolio_positions"),
    "target": sql.Identifier("symbol"),
    "column": sql.Identifier("symbol"),
    "portfolio": sql.Literal("DEFAULT"),
    "version": sql.Literal("HK Strategy: version 0"),
}
# What a version does not have. A statement that names it is for the other versions.
LACKS = {
    "v1": ("portfolio_id", "legacy_symbol", "public.portfolios", "public.portfolio_summary", "check_migration_status",
           "public.portfolio_performance", "validate_portfolio_integrity"),
    "v2": ("public.portfolio_performance", "validate_portfolio_integrity"),
    "v3": ("legacy_symbol",),
}  # fmt: skip
# The temporary table that the statements removing the sample compare with.
SAMPLE_ROWS = "sample.database.expect"
PREPARABLE = re.compile(r"(?:--[^\n]*\n|\s)*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES)\b")
LISTED = re.compile(r"(INSERT INTO [^(]+\()([^)]+)(\)\s+VALUES )%s\s*$")


def with_sample_values(text: str) -> sql.Composed:
    """NULL in the place of values, as typeless as the text that psycopg2 sends; a row for a list of them."""
    rows = LISTED.search(text)
    if rows:
        text = LISTED.sub(rf"\1\2\3({', '.join(['NULL'] * len(rows[2].split(',')))})", text)
    text = re.sub(r"%\((\w+)\)s|%s", "NULL", text).replace("%%", "%")
    return sql.SQL(text).format(**IDENTIFIERS) if re.search(r"\{[a-z]+\}", text) else sql.Composed([sql.SQL(text)])


def try_out(cursor: Cursor, text: str) -> None:
    """Prepare it; execute what the server does not prepare: DDL, SET, several statements. The caller rolls back."""
    statement = with_sample_values(text)
    if PREPARABLE.match(text) and ";" not in text:
        cursor.execute(sql.SQL("PREPARE hk_test AS ") + statement)
    else:
        cursor.execute(statement)


@pytest.fixture
def databases(make_database: MakeDatabase, pg_version: int) -> dict[str, str]:
    """One of each version, with all that hk_migration can hold, and with the side table that phase 1 imports."""
    urls = {schema: make_database(schema, version=pg_version) for schema in ("v1", "v3")}
    urls["v2"] = make_database("v2", version=pg_version, rows=V1_ROWS)
    for url in urls.values():
        with closing(psycopg2.connect(url)) as conn, conn, conn.cursor() as cursor:
            ensure_own_schema(conn)
            own_tables.ensure(cursor)
            cursor.execute(
                "CREATE TABLE public.portfolio_holdings (portfolio_id text, symbol text, quantity integer, "
                "avg_cost numeric, company_name text, sector text)"
            )
    return urls


def test_every_statement_is_accepted_by_every_server(databases: dict[str, str]) -> None:
    statements = named_statements()
    accepted: set[str] = set()
    wrong: list[str] = []
    for schema, url in databases.items():
        with closing(psycopg2.connect(url)) as conn, conn.cursor() as cursor:
            for name, text in statements.items():
                try:
                    if "hk_sample_row" in text and name != SAMPLE_ROWS:
                        cursor.execute(statements[SAMPLE_ROWS])
                    try_out(cursor, text)
                    accepted.add(name)
                except psycopg2.Error as error:
                    if not (isinstance(error, NOT_THERE) and any(lacking in str(error) for lacking in LACKS[schema])):
                        wrong.append(f"{schema} {name}: {error}".strip())
                conn.rollback()
                cursor.execute("DEALLOCATE ALL")
    assert wrong == [], "\n".join(wrong)
    assert accepted == set(statements)
