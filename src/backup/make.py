"""Make a backup: pg_dump, and a manifest of what the same snapshot holds."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from itertools import count
from pathlib import Path

import psycopg2

from src.backup.dump_tools import Target, Tools, find_tools, run_tool, target_of
from src.backup.fingerprint import Content, fix_settings, read_content, read_needs, readable_tables
from src.backup.manifest import (
    ANOTHER_FOLDER,
    CATALOG,
    DATA,
    LOCK,
    Backup,
    Progress,
    backup_name,
    hash_files,
    now,
    prepare_directory,
    remove_leftovers,
    sync_directory,
    working_directory,
    write_json,
    write_manifest,
)
from src.backup.scratch import describe_database, session
from src.errors import BackupError, ConfigurationError, NextStep, PrerequisiteError
from src.postgres import errors
from src.postgres.connection import Connection, connect, redact, roll_back
from src.postgres.disk import free_bytes
from src.postgres.failures import failure
from src.postgres.queries import query
from src.postgres.table_locks import blocking_locks
from src.schema.versions import detect

JOBS = 2
COMPRESSION = "1"  # gzip level: three times as fast as the default, files an eighth larger
POLLS_PER_REPORT = 5
SERVER_BYTES = 160 * 2**20  # a scratch server without data, and its first write-ahead log
WAL_BYTES = 2**30  # what the scratch server's write-ahead log may grow to


def silent(message: str, done: int | None, total: int | None) -> None:
    """Ignore progress."""


LOCK_WAIT = "2s"  # somebody who holds a table for longer is named, and not waited for


@dataclass(frozen=True)
class Estimate:
    """What a backup needs and has, in bytes, and why it cannot be made (None: it can), with what to do about it.

    `needed` is an upper bound: the dump at the tables' size on disk (compressed, it is a fraction of that), and the
    scratch database at the whole database's size, with its server and write-ahead log.
    """

    needed: int
    free: int
    obstacle: str | None
    next_step: NextStep | None = None


def estimate_backup(url: str, backup_dir: Path) -> Estimate:
    """Whether a backup can be made in `backup_dir`, and verified there. Writes nothing, not even the folder.

    Raises TableLocked where somebody holds a table for longer than LOCK_WAIT.
    """
    conn = connect(url, purpose="backup", autocommit=True)
    try:
        with conn.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_WAIT,))
        return estimate_of(conn, backup_dir)
    except psycopg2.Error as error:
        raise failure(conn, error) from None
    finally:
        conn.close()


def estimate_of(conn: Connection, backup_dir: Path) -> Estimate:
    """`estimate_backup` of the database that `conn` is connected to."""
    needed, free = _bytes_needed(conn), 0
    obstacle, step = None, None
    try:
        free = free_bytes(backup_dir)
        target = target_of(conn)
        readable_tables(conn)
        find_tools(target.server_major, needs_ssl=target.uses_ssl)
        _refuse_unusable_folder(backup_dir)
        _refuse_without_disk(needed, free, backup_dir)
    except (PrerequisiteError, ConfigurationError) as error:
        obstacle, step = str(error), error.next_step
    except OSError as error:
        obstacle = f"The folder for backups cannot be used: {backup_dir}: {error.strerror or error}."
        step = ANOTHER_FOLDER
    return Estimate(needed, free, obstacle, step)


def make_backup(
    url: str,
    backup_dir: Path,
    *,
    schema_version: str | None,
    on_progress: Progress = silent,
    label: str = "",
) -> Backup:
    """Dump the whole database into `backup_dir`; not verified yet. `label` ends up in its name ("phase1").

    `schema_version` None: what the snapshot's catalogs say.

    Raises PrerequisiteError before anything is written (no disk, no pg_dump, no right to read a table) and
    BackupError when it fails, or somebody holds a table for longer than LOCK_WAIT; then nothing of it is left.
    """
    with _snapshots(url) as (connections, snapshot):
        first = connections[0]
        target = target_of(first)
        readable_tables(first)
        tools = find_tools(target.server_major, needs_ssl=target.uses_ssl)
        prepare_directory(backup_dir)
        remove_leftovers(backup_dir)
        _refuse_without_disk(_bytes_needed(first), free_bytes(backup_dir), backup_dir)
        database, needs = describe_database(first), read_needs(first)
        if schema_version is None:
            schema_version = detect(first).version
        created = now()
        name = _free_name(backup_dir, backup_name(created, target.database, schema_version, label))
        with working_directory(backup_dir, name) as (work, lock):
            with _naming_locks(url):
                content = _dump_and_read(connections, snapshot, tools, target, work, lock, on_progress)
            write_json(work / CATALOG, [astuple(line) for line in content.catalog])
            files = hash_files(work)
            backup = Backup(
                name=name, path=backup_dir / name, created_at=created, database=target.database,
                schema_version=schema_version, bytes=sum(file.bytes for file in files.values()), tables=content.tables,
                server_version=_server_version(first), dump_version=tools.version, server_major=target.server_major,
                database_bytes=database.bytes, encoding=database.encoding, locale=database.locale,
                sequences=content.sequences, needs=needs, files=files,
            )  # fmt: skip
            backup = _put_in_place(work, backup)
    on_progress(f"Backup {backup.name} written", backup.bytes, backup.bytes)
    return backup


def _dump_and_read(
    connections: list[Connection],
    snapshot: str,
    tools: Tools,
    target: Target,
    work: Path,
    lock: int,
    on_progress: Progress,
) -> Content:
    """Run pg_dump while the fingerprints are computed from the same snapshot."""
    command = [
        tools.program("pg_dump"), "--format=directory", f"--jobs={JOBS}", f"--compress={COMPRESSION}", "--no-password",
        f"--snapshot={snapshot}", f"--file={work / DATA}", f"--dbname={target.dbname_argument}",
        f"--lock-wait-timeout={LOCK_WAIT}",
    ]  # fmt: skip
    failed = threading.Event()
    polls = count()

    def read() -> Content:
        try:
            return read_content(connections)
        except BaseException:
            failed.set()
            raise

    def watch() -> None:
        if next(polls) % POLLS_PER_REPORT == 0:
            on_progress("Writing the backup", _bytes_in(work), None)
        if failed.is_set():
            raise BackupError("The tables could not be read for the backup's fingerprints.")

    with ThreadPoolExecutor(max_workers=1) as pool:
        reading: Future[Content] = pool.submit(read)
        try:
            run_tool(command, target, on_poll=watch, keep_open=(lock,))
            on_progress("Counting and hashing the rows of every table", None, None)
            return reading.result()
        except BaseException as error:
            failed_first = failed.is_set()
            for conn in connections:
                _cancel(conn)
            if failed_first and isinstance(error, BackupError):
                raise _read_failure(reading.exception(), target) from None
            if isinstance(error, psycopg2.Error):
                raise _read_failure(error, target) from None
            raise


def _read_failure(reason: BaseException | None, target: Target) -> BackupError:
    return BackupError(target.hide(f"The tables could not be read for the backup: {reason}".strip()))


@contextmanager
def _snapshots(url: str) -> Iterator[tuple[list[Connection], str]]:
    """Connections that see one and the same state of the database, and the name that pg_dump joins it by."""
    with ExitStack() as stack:
        connections = []
        snapshot = ""
        try:
            for _ in range(JOBS):
                conn = connect(url, purpose="backup")
                stack.callback(conn.close)
                conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with conn.cursor() as cur:
                    if snapshot:
                        cur.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
                    else:
                        cur.execute("SELECT pg_export_snapshot()")
                        snapshot = str((cur.fetchone() or [""])[0])
                fix_settings(conn)
                with conn.cursor() as cur:
                    cur.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_WAIT,))
                connections.append(conn)
            yield connections, snapshot
        except psycopg2.Error as error:
            if errors.is_lost(error):
                raise errors.lost(errors.server_text(error)) from None
            if errors.is_locked(error):
                roll_back(connections[0])
                raise BackupError(f"No backup was made: {failure(connections[0], error)}") from None
            text = errors.meaning(error) or redact(str(error).strip(), url)
            raise BackupError(f"The backup failed: {text}") from None


@contextmanager
def _naming_locks(url: str) -> Iterator[None]:
    """A dump, or its fingerprints, that fails while somebody keeps readers out of a table: the error names who."""
    try:
        yield
    except BackupError as error:
        with session(url, purpose="backup") as conn:
            locks = blocking_locks(conn)
        if not locks:
            raise
        raise BackupError(f"No backup was made: {'; '.join(map(str, locks))}. {error}") from None


def _bytes_needed(conn: Connection) -> int:
    with conn.cursor() as cur:
        cur.execute(query("backup.fingerprint.tables"))
        dump = sum(int(row[2] or 0) for row in cur.fetchall())
    whole = describe_database(conn).bytes
    return dump + whole + SERVER_BYTES + min(whole, WAL_BYTES)


def _refuse_unusable_folder(backup_dir: Path) -> None:
    place = backup_dir.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except OSError as error:
        text = f"The folder for backups cannot be used: {place}: {error.strerror}."
        raise PrerequisiteError(text, ANOTHER_FOLDER) from None
    if not (is_folder and os.access(place, os.W_OK | os.X_OK)):
        raise PrerequisiteError(
            f"The folder for backups cannot be used: {place} is not a folder that this program may write to.",
            ANOTHER_FOLDER,
        )


def _refuse_without_disk(needed: int, free: int, backup_dir: Path) -> None:
    if free < needed:
        raise PrerequisiteError(
            f"A backup and its verification may need {megabytes(needed)} in {backup_dir}, and {megabytes(free)} are "
            f"free. Make room there, or choose another folder.",
            ANOTHER_FOLDER,
        )


def _free_name(backup_dir: Path, name: str) -> str:
    """`name`, with a number appended where another backup was made in the same second."""
    number, free = 1, name
    while (backup_dir / free).exists():
        number += 1
        free = f"{name}-{number}"
    return free


def _put_in_place(work: Path, backup: Backup) -> Backup:
    """Make everything durable, then give the directory its name, or the next one where that was taken meanwhile."""
    for path in (work / DATA).iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_directory(work / DATA)
    (work / LOCK).unlink()
    folder, name = backup.path.parent, backup.name
    while True:
        write_manifest(backup, work)
        sync_directory(work)
        try:
            work.rename(backup.path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            free = _free_name(folder, name)
            backup = replace(backup, name=free, path=folder / free)
            continue
        sync_directory(folder)
        return backup


def _server_version(conn: Connection) -> str:
    with conn.cursor() as cur:
        cur.execute("SHOW server_version")
        return str((cur.fetchone() or ["unknown"])[0])


def _bytes_in(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _cancel(conn: Connection) -> None:
    """Cancel the connection's running statement, if there is one."""
    try:
        if not conn.closed:
            conn.cancel()
    except psycopg2.Error:
        return


def megabytes(number: int) -> str:
    """Bytes in words."""
    return f"{number / 2**20:,.0f} MB"
