"""What a check or a plan has noticed, as data: each face says it, and what can be done about it, in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from src.errors import PrerequisiteError


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    REFUSAL = "refusal"


class Choice(StrEnum):
    """A choice of an admin that decides about a finding: an option on the command line, a control on the page."""

    LEGACY_ROLES = "legacy_roles"
    BACKUP_DIR = "backup_dir"
    NO_BACKUP = "no_backup"
    FORCE = "force"
    KEEP_DEFAULT = "keep_default"
    LEAVE_ARCHIVE = "leave_archive"


@dataclass(frozen=True)
class Sql:
    """A statement that settles it."""

    statement: str


@dataclass(frozen=True)
class Choose:
    """A choice for this run that settles it. `value`: what to choose, where the finding knows that."""

    choice: Choice
    value: str = ""


@dataclass(frozen=True)
class Command:
    """A command of run_migration.py that settles it: ("init", "--schema", "v1"), say."""

    arguments: tuple[str, ...]


Remedy: TypeAlias = Sql | Choose | Command


@dataclass(frozen=True)
class Finding:
    """One thing noticed. The texts hold on every face.

    `code`: of its rule, for programs. `advice`: what to do; where statements settle it they follow it, and `then`
    follows them. `facts`: the values that the texts are made of.
    """

    code: str
    severity: Severity
    title: str
    advice: str = ""
    then: str = ""
    remedies: tuple[Remedy, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)

    @property
    def statements(self) -> tuple[str, ...]:
        return tuple(remedy.statement for remedy in self.remedies if isinstance(remedy, Sql))

    @property
    def choices(self) -> tuple[Choose, ...]:
        return tuple(remedy for remedy in self.remedies if isinstance(remedy, Choose))

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(" ".join(remedy.arguments) for remedy in self.remedies if isinstance(remedy, Command))

    @property
    def what_to_do(self) -> str:
        """Advice and statements; the choices are left to the face."""
        return " ".join(part for part in (self.advice_and_statements, self.then) if part)

    @property
    def advice_and_statements(self) -> str:
        """The statements end in ";", so that they can be pasted as they are."""
        statements = " ".join(f"{statement.rstrip(';')};" for statement in self.statements)
        return f"{self.advice}: {statements}" if statements else self.advice

    @property
    def text(self) -> str:
        """Title, advice and statements; the choices are left to the face."""
        return " ".join(part for part in (self.title, self.what_to_do) if part)


class PlanRefused(PrerequisiteError):
    """A plan that cannot start: nothing was touched. `findings`: its refusals."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(" ".join(("Nothing was touched.", *(finding.text for finding in findings))))
        self.findings = findings
