"""Odd shapes of the tables themselves: what phase 1, phase 2 and the rollbacks keep, and what they refuse."""

import re
from collections.abc import Iterator

from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.preflight.facts import (
    HOLDINGS,
    OPTIONAL_TABLES,
    OUR_TABLES,
    V1_TABLES,
    Facts,
)
from src.migration.preflight.rules import EVERY_PHASE, info, refusal, warning
from src.migration.steps import load_steps
from src.postgres.queries import Row
from src.schema.versions import SchemaVersion
from src.text import quoted

SYMBOL_KEY = "portfolio_positions_symbol_key"
_NEEDED = {
    "portfolio_positions": "id symbol company_name quantity avg_cost current_price market_value unrealized_pnl sector "
    "last_updated",
    "trading_signals": "id symbol signal_type signal_strength price created_at",
    "price_history": "id symbol price volume high low open_price close_price timestamp",
}
_TYPES = {
    ("portfolio_positions", "quantity"): "integer",
    ("portfolio_positions", "avg_cost"): "numeric(10,3)",
    ("portfolio_positions", "current_price"): "numeric(10,3)",
    ("portfolio_positions", "market_value"): "numeric(12,2)",
    ("portfolio_positions", "unrealized_pnl"): "numeric(12,2)",
    ("trading_signals", "symbol"): "character varying(10)",
    ("price_history", "symbol"): "character varying(10)",
}
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY (\w+)\s+ON (public\.\w+) \(([^)]*)\)")


TABLE_MISSING = refusal(
    "table-missing",
    EVERY_PHASE,
    "Table public.{table} is missing.",
    "Create it as in migrations/init.sql (running that file creates what is missing, and leaves the rest).",
)
NOT_A_TABLE = refusal(
    "not-a-table",
    EVERY_PHASE,
    "public.{table} is {kind}, not a table.",
    "Migrate the database that holds the table.",
)
PARTITIONED = refusal(
    "table-partitioned",
    EVERY_PHASE,
    "Table {table} is partitioned, or inherits.",
    "The migration's unique indexes and foreign keys need one plain table: copy the rows into one.",
)
ROW_SECURITY = refusal(
    "row-level-security",
    EVERY_PHASE,
    "Row-level security is on for table {table}.",
    "Behind a view the policies would judge another role than they do today. Take it off",
    sql="ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY",
    then="Put it on again after the migration.",
)
OPTIONAL_TABLES_MISSING = info(
    "optional-tables-missing",
    (Phase.PHASE1,),
    "Tables of a newer v1 are missing: {tables}. This is an older v1 database. Nothing needs them.",
)
COLUMNS_MISSING = refusal(
    "columns-missing",
    EVERY_PHASE,
    "Table {table} lacks {columns}.",
    "Add what is missing as in migrations/init.sql.",
)
SYMBOL_TYPE = refusal(
    "symbol-type",
    EVERY_PHASE,
    "portfolio_positions.symbol is {type}, not varchar(10).",
    "v1's clients would see the type change. Make it varchar(10) first",
    sql="ALTER TABLE public.portfolio_positions ALTER COLUMN symbol TYPE varchar(10)",
)
COLUMN_TYPE = warning(
    "column-type",
    EVERY_PHASE,
    "{column} is {type}; v1 has {expected}.",
    "It stays as it is. Make sure that its values fit, as a fresh v1 or v3 database could not hold others.",
)
PRICES_HAVE_PORTFOLIO_ID = info(
    "prices-have-portfolio-id",
    EVERY_PHASE,
    "price_history has a column portfolio_id: kept and ignored, as prices belong to the market.",
)
SYMBOL_NOT_UNIQUE = refusal(
    "symbol-not-unique",
    (Phase.PHASE1,),
    "Positions are not unique by symbol, as they are in v1.",
    "Remove what is there twice, then run",
    sql=f"ALTER TABLE public.portfolio_positions ADD CONSTRAINT {SYMBOL_KEY} UNIQUE (symbol)",
)
SECOND_SYMBOL_KEY = refusal(
    "second-symbol-key",
    (Phase.PHASE1,),
    "A second unique index on (symbol), {index}, would forbid a symbol in two portfolios.",
    "Take it off",
    sql="{drop}",
)
SYMBOL_KEY_NAME = refusal(
    "symbol-key-name",
    (Phase.PHASE1,),
    f"The unique constraint on (symbol) is named {{constraint}}, not {SYMBOL_KEY}.",
    "Rename it",
    sql=f"ALTER TABLE public.portfolio_positions RENAME CONSTRAINT {{constraint:sql}} TO {SYMBOL_KEY}",
)
SYMBOL_INDEX = refusal(
    "symbol-index",
    (Phase.PHASE1,),
    f"Positions are unique by the index {{index}}, not by the constraint {SYMBOL_KEY}.",
    "Make the constraint of it",
    sql=f"ALTER TABLE public.portfolio_positions ADD CONSTRAINT {SYMBOL_KEY} UNIQUE USING INDEX {{name}}",
)
UNIQUE_WITH_SYMBOL = refusal(
    "unique-with-symbol",
    (Phase.PHASE1,),
    "Unique index {index} on ({columns}) would forbid a symbol in two portfolios.",
    "Drop it, or add portfolio_id to it after phase 1",
    sql="DROP INDEX CONCURRENTLY {index}",
)
UNIQUE_ACROSS_PORTFOLIOS = warning(
    "unique-across-portfolios",
    (Phase.PHASE1,),
    "Unique index {index} on ({columns}) will hold across all portfolios.",
    "A copy of a portfolio will be refused while it is there.",
)
OTHER_V2 = refusal(
    "other-v2",
    EVERY_PHASE,
    "This v2 schema was made by another tool. It lacks {lacks}.",
    "Bring it to one of the schemas that this project makes: restore a backup of the v1 database and run phase 1, or "
    "load the rows into a fresh v3 database.",
    command=("init", "--schema", "v3"),
)
INDEX_UNDER_WAY = warning(
    "index-under-way",
    EVERY_PHASE,
    "Index {index} is being built at this moment by pid {pid}.",
    "Wait until it is done.",
)
OUR_INDEX_INVALID = info(
    "our-index-invalid",
    EVERY_PHASE,
    "Index {index} is INVALID, left by an interrupted build: it is dropped and rebuilt.",
)
INDEX_INVALID = warning(
    "index-invalid",
    EVERY_PHASE,
    "Index {index} on {table} is INVALID: it costs time at every write, and serves no query.",
    "Rebuild or drop it",
    sql=("REINDEX INDEX CONCURRENTLY {index}", "or DROP INDEX CONCURRENTLY {index}"),
)
INDEX_NAME_TAKEN = refusal(
    "index-name-taken",
    EVERY_PHASE,
    "The name {name} is taken by something else: {definition}.",
    "Rename it",
    sql="ALTER {kind} public.{name:sql} RENAME TO {name}_old",
)
OTHER_TABLES = info(
    "other-tables",
    EVERY_PHASE,
    "Other tables in schema public: {tables}. They are kept, and not touched.",
)
TRIGGER_STAYS_V1 = info(
    "trigger-stays-v1",
    (Phase.PHASE1,),
    "Trigger {trigger} on {table} stays.",
    "From phase 1 on it also fires for the rows of other portfolios.",
)
TRIGGER_STAYS = info("trigger-stays", EVERY_PHASE, "Trigger {trigger} on {table} stays.")
PUBLICATION = warning(
    "publication",
    EVERY_PHASE,
    "Publication {publication} replicates {tables}.",
    "Logical replication carries rows, not columns or constraints: change the subscriber's tables in step, or it stops "
    "at the first row that it cannot hold.",
)
SUBSCRIPTION = warning(
    "subscription",
    EVERY_PHASE,
    "A subscription writes into {tables}.",
    "It writes past the compatibility views. Pause it while the migration runs",
    sql="ALTER SUBSCRIPTION … DISABLE",
)


