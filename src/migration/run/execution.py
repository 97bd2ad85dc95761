"""One execution of a plan: the backup, the measurement before, the SQL steps, the proof, and the event log."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2

from src.backup.api import make_backup, verify_backup
from src.config import Settings
from src.errors import Action, NextStep, NotAllowed, PrerequisiteError, ProofFailed, RunPaused
from src.journal import runs
from src.journal.model import Event, EventKind, Keep, OutcomeState, Phase, ProofRow, RunOutcome, RunState, StepState
from src.journal.sessions import legacy_clients
from src.migration.model import Options, Plan, Step
from src.migration.plan.planner import BACKUP, MEASURE, PROVE, backup_dir
from src.migration.preflight.rights_rules import Need
from src.migration.run.proof import (
    Measurement,
    archive_rows,
    changed_positions,
    compare,
    measure,
    one_snapshot,
    own_writes,
)
from src.migration.run.rights import refused_right
from src.migration.run.runner import Journal, Runner
from src.migration.run.stall_probe import StallProbe
from src.migration.steps import is_true, load_steps
from src.postgres.connection import Connection, is_gone, roll_back
from src.postgres.errors import is_refused_right
from src.postgres.failures import not_allowed
from src.postgres.queries import query
from src.schema.versions import SchemaVersion

ENGINE_STEPS = (BACKUP.name, MEASURE.name, PROVE.name)


class Execution:
    """A run, or a resumed part of one. Call `open`, `execute` and `end`, in this order."""

    def __init__(
        self,
        url: str,
        work: Connection,
        journal: Connection,
        run_id: int,
        plan: Plan,
        options: Options,
        settings: Settings,
        on_event: Callable[[Event], None],
    ) -> None:
        self.plan, self.run_id = plan, run_id
        self._url, self._work, self._options, self._settings = url, work, options, settings
        self._journal = Journal(journal, run_id, on_event)
        self._before: Measurement | None = None
        self._backup: str | None = None
        self._probe = StallProbe(url)
        self._exclusive_ms = 0.0
        # Whether a step of the phase's file was begun, by this part of the run or an earlier one.
        self.touched = False
        self.proof: tuple[ProofRow, ...] = ()

    def open(self, resumed: bool, changed_files: tuple[str, ...]) -> None:
        """Record that the run begins or is resumed. A resumed run takes over its backup and its measurement.

        Raises PrerequisiteError where steps were done, and the measurement before them cannot be read: nothing could be
        proved then.
        """
        if resumed:
            measured = False
            for _, event in runs.read_events(self._journal.conn, self.run_id):
                self.touched = self.touched or (event.kind == EventKind.STEP and event.step not in ENGINE_STEPS)
                self._backup = str(event.detail["backup"]) if "backup" in event.detail else self._backup
                if event.kind == EventKind.PROOF and "before" in event.detail:
                    self._before = Measurement.from_json(event.detail["before"])
                    measured = True
            if measured and self._before is None and self.touched:
                raise PrerequisiteError(
                    f"Run {self.run_id} cannot be resumed: its measurement before the first step cannot be read.",
                    NextStep(Action.UNDO, self.plan.phase),
                )
        verb = "goes on" if resumed else "begins"
        sizes = {size.table: size.bytes for size in self.plan.tables}
        self._journal.record(
            EventKind.RUN, f"{self.plan.phase.value} {verb}", pid=self._work.info.backend_pid, tables=sizes
        )
        for name in changed_files:
            self._journal.record(
                EventKind.LOG, f"{name} is not the file that this run began with: its steps are those of today."
            )

    def execute(self) -> list[ProofRow]:
        """Execute all steps. Returns the proof.

        Raises RunPaused, ProofFailed, MigrationError, DatabaseUnavailable, psycopg2.Error.
        """
        if self._options.backup and self._backup is None:
            self._make_backup()
        if self._before is None:
            self._measure()
        with self._probe:
            runner = Runner(self._work, self._journal, self._options, self._probe)
            try:
                for step in self._steps():
                    if step.refuses_v1_clients:
                        self._refuse_v1_clients()
                    self.touched = True
                    runner.execute(step)
            finally:
                self._exclusive_ms = runner.exclusive_ms
                runner.close()
        self._journal.pause_if_asked("before the proof")
        return self._prove()

    def _steps(self) -> Iterator[Step]:
        """The file's steps, and those with `repeat` again while that is true (once per archive to restore)."""
        steps = load_steps(self.plan.phase)
        yield from steps
        repeated = [step for step in steps if step.repeat]
        while repeated and is_true(self._work, repeated[0].repeat):
            yield from repeated

    def end(self, state: OutcomeState, message: str, next_step: NextStep | None, seconds: float) -> RunOutcome:
        """Record the outcome, where the server still answers, and return it. `seconds`: the duration of this part."""
        stall = self._probe.total()
        outcome = RunOutcome(
            run_id=self.run_id,
            phase=self.plan.phase,
            state=state,
            message=message,
            next_step=next_step,
            seconds=round(seconds, 3),
            longest_stall_ms=round(stall.longest_ms, 2) if stall.statements else None,
            exclusive_ms=self._exclusive_ms or None,
            backup=self._backup,
            proof=self.proof,
        )
        detail: dict[str, Any] = {
            "state": state,
            "next_step": "" if next_step is None else next_step.action,
            "seconds": outcome.seconds,
            "usual_ms": round(stall.median_ms, 3),
            "canary_failed": stall.failed,
            "exclusive_ms": outcome.exclusive_ms,
        }
        if outcome.longest_stall_ms is not None:
            detail["stall_ms"] = outcome.longest_stall_ms
        try:
            self._journal.record(EventKind.OUTCOME, message, **detail)
        except psycopg2.Error as error:
            # The server is gone, or a right on the journal is. It shows this run as interrupted, and the caller raises
            # RunPaused.
            if not is_refused_right(error) and not self.server_is_gone:
                raise
        return outcome

    def refused_right(self, error: Exception) -> NotAllowed | None:
        """The error that names the owner or the GRANT, where a right was missing that was there at the plan."""
        if isinstance(error, NotAllowed):
            return error
        if not isinstance(error, psycopg2.Error) or not is_refused_right(error):
            return None
        roll_back(self._work)
        if self.server_is_gone:
            return not_allowed(error, ())
        return refused_right(self._work, error, self._need)

    @property
    def _need(self) -> Need:
        """What is left of this run needs rights for. A run has made views and functions of v2, or works on them."""
        dumped = self._options.backup and self._backup is None
        return Need(frozenset({self.plan.phase}), self.plan.legacy_roles, multi=True, dumped=dumped)

    @property
    def server_is_gone(self) -> bool:
        """Whether a connection of this run is lost. The class of an error does not always say."""
        return is_gone(self._work) or is_gone(self._journal.conn)

    def undone(self, run_id: int) -> None:
        """Record on an earlier, unfinished run that this one has undone it."""
        message = f"Undone by run {self.run_id} ({self.plan.phase.value})"
        runs.add_event(
            self._journal.conn,
            Event(runs.now(), run_id, EventKind.OUTCOME, None, message, detail={"state": RunState.UNDONE}),
        )

    def _make_backup(self) -> None:
        self._journal.record(EventKind.STEP, BACKUP.title, BACKUP, state=StepState.STARTED)

        def on_progress(message: str, done: int | None, total: int | None) -> None:
            self._journal.record(EventKind.PROGRESS, message, BACKUP, done=done, total=total)
            self._journal.pause_if_asked("in the middle of the backup, which is made anew", fresh=False)

        backup = make_backup(
            self._url,
            backup_dir(self._options, self._settings),
            schema_version=self.plan.from_version,
            on_progress=on_progress,
        )
        backup = verify_backup(backup, url=self._url, on_progress=on_progress)
        self._backup = backup.name
        self._journal.record(
            EventKind.STEP,
            f"Backup {backup.name}: restored and equal",
            BACKUP,
            state=StepState.DONE,
            backup=backup.name,
            bytes=backup.bytes,
            verified_how=backup.verified_how,
        )

    def _measure(self) -> None:
        self._journal.record(EventKind.STEP, MEASURE.title, MEASURE, state=StepState.STARTED)
        self._before = measure(self._work, self.run_id)
        self._journal.record(EventKind.PROOF, "Measured before the first step", MEASURE, before=self._before.as_json())
        self._journal.record(EventKind.STEP, MEASURE.title, MEASURE, state=StepState.DONE)

    def _prove(self) -> list[ProofRow]:
        assert self._before is not None
        self._journal.record(EventKind.STEP, PROVE.title, PROVE, state=StepState.STARTED)
        after = measure(self._work)
        phase = self.plan.phase
        merged = phase is Phase.ROLLBACK_V1 and self._options.keep is Keep.MERGE and len(self._before.portfolios) > 1
        restored = self._restored_archive() if phase is Phase.PHASE1 else None
        writes, moved = own_writes(self._work, self.run_id)
        changed, reshaped = changed_positions(self._work, self.run_id), merged or restored is Keep.MERGE
        archives = phase is Phase.ROLLBACK_V1
        rows = compare(self._before, after, changed=changed, reshaped=reshaped, archives=archives, moved=moved)
        rows.append(writes)
        if merged or restored:
            rows += archive_rows(self._work, phase, self.run_id)
        if self.plan.to_version == SchemaVersion.V2 and self.plan.legacy_roles:
            rows += one_snapshot(self._work, self.plan.legacy_roles[0])
        self._journal.record(EventKind.PROOF, "Before and after", PROVE, rows=[row.__dict__ for row in rows])
        failed = [row for row in rows if row.equal is False]
        if failed:
            differences = "; ".join(f"{r.subject}: {r.before} before, {r.after} after" for r in failed)
            raise ProofFailed(f"The proof failed: {differences}.")
        self._journal.record(EventKind.STEP, PROVE.title, PROVE, state=StepState.DONE)
        return rows

    def _refuse_v1_clients(self) -> None:
        """v1 clients may have connected since the plan was made."""
        clients = legacy_clients(self._work, self.plan.legacy_roles)
        if clients and not self._options.force:
            names = ", ".join(
                f"{c.role} ({c.application_name or 'no application name'}, pid {c.pid})" for c in clients[:5]
            )
            raise RunPaused(
                f"v1 clients have connected meanwhile: {names}.", NextStep(Action.STOP_V1_CLIENTS, self.plan.phase)
            )

    def _restored_archive(self) -> Keep | None:
        """How the archive that this run restored was made. None: it restored none."""
        with self._work.cursor() as cur:
            cur.execute(query("migration.run.runner.restored_keep"), (self.run_id,))
            row = cur.fetchone()
        return Keep.stored(row[0]) if row and row[0] else None
