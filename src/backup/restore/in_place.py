"""Restore where the role may not create databases: all is replaced in one transaction, after a fresh backup.

The transaction commits only if the restored rows have the manifest's fingerprints; a crash leaves the database as it
was. No write after the fresh backup is lost silently: once all is locked, the rows are compared with that backup.
"""

import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psycopg2
from psycopg2 import errors, sql

from src.backup.dump_tools import Target, Tools, end, failure, find_tools, target_of
from src.backup.fingerprint import OWN_SCHEMA, Content, differences, fix_settings, read_content, without_schema
from src.backup.make import make_backup
from src.backup.manifest import Backup, Progress, working_directory
from src.backup.reading import read_expected
from src.backup.restore.model import Live, RestoreOutcome, write_contents_list
from src.backup.restore.own_schema import empty_state, number_archives_on, state_differences, write_state_list
from src.backup.verify import verify_backup
from src.errors import BackupError, BackupNotVerified, PrerequisiteError
from src.postgres.connection import Connection, connect
from src.postgres.queries import query
from src.postgres.table_locks import Wanted, blocking_locks

TRIES = 3
LOCK_TIMEOUT_S = 60.0
MOST_NAMED = 3
RESTRICT = re.compile(rb"^\\(un)?restrict [A-Za-z0-9]+\n", re.MULTILINE)
NEWER_SETTING = b"SET transaction_timeout = 0;\n"  # pg_dump 17 and newer write it for any server
CHUNK_BYTES = 1 << 16


def restore_in_place(url: str, live: Live, backup: Backup, backup_dir: Path, on_progress: Progress) -> RestoreOutcome:
    """Raises BackupError, BackupNotVerified or PrerequisiteError; the database is then as it was."""
    for _ in range(TRIES):
        on_progress("Making a fresh backup of the database as it is", None, None)
        safety = make_backup(url, backup_dir, schema_version=None, on_progress=on_progress, label="before_restore")
        safety = verify_backup(safety, url=url, on_progress=on_progress)
        conn = connect(url, purpose="restore")
        try:
            fix_settings(conn)
            _lock_everything(conn)
            if _rows(read_content([conn])) != _rows(read_expected(safety)):
                continue
            kept = _replace(conn, live, backup, backup_dir, on_progress)
            conn.commit()
            _analyze(conn)
        finally:
            conn.close()
        return RestoreOutcome(
            database=live.database, backup=backup.name, how="in place", schema_version=backup.schema_version,
            tables=_without_own(read_expected(backup), kept).tables, history_kept=kept, safety_backup=safety.name,
            notes=(f"The database as it was is in the verified backup {safety.name}.",),
        )  # fmt: skip
    raise PrerequisiteError(
        f"Clients go on writing to {live.database}, so that what they write would be in no backup. Stop them and "
        f"restore again, or let the role create databases, so that the old database is kept: "
        f"ALTER ROLE {live.role} CREATEDB"
    )


def _replace(conn: Connection, live: Live, backup: Backup, backup_dir: Path, on_progress: Progress) -> bool:
    """Drop, restore and compare, in the caller's transaction. Whether the history was left as it is."""
    tools = find_tools(live.server_major, at_least=backup.dump_major)
    target = target_of(conn)
    on_progress("Replacing the tables, in one transaction", None, None)
    _drop_everything(conn)
    with working_directory(backup_dir, f"restore-{backup.name}") as (work, lock):
        contents = work / "contents"
        with conn.cursor() as cur:
            cur.execute("SELECT extname FROM pg_catalog.pg_extension")
            installed = tuple(str(row[0]) for row in cur.fetchall())
        write_contents_list(
            backup, tools, contents,
            skip_own_schema=live.has_history, skip_public=not live.owns_public, installed=installed,
        )  # fmt: skip
        for section in ("pre-data", "data", "post-data"):
            _apply(conn, tools, target, backup, section, contents, lock)
        if live.has_history:
            empty_state(conn)
            if write_state_list(backup, tools, contents):
                _apply(conn, tools, target, backup, "data", contents, lock)
            number_archives_on(conn)
    on_progress("Comparing every table with the backup's manifest", None, None)
    fix_settings(conn)
    found = read_content([conn])
    unequal = differences(
        _without_own(read_expected(backup), live.has_history),
        _without_own(found, live.has_history),
        same_major=live.server_major == backup.server_major,
    )
    if live.has_history:
        unequal += state_differences(backup, found)
    if unequal:
        raise BackupNotVerified(
            f"What was restored is not equal to the backup: {'; '.join(unequal[:5])}. Nothing was changed."
        )
    return live.has_history


