"""Restore into a new database, verify it, and give it the live one's name in one transaction.

Renaming needs that nobody is connected. The rename itself keeps new sessions waiting (milliseconds) while another
connection of ours ends those that are there; both renames are one transaction, so a crash leaves either the old
database or the new one under the name, never none.
"""

import threading
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql

from src.backup.dump_tools import Tools, find_tools, run_tool, target_of
from src.backup.fingerprint import OWN_SCHEMA, Content, differences, without_schema
from src.backup.manifest import Backup, Progress, now, working_directory
from src.backup.reading import read_expected
from src.backup.restore.database_settings import copy_settings
from src.backup.restore.model import Live, RestoreOutcome, write_contents_list
from src.backup.restore.own_schema import (
    empty_state,
    history_tables,
    number_archives_on,
    state_differences,
    write_state_list,
)
from src.backup.scratch import content_of, create_database, drop_database, fill, session, with_database
from src.errors import BackupError, BackupNotVerified, DatabaseUnavailable, PrerequisiteError
from src.journal import audit
from src.postgres.connection import Connection, redact
from src.postgres.queries import query
from src.text import quoted

IN_PROGRESS = "HK Strategy: a restore is in progress"
KEPT = "HK Strategy: as it was before the restore of "
NAME_BYTES = 63
SWAP_TRIES = 3
DESCRIPTION = "SELECT shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = %s"


def restore_by_swap(
    url: str, elsewhere: str, live: Live, backup: Backup, backup_dir: Path, on_progress: Progress
) -> RestoreOutcome:
    """`elsewhere` is a URL to another database of the same server."""
    stamp = f"{now():%Y%m%d_%H%M%S}"
    new, old = _name(live.database, f"_restore_{stamp}"), kept_as(live.database, stamp)
    with session(elsewhere, purpose="restore") as admin:
        notes = _drop_leftovers(admin, live.database)
        _refuse_foreign_sessions(admin, live.database)
        on_progress(f"Creating the database {new}", None, None)
        create_database(admin, new, live.facts.encoding, live.facts.locale, owner=live.owner)
        try:
            _comment(admin, new, IN_PROGRESS)
            setting_notes, audited = _fill_and_compare(
                url, with_database(url, new), live, backup, backup_dir, on_progress
            )
            notes += setting_notes
            on_progress(f"Swapping: {live.database} becomes {old}", None, None)
            _swap(admin, elsewhere, live.database, new, old, f"{KEPT}{backup.name}")
        except BaseException:
            drop_database(admin, new)
            raise
    notes += _carry_audit_over(url, with_database(url, old), audited)
    notes.append(
        f"The database as it was is kept as {old}. Once you don't need it any more: DROP DATABASE {quoted(old)}"
    )
    return RestoreOutcome(
        database=live.database, backup=backup.name, how="swapped", schema_version=backup.schema_version,
        tables=_without_own(read_expected(backup), live).tables, history_kept=live.has_history, old_database=old,
        notes=tuple(notes),
    )  # fmt: skip


def _fill_and_compare(
    url: str, new_url: str, live: Live, backup: Backup, backup_dir: Path, on_progress: Progress
) -> tuple[list[str], int]:
    """Fill the new database, and compare the backup's part with the manifest, the history with the live one's.

    Returns notes, and the number of the last line of the live database's audit that is in the new one.
    """
    with session(url, purpose="restore") as conn, session(new_url, purpose="restore") as made:
        source, target = target_of(conn), target_of(made)
        tools = find_tools(live.server_major, at_least=backup.dump_major, needs_ssl=source.uses_ssl)
        with working_directory(backup_dir, f"restore-{backup.name}") as (work, lock):
            if live.has_history:
                on_progress("Carrying over the history of migrations", None, None)
                _copy_own_schema(conn, made, tools, work, lock)
            on_progress("Restoring the backup into the new database", None, None)
            contents = work / "contents"
            write_contents_list(backup, tools, contents, skip_own_schema=live.has_history, skip_public=False)
            fill(backup, tools, target, [f"--use-list={contents}"], keep_open=(lock,))
            if live.has_history:
                empty_state(made)
                if write_state_list(backup, tools, contents):
                    fill(backup, tools, target, ["--jobs=1", f"--use-list={contents}"], keep_open=(lock,))
                number_archives_on(made)
        with made.cursor() as cur:
            cur.execute("ANALYZE")
        on_progress("Comparing every table with the backup's manifest", None, None)
        found = content_of(new_url)
        same = live.server_major == backup.server_major
        unequal = differences(_without_own(read_expected(backup), live), _without_own(found, live), same_major=same)
        if live.has_history:
            unequal += state_differences(backup, found)
        if unequal:
            raise BackupNotVerified(
                f"The restored database is not equal to the backup: {'; '.join(unequal[:5])}. Nothing was changed."
            )
        notes = copy_settings(conn, made, live)
        if live.has_history and history_tables(content_of(url)) != history_tables(found):
            raise BackupError(
                "The history changed during the restore: another run is at work, or someone saved positions. "
                "Nothing was changed; restore again when that is through."
            )
        return notes, audit.newest_id(made) if live.has_history else 0


