"""The part of the schema hk_migration that belongs to the rows: marks, and the archive of what v1 cannot hold.

A restore takes it back together with the rows. A younger archive would be restored on top of rows that it was not
taken from; one that has been restored since would not be offered again. The history of runs (run,
event and what belongs to them) stays.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from psycopg2 import sql

from src.backup.dump_tools import Tools
from src.backup.fingerprint import OWN_SCHEMA, Content, TableFingerprint
from src.backup.manifest import Backup
from src.errors import BackupError
from src.postgres.connection import Connection
from src.postgres.queries import query

# Referenced ones first: the constraints are there while the rows come in.
STATE_TABLES = (
    "mark", "archive", "archived_portfolio", "archived_position", "archived_signal", "archived_merge", "archived_price",
)  # fmt: skip
AUDIT = f"{OWN_SCHEMA}.audit"
NAMES = tuple(f"{OWN_SCHEMA}.{table}" for table in STATE_TABLES)


def empty_state(conn: Connection) -> None:
    """Empty these tables in the live database. In the caller's transaction, if there is one."""
    with conn.cursor() as cur:
        cur.execute("SELECT t FROM unnest(%s) t WHERE to_regclass(t) IS NOT NULL", (list(NAMES),))
        found = [sql.Identifier(*name.split(".")) for (name,) in cur.fetchall()]
        if found:
            cur.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(found)))


def number_archives_on(conn: Connection) -> None:
    """The next archive gets a number that neither the backup nor the live database has given."""
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('hk_migration.archive') IS NOT NULL")
        if not (cur.fetchone() or (False,))[0]:
            return
        cur.execute(query("backup.restore.restore.number_archives_on"))


def write_state_list(backup: Backup, tools: Tools, path: Path) -> bool:
    """List the dump's rows of these tables, as a file for pg_restore --use-list. False: the dump has none."""
    done = subprocess.run(
        [tools.program("pg_restore"), "--list", str(backup.data)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupError(f"The backup {backup.name} cannot be read: {done.stderr.strip()}")
    listed = done.stdout.splitlines()
    rows = [line for name in STATE_TABLES for line in listed if f" TABLE DATA {OWN_SCHEMA} {name} " in line]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return bool(rows)


def state_differences(backup: Backup, found: Content) -> list[str]:
    """Which of these tables are not what the backup holds (none of it: empty)."""
    return [
        f"rows of table {name} differ"
        for name in NAMES
        if name in found.tables and not _same(backup.tables.get(name), found.tables[name])
    ]


def history_tables(content: Content) -> Mapping[str, TableFingerprint]:
    """The tables of the schema that a restore leaves as they are, without the audit: that is carried over last."""
    own, others = f"{OWN_SCHEMA}.", (*NAMES, AUDIT)
    return {name: rows for name, rows in content.tables.items() if name.startswith(own) and name not in others}


def holds_only_audit(conn: Connection) -> bool:
    """Whether there is nothing in the project's own schema that a restore would have to keep, but the audit."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.tables_but_audit"), (OWN_SCHEMA,))
        for (name,) in cur.fetchall():
            cur.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(OWN_SCHEMA, str(name))))
            if (cur.fetchone() or (True,))[0]:
                return False
    return True


def _same(expected: TableFingerprint | None, found: TableFingerprint) -> bool:
    return found.rows == 0 if expected is None else found == expected
