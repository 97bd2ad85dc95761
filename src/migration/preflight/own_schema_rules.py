"""What stands in the way in hk_migration itself: a newer version of the program has worked there, or a part is gone."""

from collections.abc import Iterator

from src.journal.model import NEWER_PROGRAM
from src.migration.findings import Finding
from src.migration.preflight.facts import Facts
from src.migration.preflight.rules import EVERY_PHASE, refusal, warning
from src.schema import own_schema
from src.schema.own_schema_gaps import ADVICE, REMADE, THEN

NEWER_VERSION = refusal(
    "newer-version",
    EVERY_PHASE,
    "This database was last used by a newer version of this program.",
    "Update this one, or use that version. (Schema hk_migration: {parts}.)",
)
UNKNOWN_VERSION = refusal(
    "unknown-version",
    EVERY_PHASE,
    "The comment of the table hk_migration.{table} names no version of this program: {comment}.",
    "Let its owner run",
    sql="COMMENT ON TABLE hk_migration.{table} IS NULL",
)
UNKNOWN_RUN = refusal(
    "unknown-run",
    EVERY_PHASE,
    "Run {run} ({phase}) is {state}, and this program does not know that phase.",
    NEWER_PROGRAM,
)


NOT_WHOLE = refusal(
    "own-schema-not-whole",
    EVERY_PHASE,
    "Schema hk_migration is not whole, it lacks {objects}.",
    ADVICE,
    sql="{statement}",
    then=THEN,
)
CHANGES_NOT_WHOLE = warning(
    "change-history-not-whole",
    EVERY_PHASE,
    "Schema hk_migration is not whole, it lacks {objects}: positions cannot be saved, and their change history is not "
    "known.",
    ADVICE,
    sql="{statement}",
    then=THEN,
)
MADE_ANEW = warning(
    "own-schema-made-anew",
    EVERY_PHASE,
    "Schema hk_migration lacks {objects}, and what was recorded there.",
    REMADE,
)


def own_schema_findings(facts: Facts) -> Iterator[Finding]:
    """Versions and runs that this program does not know, and tables that are gone."""
    for record in facts.own_records:
        if record.version is None:
            yield UNKNOWN_VERSION(table=record.table, comment=repr(record.comment[:80]))
    newer = own_schema.newer_parts(facts.own_records)
    if newer:
        yield NEWER_VERSION(parts=newer)
    for gaps, rule in ((facts.own_gaps, NOT_WHOLE), (facts.change_gaps, CHANGES_NOT_WHOLE)):
        if gaps.lost:
            yield rule(objects=list(gaps.lost), statement=gaps.statement)
        if gaps.remade:
            yield MADE_ANEW(objects=[f"table hk_migration.{table}" for table in gaps.remade])
    run = facts.unfinished
    if run is not None and not run.phase.is_known:
        yield UNKNOWN_RUN(run=str(run.run_id), phase=str(run.phase), state=str(run.state))
