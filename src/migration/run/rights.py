"""What a run that lacks a right in its midst needs: the owner or the GRANT, by the same rules as before it."""

import psycopg2

from src.errors import NotAllowed
from src.migration.preflight.facts import Server
from src.migration.preflight.rights_rules import Need, missing_rights
from src.postgres import errors
from src.postgres.connection import Connection
from src.postgres.failures import not_allowed
from src.postgres.readonly import read_only


def refused_right(conn: Connection, error: psycopg2.Error, need: Need) -> NotAllowed:
    """The error for a right that was there when the run was planned, with all that are missing now. Reads catalogs;
    raises psycopg2.Error."""
    with read_only(conn) as transaction:
        server = Server(*transaction.row("migration.preflight.survey.server"))
        findings = tuple(missing_rights(transaction, server, need))
    if not findings:
        return not_allowed(error, ())
    said = errors.sentence(errors.Reason.NOT_ALLOWED, errors.server_text(error))
    return NotAllowed(" ".join((said, *(one.text for one in findings))), said=said)
