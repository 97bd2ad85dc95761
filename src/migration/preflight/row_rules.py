"""What the rows say: portfolio ids, a hand-made portfolios table, and what v1 cannot hold again."""

from collections.abc import Iterator

from src.journal.model import Keep, Phase
from src.migration.findings import Choice, Finding
from src.migration.preflight.facts import Facts
from src.migration.preflight.rollback_preview import oversized_symbols
from src.migration.preflight.rules import info, refusal, warning
from src.schema.versions import SchemaVersion
from src.text import plural

_TEXT = ("text", "character varying")
_TIME = ("timestamp", "date")
# Columns that phase 1 adds where they are missing, and the types that an existing one may have.
_PORTFOLIO_TYPES = {
    "description": _TEXT,
    "created_at": _TIME,
    "updated_at": _TIME,
    "strategy": _TEXT,
    "copied_from": _TEXT,
    "copied_at": _TIME,
    "archived_at": _TIME,
}
_DEFAULT_TEXTS = {
    "name": len("Legacy Portfolio"),
    "description": len("The portfolio of the single-portfolio application"),
}

PORTFOLIO_ID_TYPE = refusal(
    "portfolio-id-type",
    (Phase.PHASE1,),
    "{table} already has a column portfolio_id, of type {type} instead of varchar(50).",
    "Rename it, or change it",
    sql="ALTER TABLE public.{table} ALTER COLUMN portfolio_id TYPE varchar(50)",
)
PORTFOLIO_ID_OF_OTHERS = refusal(
    "portfolio-id-of-others",
    (Phase.PHASE1,),
    "{table} already has a column portfolio_id with portfolios other than DEFAULT: {portfolios}.",
    "In a v1 database all rows are one portfolio, which becomes DEFAULT: v1's clients would lose sight of the others. "
    "Keep the column under another name",
    sql="ALTER TABLE public.{table} RENAME COLUMN portfolio_id TO portfolio_id_old",
    then="Then run phase 1, and move rows to their portfolios afterwards.",
)
PORTFOLIO_ID_PARTLY = info(
    "portfolio-id-partly",
    (Phase.PHASE1,),
    "{table} already has a column portfolio_id: it is taken over; {number:row} without a value will get DEFAULT. "
    "A rollback removes it.",
)
PORTFOLIO_ID_THERE = info(
    "portfolio-id-there",
    (Phase.PHASE1,),
    "{table} already has a column portfolio_id: it is taken over. A rollback removes it.",
)
LEGACY_SYMBOL_TAKEN = refusal(
    "legacy-symbol-taken",
    (Phase.PHASE1,),
    "portfolio_positions already has a column legacy_symbol that is not this project's.",
    "Rename it",
    sql="ALTER TABLE public.portfolio_positions RENAME COLUMN legacy_symbol TO legacy_symbol_old",
)
PORTFOLIOS_WITHOUT_ID = refusal(
    "portfolios-without-id",
    (Phase.PHASE1,),
    "There is a table portfolios, without a column portfolio_id.",
    "Rename it, or give it a portfolio_id varchar(50), unique and NOT NULL.",
)
PORTFOLIOS_ID_TYPE = refusal(
    "portfolios-id-type",
    (Phase.PHASE1,),
    "portfolios.portfolio_id is {type}; positions refer to it as varchar(50).",
    "Change its type",
    sql="ALTER TABLE public.portfolios ALTER COLUMN portfolio_id TYPE varchar(50)",
)
PORTFOLIOS_REQUIRED_COLUMNS = refusal(
    "portfolios-required-columns",
    (Phase.PHASE1,),
    "Table portfolios has columns that are NOT NULL without a default: {columns}.",
    "DEFAULT and new portfolios could not be added. Give each a default (or DROP NOT NULL), for instance",
    sql="ALTER TABLE public.portfolios ALTER COLUMN {first:sql} SET DEFAULT …",
)
PORTFOLIOS_COLUMN_TYPE = refusal(
    "portfolios-column-type",
    (Phase.PHASE1,),
    "portfolios.{column} is {type}, which is not what the migration keeps there.",
    "Rename it",
    sql="ALTER TABLE public.portfolios RENAME COLUMN {column} TO {column}_old",
)
PORTFOLIOS_COLUMN_NARROW = refusal(
    "portfolios-column-narrow",
    (Phase.PHASE1,),
    "portfolios.{column} is {type}, too narrow for the row DEFAULT ({needed} characters).",
    "Widen it",
    sql="ALTER TABLE public.portfolios ALTER COLUMN {column} TYPE varchar(200)",
)
ARCHIVED_AT_TAKEN = refusal(
    "archived-at-taken",
    (Phase.PHASE1,),
    "portfolios has a column archived_at of its own.",
    "Phase 1 adds a column of that name, and knows its own work by it. Rename it",
    sql="ALTER TABLE public.portfolios RENAME COLUMN archived_at TO archived_at_old",
)
BAD_PORTFOLIO_IDS = refusal(
    "bad-portfolio-ids",
    (Phase.PHASE1,),
    "Table portfolios has portfolio ids that cannot stay: {ids}.",
    "Each portfolio needs an id of its own, of 1 to 50 characters: correct or remove those rows.",
)
UNNAMED_PORTFOLIOS = warning(
    "unnamed-portfolios",
    (Phase.PHASE1,),
    "Portfolios without a name: {portfolios}.",
    "Give each a name.",
)
PORTFOLIOS_CHECKS = warning(
    "portfolios-checks",
    (Phase.PHASE1,),
    "Table portfolios has CHECK constraints: {checks}.",
    "The row DEFAULT, 'Legacy Portfolio', must satisfy them, or phase 1 stops there, and that step changes nothing.",
)
PORTFOLIOS_ADOPTED = info(
    "portfolios-adopted",
    (Phase.PHASE1,),
    "A table portfolios is there already ({rows}): it is adopted. Its rows stay, DEFAULT is added.",
)
ROWS_OF_NO_PORTFOLIO = refusal(
    "rows-of-no-portfolio",
    (Phase.PHASE2,),
    "{table} has rows of portfolios that are not in table portfolios: {portfolios}.",
    "Create those portfolios (their rows stay), or delete the rows.",
)
ROWS_WITHOUT_PORTFOLIO = refusal(
    "rows-without-portfolio",
    (Phase.PHASE2,),
    "{number:row} of {table} belong to no portfolio.",
    "Give them to DEFAULT",
    sql="UPDATE public.{table} SET portfolio_id = 'DEFAULT' WHERE portfolio_id IS NULL",
)
COPIES_MERGED = warning(
    "copies-merged",
    (Phase.ROLLBACK_V1,),
    "Portfolios that are copies: {copies}. Adding a copy to its original counts the same shares twice.",
    "",
    choices=(Choice.KEEP_DEFAULT,),
)
MERGE_TOO_LARGE = refusal(
    "merge-too-large",
    (Phase.ROLLBACK_V1,),
    "Added up, these symbols are more than v1 can hold: {symbols}.",
    "Reduce those positions, or merge nothing.",
    choices=(Choice.KEEP_DEFAULT,),
)
MERGE_CANCELS = warning(
    "merge-cancels",
    (Phase.ROLLBACK_V1,),
    "Long and short positions cancel out, so that v1 has no shares to carry their cost: {symbols}.",
    "The positions are kept in the archive, and a later phase 1 restores them.",
)
ARCHIVE_RESTORED = info(
    "archive-restored",
    (Phase.PHASE1,),
    "{number:portfolio} of an earlier rollback will be restored: {portfolios}.",
    choices=(Choice.LEAVE_ARCHIVE,),
)
ARCHIVE_STAYS = info(
    "archive-stays",
    (Phase.PHASE1,),
    "{number:portfolio} of an earlier rollback stay in the archive: {portfolios}.",
)


