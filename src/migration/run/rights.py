"""What a run that lacks a right in its midst needs: the owner or the GRANT, by the same rules as before it."""

from collections.abc import Sequence

import psycopg2

from src.errors import NotAllowed
from src.migration.preflight.access_rules import OUR_VIEWS, VIEWED_TABLES, ownership_findings
from src.migration.preflight.facts import OUR_TABLES
from src.postgres import errors
from src.postgres.connection import Connection
from src.postgres.failures import READ, READ_AND_WRITE, grants_to_make, missing_grants, not_allowed
from src.postgres.readonly import read_only

OWN_SCHEMA = "schema hk_migration"


def refused_right(conn: Connection, error: psycopg2.Error, legacy_roles: Sequence[str]) -> NotAllowed:
    """The error for a right that was there when the run was planned. Reads catalogs; raises psycopg2.Error.

    What another role owns needs its owner; a GRANT is named for everything else that a phase uses.
    """
    with conn.cursor() as cursor:
        cursor.execute("SELECT current_user")
        role = str((cursor.fetchone() or [""])[0])
    with read_only(conn) as transaction:
        findings = tuple(ownership_findings(transaction, role, multi=True))
    elsewhere = {name for finding in findings for name in _objects(finding.facts["objects"])}
    ours = [name for name in (*OUR_TABLES, *OUR_VIEWS) if name not in elsewhere]
    grants = [*missing_grants(conn, "public", READ_AND_WRITE, ("USAGE", "CREATE"), only=ours)]
    if OWN_SCHEMA not in elsewhere:
        grants += [*grants_to_make(conn), *missing_grants(conn, "hk_migration", READ_AND_WRITE)]
    for schema in legacy_roles:
        views = [name for name in VIEWED_TABLES if f"{schema}.{name}" not in elsewhere]
        grants += missing_grants(conn, schema, READ, only=views)
    if not findings:
        return not_allowed(error, grants)
    said = errors.sentence(errors.Reason.NOT_ALLOWED, errors.server_text(error))
    more = f"Let the owner run: {' '.join(grants)}" if grants else ""
    return NotAllowed(" ".join(filter(None, (said, *(one.text for one in findings), more))), said=said)


def _objects(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
