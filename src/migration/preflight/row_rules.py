"""What the rows say: portfolio ids, a hand-made portfolios table, a side table, and what v1 cannot hold again."""

from collections.abc import Iterator

from src.journal.model import Keep, Phase
from src.migration.model import Finding
from src.migration.preflight.facts import HOLDINGS, Scene, info, refusal, warning
from src.migration.preflight.rollback_preview import oversized_symbols
from src.schema.versions import SchemaVersion
from src.text import listed, plural, quoted

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
_HOLDING_COLUMNS = ("portfolio_id", "symbol", "company_name", "quantity", "avg_cost", "sector")
_NUMBERS = ("integer", "smallint", "bigint", "numeric", "real", "double precision")
_LEAVE_OUT = f"rename the table to leave it out: ALTER TABLE public.{HOLDINGS} RENAME TO {HOLDINGS}_old."


def _with_rows(values: list[tuple[str, int]]) -> list[str]:
    return [f"{value} ({plural(rows, 'row')})" for value, rows in values]


def portfolio_id_findings(scene: Scene) -> Iterator[Finding]:
    """A portfolio_id that positions or signals of a v1 database already have."""
    if not scene.is_v1() or scene.begun:
        return
    for table in ("portfolio_positions", "trading_signals"):
        column = scene.column(table, "portfolio_id")
        if column is None:
            continue
        if column.type != "character varying(50)":
            yield refusal(
                f"{table} already has a column portfolio_id, of type {column.type} instead of varchar(50).",
                f"Rename it, or change it: ALTER TABLE public.{table} ALTER COLUMN portfolio_id TYPE varchar(50).",
            )
            continue
        values = scene.look.rows_of(table, "migration.preflight.survey_rows.portfolio_ids", table=f"public.{table}")
        foreign = [(value, rows) for value, rows in values if value not in (None, "DEFAULT")]
        missing = next((rows for value, rows in values if value is None), 0)
        if foreign:
            yield refusal(
                f"{table} already has a column portfolio_id with portfolios other than DEFAULT: "
                f"{listed(_with_rows(foreign))}.",
                "In a v1 database all rows are one portfolio, which becomes DEFAULT: v1's clients would lose sight of "
                "the others. Keep the column under another name (ALTER TABLE … RENAME COLUMN portfolio_id TO "
                "portfolio_id_old), run phase1, and move rows to their portfolios afterwards.",
            )
        else:
            filled = f"; {plural(missing, 'row')} without a value will get DEFAULT" if missing else ""
            yield info(f"{table} already has a column portfolio_id: it is taken over{filled}. A rollback removes it.")
    if scene.column("portfolio_positions", "legacy_symbol") is not None:
        yield refusal(
            "portfolio_positions already has a column legacy_symbol that is not this project's.",
            "Rename it: ALTER TABLE public.portfolio_positions RENAME COLUMN legacy_symbol TO legacy_symbol_old.",
        )


def adopted_findings(scene: Scene) -> Iterator[Finding]:
    """A portfolios table that someone made by hand in a v1 database."""
    if not scene.is_v1() or scene.has_our_portfolios or not scene.has("portfolios"):
        return
    columns = [column for column in scene.columns.values() if column.table == "portfolios"]
    key = scene.column("portfolios", "portfolio_id")
    if key is None:
        yield refusal(
            "There is a table portfolios, without a column portfolio_id.",
            "Rename it, or give it a portfolio_id varchar(50), unique and NOT NULL.",
        )
        return
    if not key.type.startswith(_TEXT):
        yield refusal(
            f"portfolios.portfolio_id is {key.type}; positions refer to it as varchar(50).",
            "Change its type: ALTER TABLE public.portfolios ALTER COLUMN portfolio_id TYPE varchar(50).",
        )
        return
    blocking = [c.name for c in columns if c.required and not c.has_default and c.name not in ("portfolio_id", "name")]
    if blocking:
        yield refusal(
            f"Table portfolios has columns that are NOT NULL without a default: {listed(blocking)}.",
            "DEFAULT and new portfolios could not be added. Give each a default, for instance: "
            f"ALTER TABLE public.portfolios ALTER COLUMN {quoted(blocking[0])} SET DEFAULT … (or DROP NOT NULL).",
        )
    yield from _portfolio_columns(scene)
    yield from _portfolio_rows(scene, bool(blocking))


