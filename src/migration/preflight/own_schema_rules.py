"""What stands in the way in hk_migration itself: a newer version of the program has worked there."""

from collections.abc import Iterator

from src.journal import runs
from src.journal.model import NEWER_PROGRAM
from src.migration.findings import Finding
from src.migration.preflight.facts import Facts
from src.migration.preflight.rules import EVERY_PHASE, refusal
from src.postgres.connection import Connection
from src.schema import own_schema

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


def own_schema_findings(conn: Connection, facts: Facts) -> Iterator[Finding]:
    """Versions and runs that this program does not know: a phase is refused there."""
    with conn.cursor() as cursor:
        records = own_schema.records(cursor)
    for record in records:
        if record.version is None:
            yield UNKNOWN_VERSION(table=record.table, comment=repr(record.comment[:80]))
    newer = own_schema.newer_parts(records)
    if newer:
        yield NEWER_VERSION(parts=newer)
    elif {"run", "event"} <= facts.own_tables:
        run = runs.unfinished_run(runs.read_runs(conn, limit=1))
        if run is not None and not run.phase.is_known:
            yield UNKNOWN_RUN(run=str(run.run_id), phase=str(run.phase), state=str(run.state))