def _with_rows(values: list[tuple[str, int]]) -> list[str]:
    return [f"{value} ({plural(rows, 'row')})" for value, rows in values]


def portfolio_id_findings(facts: Facts) -> Iterator[Finding]:
    """A portfolio_id that positions or signals of a v1 database already have."""
    if not facts.is_v1() or facts.begun:
        return
    for table in ("portfolio_positions", "trading_signals"):
        column = facts.column(table, "portfolio_id")
        if column is None:
            continue
        if column.type != "character varying(50)":
            yield PORTFOLIO_ID_TYPE(table=table, type=column.type)
            continue
        values = facts.transaction.rows_of(
            table, "migration.preflight.survey_rows.portfolio_ids", table=f"public.{table}"
        )
        foreign = [(value, rows) for value, rows in values if value not in (None, "DEFAULT")]
        missing = next((rows for value, rows in values if value is None), 0)
        if foreign:
            yield PORTFOLIO_ID_OF_OTHERS(table=table, portfolios=_with_rows(foreign))
        elif missing:
            yield PORTFOLIO_ID_PARTLY(table=table, number=missing)
        else:
            yield PORTFOLIO_ID_THERE(table=table)
    if facts.column("portfolio_positions", "legacy_symbol") is not None:
        yield LEGACY_SYMBOL_TAKEN()


def adopted_findings(facts: Facts) -> Iterator[Finding]:
    """A portfolios table that someone made by hand in a v1 database."""
    if not facts.is_v1() or facts.has_our_portfolios or not facts.has("portfolios"):
        return
    columns = [column for column in facts.columns.values() if column.table == "portfolios"]
    key = facts.column("portfolios", "portfolio_id")
    if key is None:
        yield PORTFOLIOS_WITHOUT_ID()
        return
    if not key.type.startswith(_TEXT):
        yield PORTFOLIOS_ID_TYPE(type=key.type)
        return
    blocking = [c.name for c in columns if c.required and not c.has_default and c.name not in ("portfolio_id", "name")]
    if blocking:
        yield PORTFOLIOS_REQUIRED_COLUMNS(columns=blocking, first=blocking[0])
    yield from _portfolio_columns(facts)
    yield from _portfolio_rows(facts, bool(blocking))


