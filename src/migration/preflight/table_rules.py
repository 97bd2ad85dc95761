"""Odd shapes of the tables themselves: what phase 1, phase 2 and the rollbacks keep, and what they refuse."""

import re
from collections.abc import Iterator

from src.journal.model import Phase
from src.migration.model import Finding
from src.migration.preflight.facts import (
    HOLDINGS,
    OPTIONAL_TABLES,
    OUR_TABLES,
    V1_TABLES,
    Scene,
    info,
    refusal,
    warning,
)
from src.migration.steps import load_steps
from src.postgres.queries import Row
from src.schema.versions import SchemaVersion
from src.text import listed, quoted

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


def table_findings(scene: Scene) -> Iterator[Finding]:
    """Tables that are missing, are no plain tables, or that others have put something on."""
    for table in V1_TABLES:
        if table not in scene.relations:
            yield refusal(
                f"Table public.{table} is missing.",
                "Create it as in migrations/init.sql (running that file creates what is missing, and leaves the rest).",
            )
    for table in OUR_TABLES:
        relation = scene.relations.get(table)
        if relation is None:
            continue
        if relation.kind in _KINDS:
            yield refusal(
                f"public.{table} is {_KINDS[relation.kind]}, not a table.",
                "Migrate the database that holds the table itself.",
            )
        elif relation.partitioned or relation.inherits:
            yield refusal(
                f"Table {table} is partitioned, or inherits.",
                "The migration's unique indexes and foreign keys need one plain table: copy the rows into one.",
            )
        if relation.row_security:
            yield refusal(
                f"Row-level security is on for table {table}.",
                "Behind a view the policies would judge another role than they do today. Take it off "
                f"(ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY), and put it on again after the migration.",
            )
    missing = [table for table in OPTIONAL_TABLES if table not in scene.relations]
    if missing and scene.is_v1():
        yield info(f"{listed(missing)} missing: this is an older v1 database. Nothing needs them.")


def column_findings(scene: Scene) -> Iterator[Finding]:
    """Columns that the steps rely on, and those that someone added."""
    for table, names in _NEEDED.items():
        missing = [name for name in names.split() if scene.has(table) and scene.column(table, name) is None]
        if missing:
            yield refusal(f"Table {table} lacks {listed(missing)}.", "Add what is missing as in migrations/init.sql.")
    symbol = scene.column("portfolio_positions", "symbol")
    if symbol is not None and symbol.type != "character varying(10)":
        yield refusal(
            f"portfolio_positions.symbol is {symbol.type}, not varchar(10).",
            "v1's clients would see the type change. Make it varchar(10) first: "
            "ALTER TABLE public.portfolio_positions ALTER COLUMN symbol TYPE varchar(10).",
        )
    for (table, name), wanted in _TYPES.items():
        column = scene.column(table, name)
        if column is not None and column.type != wanted:
            yield warning(
                f"{table}.{name} is {column.type}; v1 has {wanted}.",
                "It stays as it is. Make sure that its values fit, as a fresh v1 or v3 database could not hold others.",
            )
    if scene.column("price_history", "portfolio_id") is not None:
        yield info("price_history has a column portfolio_id: kept and ignored, as prices belong to the market.")


def unique_findings(scene: Scene) -> Iterator[Finding]:
    """What makes positions unique in v1: the switch replaces exactly one constraint of one name."""
    if scene.state.version in (SchemaVersion.V2, SchemaVersion.V3) or not scene.has("portfolio_positions"):
        return
    if scene.begun:
        return
    rows = scene.look.rows("migration.preflight.survey.unique_indexes")
    on_symbol = [row for row in rows if row[2] == ["symbol"] and row[3] and row[4]]
    if not on_symbol:
        yield refusal(
            "Positions are not unique by symbol, as they are in v1.",
            "Remove what is there twice, then run: ALTER TABLE public.portfolio_positions ADD CONSTRAINT "
            f"{SYMBOL_KEY} UNIQUE (symbol).",
        )
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
        return refusal(
            f"A second unique index on (symbol), {index}, would forbid a symbol in two portfolios.",
            f"Take it off: {drop}.",
        )
    if constraint:
        return refusal(
            f"The unique constraint on (symbol) is named {constraint}, not {SYMBOL_KEY}.",
            f"Run: ALTER TABLE public.portfolio_positions RENAME CONSTRAINT {quoted(constraint)} TO {SYMBOL_KEY}.",
        )
    return refusal(
        f"Positions are unique by the index {index}, not by the constraint {SYMBOL_KEY}.",
        f"Run: ALTER TABLE public.portfolio_positions ADD CONSTRAINT {SYMBOL_KEY} UNIQUE USING INDEX "
        f"{index.removeprefix('public.')}.",
    )


