"""Who holds, or waits for, a lock on a table that keeps others from it. Reads catalogs only, and waits for nobody."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from src.postgres.connection import Connection
from src.postgres.queries import query

EXCLUSIVE = "ACCESS EXCLUSIVE"


class Wanted(Enum):
    """What is to be done with a table. The values: the lock modes that it waits for, in PostgreSQL's words.

    Source: the table of conflicting lock modes in PostgreSQL's documentation (Explicit Locking). `CHANGE` of a table
    itself (ACCESS EXCLUSIVE) conflicts with every mode.
    """

    READ = (EXCLUSIVE,)
    WRITE = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", EXCLUSIVE)
    CHANGE = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", *WRITE)


@dataclass(frozen=True)
class TableLock:
    """A lock on a table of public (named alone) or of hk_migration. `pid`: 0 for a prepared transaction.

    `since`: when its transaction began, with a time zone; None where this role may not see it. `mode`: in PostgreSQL's
    words. `waits_for`: it is not held yet, but waited for behind these processes, and others wait behind it.
    """

    table: str
    pid: int
    role: str
    application_name: str
    since: datetime | None
    mode: str = EXCLUSIVE
    waits_for: tuple[int, ...] = ()

    def __str__(self) -> str:
        mode = "" if self.mode == EXCLUSIVE else f" in {self.mode} mode"
        if not self.pid:
            return f"{self.table} is locked{mode} by a prepared transaction: see pg_prepared_xacts"
        application = f", application {self.application_name}" if self.application_name else ""
        since = "a time that this role may not see" if self.since is None else f"{self.since:%Y-%m-%d %H:%M:%S %Z}"
        who = f"pid {self.pid} (role {self.role}{application}) since {since}"
        if self.waits_for:
            holders = ", ".join(map(str, self.waits_for))
            return (
                f"{self.table} is about to be locked{mode} by {who}, which waits for pid {holders}, and others for it"
            )
        return f"{self.table} is locked{mode} by {who}"


def blocking_locks(
    conn: Connection, wanted: Wanted = Wanted.READ, *, only: Collection[str] | None = None
) -> tuple[TableLock, ...]:
    """Who keeps others now from doing what is wanted with the tables of public (those of `only`) and of hk_migration.

    A lock that is only waited for is among them where none is held on its table. Raises psycopg2.Error.
    """
    modes = {f"{mode.title().replace(' ', '')}Lock": mode for mode in wanted.value}
    with conn.cursor() as cur:
        cur.execute(query("postgres.table_locks.of"), {"modes": list(modes)})
        found = [
            (granted, TableLock(table, pid, role, application, since, modes[mode], tuple(waits_for)))
            for table, pid, role, application, since, mode, waits_for, granted in cur.fetchall()
        ]
    held = {lock.table for granted, lock in found if granted}
    return tuple(
        lock
        for granted, lock in found
        if (granted or (lock.waits_for and lock.table not in held))
        and (only is None or lock.table in only or lock.table.startswith("hk_migration."))
    )