def _portfolio_columns(facts: Facts) -> Iterator[Finding]:
    for name, kinds in _PORTFOLIO_TYPES.items():
        column = facts.column("portfolios", name)
        if column is not None and not column.type.startswith(kinds):
            yield PORTFOLIOS_COLUMN_TYPE(column=name, type=column.type)
    for name, needed in _DEFAULT_TEXTS.items():
        column = facts.column("portfolios", name)
        if column is None:
            continue
        width = column.type.partition("(")[2].rstrip(")")
        if column.type.startswith(_TEXT) and width and int(width) < needed:
            yield PORTFOLIOS_COLUMN_NARROW(column=name, type=column.type, needed=needed)
    if facts.column("portfolios", "archived_at") is not None:
        yield ARCHIVED_AT_TAKEN()


def _portfolio_rows(facts: Facts, blocked: bool) -> Iterator[Finding]:
    bad = facts.transaction.rows_of("portfolios", "migration.preflight.survey_rows.bad_portfolio_ids")
    if bad:
        yield BAD_PORTFOLIO_IDS(ids=[f"{value} ({why})" if value else why for value, why in bad])
    if facts.column("portfolios", "name") is not None:
        unnamed = [
            row[0]
            for row in facts.transaction.rows_of("portfolios", "migration.preflight.survey_rows.unnamed_portfolios")
        ]
        if unnamed:
            yield UNNAMED_PORTFOLIOS(portfolios=unnamed)
    checks = facts.transaction.rows("migration.preflight.survey.checks")
    if checks and facts.transaction.rows_of("portfolios", "migration.preflight.survey_rows.has_default")[:1] != [
        (True,)
    ]:
        yield PORTFOLIOS_CHECKS(checks=[f"{name} {definition}" for name, definition in checks])
    if not bad and not blocked:
        rows = facts.transaction.rows_of(
            "portfolios", "migration.preflight.survey_rows.count", table="public.portfolios"
        )
        number = plural(rows[0][0], "row") if rows else "rows not visible now"
        yield PORTFOLIOS_ADOPTED(rows=number)


def orphan_findings(facts: Facts) -> Iterator[Finding]:
    """Rows of v2 whose portfolio is not there: phase 2 cannot make them refer to one."""
    if Phase.PHASE2 not in facts.phases or facts.state.version is not SchemaVersion.V2 or not facts.has("portfolios"):
        return
    for table in ("portfolio_positions", "trading_signals"):
        orphans = facts.transaction.rows_of(
            table, "migration.preflight.survey_rows.orphan_portfolio_ids", table=f"public.{table}"
        )
        named = [(value, rows) for value, rows in orphans if value is not None]
        missing = next((rows for value, rows in orphans if value is None), 0)
        if named:
            yield ROWS_OF_NO_PORTFOLIO(table=table, portfolios=_with_rows(named))
        if missing:
            yield ROWS_WITHOUT_PORTFOLIO(number=missing, table=table)


def rollback_findings(facts: Facts) -> Iterator[Finding]:
    """What adding the portfolios up into one would lose or cannot hold."""
    if not facts.wants(Phase.ROLLBACK_V1) or facts.is_v1() or not facts.has("portfolios"):
        return
    if facts.options.keep is not Keep.MERGE or facts.column("portfolio_positions", "portfolio_id") is None:
        return
    if facts.column("portfolios", "copied_from") is not None:
        copies = facts.transaction.rows_of("portfolios", "migration.preflight.survey_rows.copies")
        if copies:
            yield COPIES_MERGED(copies=[f"{own} of {parent}" for own, parent in copies])
    oversized = oversized_symbols(facts.transaction)
    if oversized:
        yield MERGE_TOO_LARGE(symbols=[f"{symbol} ({why})" for symbol, why in oversized])
    cancelled = facts.transaction.rows_of("portfolio_positions", "migration.preflight.survey_rows.cancelled")
    if cancelled:
        yield MERGE_CANCELS(symbols=[f"{symbol} (HKD {cost:,})" for symbol, cost in cancelled])


def archive_findings(facts: Facts, archived: tuple[str, ...]) -> Iterator[Finding]:
    """What a rollback has archived, and phase 1 can bring back."""
    if not archived or Phase.PHASE1 not in facts.phases:
        return
    rule = ARCHIVE_RESTORED if facts.options.restore_archive else ARCHIVE_STAYS
    yield rule(number=len(archived), portfolios=archived)
