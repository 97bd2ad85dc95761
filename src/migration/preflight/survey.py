"""What a database is, what stands in the way of a phase, and who is connected. Changes nothing, waits for nobody."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection

from src.journal import sessions
from src.journal.model import VERSION_TITLES, Client, Phase
from src.migration.findings import Finding
from src.migration.model import Options, TableSize
from src.migration.preflight import access_rules, holdings_rules, reference_rules, row_rules, table_rules
from src.migration.preflight.facts import (
    HOLDINGS,
    OUR_TABLES,
    V1_TABLES,
    Column,
    Relation,
    Scene,
    Server,
)
from src.migration.preflight.rules import EVERY_PHASE, info, refusal, warning
from src.postgres.failures import failure
from src.postgres.readonly import Look, quiet_look
from src.schema.versions import SchemaState, SchemaVersion, detect

EMPTY = refusal(
    "empty",
    EVERY_PHASE,
    "This database is empty: there is nothing to migrate.",
    "Make the tables. If tables should be here, DATABASE_URL names another database.",
    command="init --schema v1",
)
NOT_RECOGNISED = refusal(
    "not-recognised",
    EVERY_PHASE,
    "{reason}",
    "The other findings say what differs, where it is known. Compare with migrations/init.sql (v1) and "
    "migrations/init_multi_portfolio.sql (v3).",
)
UNEXPECTED_PARTS = info("unexpected-parts", EVERY_PHASE, "{reason}")
TABLES_LOCKED = warning(
    "tables-locked",
    EVERY_PHASE,
    "The rows of {tables} could not be looked at: someone has locked them.",
    "Look again in a moment.",
)

# A table up to this many bytes is counted where the server has no estimate of its rows.
COUNT_BELOW_BYTES = 16 * 1024 * 1024
_NEXT = {
    SchemaVersion.V1: frozenset({Phase.PHASE1}),
    SchemaVersion.V2: frozenset({Phase.PHASE2, Phase.ROLLBACK_V1}),
    SchemaVersion.V3: frozenset({Phase.ROLLBACK_V2}),
}
_ORDER = {"refusal": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Survey:
    """`version`: "1.0", "2.0", "3.0", or None for a database that is empty or none of the three.

    `server_version`: as server_version_num, for instance 180003. `archived_portfolios`: those that phase 1 can restore.
    """

    version: str | None
    empty: bool
    title: str
    findings: tuple[Finding, ...]
    legacy_roles: tuple[str, ...]
    legacy_clients: tuple[Client, ...]
    tables: tuple[TableSize, ...]
    server_version: int
    archived_portfolios: tuple[str, ...]


def survey(conn: Connection, phase: Phase | None, options: Options) -> Survey:
    """Look at the database that `conn` is connected to, for `phase`, or for whatever may come next.

    The connection is left as it was, in a transaction or not. Raises DatabaseUnavailable when the server is gone.
    """
    try:
        with quiet_look(conn) as look:
            return _survey(conn, look, phase, options)
    except psycopg2.Error as error:
        raise failure(conn, error) from error


def _survey(conn: Connection, look: Look, phase: Phase | None, options: Options) -> Survey:
    state = detect(conn)
    roles = sessions.legacy_roles(conn, options.legacy_roles)
    connected = sessions.legacy_clients(conn, roles)
    scene = _scene(conn, look, state, phase, options, roles)
    marks = (
        frozenset(row[0] for row in look.rows("migration.preflight.survey_rows.marks"))
        if "mark" in scene.own_tables
        else frozenset[str]()
    )
    archived: tuple[str, ...] = ()
    if {"archive", "archived_portfolio"} <= scene.own_tables:
        archived = tuple(row[0] for row in look.rows("migration.preflight.survey_rows.archived_portfolios"))
    tables = _sizes(scene)
    found = [
        *access_rules.server_findings(scene),
        *_version_findings(scene),
        *(() if state.empty else _findings(scene, marks, archived)),
        *access_rules.session_findings(scene, connected, sessions.long_transactions(conn)),
    ]
    if look.unseen:
        found.append(TABLES_LOCKED(tables=sorted(set(look.unseen))))
    return Survey(
        version=None if state.version is None else str(state.version),
        empty=state.empty,
        title=_title(state),
        findings=tuple(sorted(dict.fromkeys(found), key=lambda finding: _ORDER[finding.severity])),
        legacy_roles=roles,
        legacy_clients=connected,
        tables=tables,
        server_version=scene.server.version,
        archived_portfolios=archived,
    )


def _title(state: SchemaState) -> str:
    if state.version is None:
        return "empty database" if state.empty else "unrecognised schema"
    return VERSION_TITLES[str(state.version)]


def _scene(
    conn: Connection, look: Look, state: SchemaState, phase: Phase | None, options: Options, roles: tuple[str, ...]
) -> Scene:
    tables = {"tables": [*OUR_TABLES, HOLDINGS, "portfolio_summary", "portfolio_performance"]}
    relations = (Relation(*row) for row in look.rows("migration.preflight.survey.relations", tables))
    columns = (Column(*row) for row in look.rows("migration.preflight.survey.columns", tables))
    return Scene(
        look=look,
        asked=phase,
        phases=_phases(phase, state),
        options=options,
        state=state,
        server=Server(*look.row("migration.preflight.survey.server")),
        roles=roles,
        relations={relation.name: relation for relation in relations},
        columns={(column.table, column.name): column for column in columns},
        own_tables=frozenset(row[0] for row in look.rows("migration.preflight.survey.own_tables")),
        syncs_legacy=look.row("migration.preflight.survey.sync_trigger")[0],
        path_in_options="search_path" in (conn.info.options or ""),
    )


def _phases(phase: Phase | None, state: SchemaState) -> frozenset[Phase]:
    if phase is None:
        return _NEXT[state.version] if state.version is not None else frozenset({Phase.PHASE1})
    if phase is Phase.ROLLBACK_V1 and state.version is SchemaVersion.V3:
        return frozenset({Phase.ROLLBACK_V2, Phase.ROLLBACK_V1})
    return frozenset({phase})


def _version_findings(scene: Scene) -> Iterator[Finding]:
    if scene.state.empty:
        yield EMPTY()
    elif scene.state.version is None:
        yield NOT_RECOGNISED(reason=scene.state.warning or "This database is neither v1, v2 nor v3.")
    elif scene.state.warning is not None:
        yield UNEXPECTED_PARTS(reason=scene.state.warning)


def _findings(scene: Scene, marks: frozenset[str], archived: tuple[str, ...]) -> Iterator[Finding]:
    yield from _of(scene, access_rules.role_findings)
    # From here on names are shown with their schema, whatever the session's search_path is.
    scene.look.rows("migration.preflight.survey.clear_path")
    yield from _of(scene, access_rules.rights_findings)
    yield from _of(scene, access_rules.schema_findings)
    yield from _of(scene, table_rules.table_findings)
    yield from _of(scene, table_rules.column_findings)
    yield from _of(scene, table_rules.unique_findings)
    yield from _of(scene, table_rules.partial_v2_findings)
    yield from _of(scene, table_rules.index_findings)
    yield from _of(scene, table_rules.extra_findings)
    yield from _of(scene, reference_rules.dependent_findings)
    if all(scene.has(table) for table in V1_TABLES):
        yield from _of(scene, reference_rules.foreign_key_findings)
        yield from _of(scene, row_rules.portfolio_id_findings)
        yield from _of(scene, row_rules.adopted_findings)
        yield from _of(scene, lambda seen: holdings_rules.holdings_findings(seen, marks))
        yield from _of(scene, row_rules.orphan_findings)
        yield from _of(scene, row_rules.rollback_findings)
    yield from _of(scene, lambda seen: row_rules.archive_findings(seen, archived))


def _of(scene: Scene, rule: Callable[[Scene], Iterable[Finding]]) -> list[Finding]:
    """What a rule finds. One that a locked table keeps from looking finds nothing where no phase is asked for; a phase
    is not planned without it."""
    if scene.asked is not None:
        return list(rule(scene))
    return scene.look.unless_locked("the tables", lambda: list(rule(scene)))


def _sizes(scene: Scene) -> tuple[TableSize, ...]:
    look = scene.look
    tables = {"tables": [*OUR_TABLES, HOLDINGS]}
    rows = look.rows_of("the tables", "migration.preflight.survey.sizes", tables) or look.rows(
        "migration.preflight.survey.sizes_by_catalog", tables
    )
    found = []
    for table, estimate, size in rows:
        if estimate < 0 and size < COUNT_BELOW_BYTES and scene.has(table):
            counts = look.rows_of(table, "migration.preflight.survey_rows.count", table=f"public.{table}")
            estimate = counts[0][0] if counts else 0
        found.append(TableSize(table, max(estimate, 0), size))
    return tuple(found)
