"""Restore a backup: into a new database that is then renamed, or in place where the role may not create one.

The history of migrations (schema hk_migration) stays as the live database has it, the audit with all that is recorded
during the restore. The archive and the marks, which belong to the rows, become those of the
backup.
"""

import time
from dataclasses import replace
from pathlib import Path

import psycopg2

from src.backup.delete import in_use
from src.backup.fingerprint import OWN_SCHEMA
from src.backup.manifest import Backup, Progress, check_files, prepare_directory, remove_leftovers
from src.backup.restore.in_place import restore_in_place
from src.backup.restore.model import Live, RestoreOutcome
from src.backup.restore.own_schema import holds_only_audit
from src.backup.restore.swap import restore_by_swap
from src.backup.scratch import describe_database, maintenance_url, session
from src.errors import BackupError
from src.journal.run_lock import RESTORE, acquire_run_lock
from src.journal.runs import end_unfinished, ensure_own_schema
from src.postgres import errors
from src.postgres.connection import Connection, redact
from src.postgres.queries import query
from src.schema import own_schema

__all__ = ["RestoreOutcome", "inspect_target", "restore_backup"]


def restore_backup(url: str, backup: Backup, backup_dir: Path, *, on_progress: Progress) -> RestoreOutcome:
    """Make the database at `url` what it was when `backup` was made, and compare it with the manifest's fingerprints.

    A role that may create databases, and owns this one: the backup is restored into a new database, which then
    takes the name; the old one is kept as <name>_before_<time>, and sessions of it are ended. Any other role: in
    place, in one transaction, after a fresh verified backup in `backup_dir`.
    Raises BackupError, BackupNotVerified or PrerequisiteError; the live database is then as it was.
    """
    with in_use(backup):
        return _restore(url, backup, backup_dir, on_progress)


def _restore(url: str, backup: Backup, backup_dir: Path, on_progress: Progress) -> RestoreOutcome:
    started = time.monotonic()
    on_progress("Checking the backup's files", None, None)
    check_files(backup)
    prepare_directory(backup_dir)
    remove_leftovers(backup_dir)
    try:
        with session(url, purpose=RESTORE) as conn:
            acquire_run_lock(conn)
            with conn.cursor() as cursor:
                own_schema.check_whole(cursor, own_schema.Part.JOURNAL)
                gone = own_schema.gaps(cursor, own_schema.Part.JOURNAL).remade
            if gone:  # the backup has rows for them
                with session(url, purpose=RESTORE, autocommit=False) as anew, anew:
                    ensure_own_schema(anew)
            live = inspect_target(conn)
            if live.may_swap:
                # A database that was made for this restore gets the history of the backup.
                live = replace(live, has_history=live.has_history and not holds_only_audit(conn))
                elsewhere = maintenance_url(url, live.database)
                outcome = restore_by_swap(url, elsewhere, live, backup, backup_dir, on_progress)
            else:
                outcome = restore_in_place(url, live, backup, backup_dir, on_progress)
        with session(url, purpose=RESTORE) as conn:
            end_unfinished(conn, f"Undone by the restore of {backup.name}")
    except psycopg2.Error as error:
        if errors.is_lost(error):
            raise errors.lost(errors.server_text(error)) from None
        text = errors.meaning(error) or redact(str(error).strip(), url)
        raise BackupError(f"The restore failed, and changed nothing: {text}") from None
    notes = list(outcome.notes)
    if backup.database != live.database:
        notes.append(f"The backup was made of the database {backup.database}.")
    return replace(outcome, notes=tuple(notes), seconds=time.monotonic() - started)


def inspect_target(conn: Connection) -> Live:
    """The database that `conn` is connected to, and what its role may do with it."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.target"), (OWN_SCHEMA,))
        row = cur.fetchone()
    if row is None:
        raise BackupError("PostgreSQL does not know the role that this is connected as.")
    database, role, superuser, may_swap, owner, history, owns_public = row
    return Live(
        database=str(database), role=str(role), superuser=bool(superuser), may_swap=bool(may_swap), owner=str(owner),
        has_history=bool(history), owns_public=bool(owns_public), server_major=conn.info.server_version // 10000,
        facts=describe_database(conn),
    )  # fmt: skip