def table_findings(facts: Facts) -> Iterator[Finding]:
    """Tables that are missing, are no plain tables, or that others have put something on."""
    for table in V1_TABLES:
        # Where they stand in another schema, that is said; making them here would be wrong.
        if table not in facts.relations and not facts.state.elsewhere:
            yield TABLE_MISSING(table=table)
    for table in OUR_TABLES:
        relation = facts.relations.get(table)
        if relation is None:
            continue
        if relation.kind in _KINDS:
            yield NOT_A_TABLE(table=table, kind=_KINDS[relation.kind])
        elif relation.partitioned or relation.inherits:
            yield PARTITIONED(table=table)
        if relation.row_security:
            yield ROW_SECURITY(table=table)
    missing = [table for table in OPTIONAL_TABLES if table not in facts.relations]
    if missing and facts.is_v1():
        yield OPTIONAL_TABLES_MISSING(tables=missing)


def column_findings(facts: Facts) -> Iterator[Finding]:
    """Columns that the steps rely on, and those that someone added."""
    for table, names in _NEEDED.items():
        missing = [name for name in names.split() if facts.has(table) and facts.column(table, name) is None]
        if missing:
            yield COLUMNS_MISSING(table=table, columns=missing)
    symbol = facts.column("portfolio_positions", "symbol")
    if symbol is not None and symbol.type != "character varying(10)":
        yield SYMBOL_TYPE(type=symbol.type)
    for (table, name), wanted in _TYPES.items():
        column = facts.column(table, name)
        if column is not None and column.type != wanted:
            yield COLUMN_TYPE(column=f"{table}.{name}", type=column.type, expected=wanted)
    if facts.column("price_history", "portfolio_id") is not None:
        yield PRICES_HAVE_PORTFOLIO_ID()


