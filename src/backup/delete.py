"""Delete one backup, or those that a rule does not keep; never the only verified one, never one that is in use."""

import errno
import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from src.backup.folders import folders, list_all, with_chosen
from src.backup.manifest import LOCK, OURS, Backup, now
from src.backup.reading import read_backup
from src.backup.retention import Decision, RetentionRule, decide, newest_verified, why_not_delete
from src.errors import BackupError
from src.journal import runs

# File systems without such locks (NFS has none for a folder): there a backup is deleted even while it is read.
NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Usage:
    """The database that backups belong to, and the names of those that a run which did not end refers to."""

    database: str
    wanted: frozenset[str]


def usage_of(url: str) -> Usage:
    """Read it from the database. Raises DatabaseUnavailable, NotAllowed, and TableLocked after two seconds."""
    with runs.reading_session(url) as conn:
        run = runs.unfinished_run(runs.read_runs(conn, limit=1))
        names = {run.backup} if run is not None and run.backup else set()
        return Usage(conn.info.dbname, frozenset(names))


def delete_backup(backup: Backup, *, wanted: Collection[str] = (), places: Iterable[Path] = ()) -> None:
    """Delete it for good. Raises BackupError where it must stay: see `why_not_delete`; or where somebody reads it.

    `places`: other folders with backups of its database, which count too.
    """
    with _one_at_a_time(backup.path.parent, places) as counted:
        refuse_deletion(backup, wanted, counted)
        _remove(backup)


def refuse_deletion(backup: Backup, wanted: Collection[str], places: Iterable[Path]) -> None:
    """Raise BackupError where it must stay."""
    why = why_not_delete(backup, list_all(with_chosen(backup.path.parent, places)), wanted)
    if why is not None:
        raise BackupError(why)


def preview(url: str, backup_dir: Path, rule: RetentionRule) -> tuple[Decision, ...]:
    """What `prune` would do with each backup of this database. Raises DatabaseUnavailable.

    Those in folders that were chosen for them count, and stay: the rule is for `backup_dir` alone.
    """
    usage, known = usage_of(url), list_all(folders(url, backup_dir).places)
    return tuple(
        replace(one, goes=False, why=f"in {one.backup.path.parent}, where only you delete, by name")
        if one.goes and one.backup.path.parent != backup_dir
        else one
        for one in decide(known, rule, now(), database=usage.database, wanted=usage.wanted)
    )


def prune(url: str, backup_dir: Path, rule: RetentionRule, shown: Collection[str]) -> tuple[Backup, ...]:
    """Delete what the rule does not keep, of those named in `shown` only. Returns what was deleted.

    Raises BackupError at the first that cannot be deleted; those before it are gone.
    """
    gone: list[Backup] = []
    with _one_at_a_time(backup_dir):
        for decision in preview(url, backup_dir, rule):
            if decision.goes and decision.backup.name in shown:
                try:
                    _remove(decision.backup)
                except BackupError as error:
                    before = f" Deleted before: {', '.join(one.name for one in gone)}." if gone else ""
                    raise BackupError(f"{error}{before}") from None
                gone.append(decision.backup)
    return tuple(gone)


def is_young(url: str, places: Sequence[Path], age: timedelta) -> Backup | None:
    """The newest verified backup of this database in these folders, where it is younger than `age`.

    None: another one is due. Raises BackupError where the first folder cannot be read.
    """
    found = newest_verified(list_all(places), usage_of(url).database)
    return found if found is not None and now() - found.created_at < age else None


@contextmanager
def in_use(backup: Backup) -> Iterator[None]:
    """Lock the backup against deletion while it is read. Raises BackupError where it has been deleted already."""
    with _locked(backup.path, fcntl.LOCK_SH, f"The backup {backup.name} is being deleted."):
        if not backup.path.is_dir():
            raise BackupError(f"The backup {backup.name} has been deleted.")
        yield


@contextmanager
def _one_at_a_time(backup_dir: Path, others: Iterable[Path] = ()) -> Iterator[tuple[Path, ...]]:
    """Lock the folders: each of two deletions at once would take the other's backup for the one that stays.

    Gives those that are locked; an other one that cannot be does not count. All lock in the same order.
    """
    locked = []
    with ExitStack() as stack:
        for place in sorted(with_chosen(backup_dir, others), key=os.path.realpath):
            if place == backup_dir and not place.is_dir():
                continue
            try:
                stack.enter_context(_locked(Path(os.path.realpath(place)), fcntl.LOCK_EX, "", wait=True))
            except BackupError:
                if place == backup_dir:
                    raise
                continue
            locked.append(place)
        yield tuple(locked)


@contextmanager
def _locked(place: Path, kind: int, busy: str, *, wait: bool = False) -> Iterator[None]:
    descriptor = -1
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BackupError(busy) from None
    except OSError as error:
        if descriptor < 0:
            raise BackupError(f"{place} cannot be used: {error.strerror}.") from None
        if error.errno not in NO_LOCKS:
            os.close(descriptor)
            raise BackupError(f"{place} cannot be locked: {error.strerror}.") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _remove(backup: Backup) -> None:
    read_backup(backup.path)  # only what is a backup is deleted, whatever the path says
    path = backup.path.absolute()
    going = path.with_name(f"{path.name}.tmp-{os.urandom(4).hex()}")
    busy = f"{backup.name} is being verified, restored or downloaded. Delete it when that is through."
    with _locked(path, fcntl.LOCK_EX, busy):
        try:
            path.rename(going)
            (going / LOCK).write_bytes(OURS)
            shutil.rmtree(going)
        except OSError as error:
            raise BackupError(f"The backup {backup.name} cannot be deleted: {error.strerror}.") from error
