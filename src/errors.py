"""Every error this project raises on purpose.

HKStrategyError
├── ConfigurationError        a setting is missing or makes no sense
│   └── NotAllowed            the database role lacks a right
├── DatabaseUnavailable       the server does not answer, refuses the session, or went away
│   └── EmbeddedUnavailable   the server that this project starts by itself does not start
├── TableLocked               somebody holds a lock on a table that was to be read or changed
├── CacheUnavailable          the cache does not answer
├── CapabilityMissing         the live schema cannot do this; says which version can
├── InvalidInput              a value the user gave; nothing was changed
│   ├── PortfolioNotFound
│   ├── PortfolioExists
│   └── PositionNotFound
├── Conflict                  someone else changed it first; nothing was changed (SaveConflict, in
│                             src/domain/revisions.py, says which positions)
└── MigrationError            (exit code 1)
    ├── PrerequisiteError     not met, nothing touched (exit code 3)
    ├── RunInProgress         another run holds the database (exit code 4)
    ├── RunPaused             stopped part-way, everything before it kept; can be resumed
    ├── ProofFailed           figures before and after differ
    └── BackupError
        └── BackupNotVerified a backup that does not restore equal

A message is one or two plain sentences: what is wrong, and what to do. It never holds a password.
"""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What an admin can do next; each face says it in its own words.

    `phase` of a next step is for `UNDO` and `RESUME_OR_UNDO…` the phase of the run, for `START_AGAIN` that to start.
    `RESUME_OR_UNDO_LATER`: once the server is back. `STOP_V1_CLIENTS`: or insist, and resume. `PHASE2_OR_UNDO`: once no
    v1 client is left.
    """

    INIT = "init"
    CHECK = "check"
    PHASE1 = "phase1"
    PHASE2 = "phase2"
    PHASE2_OR_UNDO = "phase2-or-undo"
    RESUME = "resume"
    RESUME_OR_UNDO = "resume-or-undo"
    RESUME_OR_UNDO_LATER = "resume-or-undo-later"
    STOP_V1_CLIENTS = "stop-v1-clients"
    START_AGAIN = "start-again"
    UNDO = "undo"
    MAKE_VIEWS_AGAIN = "make-views-again"
    BACKUP = "backup"
    LIST_BACKUPS = "list-backups"
    OTHER_BACKUP_DIR = "other-backup-dir"
    REMOVE_SAMPLE = "remove-sample"


@dataclass(frozen=True)
class NextStep:
    """`phase`: a value of src.journal.model.Phase; "" where the action is of none."""

    action: Action
    phase: str = ""


class HKStrategyError(Exception):
    """Base of all: its text may be shown to a user as it is.

    `next_step`: what an admin can do about it; None where the text says it, or nothing can be done.
    """

    def __init__(self, message: str = "", next_step: NextStep | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step


class ConfigurationError(HKStrategyError):
    pass


class NotAllowed(ConfigurationError):
    """`said`: what is wrong without what to do about it."""

    def __init__(self, message: str, next_step: NextStep | None = None, *, said: str = "") -> None:
        super().__init__(message, next_step)
        self.said = said or message


class DatabaseUnavailable(HKStrategyError):
    """`reason`: a value of src.postgres.errors.Reason, "" where it is not known. `advice`: the next step, where the
    text does not hold it."""

    def __init__(self, message: str, *, reason: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.advice = advice


class TableLocked(HKStrategyError):
    pass


class EmbeddedUnavailable(DatabaseUnavailable):
    pass


class CacheUnavailable(HKStrategyError):
    pass


class CapabilityMissing(HKStrategyError):
    pass


class InvalidInput(HKStrategyError):
    pass


class PortfolioNotFound(InvalidInput):
    pass


class PortfolioExists(InvalidInput):
    pass


class PositionNotFound(InvalidInput):
    pass


class Conflict(HKStrategyError):
    pass


class MigrationError(HKStrategyError):
    exit_code = 1


class PrerequisiteError(MigrationError):
    exit_code = 3


class RunInProgress(MigrationError):
    exit_code = 4


class RunPaused(MigrationError):
    pass


class ProofFailed(MigrationError):
    pass


class BackupError(MigrationError):
    pass


class BackupNotVerified(BackupError):
    pass
