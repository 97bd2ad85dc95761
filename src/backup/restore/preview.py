"""What a restore would do, shown before it is confirmed. Changes nothing."""

import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from src.backup.dump_tools import find_tools
from src.backup.fingerprint import OWN_SCHEMA, qualified
from src.backup.make import estimate_backup, megabytes
from src.backup.manifest import Backup
from src.backup.restore.model import Live, RestoreWay
from src.backup.restore.restore import inspect_target
from src.backup.restore.swap import foreign_sessions, kept_as
from src.backup.scratch import maintenance_url
from src.errors import HKStrategyError
from src.journal.model import Client
from src.journal.runs import reading_session
from src.journal.sessions import legacy_clients
from src.postgres.connection import Connection
from src.postgres.disk import server_free_bytes
from src.postgres.failures import grants_on_schema
from src.postgres.queries import query
from src.schema.versions import detect
from src.text import quoted

# Tables that have not been counted by then are estimated.
COUNTING_S = 3.0
MOST_NAMED = 3


@dataclass(frozen=True)
class TableChange:
    """Rows of one table. `now`, `then`: None where the table is not there, now or in the backup.

    `about`: `now` is the server's estimate, since counting takes too long; None: there is no estimate either.
    """

    table: str
    now: int | None
    then: int | None
    about: bool = False

    @property
    def difference(self) -> int | None:
        """None where it is not known how many rows there are now."""
        return None if self.now is None and self.about else (self.then or 0) - (self.now or 0)


@dataclass(frozen=True)
class Preview:
    """`way`, and `why` that one. `kept_as`: what the present database will be called then, with a
    time in it (None: it is kept as a backup). `clients`: who is connected now, and will be cut off (swap) or wait.

    `needed`: bytes, on the server's disk (swap) or in the folder of backups (in place); `free`: what is there, None
    where that disk cannot be seen from here. `obstacles`: why the restore would be refused as things are.
    """

    backup: Backup
    database: str
    version: str | None
    way: RestoreWay
    why: str
    kept_as: str | None
    clients: tuple[Client, ...]
    tables: tuple[TableChange, ...]
    needed: int
    free: int | None
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]


def preview_restore(url: str, backup: Backup, backup_dir: Path) -> Preview:
    """Raises DatabaseUnavailable, NotAllowed, TableLocked."""
    with reading_session(url) as conn:
        live = inspect_target(conn)
        version = detect(conn).version
        clients = _connected(conn)
        foreign = foreign_sessions(conn, live.database) if live.may_swap else []
        lacking = [] if live.may_swap else _lacking_in_place(conn, live)
        on_server = server_free_bytes(conn)
        tables = _tables(conn, backup)  # last: its statement timeout stays
    needed, free, obstacles = _needs(url, live, backup, backup_dir, on_server)
    if foreign:
        obstacles.append(
            f"These sessions cannot be ended by the role {live.role}: {', '.join(foreign[:5])}. Stop them first."
        )
    obstacles += lacking
    way, why = _way(live)
    return Preview(
        backup=backup, database=live.database, version=None if version is None else str(version), way=way, why=why,
        kept_as=kept_as(live.database, "<date>_<time>") if live.may_swap else None, clients=clients, tables=tables,
        needed=needed, free=free, obstacles=tuple(obstacles), notes=tuple(_notes(live, backup)),
    )  # fmt: skip


def _way(live: Live) -> tuple[RestoreWay, str]:
    if live.may_swap:
        return RestoreWay.SWAP, (
            f"The role {live.role} may create databases: the backup is restored into a new one and compared, table by "
            f"table. Only then the new one gets the name {live.database}, within a moment; whoever is connected is cut "
            f"off, and connects anew. If anything differs, nothing has happened."
        )
    return RestoreWay.IN_PLACE, (
        f"The role {live.role} may not create databases, or does not own this one. So what is there now is backed up "
        f"and verified first, and then replaced within one transaction. Clients wait meanwhile. If anything differs, "
        f"nothing has happened. (ALTER ROLE … CREATEDB lets a restore go into a new database instead.)"
    )