def _portfolio_columns(scene: Scene) -> Iterator[Finding]:
    for name, kinds in _PORTFOLIO_TYPES.items():
        column = scene.column("portfolios", name)
        if column is not None and not column.type.startswith(kinds):
            yield refusal(
                f"portfolios.{name} is {column.type}, which is not what the migration keeps there.",
                f"Rename it: ALTER TABLE public.portfolios RENAME COLUMN {name} TO {name}_old.",
            )
    for name, needed in _DEFAULT_TEXTS.items():
        column = scene.column("portfolios", name)
        if column is None:
            continue
        width = column.type.partition("(")[2].rstrip(")")
        if column.type.startswith(_TEXT) and width and int(width) < needed:
            yield refusal(
                f"portfolios.{name} is {column.type}, too narrow for the row DEFAULT ({needed} characters).",
                f"Widen it: ALTER TABLE public.portfolios ALTER COLUMN {name} TYPE varchar(200).",
            )
    if scene.column("portfolios", "archived_at") is not None:
        yield refusal(
            "portfolios has a column archived_at of its own.",
            "Phase 1 adds a column of that name, and knows its own work by it: ALTER TABLE public.portfolios "
            "RENAME COLUMN archived_at TO archived_at_old.",
        )


def _portfolio_rows(scene: Scene, blocked: bool) -> Iterator[Finding]:
    bad = scene.look.rows_of("portfolios", "migration.preflight.survey_rows.bad_portfolio_ids")
    if bad:
        named = listed(f"{value} ({why})" if value else why for value, why in bad)
        yield refusal(
            f"Table portfolios has portfolio ids that cannot stay: {named}.",
            "Each portfolio needs an id of its own, of 1 to 50 characters: correct or remove those rows.",
        )
    if scene.column("portfolios", "name") is not None:
        unnamed = [
            row[0] for row in scene.look.rows_of("portfolios", "migration.preflight.survey_rows.unnamed_portfolios")
        ]
        if unnamed:
            yield warning(f"Portfolios without a name: {listed(unnamed)}.", "Give each a name.")
    checks = scene.look.rows("migration.preflight.survey.checks")
    if checks and scene.look.rows_of("portfolios", "migration.preflight.survey_rows.has_default")[:1] != [(True,)]:
        named = listed(f"{name} {definition}" for name, definition in checks)
        yield warning(
            f"Table portfolios has CHECK constraints: {named}.",
            "The row DEFAULT, 'Legacy Portfolio', must satisfy them, or phase 1 stops there, with nothing changed "
            "by that step.",
        )
    if not bad and not blocked:
        rows = scene.look.rows_of("portfolios", "migration.preflight.survey_rows.count", table="public.portfolios")
        number = plural(rows[0][0], "row") if rows else "rows not visible now"
        yield info(f"A table portfolios is there already ({number}): it is adopted. Its rows stay, DEFAULT is added.")


def holdings_findings(scene: Scene, marks: frozenset[str]) -> Iterator[Finding]:
    """The side table that an early multi-portfolio dashboard wrote."""
    if HOLDINGS not in scene.relations:
        return
    if Phase.PHASE1 not in scene.phases or "holdings_imported" in marks:
        yield info(f"Side table {HOLDINGS} stays as it is. No step reads it.")
        return
    missing = [name for name in _HOLDING_COLUMNS if scene.column(HOLDINGS, name) is None]
    numbers = [column for name in ("quantity", "avg_cost") if (column := scene.column(HOLDINGS, name)) is not None]
    odd = [f"{column.name} ({column.type})" for column in numbers if not column.type.startswith(_NUMBERS)]
    if missing:
        yield refusal(
            f"Side table {HOLDINGS} lacks {listed(missing)}, so its rows cannot become positions.",
            f"Add what is missing, or {_LEAVE_OUT}",
        )
    elif odd:
        yield refusal(f"In side table {HOLDINGS}, {listed(odd)} should be numbers.", "Change the type to numeric.")
    elif not scene.relations[HOLDINGS].readable:
        yield refusal(
            f"Role {scene.server.role} may not read side table {HOLDINGS}.",
            f"Let its owner run: GRANT SELECT ON public.{HOLDINGS} TO {quoted(scene.server.role)}.",
        )
    else:
        yield from _holding_rows(scene)


