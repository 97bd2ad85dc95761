"""Which backups a rule keeps, and which it deletes. No I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from src.backup.manifest import Backup
from src.errors import InvalidInput

# A backup is verified some time after it was made: until then it is not deleted.
MAY_STILL_BE_VERIFIED = timedelta(days=1)
MOST = 100_000


@dataclass(frozen=True)
class RetentionRule:
    """Keep the newest `keep` verified backups, and all that were made in the last `days` days.

    Raises InvalidInput: at least one is kept.
    """

    keep: int
    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= MOST:
            raise InvalidInput(f"{self.keep} is no number of backups to keep: it must be from 1 to {MOST:,}.")
        if not 0 <= self.days <= MOST:
            raise InvalidInput(f"{self.days} is no number of days: it must be from 0 to {MOST:,}.")


@dataclass(frozen=True)
class Decision:
    """What a rule does with a backup. `why`: the reason, for an admin."""

    backup: Backup
    goes: bool
    why: str


def decide(
    backups: Sequence[Backup], rule: RetentionRule, now: datetime, *, database: str, wanted: Collection[str]
) -> tuple[Decision, ...]:
    """One decision for each backup of `database`, the newest first. Backups of other databases are left out.

    `wanted`: the names of those that a run which did not end refers to. The newest verified one always stays.
    """
    mine = sorted((b for b in backups if b.database == database), key=lambda b: (b.created_at, b.name), reverse=True)
    # A copy in another folder has the same name, and is no other backup.
    verified = list(dict.fromkeys(b.name for b in mine if b.verified_at is not None))
    newest = set(verified[: rule.keep])
    found = []
    for backup in mine:
        why = _why_it_stays(backup, rule, now - backup.created_at, newest, wanted)
        found.append(Decision(backup, why is None, why or _why_it_goes(backup, rule)))
    return tuple(found)


def _why_it_stays(
    backup: Backup, rule: RetentionRule, age: timedelta, newest: Collection[str], wanted: Collection[str]
) -> str | None:
    if backup.name in wanted:
        return "belongs to a run that did not end"
    if backup.name in newest:
        return "the newest verified one" if rule.keep == 1 else f"one of the newest {rule.keep} verified ones"
    if age <= timedelta(days=rule.days):
        return f"made in the last {rule.days} days" if rule.days != 1 else "made in the last day"
    if backup.verified_at is None and age <= MAY_STILL_BE_VERIFIED:
        return "not verified, but may be about to be"
    return None


def _why_it_goes(backup: Backup, rule: RetentionRule) -> str:
    older = f"older than {rule.days} days and " if rule.days > 1 else "older than a day and " if rule.days else ""
    if backup.verified_at is None:
        return f"{older}never verified"
    newest = "the newest verified one" if rule.keep == 1 else f"one of the newest {rule.keep} verified ones"
    return f"{older}not {newest}"


def newest_verified(backups: Sequence[Backup], database: str) -> Backup | None:
    """None: there is none of that database."""
    found = [backup for backup in backups if backup.database == database and backup.verified_at is not None]
    return max(found, key=lambda backup: backup.created_at, default=None)


def why_not_delete(backup: Backup, backups: Sequence[Backup], wanted: Collection[str]) -> str | None:
    """Why this one must not be deleted, for an admin; None: it may be. `backups`: of every folder that is known."""
    if backup.name in wanted:
        return f"{backup.name} belongs to a run that did not end: resume that run or undo it first."
    here = (backup.path.parent, backup.name)
    others = [one for one in backups if one.database == backup.database and (one.path.parent, one.name) != here]
    if backup.verified_at is not None and all(one.verified_at is None for one in others):
        return (
            f"{backup.name} is the only verified backup of {backup.database}: make and verify another one before "
            f"deleting it."
        )
    return None
