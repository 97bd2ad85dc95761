"""What a database is, what is in the way, and what to do next: read, without changing anything."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psycopg2

from src.backup.api import estimate_backup
from src.config import Settings
from src.errors import TableLocked
from src.journal.model import Phase, RunRecord
from src.journal.runs import reading_session
from src.migration.findings import Finding, Severity
from src.migration.model import Options, Plan, TableSize
from src.migration.plan.planner import backup_findings, open_plan
from src.migration.preflight.rights_rules import RIGHTS
from src.migration.preflight.survey import survey
from src.migration.recommendations import Recommendation, recommend
from src.portfolios.transactions import MOST_MOVES
from src.postgres import errors
from src.postgres.connection import Connection
from src.schema.versions import SchemaState

T = TypeVar("T")


@dataclass(frozen=True)
class Inspection:
    """What `check` reports of the schema. `run`: the one that has not ended, where it can be read; `runs_hidden`: our
    role may not read whether there is one."""

    state: SchemaState
    findings: tuple[Finding, ...]
    legacy_roles: tuple[str, ...]
    tables: tuple[TableSize, ...]
    run: RunRecord | None
    runs_hidden: bool

    @property
    def version(self) -> str | None:
        """Such as "1.0"; None for a database that is empty or none of the three."""
        return None if self.state.version is None else str(self.state.version)

    @property
    def title(self) -> str:
        """As `check` prints it."""
        return self.state.title

    @property
    def empty(self) -> bool:
        """Whether none of the tables is there."""
        return self.state.empty

    @property
    def recommendation(self) -> Recommendation:
        """What an admin should do next."""
        return recommend(self.state, self.findings, self.run, runs_hidden=self.runs_hidden)


def inspect(url: str, backup_dir: Path | None = None) -> Inspection:
    """Survey the database, without changing anything. Raises DatabaseUnavailable.

    `backup_dir`: where the backup of a phase would go: whether it can is a part of what is found.
    """
    found = _read_stable(url, lambda conn: survey(conn, None, Options()))
    findings = found.findings
    made = found.unfinished is not None and found.unfinished.backup is not None
    # What may not be read keeps a backup from being made too, and is named already.
    if backup_dir is not None and found.version is not None and not made and not _refused_rights(findings):
        with suppress(TableLocked):  # that is among the findings
            findings = (*backup_findings(estimate_backup(url, backup_dir)), *findings)
    return Inspection(found.state, findings, found.legacy_roles, found.tables, found.unfinished, found.runs_hidden)


def lacking_rights(url: str) -> tuple[Finding, ...]:
    """What keeps this role from any phase: owners and rights. Changes nothing. Raises DatabaseUnavailable."""
    return _refused_rights(inspect(url).findings)


def _refused_rights(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.severity is Severity.REFUSAL and one.code in RIGHTS)


def make_plan(url: str, phase: Phase, options: Options, settings: Settings) -> Plan:
    """The plan of a phase. Changes nothing. Raises DatabaseUnavailable."""
    return _read_stable(url, lambda conn: open_plan(url, phase, options, settings, conn))


def _read_stable(url: str, read: Callable[[Connection], T]) -> T:
    """The result of `read`, which is repeated where a phase has changed the schema meanwhile."""
    moves = 0
    while True:
        try:
            with reading_session(url) as conn:
                return read(conn)
        except psycopg2.Error as error:
            if moves == MOST_MOVES or not errors.is_moved(error):
                raise
        moves += 1
        time.sleep(0.05)