def _other_unique(rows: list[Row]) -> Iterator[Finding]:
    for index, _, key, plain, _ in rows:
        if {"id", "portfolio_id", "legacy_symbol"} & set(key) or (key == ["symbol"] and plain):
            continue
        if any("symbol" in part for part in key):
            yield refusal(
                f"Unique index {index} on ({', '.join(key)}) would forbid a symbol in two portfolios.",
                f"Drop it, or add portfolio_id to it after phase 1: DROP INDEX CONCURRENTLY {index}.",
            )
        else:
            yield warning(
                f"Unique index {index} on ({', '.join(key)}) will hold across all portfolios.",
                "A copy of a portfolio will be refused while it is there.",
            )


def partial_v2_findings(scene: Scene) -> Iterator[Finding]:
    """A transitional schema that another tool, or a hand, has made."""
    if scene.state.version is not SchemaVersion.V2 or scene.begun:
        return
    missing = "trigger portfolio_positions_sync_legacy (it keeps legacy_symbol)"
    if scene.column("portfolio_positions", "legacy_symbol") is None:
        missing = "column portfolio_positions.legacy_symbol (v1's clients see DEFAULT through it)"
    yield refusal(
        f"This v2 schema was made by another tool. It lacks {missing}.",
        "Bring it to one of the schemas that this project makes: restore a backup of the v1 database and run "
        "phase1, or load the rows into a fresh v3 database (python run_migration.py init --schema v3).",
    )


def index_findings(scene: Scene) -> Iterator[Finding]:
    """INVALID indexes, and indexes of our names that are something else."""
    ours = _our_indexes()
    for index, name, table, pid in scene.look.rows(
        "migration.preflight.survey.invalid_indexes", {"tables": list(OUR_TABLES)}
    ):
        if pid is not None:
            yield warning(f"Index {index} is being built at this moment by process {pid}.", "Wait until it is done.")
        elif name in ours:
            yield info(f"Index {name} is INVALID, left by an interrupted build: it is dropped and rebuilt.")
        else:
            yield warning(
                f"Index {index} on {table} is INVALID: it costs time at every write, and serves no query.",
                f"Rebuild or drop it: REINDEX INDEX CONCURRENTLY {index}; or DROP INDEX CONCURRENTLY {index}.",
            )
    for name, is_index, valid, definition in scene.look.rows(
        "migration.preflight.survey.named_indexes", {"names": list(ours)}
    ):
        if not is_index or (valid and definition != ours[name]):
            what = definition if is_index else "no index"
            yield refusal(
                f"The name {name} is taken by something else: {what}.",
                f"Rename it: ALTER {'INDEX' if is_index else 'TABLE'} public.{name} RENAME TO {name}_old.",
            )


def _our_indexes() -> dict[str, str]:
    """The indexes that the files in migrations/ build: name → definition as PostgreSQL shows it."""
    found = {}
    for phase in Phase:
        for step in load_steps(phase):
            for unique, name, table, columns in _INDEX.findall(step.sql):
                found[name] = f"CREATE {unique}INDEX {name} ON {table} USING btree ({columns})"
    return found


def extra_findings(scene: Scene) -> Iterator[Finding]:
    """Other people's tables, triggers and publications, which stay."""
    known = [*OUR_TABLES, HOLDINGS]
    extra = [row[0] for row in scene.look.rows("migration.preflight.survey.extra_tables", {"tables": known})]
    if extra:
        yield info(f"Other tables in schema public: {listed(extra)}. They are kept, and not touched.")
    tables = {"tables": list(OUR_TABLES)}
    for table, trigger in scene.look.rows("migration.preflight.survey.triggers", tables):
        yield info(
            f"Trigger {trigger} on {table.removeprefix('public.')} stays.",
            "From phase 1 on it also fires for the rows of other portfolios." if scene.is_v1() else "",
        )
    for name, tables_of in scene.look.rows("migration.preflight.survey.publications", tables):
        yield warning(
            f"Publication {name} replicates {listed(tables_of)}.",
            "Logical replication carries rows, not columns or constraints: change the subscriber's tables in step, "
            "or it stops at the first row that it cannot hold.",
        )
    subscribed = [row[0] for row in scene.look.rows("migration.preflight.survey.subscribed", tables)]
    if subscribed:
        yield warning(
            f"A subscription writes into {listed(subscribed)}.",
            "Pause it while the migration runs (ALTER SUBSCRIPTION … DISABLE): it writes past the compatibility views.",
        )
