"""Verify a backup: restore it into a scratch database, and compare all that is there with its manifest."""

from dataclasses import replace

import psycopg2
from psycopg2 import sql

from src.backup.delete import in_use
from src.backup.dump_tools import EMBEDDED_VERSIONS, find_tools, target_of
from src.backup.fingerprint import differences
from src.backup.manifest import (
    Backup,
    Progress,
    check_files,
    now,
    remove_leftovers,
    working_directory,
    write_manifest,
)
from src.backup.reading import read_expected
from src.backup.scratch import content_of, create_database, drop_database, fill, maintenance_url, session, with_database
from src.embedded.api import PrivateServer, has_version
from src.errors import BackupError, BackupNotVerified, PrerequisiteError
from src.postgres.connection import Connection
from src.postgres.queries import query

SCRATCH = "hk_verify"
# The scratch server's data need not survive a crash.
SCRATCH_OPTIONS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "autovacuum": "off",
    "maintenance_work_mem": "128MB",
}


def verify_backup(backup: Backup, *, url: str, on_progress: Progress) -> Backup:
    """Restore `backup` into a scratch database, compare, and record in its manifest that it is equal.

    The scratch database is on a private server, without load on the database at `url`; where that server lacks an
    extension or a collation of the backup, it is on the server of `url`. It is always removed.
    Raises BackupNotVerified when anything differs, PrerequisiteError when there is no server to restore it on.
    """
    with in_use(backup):
        on_progress("Checking the backup's files", None, None)
        check_files(backup)
        version = _private_version(backup)
        how = None
        if version is not None:
            how = _on_private_server(backup, version, on_progress)
        if how is None:
            how = _on_same_server(backup, url, on_progress)
        verified = replace(backup, verified_at=now(), verified_how=how)
        write_manifest(verified, backup.path)
    on_progress(f"Backup {backup.name} verified: {how}", None, None)
    return verified


def _private_version(backup: Backup) -> int | None:
    """The version to restore on: the backup's own if it is installed, else the nearest newer; None: there is none."""
    return next((v for v in range(backup.server_major, max(EMBEDDED_VERSIONS) + 1) if has_version(v)), None)


def _on_private_server(backup: Backup, version: int, on_progress: Progress) -> str | None:
    """How it was verified; None when the private server lacks something that the dump needs."""
    remove_leftovers(backup.path.parent)
    with working_directory(backup.path.parent, f"verify-{backup.name}") as (work, lock):
        on_progress(f"Starting a scratch server (PostgreSQL {version})", None, None)
        with PrivateServer(work, version, options=SCRATCH_OPTIONS) as server:
            with session(server.url, purpose="verify") as conn:
                if _lacks(conn, backup):
                    return None
                for role in backup.needs.roles:
                    _create_role(conn, role)
                create_database(conn, SCRATCH, backup.encoding, backup.locale, any_locale=True)
            _restore_and_compare(backup, with_database(server.url, SCRATCH), version, lock, on_progress)
    return f"restored on a private server, PostgreSQL {version}"


def _on_same_server(backup: Backup, url: str, on_progress: Progress) -> str:
    with session(url, purpose="verify") as conn:
        database, major = conn.info.dbname, conn.info.server_version // 10000
        _refuse_without_createdb(conn, backup)
    elsewhere = maintenance_url(url, database)
    name = f"{SCRATCH}_{now():%Y%m%d_%H%M%S_%f}"
    on_progress("Creating a scratch database on the same server", None, None)
    with session(elsewhere, purpose="verify") as conn:
        create_database(conn, name, backup.encoding, backup.locale)
        try:
            _restore_and_compare(backup, with_database(url, name), major, None, on_progress)
        finally:
            drop_database(conn, name)
    return f"restored into a scratch database on the same server, PostgreSQL {major}"


def _restore_and_compare(backup: Backup, url: str, major: int, lock: int | None, on_progress: Progress) -> None:
    tools = find_tools(major, at_least=backup.dump_major)
    on_progress("Restoring the backup into a scratch database", None, None)
    with session(url, purpose="verify") as conn:
        target = target_of(conn)
    try:
        fill(backup, tools, target, keep_open=() if lock is None else (lock,))
        on_progress("Comparing every table of the restored backup", None, None)
        found = content_of(url)
    except (BackupError, psycopg2.Error) as error:
        raise BackupNotVerified(
            f"The backup {backup.name} does not restore: {str(error).strip()} Do not rely on it; make another one."
        ) from None
    unequal = differences(read_expected(backup), found, same_major=major == backup.server_major)
    if unequal:
        raise BackupNotVerified(
            f"The backup {backup.name} does not restore equal: {'; '.join(unequal[:5])}"
            f"{f', and {len(unequal) - 5} more' if len(unequal) > 5 else ''}. Do not rely on it; make another one."
        )


def _lacks(conn: Connection, backup: Backup) -> list[str]:
    """Extensions and collations of the backup that this server does not have."""
    with conn.cursor() as cur:
        cur.execute("SELECT name FROM pg_catalog.pg_available_extensions")
        extensions = {str(row[0]) for row in cur.fetchall()}
        cur.execute(query("backup.verify.collations"))
        collations = {str(row[0]) for row in cur.fetchall()}
    return [name for name in backup.needs.extensions if name not in extensions] + [
        name for name in backup.needs.collations if name not in collations
    ]


def _create_role(conn: Connection, role: str) -> None:
    """A role that cannot log in, so that owners and grants can be restored and compared."""
    with conn.cursor() as cur:
        cur.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (role,))
        if cur.fetchone() is None:
            cur.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


def _refuse_without_createdb(conn: Connection, backup: Backup) -> None:
    with conn.cursor() as cur:
        cur.execute("SELECT rolcreatedb OR rolsuper, rolname FROM pg_catalog.pg_roles WHERE rolname = current_user")
        may, role = cur.fetchone() or (False, "this role")
    if not may:
        wanted = ", ".join((*backup.needs.extensions, *backup.needs.collations)) or f"PostgreSQL {backup.server_major}"
        raise PrerequisiteError(
            f"The backup {backup.name} can only be tried on its own server, since it needs {wanted}, and the role "
            f"{role} may not create databases there. Let an administrator run: ALTER ROLE {role} CREATEDB"
        )
