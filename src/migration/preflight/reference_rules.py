"""What of other applications hangs on our tables: foreign keys, views, functions."""

from collections.abc import Iterator
from dataclasses import dataclass

from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.preflight.facts import OUR_TABLES, Facts
from src.migration.preflight.rules import EVERY_PHASE, FORWARD, ROLLBACKS, Rule, info, refusal, warning
from src.schema.versions import SchemaVersion
from src.text import quoted

# v1's own foreign keys: table → name, each from symbol to portfolio_positions(symbol).
_V1_KEYS = {"trading_signals": "trading_signals_symbol_fkey", "price_history": "price_history_symbol_fkey"}
_V3_KEYS = {
    "portfolio_positions": "portfolio_positions_portfolio_id_fkey",
    "trading_signals": "trading_signals_portfolio_id_fkey",
}
_RESULTS = {
    "check_migration_status": "TABLE(tbl_name text, has_portfolio_id boolean, null_portfolio_ids bigint, "
    "total_rows bigint)",
    "validate_portfolio_integrity": "TABLE(portfolio_id character varying, issue_type text, issue_count bigint, "
    "issue_details text)",
}
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}


V1_KEY_NAME = refusal(
    "v1-key-name",
    (Phase.PHASE1,),
    "The foreign key of {table} to positions is named {constraint}, not {expected}.",
    "Rename it",
    sql="ALTER TABLE public.{table} RENAME CONSTRAINT {constraint:sql} TO {expected}",
)
V1_KEY_WITHOUT_CASCADE = warning(
    "v1-key-without-cascade",
    (Phase.PHASE1,),
    "Foreign key {constraint} does not delete with its position (ON DELETE CASCADE), as v1's does.",
    "From phase 1 on it will.",
)
PRICES_WITHOUT_KEY = warning(
    "prices-without-key",
    (Phase.PHASE1,),
    "Table price_history has no foreign key to positions ({constraint}).",
    "Phase 1 needs none. A rollback to v1 adds it, and first moves prices of symbols that are no position to the "
    "archive.",
)
SIGNALS_WITHOUT_POSITION = refusal(
    "signals-without-position",
    (Phase.PHASE1,),
    "Table trading_signals has no foreign key to positions, and signals of symbols that are no position: {symbols}.",
    "Add the positions (quantity 0 is a watch row), or delete those signals.",
)
SIGNALS_WITHOUT_KEY = warning(
    "signals-without-key",
    (Phase.PHASE1,),
    "Table trading_signals has no foreign key to positions ({constraint}).",
    "Phase 1 adds one: deleting a position then deletes its signals, as in v1.",
)
EARLY_PORTFOLIO_KEY = refusal(
    "early-portfolio-key",
    FORWARD,
    "Table {table} already has a foreign key to portfolios, {constraint}.",
    "Phase 2 makes it. Take this one off, then run phase 1 and phase 2",
    sql="ALTER TABLE public.{table} DROP CONSTRAINT {constraint:sql}",
)
KEY_TO_PORTFOLIOS = refusal(
    "key-to-portfolios",
    (Phase.ROLLBACK_V1,),
    "Foreign key {constraint} of table {table} refers to portfolios, which a rollback to v1 removes.",
    "Take it off first",
    sql="{drop}",
)
KEY_TO_SYMBOL = refusal(
    "key-to-symbol",
    EVERY_PHASE,
    "Foreign key {constraint} of table {table} refers to portfolio_positions(symbol), which is no longer unique once "
    "several portfolios may hold a symbol.",
    "Take it off",
    sql="{drop}",
    then="After phase 1 it can be made again on portfolio_positions(legacy_symbol), the symbols of DEFAULT.",
)
KEY_TO_OUR_COLUMNS = refusal(
    "key-to-our-columns",
    (Phase.PHASE2, *ROLLBACKS),
    "Foreign key {constraint} of table {table} refers to {target}({columns}), which this takes away.",
    "Take it off first",
    sql="{drop}",
)
KEY_TO_ARCHIVED_ROWS = refusal(
    "key-to-archived-rows",
    (Phase.ROLLBACK_V1,),
    "{number:row} of table {table} refer, by {constraint}, to {target} of portfolios other than DEFAULT, which a "
    "rollback to v1 moves to the archive.",
    "Take those rows or the foreign key away first",
    sql="{drop}",
)
KEY_STAYS = info(
    "key-stays",
    EVERY_PHASE,
    "Foreign key {constraint} of table {table} refers to {target}({columns}): it stays.",
)
READS_COMPATIBILITY_VIEW = refusal(
    "reads-compatibility-view",
    (Phase.PHASE2, Phase.ROLLBACK_V1),
    "{kind} {reader} reads the compatibility view {what}, which this takes away.",
    "Keep its definition, drop it, and create it again afterwards",
    sql="{drop}",
)
READS_OUR_VIEW = refusal(
    "reads-our-view",
    ROLLBACKS,
    "{kind} {reader} reads {what}, which a rollback takes away.",
    "Keep its definition, drop it, and create it again afterwards",
    sql="{drop}",
)
READS_ROWS = refusal(
    "reads-rows",
    (Phase.PHASE1,),
    "{kind} {reader} reads {what}, and would count the rows of every portfolio after phase 1.",
    "Keep its definition, and drop it",
    sql="{drop}",
    then="After phase 1 create it again over the compatibility view (named <v1 role>.{what}), or with "
    "WHERE portfolio_id = 'DEFAULT'.",
)
READS_OUR_COLUMNS = refusal(
    "reads-our-columns",
    (Phase.PHASE2, *ROLLBACKS),
    "{kind} {reader} reads {columns} of {what}, which this takes away.",
    "Keep its definition, drop it, and create it again afterwards",
    sql="{drop}",
)
FUNCTION_NAMES_PUBLIC = refusal(
    "function-names-public",
    (Phase.PHASE1,),
    "Function {function} names public's positions or signals, and would count the rows of every portfolio after "
    "phase 1.",
    "Keep its definition, and drop it",
    sql="DROP FUNCTION {function}",
    then="After phase 1 create it again with WHERE portfolio_id = 'DEFAULT'; or let it name the tables without a "
    "schema, so that v1's clients find their views through it.",
)
FUNCTION_NAMES_TABLES = warning(
    "function-names-tables",
    (Phase.PHASE1,),
    "Function {function} names positions or signals.",
    "Called by a v1 role it sees DEFAULT, as before; called by any other role it sees every portfolio.",
)
FUNCTION_NAME_TAKEN = refusal(
    "function-name-taken",
    EVERY_PHASE,
    "The function name {name} is taken by {signature}, which is not this project's.",
    "Rename it",
    sql="ALTER FUNCTION {signature} RENAME TO {name}_old",
)
VIEW_NAME_TAKEN = refusal(
    "view-name-taken",
    (Phase.PHASE1,),
    "The name public.{name} is taken by a {kind} that is not this project's.",
    "Rename it",
    sql="ALTER {sql_kind} public.{name} RENAME TO {name}_old",
)


