"""What only an admin may do. Each action checks that again itself: a button that is not drawn is no protection.

All of it is in the audit, what was refused too.
"""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from src.auth.authenticator import User
from src.backup import api as backup
from src.backup.api import RetentionRule
from src.errors import Conflict, HKStrategyError, InvalidInput, RunInProgress
from src.journal import audit, runs
from src.journal.model import AuditOutcome, Phase
from src.journal.runs import actor
from src.migration import engine
from src.migration.model import Options
from src.migration.preflight import blocking_sessions
from src.text import plural
from src.ui.access import current_user
from src.ui.reads import commands, queries
from src.ui.reads.commands import StartedCommand
from src.ui.widgets import format as fmt

_log = logging.getLogger("hk_strategy.admin")


@dataclass(frozen=True)
class Asked:
    """What somebody asked for. `who`: None for nobody that is logged in."""

    who: User | None
    address: str
    action: str
    detail: dict[str, object]

    def record(self, outcome: AuditOutcome, **more: object) -> None:
        """In the audit, and in the log file: that is there also where the database is not."""
        by, role = ("nobody", "none") if self.who is None else (self.who.name, self.who.role.value)
        entry = audit.AuditEntry(by, role, self.address, self.action, outcome, {**self.detail, **more})
        _log.info("%s (%s) from %s: %s %s", by, role, entry.address, self.action, outcome)
        try:
            audit.record(queries.database_url(), entry)
        except HKStrategyError as error:
            _log.error("%s", error)


@contextmanager
def as_admin(action: str, **detail: object) -> Iterator[Asked]:
    """Only an admin comes to what is within; a refusal, here or there, is recorded."""
    with asked_by(current_user.user(), current_user.address(), action, **detail) as asked:
        yield asked


@contextmanager
def asked_by(who: User | None, address: str, action: str, **detail: object) -> Iterator[Asked]:
    """The same for what a browser asks for without a page."""
    asked = Asked(who, address, action, detail)
    try:
        current_user.check_admin(who)
        yield asked
    except HKStrategyError as error:
        asked.record(AuditOutcome.REFUSED, why=str(error))
        raise


def _start(argv: Sequence[str], asked: Asked) -> StartedCommand:
    by = asked.who.name if asked.who else "nobody"
    token = secrets.token_hex(8)
    asked.detail["task"] = token
    settings, url = replace(queries.settings(), acting_for=by, task=token), queries.database_url()
    with commands.one_at_a_time(settings):
        command = commands.last_command(settings)
        if command is not None and command.running:
            raise RunInProgress(f"`{command.name}` is under way, started by {command.by}. Nothing else was started.")
        run = runs.fetch_current_run(url)
        if run is not None and run.is_running:
            since = fmt.clock(run.started_at)
            raise RunInProgress(f"{run.phase} is under way since {since}, started by {run.started_by}.")
        asked.record(AuditOutcome.STARTED)
        return commands.start(settings, url, argv, by)


def _check_typed(typed: str, name: str) -> None:
    if typed.strip() != name:
        raise InvalidInput(f"Type {name} to start it; nothing was started.")


def start_phase(phase: Phase, typed: str, shown_version: str | None, options: Options) -> StartedCommand:
    """Start a phase or a rollback, with an admin's choices, as a process of its own.

    `shown_version`: the schema version that the admin's page showed. Raises Conflict when the database has moved on.
    """
    chosen = {"keep": options.keep.value, "force": options.force}
    with as_admin(phase.subcommand, phase=phase.value, **chosen) as asked:
        _check_typed(typed, phase.subcommand)
        _check_still(shown_version)
        return _start([*phase.arguments, "--yes", *_arguments(phase, options)], asked)


def _arguments(phase: Phase, options: Options) -> list[str]:
    """The choices as options of run_migration.py."""
    argv: list[str] = []
    if phase is Phase.ROLLBACK_V1:
        argv += ["--keep", options.keep.value]
    if options.force:
        argv.append("--force")
    if not options.restore_archive:
        argv += ["--archived", "leave"]
    if not options.backup:
        argv.append("--no-backup")
    if options.backup_dir is not None and options.backup_dir != queries.settings().backup_dir:
        argv.append(f"--backup-dir={options.backup_dir}")
    return argv + [f"--legacy-role={role}" for role in options.legacy_roles]


