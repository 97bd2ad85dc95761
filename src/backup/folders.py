"""Where backups of a database are: in the configured folder, and in those that were chosen for single ones.

Which those are is in the journal, and in a file of the configured folder, which is there also where the database is
lost, or may not be written. All of them are listed and counted; only the configured folder is tidied by a rule.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from src.backup.manifest import Backup, prepare_directory
from src.backup.reading import NoSuchBackup, Stored, UnreadableBackup, find_backup, newest_first, read_folder
from src.errors import Action, BackupError, HKStrategyError, NextStep
from src.journal import audit
from src.journal.runs import own_schema_exists, reading_session
from src.postgres.connection import Connection
from src.postgres.queries import query

NOTED = ".folders"  # one folder a line, as a JSON string


def recorded_folders(conn: Connection) -> tuple[Path, ...]:
    """The folders that were chosen for backups of this database, on whichever machine. Raises psycopg2.Error."""
    names = ["backup.folders.of_runs"] if own_schema_exists(conn) else []
    names += ["backup.folders.of_backups"] if audit.exists(conn) else []
    found: set[str] = set()
    with conn.cursor() as cur:
        for name in names:
            cur.execute(query(name))
            found |= {str(row[0]) for row in cur.fetchall()}
    return tuple(Path(text) for text in sorted(found) if Path(text).is_absolute())


@dataclass(frozen=True)
class Folders:
    """Where backups of a database are: the configured folder first.

    `problem`: why some that were chosen for single backups may be missing; "" where all were looked up.
    """

    places: tuple[Path, ...]
    problem: str = ""

    @property
    def note(self) -> str:
        """That for an admin; "" where they were looked up."""
        return others_unknown(self.problem) if self.problem else ""


def others_unknown(problem: object) -> str:
    """That backups in other folders may be missing from a list, and why."""
    return f"Whether backups are in other folders, which were chosen for single ones, could not be looked up: {problem}"


def folders(url: str, configured: Path) -> Folders:
    """`configured`, and those on this machine that are recorded; where the journal cannot be read, noted in a file."""
    try:
        with reading_session(url) as conn:
            chosen = recorded_folders(conn)
    except HKStrategyError as error:
        return noted(configured, str(error))
    found = noted(configured)
    return Folders(with_chosen(configured, [*chosen, *found.places]), found.problem)


def noted(configured: Path, problem: str = "") -> Folders:
    """`configured`, and those on this machine that `note_folder` noted there. `problem`: what else is the matter."""
    chosen, problems = [], [problem] if problem else []
    file = configured / NOTED
    try:
        lines = file.read_bytes().splitlines() if _is_there(configured) else []
    except FileNotFoundError:
        lines = []
    except OSError as error:
        lines = []
        problems.append(f"{file}: {error.strerror}.")
    damaged = []
    for number, line in enumerate(lines, start=1):
        try:
            chosen.append(_absolute(json.loads(line)))
        except (ValueError, RecursionError):
            damaged.append(str(number))
    if damaged:
        problems.append(f"{file} is damaged in line {', '.join(damaged)}.")
    return Folders(with_chosen(configured, chosen), " ".join(problems))


def _absolute(text: object) -> Path:
    if not isinstance(text, str) or "\0" in text or not Path(text).is_absolute():
        raise ValueError("no folder")
    return Path(text)


def note_folder(configured: Path, chosen: Path) -> None:
    """Note in `configured` that backups are made in `chosen`. Raises BackupError where that cannot be."""
    if os.path.realpath(chosen) in (os.path.realpath(place) for place in noted(configured).places):
        return
    prepare_directory(configured)
    file = configured / NOTED
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with os.fdopen(os.open(file, flags, 0o600), "a+b") as out:
            out.seek(0)
            end = "" if out.read()[-1:] in (b"", b"\n") else "\n"  # of a line that was cut off
            out.write(f"{end}{json.dumps(str(chosen))}\n".encode())
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror}.") from error


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


def list_all(places: Sequence[Path]) -> list[Backup]:
    """The finished backups of all these folders that can be read, the newest first.

    Raises BackupError where the first folder cannot be read; the others are left out then.
    """
    return list(read_all(places).backups)


def read_all(places: Sequence[Path]) -> Stored:
    """`list_all`, with the backups that cannot be read."""
    found = [read_folder(places[0])]
    for place in places[1:]:
        with suppress(BackupError):
            found.append(read_folder(place))
    return _together(found)


def _together(found: Sequence[Stored]) -> Stored:
    return Stored(
        newest_first([backup for one in found for backup in one.backups]),
        tuple(backup for one in found for backup in one.unreadable),
    )


@dataclass(frozen=True)
class Listing:
    """`backups`: the newest first. `notes`: which folders may hold others, and why that is not known."""

    backups: tuple[Backup, ...]
    notes: tuple[str, ...]
    unreadable: tuple[UnreadableBackup, ...] = ()


def listing(known: Folders) -> Listing:
    """What is in all folders that can be read, and which cannot. Raises BackupError where none can."""
    found, problems = [], []
    for place in known.places:
        try:
            found.append(read_folder(place))
        except BackupError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    stored = _together(found)
    notes = (*map(str, problems), *((known.note,) if known.note else ()))
    return Listing(stored.backups, notes, stored.unreadable)


def find_in(found: Folders, name: str) -> Backup:
    """The backup of that name in the first folder that has it.

    Raises NoSuchBackup when none has it, BackupError where the only ones of that name cannot be read, or the first
    folder.
    """
    problem: BackupError | None = None
    for place in found.places:
        try:
            return find_backup(place, name)
        except NoSuchBackup:
            continue
        except BackupError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    raise NoSuchBackup(
        " ".join(filter(None, (f"There is no backup {name} in {found.places[0]}.", found.note))),
        NextStep(Action.LIST_BACKUPS),
    )
