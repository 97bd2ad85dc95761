"""What every command gets, and how it asks."""

import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from src.backup.api import Folders, folders, note_folder, noted
from src.cli.audit import Attempt
from src.cli.exit import EXIT_DONE
from src.cli.output import Ending, Renderer
from src.cli.parser import ENGINE, Arguments
from src.config import Settings
from src.embedded.api import database_url
from src.errors import BackupError, HKStrategyError, PrerequisiteError, RunInProgress
from src.journal import runs
from src.journal.model import Event, EventKind, OutcomeState
from src.migration.model import Options
from src.text import moment

if TYPE_CHECKING:
    from src.database_enhanced import DatabaseManager

# A backup is or may be a part of these.
MAKE_BACKUPS = (*ENGINE, "backup", "restore")

log = logging.getLogger("hk_strategy.run")


@dataclass
class Context:
    arguments: Arguments
    settings: Settings
    renderer: Renderer
    _url: str | None = field(default=None, repr=False)
    _attempt: Attempt = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._attempt = Attempt(self.arguments.command, self.settings)

    @property
    def url(self) -> str:
        """The database's URL; starts or joins the embedded server where none is configured."""
        if self._url is None:
            self._url = database_url(self.settings)
        return self._url

    def manager(self) -> "DatabaseManager":
        from src.database_enhanced import DatabaseManager  # only now: pandas takes its time, and few commands need it

        return DatabaseManager(settings=self.settings)

    @property
    def backup_dir(self) -> Path:
        return self.arguments.options.backup_dir or self.settings.backup_dir

    def backup_folders(self) -> Folders:
        """Where backups are searched: in --backup-dir alone, else also where the journal knows some of this database.

        Without an answer of the database, where the configured folder and its file say.
        """
        if self.arguments.options.backup_dir is not None:
            return Folders((self.backup_dir,))
        return self.known_folders()

    def known_folders(self) -> Folders:
        """The configured folder, and those that the journal knows."""
        try:
            return folders(self.url, self.settings.backup_dir)
        except HKStrategyError as error:
            return noted(self.settings.backup_dir, str(error))

    @property
    def options(self) -> Options:
        return replace(self.arguments.options, backup_dir=self.backup_dir)

    def on_event(self, event: Event) -> None:
        """A progress message of the engine: to the log, and to whoever watches."""
        counts = "" if event.done is None else f" {event.done}/{event.total}"
        detail = f" {dict(event.detail)}" if event.detail else ""
        level = logging.WARNING if event.kind == EventKind.BLOCKED else logging.INFO
        log.log(level, "%s %s: %s%s%s", event.kind, event.step or "-", event.message, counts, detail)
        self.renderer.event(event)

    def on_progress(self, message: str, done: int | None, total: int | None) -> None:
        log.info("%s%s", message, "" if done is None else f" {done}/{total}")
        self.renderer.progress(message, done, total)

    def begin(self, **detail: object) -> None:
        """From here on something is changed: the audit records who began it."""
        if self.arguments.command in MAKE_BACKUPS:
            self._note_folder()
        self._attempt.begin(self.url, detail)

    def _note_folder(self) -> None:
        chosen = self.arguments.options.backup_dir
        if chosen is None:
            return
        try:
            note_folder(self.settings.backup_dir, chosen)
        except BackupError as error:
            log.warning("not noted: %s", error)
            sys.stderr.write(
                f"Backups in {chosen} may be missing from lists, since that folder could not be noted: {error} "
                f"`backups --backup-dir {chosen}` lists them.\n"
            )

    def end(self, ending: Ending) -> None:
        """The audit records how what was begun, here or by the dashboard, has ended."""
        if self._attempt.token is None:
            return
        try:
            self._attempt.end(self.url, ending)
        except HKStrategyError as error:
            log.warning("not in the audit: %s", error)

    def ask(self, word: str, **detail: object) -> None:
        """Have the person type `word`, then begin. Raises PrerequisiteError for anything else."""
        if not self.arguments.yes:
            self._ask(word)
        self.begin(**detail)

    def _ask(self, word: str) -> None:
        sys.stderr.write(f"Type {word} to go on, anything else to stop: ")
        sys.stderr.flush()
        try:
            answer = sys.stdin.readline().strip()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            answer = ""
        if answer != word:
            raise PrerequisiteError("Not confirmed. Nothing was touched.")

    def refuse_while_running(self) -> None:
        """Raises RunInProgress while someone migrates this database."""
        run = runs.fetch_current_run(self.url)
        if run is not None and run.is_running:
            raise RunInProgress(
                f"{run.phase} (run {run.run_id}) is in progress on this database, started by {run.started_by} at "
                f"{moment(run.started_at)}. Wait until it is through."
            )


def nothing(message: str, next_step: str = "", value: object = None) -> Ending:
    return Ending(EXIT_DONE, OutcomeState.NOTHING, message, next_step, value)


def done(message: str, next_step: str = "", value: object = None) -> Ending:
    return Ending(EXIT_DONE, OutcomeState.DONE, message, next_step, value)