def _check_still(shown_version: str | None) -> None:
    queries.forget()
    now = queries.live_state()
    if now.problem is not None:
        raise Conflict(now.problem)
    if now.version != shown_version:
        raise Conflict(
            f"The schema is {now.version or 'not recognised'} by now, not {shown_version}: read the plan again. "
            "Nothing was started."
        )


def resume(*, force: bool = False) -> StartedCommand:
    """Start the command that resumes the unfinished run. `force`: although v1 clients are connected."""
    with as_admin("resume", **({"force": True} if force else {})) as asked:
        return _start(["resume", "--yes", *(["--force"] if force else [])], asked)


def pause() -> str:
    """Ask the run that is under way to pause. Returns the message."""
    with as_admin("pause") as asked:
        run = engine.request_pause(queries.database_url(), str(actor(asked.who.name if asked.who else None)))
        if run is None:
            raise Conflict("No run is under way any more: there is nothing to pause.")
        asked.record(AuditOutcome.DONE, run=run.run_id)
        return f"{run.phase} was asked to pause. It stops at its next safe point."


def interrupt(pid: int, since: datetime, how: blocking_sessions.How, *, insists: bool) -> str:
    """Cancel the statement of a client in the way, or end its session, if it still is that one. What came of it."""
    with as_admin(f"{how.value} client", pid=pid, since=f"{since:%Y-%m-%d %H:%M:%S%z}") as asked:
        if not insists:
            raise InvalidInput("Tick the box first: a client loses what it has not committed. Nobody was interrupted.")
        client, ended = blocking_sessions.interrupt(queries.database_url(), pid, since, how)
        asked.record(
            AuditOutcome.DONE if ended else AuditOutcome.FAILED, client=f"{client.role}, {client.application_name}"
        )
        name = f"{client.role}, {client.application_name or 'no application name'} (pid {pid})"
        if not ended:
            raise Conflict(f"{name} was asked to end, and has not within five seconds. Check again in a moment.")
        cancelled = how is blocking_sessions.How.CANCEL
        return f"{'Cancelled the statement of' if cancelled else 'Ended the session of'} {name}."


def undo(phase: Phase, typed: str) -> StartedCommand:
    """Undo the unfinished run of `phase`; the admin types the first word of what undoes it."""
    with as_admin("undo", phase=phase.value) as asked:
        _check_typed(typed, phase.opposite.subcommand)
        return _start([*phase.opposite.arguments, "--yes"], asked)


def back_up() -> StartedCommand:
    """Start the command that makes and verifies a backup."""
    with as_admin("backup") as asked:
        return _start(["backup"], asked)


def verify(name: str) -> StartedCommand:
    """Start the command that verifies a backup."""
    with as_admin("verify", backup=name) as asked:
        return _start(["verify", name], asked)


def restore(name: str, typed: str) -> StartedCommand:
    """Put a backup in the place of the database; the admin types its name."""
    with as_admin("restore", backup=name) as asked:
        _check_typed(typed, name)
        return _start(["restore", name, "--yes"], asked)


def remove_sample(typed: str) -> StartedCommand:
    """Remove the sample data; the admin types the word."""
    with as_admin("remove-sample") as asked:
        _check_typed(typed, "sample")
        return _start(["remove-sample", "--yes"], asked)


# Backups: done at once, without a process of their own.

WORD = "delete"


def _check_word(typed: str) -> None:
    if typed.strip() != WORD:
        raise InvalidInput(f"Type {WORD} to do it; nothing was deleted.")


def delete(name: str, typed: str) -> str:
    """Delete one backup. Returns the message. Raises BackupError where it must stay."""
    with as_admin("delete", backup=name) as asked:
        _check_word(typed)
        known = queries.backup_folders()
        found = backup.find_in(known, name)
        wanted = backup.usage_of(queries.database_url()).wanted
        backup.delete_backup(found, wanted=wanted, places=known.places)
        asked.record(AuditOutcome.DONE)
        return f"Deleted {name}: {fmt.size(found.bytes)} freed."


def prune(keep: int, days: int, shown: Sequence[str], typed: str) -> str:
    """Delete what the rule gives up, of those that were `shown` as going."""
    with as_admin("prune", keep=keep, days=days) as asked:
        _check_word(typed)
        gone = backup.prune(queries.database_url(), queries.settings().backup_dir, RetentionRule(keep, days), shown)
        asked.record(AuditOutcome.DONE, deleted=[one.name for one in gone])
        if not gone:
            return "Nothing was deleted: check what goes now."
        return f"Deleted {plural(len(gone), 'backup')}: {fmt.size(sum(one.bytes for one in gone))} freed."