def _needs(
    url: str, live: Live, backup: Backup, backup_dir: Path, on_server: int | None
) -> tuple[int, int | None, list[str]]:
    """Bytes needed, bytes free, and what is in the way."""
    obstacles = []
    try:
        find_tools(live.server_major, at_least=backup.dump_major)
        if live.may_swap:
            maintenance_url(url, live.database)
    except HKStrategyError as error:
        obstacles.append(str(error))
    if live.may_swap:
        if on_server is not None and on_server < backup.database_bytes:
            obstacles.append(
                f"The new database needs about {megabytes(backup.database_bytes)} on the server's disk, and "
                f"{megabytes(on_server)} are free there. Make room first; one kept from before an earlier restore may "
                f"be dropped."
            )
        return backup.database_bytes, on_server, obstacles
    estimate = estimate_backup(url, backup_dir)
    return estimate.needed, estimate.free, [*obstacles, *([estimate.obstacle] if estimate.obstacle else [])]


def _lacking_in_place(conn: Connection, live: Live) -> list[str]:
    """Owners and rights that replacing everything needs, each with the statement that gives it."""
    found = []
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.not_owned"), {"own": OWN_SCHEMA})
        for owner, superuser, names in cur.fetchall():
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            text = (
                f"The role {owner} owns {', '.join(names[:MOST_NAMED])}{more}, which the role {live.role} may not drop."
            )
            step = f"Restore as {owner}"
            if not superuser:
                step += f", or let an administrator of the server run: GRANT {quoted(owner)} TO {quoted(live.role)};"
            found.append(f"{text} {step}{'.' if superuser else ''}")
    grants = grants_on_schema(conn, "public")
    if grants:
        found.append(
            f"The role {live.role} may not make tables in schema public. Let its owner run: {' '.join(grants)}"
        )
    return found


def _notes(live: Live, backup: Backup) -> list[str]:
    notes = []
    if backup.verified_at is None:
        notes.append("This backup was never verified. It is compared while it is restored; verify it first to be sure.")
    if backup.database != live.database:
        notes.append(f"It was made of another database: {backup.database}.")
    if backup.server_major > live.server_major:
        notes.append(f"It was made on PostgreSQL {backup.server_major}, and this server is {live.server_major}: older.")
    return notes


def _connected(conn: Connection) -> tuple[Client, ...]:
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.roles_connected"))
        roles = [str(row[0]) for row in cur.fetchall()]
    return legacy_clients(conn, roles)


def _tables(conn: Connection, backup: Backup) -> tuple[TableChange, ...]:
    """The project's own schema is left out: its history stays as it is."""
    with conn.cursor() as cur:
        cur.execute(query("backup.restore.restore.tables"))
        found = cur.fetchall()
    deadline = time.monotonic() + COUNTING_S
    now = {}
    for schema, table, estimate in found:
        left_ms = int((deadline - time.monotonic()) * 1000)
        now[qualified(schema, table)] = _count(conn, schema, table, int(estimate), left_ms)
    names = {*now, *(name for name in backup.tables if not name.startswith(f"{OWN_SCHEMA}."))}
    changes = []
    for name in sorted(names):
        rows, about = now.get(name, (None, False))
        then = backup.tables.get(name)
        changes.append(TableChange(name, rows, None if then is None else then.rows, about))
    return tuple(changes)


def _count(conn: Connection, schema: str, table: str, estimate: int, limit_ms: int) -> tuple[int | None, bool]:
    """Rows, and whether that is an estimate. A table that was never analysed has none: its rows are not known."""
    guess = (estimate if estimate >= 0 else None), True
    if limit_ms <= 0:
        return guess
    with conn.cursor() as cur:
        cur.execute("SELECT set_config('statement_timeout', %s, false)", (str(limit_ms),))
        try:
            cur.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table)))
            return int((cur.fetchone() or (0,))[0]), False
        except (psycopg2.errors.QueryCanceled, psycopg2.errors.LockNotAvailable):
            return guess
        except psycopg2.errors.UndefinedTable:  # dropped in this moment
            return None, False
