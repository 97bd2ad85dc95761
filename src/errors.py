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

from enum import StrEnum


class HKStrategyError(Exception):
    """Base of all: its text may be shown to a user as it is."""


class ConfigurationError(HKStrategyError):
    pass


class NotAllowed(ConfigurationError):
    """`said`: what is wrong without what to do about it."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
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


class NextStep(StrEnum):
    """What an admin can do about a database that cannot do something; each face says it in its own words."""

    INIT = "init"
    CHECK = "check"
    PHASE1 = "phase1"


class CapabilityMissing(HKStrategyError):
    """`next_step`: what an admin can do about it; None where the message says it, or nothing can be done."""

    def __init__(self, message: str, next_step: NextStep | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step


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
    """`next_step`: what an admin can do now, in the words of the command line; "" where the message says it."""

    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


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
