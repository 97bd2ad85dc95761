"""The side table that an early multi-portfolio dashboard wrote: what becomes of its rows."""

from collections.abc import Iterator

from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.preflight.facts import HOLDINGS, Facts
from src.migration.preflight.rules import EVERY_PHASE, info, refusal, warning

_HOLDING_COLUMNS = ("portfolio_id", "symbol", "company_name", "quantity", "avg_cost", "sector")
_NUMBERS = ("integer", "smallint", "bigint", "numeric", "real", "double precision")
_LEAVE_OUT = f"ALTER TABLE public.{HOLDINGS} RENAME TO {HOLDINGS}_old"

HOLDINGS_STAY = info("holdings-stay", EVERY_PHASE, f"Side table {HOLDINGS} stays as it is. No step reads it.")
HOLDINGS_COLUMNS = refusal(
    "holdings-columns",
    (Phase.PHASE1,),
    f"Side table {HOLDINGS} lacks {{columns}}, so its rows cannot become positions.",
    "Add what is missing, or rename the table to leave it out",
    sql=_LEAVE_OUT,
)
HOLDINGS_TYPES = refusal(
    "holdings-types",
    (Phase.PHASE1,),
    f"In side table {HOLDINGS}, {{columns}} should be numbers.",
    "Change the type to numeric.",
)
HOLDINGS_UNREADABLE = refusal(
    "holdings-unreadable",
    (Phase.PHASE1,),
    f"Role {{role}} may not read side table {HOLDINGS}.",
    "Let its owner run",
    sql=f"GRANT SELECT ON public.{HOLDINGS} TO {{role:sql}}",
)
BAD_HOLDINGS = refusal(
    "bad-holdings",
    (Phase.PHASE1,),
    f"Side table {HOLDINGS} has rows that cannot become positions: {{rows}}.",
    "Correct or remove those rows, or rename the table to leave it out",
    sql=_LEAVE_OUT,
)
HOLDINGS_IMPORTED = info(
    "holdings-imported",
    (Phase.PHASE1,),
    f"Side table {HOLDINGS}: its {{number:row}} become positions of {{portfolios}}.",
    "Their price is that of the symbol, where it is known. The side table itself stays as it is.",
)
HOLDINGS_INCOMPLETE = warning(
    "holdings-incomplete",
    (Phase.PHASE1,),
    f"Rows of {HOLDINGS} with something missing, which positions hold as 0: {{rows}}.",
    "Fill them in first, or correct the positions after phase 1.",
)
HOLDINGS_DIFFER = warning(
    "holdings-differ",
    (Phase.PHASE1,),
    f"Rows of {HOLDINGS} for DEFAULT differ from its positions: {{rows}}.",
    "The existing position wins; the row stays in the side table. Correct the position if the side table is right.",
)
# DEFAULT is what v1's clients see, and its P&L is proved equal before and after.
HOLDINGS_FOR_DEFAULT = refusal(
    "holdings-for-default",
    (Phase.PHASE1,),
    f"Side table {HOLDINGS} has rows for DEFAULT that are no positions: {{symbols}}.",
    "As positions they would change DEFAULT's P&L, and v1's clients would see them. If they are held, add them to "
    f"portfolio_positions first; otherwise remove them from {HOLDINGS}.",
)


def holdings_findings(facts: Facts, marks: frozenset[str]) -> Iterator[Finding]:
    """The side table that an early multi-portfolio dashboard wrote."""
    if HOLDINGS not in facts.relations:
        return
    if Phase.PHASE1 not in facts.phases or "holdings_imported" in marks:
        yield HOLDINGS_STAY()
        return
    missing = [name for name in _HOLDING_COLUMNS if facts.column(HOLDINGS, name) is None]
    numbers = [column for name in ("quantity", "avg_cost") if (column := facts.column(HOLDINGS, name)) is not None]
    others = [f"{column.name} ({column.type})" for column in numbers if not column.type.startswith(_NUMBERS)]
    if missing:
        yield HOLDINGS_COLUMNS(columns=missing)
    elif others:
        yield HOLDINGS_TYPES(columns=others)
    elif not facts.relations[HOLDINGS].readable:
        yield HOLDINGS_UNREADABLE(role=facts.server.role)
    else:
        yield from _holding_rows(facts)


def _holding_rows(facts: Facts) -> Iterator[Finding]:
    transaction = facts.transaction
    bad = transaction.rows_of(HOLDINGS, "migration.preflight.survey_rows.bad_holdings")
    if bad:
        yield BAD_HOLDINGS(
            rows=[f"{portfolio or '(none)'} {symbol or '(none)'}: {why}" for portfolio, symbol, why in bad]
        )
        return
    for count, portfolios in transaction.rows_of(HOLDINGS, "migration.preflight.survey_rows.holdings"):
        yield HOLDINGS_IMPORTED(number=count, portfolios=portfolios)
    unclear = transaction.rows_of(HOLDINGS, "migration.preflight.survey_rows.unclear_holdings")
    if unclear:
        yield HOLDINGS_INCOMPLETE(
            rows=[f"{own} {symbol} ({'no quantity' if none else 'no cost'})" for own, symbol, none, _ in unclear]
        )
    beside = transaction.rows_of(HOLDINGS, "migration.preflight.survey_rows.default_holdings")
    differing = [
        f"{symbol}: {quantity} at {cost}, position {have} at {have_cost}"
        for symbol, quantity, cost, there, have, have_cost in beside
        if there
    ]
    new = [row[0] for row in beside if not row[3]]
    if differing:
        yield HOLDINGS_DIFFER(rows=differing)
    if new:
        # DEFAULT is what v1's clients see, and its P&L is proved equal before and after.
        yield HOLDINGS_FOR_DEFAULT(symbols=new)
