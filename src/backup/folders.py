"""Where backups of a database are: in the configured folder, and in those that were chosen for single ones.

The journal records which those are. What it names is listed and counted; only the configured folder is tidied by a
rule.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from src.backup.manifest import Backup, find_backup, list_backups
from src.errors import HKStrategyError
from src.journal.runs import own_schema_exists, reading_session
from src.postgres.connection import Connection
from src.postgres.queries import query


def recorded_folders(conn: Connection) -> tuple[Path, ...]:
    """The folders that were chosen for backups of this database, on whichever machine. Raises psycopg2.Error."""
    if not own_schema_exists(conn):
        return ()
    found: set[str] = set()
    with conn.cursor() as cur:
        for name in ("backup.folders.of_runs", "backup.folders.of_backups"):
            cur.execute(query(name))
            found |= {str(row[0]) for row in cur.fetchall()}
    return tuple(Path(text) for text in sorted(found) if Path(text).is_absolute())


def folders(url: str, configured: Path) -> tuple[Path, ...]:
    """`configured`, and the recorded ones that are on this machine. Only the first where the journal cannot be read."""
    try:
        with reading_session(url) as conn:
            chosen = recorded_folders(conn)
    except HKStrategyError:
        return (configured,)
    return with_chosen(configured, chosen)


def with_chosen(configured: Path, chosen: Iterable[Path]) -> tuple[Path, ...]:
    """`configured` first, then the others that are there, each once."""
    found = {os.path.realpath(configured): configured}
    for folder in chosen:
        if _is_there(folder):
            found.setdefault(os.path.realpath(folder), folder)
    return tuple(found.values())


def _is_there(folder: Path) -> bool:
    """False as well where its name is too long, or where it may not be read."""
    try:
        return folder.is_dir()
    except OSError:
        return False


def list_all(places: Iterable[Path]) -> list[Backup]:
    """The finished backups of all these folders, the newest first."""
    found = [backup for place in places for backup in list_backups(place)]
    return sorted(found, key=lambda backup: (backup.created_at, backup.name), reverse=True)


def find_in(places: tuple[Path, ...], name: str) -> Backup:
    """The backup of that name in the first folder that has it. Raises BackupError when none has it."""
    for place in places[1:]:
        if not (places[0] / name).is_dir() and any(one.name == name for one in list_backups(place)):
            return find_backup(place, name)
    return find_backup(places[0], name)
