"""Databases that restores have replaced: kept under another name until an admin drops them."""

from dataclasses import dataclass

from src.backup.restore.swap import KEPT, kept_as
from src.journal.runs import reading_session
from src.postgres.queries import query
from src.text import quoted


@dataclass(frozen=True)
class KeptDatabase:
    """`bytes`: None where this role may not connect to it. `backup`: the one that was restored instead."""

    name: str
    bytes: int | None
    backup: str

    @property
    def drop(self) -> str:
        """The statement that drops it, for psql."""
        return f"DROP DATABASE {quoted(self.name)}"


def kept_databases(url: str) -> tuple[KeptDatabase, ...]:
    """Those of the database at `url`, the newest first. Raises DatabaseUnavailable, NotAllowed, TableLocked."""
    with reading_session(url) as conn, conn.cursor() as cur:
        prefix = kept_as(conn.info.dbname, "00000000_000000").removesuffix("00000000_000000")
        cur.execute(query("backup.restore.restore.kept"), {"prefix": prefix, "comment": KEPT})
        return tuple(
            KeptDatabase(str(name), None if size is None else int(size), str(text).removeprefix(KEPT))
            for name, size, text in cur.fetchall()
        )