@dataclass(frozen=True)
class ForeignKey:
    name: str
    table: str
    target: str
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    on_delete: str
    readable: bool


def _foreign_keys(facts: Facts) -> list[ForeignKey]:
    rows = facts.transaction.rows("migration.preflight.survey.foreign_keys", {"tables": list(OUR_TABLES)})
    return [
        ForeignKey(
            name, table.removeprefix("public."), target.removeprefix("public."), tuple(own), tuple(other), act, may
        )
        for name, table, target, own, other, act, may in rows
    ]


def foreign_key_findings(facts: Facts) -> Iterator[Finding]:
    """Foreign keys that are not as the three schemas have them, and those of other applications."""
    keys = _foreign_keys(facts)
    if facts.is_v1():
        yield from _v1_keys(facts, keys)
    if facts.state.version is not SchemaVersion.V3:
        yield from _early_portfolio_keys(facts, keys)
    for key in keys:
        if key.target in OUR_TABLES and key.table not in OUR_TABLES:
            yield from _others_key(facts, key)


def _v1_keys(facts: Facts, keys: list[ForeignKey]) -> Iterator[Finding]:
    for table, name in _V1_KEYS.items():
        found = [
            key
            for key in keys
            if (key.table, key.target) == (table, "portfolio_positions")
            and key.columns == ("symbol",)
            and key.target_columns == ("symbol",)
        ]
        for key in found:
            if key.name != name:
                yield V1_KEY_NAME(table=table, constraint=key.name, expected=name)
            elif key.on_delete != "c":
                yield V1_KEY_WITHOUT_CASCADE(constraint=name)
        if not found and not facts.begun:
            yield from _no_v1_key(facts, table, name)


def _no_v1_key(facts: Facts, table: str, name: str) -> Iterator[Finding]:
    if table == "price_history":
        yield PRICES_WITHOUT_KEY(constraint=name)
        return
    orphans = facts.transaction.rows_of(table, "migration.preflight.survey_rows.orphan_signals")
    if orphans:
        yield SIGNALS_WITHOUT_POSITION(symbols=[f"{symbol} ({rows:,})" for symbol, rows in orphans])
    else:
        yield SIGNALS_WITHOUT_KEY(constraint=name)


def _early_portfolio_keys(facts: Facts, keys: list[ForeignKey]) -> Iterator[Finding]:
    """Foreign keys to portfolios that phase 2 is to make; one of ours is there after a phase 2 that was interrupted."""
    for key in keys:
        if key.target != "portfolios" or key.table not in _V3_KEYS:
            continue
        if not (facts.begun and key.name == _V3_KEYS[key.table]):
            yield EARLY_PORTFOLIO_KEY(table=key.table, constraint=key.name)