def _holding_rows(scene: Scene) -> Iterator[Finding]:
    look = scene.look
    bad = look.rows_of(HOLDINGS, "migration.preflight.survey_rows.bad_holdings")
    if bad:
        rows = listed(f"{portfolio or '(none)'} {symbol or '(none)'}: {why}" for portfolio, symbol, why in bad)
        yield refusal(
            f"Side table {HOLDINGS} has rows that cannot become positions: {rows}.",
            f"Correct or remove those rows, or {_LEAVE_OUT}",
        )
        return
    for count, portfolios in look.rows_of(HOLDINGS, "migration.preflight.survey_rows.holdings"):
        yield info(
            f"Side table {HOLDINGS}: its {plural(count, 'row')} become positions of {listed(portfolios)}.",
            "Their price is that of the symbol, where it is known. The side table itself stays as it is.",
        )
    unclear = look.rows_of(HOLDINGS, "migration.preflight.survey_rows.unclear_holdings")
    if unclear:
        rows = listed(f"{own} {symbol} ({'no quantity' if none else 'no cost'})" for own, symbol, none, _ in unclear)
        yield warning(
            f"Rows of {HOLDINGS} with something missing, which positions hold as 0: {rows}.",
            "Fill them in first, or correct the positions after phase 1.",
        )
    beside = look.rows_of(HOLDINGS, "migration.preflight.survey_rows.default_holdings")
    differing = [
        f"{symbol}: {quantity} at {cost}, position {have} at {have_cost}"
        for symbol, quantity, cost, there, have, have_cost in beside
        if there
    ]
    new = [row[0] for row in beside if not row[3]]
    if differing:
        yield warning(
            f"Rows of {HOLDINGS} for DEFAULT differ from its positions: {listed(differing)}.",
            "The existing position wins; the row stays in the side table. Correct the position if the side table is "
            "right.",
        )
    if new:
        # DEFAULT is what v1's clients see, and its P&L is proved equal before and after.
        yield refusal(
            f"Side table {HOLDINGS} has rows for DEFAULT that are no positions: {listed(new)}.",
            "As positions they would change DEFAULT's P&L, and v1's clients would see them. If they are held, add them "
            f"to portfolio_positions first; otherwise remove them from {HOLDINGS}.",
        )


def orphan_findings(scene: Scene) -> Iterator[Finding]:
    """Rows of v2 whose portfolio is not there: phase 2 cannot make them refer to one."""
    if Phase.PHASE2 not in scene.phases or scene.state.version is not SchemaVersion.V2 or not scene.has("portfolios"):
        return
    for table in ("portfolio_positions", "trading_signals"):
        orphans = scene.look.rows_of(
            table, "migration.preflight.survey_rows.orphan_portfolio_ids", table=f"public.{table}"
        )
        named = [(value, rows) for value, rows in orphans if value is not None]
        missing = next((rows for value, rows in orphans if value is None), 0)
        if named:
            yield refusal(
                f"{table} has rows of portfolios that are not in table portfolios: {listed(_with_rows(named))}.",
                "Create those portfolios (their rows stay), or delete the rows.",
            )
        if missing:
            yield refusal(
                f"{plural(missing, 'row')} of {table} belong to no portfolio.",
                "Give them to DEFAULT: set portfolio_id to 'DEFAULT' where it is NULL.",
            )


def rollback_findings(scene: Scene) -> Iterator[Finding]:
    """What adding the portfolios up into one would lose or cannot hold."""
    if not scene.wants(Phase.ROLLBACK_V1) or scene.is_v1() or not scene.has("portfolios"):
        return
    if scene.options.keep is not Keep.MERGE or scene.column("portfolio_positions", "portfolio_id") is None:
        return
    if scene.column("portfolios", "copied_from") is not None:
        copies = scene.look.rows_of("portfolios", "migration.preflight.survey_rows.copies")
        if copies:
            named = listed(f"{own} of {parent}" for own, parent in copies)
            yield warning(
                f"Portfolios that are copies: {named}. Adding a copy to its original counts the same shares twice.",
                "A rollback with --keep default archives the other portfolios and merges nothing.",
            )
    oversized = oversized_symbols(scene.look)
    if oversized:
        yield refusal(
            f"Added up, these symbols are more than v1 can hold: {listed(f'{s} ({why})' for s, why in oversized)}.",
            "Roll back with --keep default, which merges nothing, or reduce those positions.",
        )
    cancelled = scene.look.rows_of("portfolio_positions", "migration.preflight.survey_rows.cancelled")
    if cancelled:
        yield warning(
            "Long and short positions cancel out, so that v1 has no shares to carry their cost: "
            f"{listed(f'{symbol} (HKD {cost:,})' for symbol, cost in cancelled)}.",
            "The positions are kept in the archive, and a later phase 1 restores them.",
        )


def archive_findings(scene: Scene, archived: tuple[str, ...]) -> Iterator[Finding]:
    """What a rollback has archived, and phase 1 can bring back."""
    if not archived or Phase.PHASE1 not in scene.phases:
        return
    number = plural(len(archived), "portfolio")
    if scene.options.restore_archive:
        yield info(
            f"{number} of an earlier rollback will be restored: {listed(archived)}.",
            "To leave them in the archive: --archived leave.",
        )
    else:
        yield info(f"{number} of an earlier rollback stay in the archive: {listed(archived)}.")