def _lock_everything(conn: Connection) -> None:
    """Lock all that will be dropped, ACCESS EXCLUSIVE: all at once or none, so that no client queues behind us."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.lockable"), (OWN_SCHEMA,))
        names = [sql.Identifier(str(schema), str(name)) for schema, name in cur.fetchall()]
        if not names:
            return
        statement = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(sql.SQL(", ").join(names))
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            cur.execute("SAVEPOINT before_locks")
            try:
                cur.execute(statement)
                return
            except errors.LockNotAvailable:
                cur.execute("ROLLBACK TO SAVEPOINT before_locks")
            if time.monotonic() > deadline:
                holders = "; ".join(map(str, blocking_locks(conn, Wanted.CHANGE)[:MOST_NAMED]))
                raise PrerequisiteError(
                    f"Clients hold the tables, and there was no gap in {LOCK_TIMEOUT_S:.0f} s"
                    f"{f': {holders}' if holders else ''}. Nothing was changed: stop them, and restore again."
                )
            time.sleep(random.uniform(0.005, 0.05))


def _drop_everything(conn: Connection) -> None:
    """Drop whatever a dump would create again; the project's own schema and extensions stay."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.drops"), {"own": OWN_SCHEMA})
        for (statement,) in cur.fetchall():
            cur.execute(statement)


def _apply(
    conn: Connection, tools: Tools, target: Target, backup: Backup, section: str, contents: Path, lock: int
) -> None:
    """Run one section of the dump as SQL in the open transaction."""
    command = [
        tools.program("pg_restore"), "--file=-", f"--section={section}", "--no-tablespaces", f"--use-list={contents}",
        str(backup.data),
    ]  # fmt: skip
    with TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=dict(target.environment),
            pass_fds=(lock,),
        )  # fmt: skip
        assert process.stdout is not None
        try:
            if section == "data":
                _run_data(conn, process.stdout)
            else:
                _run_script(conn, process.stdout.read())
            process.wait()
        except psycopg2.Error as error:
            raise BackupError(
                f"The backup {backup.name} cannot be restored in place, and nothing was changed: "
                f"{target.hide(str(error).strip())}. A superuser, or a role that may create databases, can restore it."
            ) from None
        finally:
            process.stdout.close()
            end(process)
        if process.returncode != 0:
            raise BackupError(failure("pg_restore", process.returncode, said, target))


def _run_script(conn: Connection, script: bytes) -> None:
    text = RESTRICT.sub(b"", script)
    if conn.info.server_version < 170000:
        text = text.replace(NEWER_SETTING, b"")
    if all(not line.strip() or line.startswith(b"--") for line in text.splitlines()):
        return
    with conn.cursor() as cur:
        cur.execute(text)


def _run_data(conn: Connection, stream: IO[bytes]) -> None:
    """Statements, and COPY blocks that each end with a line of `\\.` alone."""
    waiting: list[bytes] = []
    for line in stream:
        if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            _run_script(conn, b"".join(waiting))
            waiting.clear()
            with conn.cursor() as cur:
                cur.copy_expert(line.decode("utf-8"), _CopyBlock(stream))
        else:
            waiting.append(line)
    _run_script(conn, b"".join(waiting))


class _CopyBlock:
    """The rows of one COPY block of a script, as a file."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._rows = self._until_the_end(stream)

    @staticmethod
    def _until_the_end(stream: IO[bytes]) -> Iterator[bytes]:
        for line in stream:
            if line == b"\\.\n":
                return
            yield line
        raise BackupError("The backup's data end in the middle of a table.")

    def readline(self, size: int = -1) -> bytes:
        return next(self._rows, b"")

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        rows: list[bytes] = []
        length = 0
        while length < CHUNK_BYTES:
            row = next(self._rows, b"")
            if not row:
                break
            rows.append(row)
            length += len(row)
        return b"".join(rows)


def _analyze(conn: Connection) -> None:
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute("ANALYZE")


def _rows(content: Content) -> dict[str, object]:
    """What must not have changed since the safety backup; the history may have."""
    return dict(_without_own(content, True).tables)


def _without_own(content: Content, kept: bool) -> Content:
    return without_schema(content, OWN_SCHEMA if kept else None)