def _others_key(facts: Facts, key: ForeignKey) -> Iterator[Finding]:
    name, table, target = key.name, key.table, key.target
    drop = f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}"
    special = {"portfolio_id", "legacy_symbol"} & set(key.target_columns)
    if target == "portfolios" and facts.wants(Phase.ROLLBACK_V1):
        yield KEY_TO_PORTFOLIOS(constraint=name, table=table, drop=drop)
    elif target == "portfolio_positions" and key.target_columns == ("symbol",):
        yield KEY_TO_SYMBOL(constraint=name, table=table, drop=drop)
    elif target != "portfolios" and special:
        if facts.wants(Phase.ROLLBACK_V1) or ("legacy_symbol" in special and facts.wants(Phase.PHASE2)):
            columns = ", ".join(key.target_columns)
            yield KEY_TO_OUR_COLUMNS(constraint=name, table=table, target=target, columns=columns, drop=drop)
    else:
        yield from _key_that_stays(facts, key, drop)


def _key_that_stays(facts: Facts, key: ForeignKey, drop: str) -> Iterator[Finding]:
    """A key to id stays; but a rollback to v1 takes rows away that it may refer to."""
    many = facts.column(key.target, "portfolio_id") is not None and len(key.columns) == 1 and key.readable
    if facts.wants(Phase.ROLLBACK_V1) and many:
        rows = facts.transaction.rows_of(
            key.table,
            "migration.preflight.survey_rows.foreign_references",
            child=key.table if "." in key.table else f"public.{key.table}",
            parent=f"public.{key.target}",
            target=key.target_columns[0],
            column=key.columns[0],
        )
        if rows and rows[0][0]:
            yield KEY_TO_ARCHIVED_ROWS(
                number=rows[0][0], table=key.table, constraint=key.name, target=key.target, drop=drop
            )
            return
    columns = ", ".join(key.target_columns)
    yield KEY_STAYS(constraint=key.name, table=key.table, target=key.target, columns=columns)


def dependent_findings(facts: Facts) -> Iterator[Finding]:
    """Views and functions of others that read our tables, where a phase would change what they say, or cannot."""
    for kind, reader, is_read, compatibility, columns in facts.transaction.rows(
        "migration.preflight.survey.dependents"
    ):
        name = is_read.removeprefix("public.")
        if compatibility:
            if facts.wants(Phase.PHASE2, Phase.ROLLBACK_V1):
                yield _reader(READS_COMPATIBILITY_VIEW, kind, reader, what=is_read)
        elif name in ("portfolio_positions", "trading_signals"):
            yield from _reader_of_rows(facts, kind, reader, name, columns)
        elif _is_dropped(facts, name):
            yield _reader(READS_OUR_VIEW, kind, reader, what=name)
    yield from _function_texts(facts)
    yield from _taken_names(facts)


def _reader(rule: Rule, kind: str, reader: str, **facts: object) -> Finding:
    """What reads something must go first, and be created again afterwards."""
    drop = f"DROP {kind.upper()} {reader}"
    if kind == "rule on":
        drop = f"DROP RULE … ON {reader}"
    return rule(kind=kind.capitalize(), reader=reader, drop=drop, **facts)


def _is_dropped(facts: Facts, name: str) -> bool:
    if name == "portfolio_performance":
        return facts.wants(Phase.ROLLBACK_V2)
    return facts.wants(Phase.ROLLBACK_V1) and not facts.is_v1()


def _reader_of_rows(facts: Facts, kind: str, reader: str, name: str, columns: list[str]) -> Iterator[Finding]:
    special = {"portfolio_id", "legacy_symbol"} & set(columns)
    if facts.is_v1() and Phase.PHASE1 in facts.phases:
        yield _reader(READS_ROWS, kind, reader, what=name)
    elif special and (facts.wants(Phase.ROLLBACK_V1) or ("legacy_symbol" in special and facts.wants(Phase.PHASE2))):
        yield _reader(READS_OUR_COLUMNS, kind, reader, what=name, columns=sorted(special))


def _function_texts(facts: Facts) -> Iterator[Finding]:
    if not (facts.is_v1() and Phase.PHASE1 in facts.phases):
        return
    for function, names_public, sets_path in facts.transaction.rows("migration.preflight.survey.function_texts"):
        if names_public or sets_path:
            yield FUNCTION_NAMES_PUBLIC(function=function)
        else:
            yield FUNCTION_NAMES_TABLES(function=function)


def _taken_names(facts: Facts) -> Iterator[Finding]:
    """Views and functions of the names that ours get, with another shape."""
    for name, signature, result in facts.transaction.rows("migration.preflight.survey.our_functions"):
        if result != _RESULTS[name]:
            yield FUNCTION_NAME_TAKEN(name=name, signature=signature)
    if not facts.is_v1() or facts.begun:
        return
    for name in ("portfolio_summary", "portfolio_performance"):
        if name in facts.relations:
            kind = _KINDS[facts.relations[name].kind]
            yield VIEW_NAME_TAKEN(name=name, kind=kind, sql_kind=kind.upper())