def _carry_audit_over(url: str, old_url: str, after: int) -> list[str]:
    """Copy what the audit recorded during the restore: nobody writes to the old database any more."""
    try:
        with session(old_url, purpose="restore") as old, session(url, purpose="restore", autocommit=False) as new:
            audit.carry_over(old, new, after)
    except (psycopg2.Error, DatabaseUnavailable) as error:
        reason = redact(str(error).strip(), url)
        return [
            f"What the audit noted during the restore is in the old database only, in hk_migration.audit ({reason})."
        ]
    return []


def _copy_own_schema(source: Connection, target: Connection, tools: Tools, work: Path, lock: int) -> None:
    """The schema hk_migration with its rows, from the live database to the new one."""
    place, destination = target_of(source), target_of(target)
    dump = ["--format=directory", "--no-password", f"--schema={OWN_SCHEMA}", f"--file={work / 'history'}"]
    run_tool([tools.program("pg_dump"), *dump, f"--dbname={place.dbname_argument}"], place, keep_open=(lock,))
    restore = ["--exit-on-error", "--no-password", f"--dbname={destination.dbname_argument}", str(work / "history")]
    run_tool([tools.program("pg_restore"), *restore], destination, keep_open=(lock,))


def _swap(admin: Connection, elsewhere: str, database: str, new: str, old: str, comment: str) -> None:
    """Both renames in one transaction, while a second connection ends the sessions of both databases."""
    for attempt in range(1, SWAP_TRIES + 1):
        finished = threading.Event()
        with session(elsewhere, purpose="restore") as second:
            ending = threading.Thread(target=_end_sessions, args=(second, [database, new], finished))
            ending.start()
            try:
                _rename_both(admin, database, new, old, comment)
                return
            except errors.ObjectInUse:
                if attempt == SWAP_TRIES:
                    raise BackupError(
                        f"The database {database} could not be renamed, since sessions are connected that did not end. "
                        f"Nothing was changed: stop the applications and restore again."
                    ) from None
            finally:
                finished.set()
                ending.join()


def _rename_both(admin: Connection, database: str, new: str, old: str, comment: str) -> None:
    with admin.cursor() as cur:
        cur.execute(DESCRIPTION, (database,))
        described = (cur.fetchone() or (None,))[0]
        cur.execute("BEGIN")
        try:
            _rename(admin, database, old)
            _rename(admin, new, database)
            _comment(admin, database, described)
            _comment(admin, old, comment)
            cur.execute("COMMIT")
        except psycopg2.Error:
            if not admin.closed:
                cur.execute("ROLLBACK")
            raise


def _end_sessions(conn: Connection, databases: list[str], finished: threading.Event) -> None:
    """End every session of these databases that this role may end, repeatedly until `finished`."""
    while not finished.is_set():
        with conn.cursor() as cur:
            cur.execute("SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = ANY (%s)", (databases,))
            for (pid,) in cur.fetchall():
                try:
                    cur.execute("SELECT pg_terminate_backend(%s)", (pid,))
                except errors.InsufficientPrivilege:
                    continue  # autovacuum, which the rename ends itself; or a session that came after the check
        finished.wait(0.02)


def _rename(conn: Connection, name: str, new_name: str) -> None:
    with conn.cursor() as cur:
        cur.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new_name)))


def _comment(conn: Connection, database: str, text: str | None) -> None:
    with conn.cursor() as cur:
        cur.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(text)))


def _drop_leftovers(admin: Connection, database: str) -> list[str]:
    """Drop the databases of killed restores: marked as ours, and without a session (a running restore has one)."""
    prefix = _name(database, "_restore_00000000_000000")[:-15]
    with admin.cursor() as cur:
        cur.execute(query("backup.restore.restore.leftovers"), (prefix, IN_PROGRESS))
        names = [str(row[0]) for row in cur.fetchall()]
    for name in names:
        drop_database(admin, name)
    return [f"Dropped {name}, which an earlier restore that was killed had left behind." for name in names]


def kept_as(database: str, stamp: str) -> str:
    """What the live database is called once another one has its name."""
    return _name(database, f"_before_{stamp}")


def foreign_sessions(conn: Connection, database: str) -> list[str]:
    """Sessions of `database` that this role may not end, each in words."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.foreign_sessions"), (database,))
        return [f"{pid} ({role}, {name or 'no application name'})" for pid, role, name in cur.fetchall()]


def _refuse_foreign_sessions(admin: Connection, database: str) -> None:
    found = foreign_sessions(admin, database)
    if found:
        raise PrerequisiteError(
            f"The restore must end the sessions of {database}, and this role may not end: {', '.join(found[:5])}. "
            f"Stop them, or restore as a role that may (a member of pg_signal_backend; a superuser for a superuser's)."
        )


def _without_own(content: Content, live: Live) -> Content:
    return without_schema(content, OWN_SCHEMA if live.has_history else None)


def _name(database: str, ending: str) -> str:
    """`database` and `ending`, shortened at the join to what PostgreSQL allows."""
    start = database.encode()[: NAME_BYTES - len(ending)].decode(errors="ignore")
    return start + ending
