"""Checks of the catalog: is everything there that the version needs, and may this role use it?"""

from collections.abc import Iterator

from src.diagnostics.model import POSITION_TABLES, Check, Result, Subject, failed, passed
from src.errors import Action, NextStep
from src.migration import engine
from src.postgres.failures import READ_AND_WRITE, missing_grants
from src.postgres.queries import query
from src.schema.catalog import Item, ItemKind, compare, expected_catalog, read_catalog
from src.schema.versions import SchemaVersion

KINDS = (
    (ItemKind.TABLE, "tables"),
    (ItemKind.COLUMN, "columns"),
    (ItemKind.CONSTRAINT, "constraints"),
    (ItemKind.INDEX, "indexes"),
    (ItemKind.VIEW, "views"),
    (ItemKind.FUNCTION, "functions"),
    (ItemKind.TRIGGER, "triggers"),
)
VIEW_COMMENT = "HK Strategy: v1 compatibility"
_SHOWN = 5


def check_catalog(subject: Subject) -> Iterator[Result]:
    assert subject.state.version is not None
    drift = compare(subject.state.version, read_catalog(subject.conn))
    for kind, word in KINDS:
        name = f"{word} are those of v{subject.state.version}"
        faults = [f"{item} is missing" for item in drift.missing if item.kind is kind]
        faults += [
            f"{want} is `{have.definition}` instead of `{want.definition}`"
            for want, have in drift.different
            if want.kind is kind
        ]
        faults += [f"{item} is {_invalid(item)}" for item in drift.invalid if item.kind is kind]
        extra = [str(item) for item in drift.extra if item.kind is kind]
        wanted = sum(1 for item in expected_catalog(subject.state.version) if item.kind is kind)
        if faults:
            yield failed(name, _some(faults), _advice(kind), NextStep(Action.CHECK))
        elif wanted or extra:
            more = f"; not of this project, and kept: {_some(extra)}" if extra else ""
            yield passed(name, f"all there{more}" if wanted else f"none needed{more}")


def _invalid(item: Item) -> str:
    if item.kind is ItemKind.INDEX:
        return "invalid (an interrupted build)"
    return "disabled" if item.kind is ItemKind.TRIGGER else "not validated"


def _advice(kind: ItemKind) -> str:
    if kind is ItemKind.INDEX:
        return "Drop an invalid one; build it with CREATE INDEX CONCURRENTLY; migrations/ has the statements."
    if kind is ItemKind.CONSTRAINT:
        return "ALTER TABLE … VALIDATE CONSTRAINT for one that is not validated; migrations/ has the others."
    return "See the files in migrations/."


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def check_rights(subject: Subject) -> Iterator[Result]:
    """Those that working with the data needs, and those that a migration needs."""
    tables = [name for name in POSITION_TABLES if name in subject.tables]
    if subject.state.multi_portfolio:
        tables.append("portfolios")
    lacking = [
        f"{right} on {table}"
        for table in tables
        for right in READ_AND_WRITE
        if not subject.value(query("diagnostics.catalog.may_use_table"), f"public.{table}", right)
    ]
    lacking += [
        f"USAGE on sequence {row[0]}"
        for row in subject.rows(
            query("diagnostics.catalog.sequences_lacking"), [table for table in tables if table != "portfolios"]
        )
    ]
    role = subject.value("SELECT current_user")
    if lacking:
        grants = " ".join(missing_grants(subject.conn, "public", READ_AND_WRITE, only=tables))
        yield failed("rights on the data", f"role {role} lacks {_some(lacking)}", f"Let the owner run: {grants}")
    else:
        yield passed("rights on the data", f"role {role} may read and write")
    yield _migration_rights(subject, tables)


def _migration_rights(subject: Subject, tables: list[str]) -> Result:
    name = "rights to migrate"
    lacking = [
        f"ownership of {row[0]}"
        for row in subject.rows(query("diagnostics.catalog.not_owned"), [f"public.{table}" for table in tables])
    ]
    if not subject.value("SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')"):
        lacking.append("CREATE on the database")
    if not subject.value("SELECT pg_catalog.has_schema_privilege('public', 'CREATE')"):
        lacking.append("CREATE on schema public")
    if lacking:
        advice = " ".join(finding.what_to_do for finding in engine.lacking_rights(subject.url))
        return failed(
            name,
            f"this role lacks {_some(lacking)}",
            advice or "Migrate as the owner of the tables and the database, or have these granted.",
        )
    return passed(name, "tables, schemas and database")


def check_compatibility_views(subject: Subject) -> Iterator[Result]:
    """On v2: each v1 role finds views with exactly v1's columns, in v1's order."""
    if subject.state.version is not SchemaVersion.V2:
        return
    found = subject.rows(query("diagnostics.catalog.views"), VIEW_COMMENT)
    roles = sorted({str(row[0]) for row in found})
    if not roles:
        yield failed("v1 views", "no role has them", "They are made by phase 1.", NextStep(Action.MAKE_VIEWS_AGAIN))
    for role in roles:
        views = {str(row[1]): row[2] for row in found if row[0] == role}
        yield _views_of(subject, role, views)


def _views_of(subject: Subject, role: str, views: dict[str, object]) -> Result:
    name = f"v1 views of role {role}"
    faults = []
    for table in POSITION_TABLES:
        columns = subject.rows(query("diagnostics.catalog.columns"), f"public.{table}", table != "price_history")
        wanted = [row[0] for row in columns]
        if table not in views:
            faults.append(f"{role}.{table} is missing")
        elif views[table] != wanted:
            faults.append(f"{role}.{table} has other columns than v1's")
    if not subject.value("SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = %s", role):
        faults.append(f"there is no role {role}")
    if faults:
        return failed(name, _some(faults), "They are made by phase 1.", NextStep(Action.MAKE_VIEWS_AGAIN))
    return passed(name, f"{len(views)} views with v1's columns, in v1's order")


SCHEMA_CHECKS: tuple[tuple[str, Check], ...] = (
    ("catalog", check_catalog),
    ("rights", check_rights),
    ("v1 views", check_compatibility_views),
)