def unique_findings(facts: Facts) -> Iterator[Finding]:
    """What makes positions unique in v1: the switch replaces exactly one constraint of one name."""
    if facts.state.version in (SchemaVersion.V2, SchemaVersion.V3) or not facts.has("portfolio_positions"):
        return
    if facts.begun:
        return
    rows = facts.transaction.rows("migration.preflight.survey.unique_indexes")
    on_symbol = [row for row in rows if row[2] == ["symbol"] and row[3] and row[4]]
    if not on_symbol:
        yield SYMBOL_NOT_UNIQUE()
    named = any(row[1] == SYMBOL_KEY for row in on_symbol)
    for index, constraint, _, _, _ in on_symbol:
        if constraint != SYMBOL_KEY:
            yield _other_symbol_key(index, constraint, named)
    yield from _other_unique(rows)


def _other_symbol_key(index: str, constraint: str | None, named: bool) -> Finding:
    """A unique index on (symbol) that is not v1's constraint; `named`: that one is there as well."""
    if named:
        drop = f"DROP INDEX CONCURRENTLY {index}"
        if constraint:
            drop = f"ALTER TABLE public.portfolio_positions DROP CONSTRAINT {quoted(constraint)}"
        return SECOND_SYMBOL_KEY(index=index, drop=drop)
    if constraint:
        return SYMBOL_KEY_NAME(constraint=constraint)
    return SYMBOL_INDEX(index=index, name=index.removeprefix("public."))


def _other_unique(rows: list[Row]) -> Iterator[Finding]:
    for index, _, key, plain, _ in rows:
        if {"id", "portfolio_id", "legacy_symbol"} & set(key) or (key == ["symbol"] and plain):
            continue
        if any("symbol" in part for part in key):
            yield UNIQUE_WITH_SYMBOL(index=index, columns=", ".join(key))
        else:
            yield UNIQUE_ACROSS_PORTFOLIOS(index=index, columns=", ".join(key))


def partial_v2_findings(facts: Facts) -> Iterator[Finding]:
    """A transitional schema that another tool, or a hand, has made."""
    if facts.state.version is not SchemaVersion.V2 or facts.begun:
        return
    lacks = "trigger portfolio_positions_sync_legacy (it keeps legacy_symbol)"
    if facts.column("portfolio_positions", "legacy_symbol") is None:
        lacks = "column portfolio_positions.legacy_symbol (v1's clients see DEFAULT through it)"
    yield OTHER_V2(lacks=lacks)


def index_findings(facts: Facts) -> Iterator[Finding]:
    """INVALID indexes, and indexes of our names that are something else."""
    ours = _our_indexes()
    for index, name, table, pid in facts.transaction.rows(
        "migration.preflight.survey.invalid_indexes", {"tables": list(OUR_TABLES)}
    ):
        if pid is not None:
            yield INDEX_UNDER_WAY(index=index, pid=pid)
        elif name in ours:
            yield OUR_INDEX_INVALID(index=name)
        else:
            yield INDEX_INVALID(index=index, table=table)
    for name, is_index, valid, definition in facts.transaction.rows(
        "migration.preflight.survey.named_indexes", {"names": list(ours)}
    ):
        if not is_index or (valid and definition != ours[name]):
            what, kind = (definition, "INDEX") if is_index else ("no index", "TABLE")
            yield INDEX_NAME_TAKEN(name=name, definition=what, kind=kind)


def _our_indexes() -> dict[str, str]:
    """The indexes that the files in migrations/ build: name → definition as PostgreSQL shows it."""
    found = {}
    for phase in Phase:
        for step in load_steps(phase):
            for unique, name, table, columns in _INDEX.findall(step.sql):
                found[name] = f"CREATE {unique}INDEX {name} ON {table} USING btree ({columns})"
    return found


def extra_findings(facts: Facts) -> Iterator[Finding]:
    """Other people's tables, triggers and publications, which stay."""
    known = [*OUR_TABLES, HOLDINGS]
    extra = [row[0] for row in facts.transaction.rows("migration.preflight.survey.extra_tables", {"tables": known})]
    if extra:
        yield OTHER_TABLES(tables=extra)
    tables = {"tables": list(OUR_TABLES)}
    for table, trigger in facts.transaction.rows("migration.preflight.survey.triggers", tables):
        stays = TRIGGER_STAYS_V1 if facts.is_v1() else TRIGGER_STAYS
        yield stays(trigger=trigger, table=table.removeprefix("public."))
    for name, tables_of in facts.transaction.rows("migration.preflight.survey.publications", tables):
        yield PUBLICATION(publication=name, tables=tables_of)
    subscribed = [row[0] for row in facts.transaction.rows("migration.preflight.survey.subscribed", tables)]
    if subscribed:
        yield SUBSCRIPTION(tables=subscribed)
