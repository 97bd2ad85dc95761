"""What a database is, what stands in the way of a phase, and who is connected. Changes nothing, waits for nobody."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection

from src.journal import runs, sessions
from src.journal.model import Client, Phase, RunRecord
from src.migration.findings import Finding, Severity
from src.migration.model import Options, TableSize
from src.migration.preflight import (
    access_rules,
    client_object_rules,
    holdings_rules,
    own_schema_rules,
    reference_rules,
    rights_rules,
    row_rules,
    table_rules,
)
from src.migration.preflight.facts import (
    HOLDINGS,
    OUR_TABLES,
    V1_TABLES,
    Facts,
    Relation,
    Server,
    TableColumn,
)
from src.migration.preflight.rules import EVERY_PHASE, info, refusal, warning
from src.postgres.connection import APPLICATION_NAME
from src.postgres.failures import failure
from src.postgres.read_only_setting import read_only_setting
from src.postgres.readonly import ReadOnlyTransaction, read_only
from src.postgres.table_locks import blocking_locks
from src.schema import own_schema
from src.schema.own_schema import Part, Record
from src.schema.own_schema_gaps import Gaps
from src.schema.versions import SchemaState, SchemaVersion, detect

T = TypeVar("T")

EMPTY = refusal(
    "empty",
    EVERY_PHASE,
    "This database is empty: there is nothing to migrate.",
    "Make the tables. If tables should be here, DATABASE_URL names another database.",
    command=("init", "--schema", "v1"),
)
NOT_RECOGNISED = refusal(
    "not-recognised",
    EVERY_PHASE,
    "{reason}",
    "The other findings say what differs, where it is known. Compare with migrations/init.sql (v1) and "
    "migrations/init_multi_portfolio.sql (v3).",
)
TABLE_ELSEWHERE = refusal(
    "table-elsewhere",
    EVERY_PHASE,
    "{table} is in a schema that the search_path names, and not in public, where this program works.",
    "Let its owner move it, while no client is at work",
    sql="ALTER TABLE {table} SET SCHEMA public",
    then="Clients find it there as long as public is on their search_path.",
)
UNEXPECTED_PARTS = info("unexpected-parts", EVERY_PHASE, "{reason}")
NOT_READ_IN_TIME = warning(
    "tables-not-read",
    EVERY_PHASE,
    "The rows of {tables} could not be read in time.",
    "Try again in a moment.",
)
TABLES_LOCKED = warning(
    "tables-locked",
    EVERY_PHASE,
    "The rows of {tables} could not be read: someone has locked them.",
    "{holders}. Try again when that transaction has ended.",
)

# Warnings with which no phase can be planned just now.
HOLDS_UP = frozenset({NOT_READ_IN_TIME.code, TABLES_LOCKED.code})

# A table up to this many bytes is counted where the server has no estimate of its rows.
COUNT_BELOW_BYTES = 16 * 1024 * 1024
_NEXT = {
    SchemaVersion.V1: frozenset({Phase.PHASE1}),
    SchemaVersion.V2: frozenset({Phase.PHASE2, Phase.ROLLBACK_V1}),
    SchemaVersion.V3: frozenset({Phase.ROLLBACK_V2}),
}
RUN_TABLES = frozenset({"run", "event"})
_ORDER = {"refusal": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Survey:
    """`unfinished`: the run that has not ended, where it can be read; `runs_hidden`: whether there is one may not be
    read. `server_version`: as server_version_num, for instance 180003. `archived_portfolios`: those that phase 1 can
    restore.
    """

    state: SchemaState
    unfinished: RunRecord | None
    runs_hidden: bool
    findings: tuple[Finding, ...]
    legacy_roles: tuple[str, ...]
    legacy_clients: tuple[Client, ...]
    tables: tuple[TableSize, ...]
    server_version: int
    archived_portfolios: tuple[str, ...]

    @property
    def version(self) -> str | None:
        """Such as "1.0"; None for a database that is empty or none of the three."""
        return None if self.state.version is None else str(self.state.version)

    @property
    def title(self) -> str:
        """As `check` prints it."""
        return self.state.title

    @property
    def empty(self) -> bool:
        """Whether none of the tables is there."""
        return self.state.empty

    @property
    def refused(self) -> bool:
        """Whether one of the findings is a refusal."""
        return any(finding.severity is Severity.REFUSAL for finding in self.findings)


def survey(conn: Connection, phase: Phase | None, options: Options) -> Survey:
    """Inspect the database that `conn` is connected to, for `phase`, or for whatever may come next.

    The connection is left as it was, in a transaction or not. Raises DatabaseUnavailable when the server is gone.
    """
    try:
        with read_only(conn) as transaction:
            return _survey(conn, transaction, phase, options)
    except psycopg2.Error as error:
        raise failure(conn, error) from error


def _survey(conn: Connection, transaction: ReadOnlyTransaction, phase: Phase | None, options: Options) -> Survey:
    state = detect(conn)
    own = _own_schema(conn, transaction, phase)
    roles = sessions.legacy_roles(conn, options.legacy_roles or own.legacy_roles)
    connected = sessions.legacy_clients(conn, roles)
    facts = _facts(conn, transaction, state, phase, options, roles, own)
    marks = frozenset(_own_rows(facts, own, "migration.preflight.survey_rows.marks", "mark"))
    archived = tuple(
        _own_rows(facts, own, "migration.preflight.survey_rows.archived_portfolios", "archive", "archived_portfolio")
    )
    tables = _sizes(facts)
    found = [
        *access_rules.server_findings(facts),
        *_version_findings(facts),
        *own_schema_rules.own_schema_findings(facts),
        *(() if state.empty else _findings(facts, marks, archived)),
        *access_rules.session_findings(facts, connected, sessions.long_transactions(conn)),
    ]
    if phase is None or transaction.unseen:
        found += _unread(conn, transaction.unseen)
    return Survey(
        state=state,
        unfinished=own.unfinished,
        runs_hidden=own.runs_hidden,
        findings=tuple(sorted(dict.fromkeys(found), key=lambda finding: _ORDER[finding.severity])),
        legacy_roles=roles,
        legacy_clients=connected,
        tables=tables,
        server_version=facts.server.version,
        archived_portfolios=archived,
    )


@dataclass(frozen=True)
class _OwnSchema:
    """Schema hk_migration. `usable`: tables that are whole and may be read. `legacy_roles`: of the unfinished run,
    where no phase is asked for."""

    records: tuple[Record, ...]
    gaps: Gaps
    change_gaps: Gaps
    usable: frozenset[str]
    unfinished: RunRecord | None = None
    legacy_roles: tuple[str, ...] = ()

    @property
    def runs_hidden(self) -> bool:
        """Whether runs are recorded that our role may not read."""
        made = any(record.part is Part.JOURNAL and record.version for record in self.records)
        return made and not self.usable.union(self.gaps.broken) >= RUN_TABLES


def _own_schema(conn: Connection, transaction: ReadOnlyTransaction, phase: Phase | None) -> _OwnSchema:
    with conn.cursor() as cursor:
        records = own_schema.records(cursor)
        gaps, change_gaps = (own_schema.gaps(cursor, part) for part in (Part.JOURNAL, Part.REVISIONS))
    readable = frozenset(row[0] for row in transaction.rows("migration.preflight.survey.own_tables"))
    seen = _OwnSchema(records, gaps, change_gaps, readable.difference(gaps.broken))
    if own_schema.newer_parts(records) or not seen.usable >= RUN_TABLES:
        return seen

    def read() -> list[RunRecord]:
        return runs.read_runs(conn, limit=1)

    run = runs.unfinished_run(read() if phase is not None else transaction.unless_locked("some tables", read))
    if run is None or phase is not None:
        return replace(seen, unfinished=run)
    roles = runs.read_inputs(conn, run.run_id)[0].get("legacy_roles")
    return replace(seen, unfinished=run, legacy_roles=tuple(roles) if isinstance(roles, list) else ())


def _own_rows(facts: Facts, own: _OwnSchema, name: str, *tables: str) -> list[str]:
    """The first column of a query that reads these tables of hk_migration; none where one of them is not there."""
    if not own.usable.issuperset(tables):
        return []
    return _of(facts, lambda seen: (row[0] for row in seen.transaction.rows(name)))


def _unread(conn: Connection, unseen: Sequence[str]) -> Iterator[Finding]:
    """Which tables cannot be read, and who holds them: what could not be said of each rule is asked now. A step of our
    own holds a lock for a moment: that counts where it was in the way."""
    locks = list(blocking_locks(conn, only=(*OUR_TABLES, HOLDINGS)))
    if not unseen:
        locks = [lock for lock in locks if not lock.application_name.startswith(APPLICATION_NAME)]
    if locks:
        yield TABLES_LOCKED(tables=sorted({lock.table for lock in locks}), holders="; ".join(map(str, locks)))
    elif unseen:
        yield NOT_READ_IN_TIME(tables=sorted(set(unseen)))


def _facts(
    conn: Connection,
    transaction: ReadOnlyTransaction,
    state: SchemaState,
    phase: Phase | None,
    options: Options,
    roles: tuple[str, ...],
    own: _OwnSchema,
) -> Facts:
    tables = {"tables": [*OUR_TABLES, HOLDINGS, "portfolio_summary", "portfolio_performance"]}
    relations = (Relation(*row) for row in transaction.rows("migration.preflight.survey.relations", tables))
    columns = (TableColumn(*row) for row in transaction.rows("migration.preflight.survey.columns", tables))
    return Facts(
        transaction=transaction,
        asked=phase,
        phases=_phases(phase, state, own.unfinished),
        options=options,
        state=state,
        server=Server(*transaction.row("migration.preflight.survey.server")),
        roles=roles,
        relations={relation.name: relation for relation in relations},
        columns={(column.table, column.name): column for column in columns},
        syncs_legacy=transaction.row("migration.preflight.survey.sync_trigger")[0],
        path_in_options="search_path" in (conn.info.options or ""),
        read_only=read_only_setting(conn),
        own_records=own.records,
        own_gaps=own.gaps,
        change_gaps=own.change_gaps,
        unfinished=own.unfinished,
    )


def _phases(phase: Phase | None, state: SchemaState, unfinished: RunRecord | None) -> frozenset[Phase]:
    if phase is None:
        found = _NEXT[state.version] if state.version is not None else frozenset({Phase.PHASE1})
        return found | {unfinished.phase} if unfinished is not None and unfinished.phase.is_known else found
    if phase is Phase.ROLLBACK_V1 and state.version is SchemaVersion.V3:
        return frozenset({Phase.ROLLBACK_V2, Phase.ROLLBACK_V1})
    return frozenset({phase})


def _version_findings(facts: Facts) -> Iterator[Finding]:
    if facts.state.empty:
        yield EMPTY()
    elif facts.state.elsewhere:
        yield from (TABLE_ELSEWHERE(table=table) for table in facts.state.elsewhere)
    elif facts.state.version is None:
        yield NOT_RECOGNISED(reason=facts.state.warning or "This database is neither v1, v2 nor v3.")
    elif facts.state.warning is not None:
        yield UNEXPECTED_PARTS(reason=facts.state.warning)


def _findings(facts: Facts, marks: frozenset[str], archived: tuple[str, ...]) -> Iterator[Finding]:
    yield from _of(facts, access_rules.role_findings)
    # From here on names are shown with their schema, whatever the session's search_path is.
    facts.transaction.rows("migration.preflight.survey.clear_path")
    yield from _of(facts, rights_rules.rights_findings)
    yield from _of(facts, access_rules.schema_findings)
    yield from _of(facts, client_object_rules.client_object_findings)
    yield from _of(facts, table_rules.table_findings)
    yield from _of(facts, table_rules.column_findings)
    yield from _of(facts, table_rules.unique_findings)
    yield from _of(facts, table_rules.partial_v2_findings)
    yield from _of(facts, table_rules.index_findings)
    yield from _of(facts, table_rules.extra_findings)
    yield from _of(facts, reference_rules.dependent_findings)
    if all(facts.has(table) for table in V1_TABLES):
        yield from _of(facts, reference_rules.foreign_key_findings)
        yield from _of(facts, row_rules.portfolio_id_findings)
        yield from _of(facts, row_rules.adopted_findings)
        yield from _of(facts, lambda seen: holdings_rules.holdings_findings(seen, marks))
        yield from _of(facts, row_rules.orphan_findings)
        yield from _of(facts, row_rules.rollback_findings)
    yield from _of(facts, lambda seen: row_rules.archive_findings(seen, archived))


def _of(facts: Facts, rule: Callable[[Facts], Iterable[T]]) -> list[T]:
    """What a rule finds, or a query. One whose table is locked finds nothing where no phase is asked for; a phase
    is not planned without it."""
    if facts.asked is not None:
        return list(rule(facts))
    return facts.transaction.unless_locked("some tables", lambda: list(rule(facts)))


def _sizes(facts: Facts) -> tuple[TableSize, ...]:
    transaction = facts.transaction
    tables = {"tables": [*OUR_TABLES, HOLDINGS]}
    rows = transaction.rows_of("some tables", "migration.preflight.survey.sizes", tables) or transaction.rows(
        "migration.preflight.survey.sizes_by_catalog", tables
    )
    found = []
    for table, estimate, size in rows:
        if estimate < 0 and size < COUNT_BELOW_BYTES and facts.has(table):
            counts = transaction.rows_of(table, "migration.preflight.survey_rows.count", table=f"public.{table}")
            estimate = counts[0][0] if counts else 0
        found.append(TableSize(table, max(estimate, 0), size))
    return tuple(found)
