"""The start and the end of a command that changes something, in the audit."""

import logging
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from src.backup.restore.model import RestoreOutcome
from src.cli.exit import redactor
from src.cli.output import Ending
from src.config import Settings
from src.errors import HKStrategyError
from src.journal import audit, runs
from src.journal.model import AuditOutcome, OutcomeState, RunOutcome
from src.journal.runs import actor

RUNS = ("phase1", "phase2", "rollback", "resume")

log = logging.getLogger("hk_strategy.cli")


@dataclass
class Attempt:
    """One command. What the dashboard started has its start in the audit already, and only its end is added."""

    command: str
    settings: Settings
    detail: dict[str, object] = field(default_factory=dict)
    token: str | None = None

    def __post_init__(self) -> None:
        self.token = self.settings.task

    def begin(self, url: str, detail: Mapping[str, object]) -> None:
        """From here on something happens. An empty database stays empty: a restore brings its history along."""
        self.detail |= detail
        if self.token is None:
            self.token = secrets.token_hex(8)
            self._write(url, AuditOutcome.STARTED, make=self.command != "restore")

    def end(self, url: str, ending: Ending) -> None:
        """How it ended. What was refused before it began is shown to who typed it alone."""
        if self.token is None:
            return
        self.detail |= {"message": redactor(url)(ending.message), **_result(ending.value)}
        if self.command in RUNS and ending.state not in (OutcomeState.REFUSED, OutcomeState.BUSY, OutcomeState.NOTHING):
            self._note_run(url)
        busy = ending.state is OutcomeState.BUSY
        self._write(url, AuditOutcome.REFUSED if busy else AuditOutcome(ending.state))

    def _note_run(self, url: str) -> None:
        if "run" in self.detail:
            return
        try:
            records = runs.fetch_runs(url, limit=1)
        except HKStrategyError as error:
            log.warning("%s", error)
            return
        self.detail |= {"run": records[0].run_id} if records else {}

    def _write(self, url: str, outcome: AuditOutcome, *, make: bool = True) -> None:
        """A command does not fail without an audit: on a standby, or with few rights, it says that none is written."""
        by, role = (
            (self.settings.acting_for, "admin") if self.settings.acting_for else (actor(None).person, "command line")
        )
        address = "the dashboard" if self.settings.task else "a terminal" if sys.stdin.isatty() else "a script"
        entry = audit.AuditEntry(by, role, address, self.command, outcome, {**self.detail, "task": self.token})
        try:
            audit.record(url, entry, make=make)
        except HKStrategyError as error:
            log.warning("%s", error)
            if outcome is not AuditOutcome.STARTED:
                sys.stderr.write(f"This is not in the audit, and so not in the history. {redactor(url)(str(error))}\n")


def _result(value: object) -> dict[str, object]:
    """What is worth keeping of what a command gave."""
    if isinstance(value, RunOutcome):
        return {"run": value.run_id} if value.run_id is not None else {}
    if isinstance(value, RestoreOutcome):
        kept = {"how": value.how, "old_database": value.old_database, "safety_backup": value.safety_backup}
        return {name: text for name, text in kept.items() if text is not None}
    found: dict[str, object] = {}
    if isinstance(value, Mapping):
        backup = value.get("backup")
        if isinstance(backup, Mapping) and "name" in backup:
            found["backup"] = backup["name"]
        if "deleted" in value:
            found["deleted"] = value["deleted"]
    return found
