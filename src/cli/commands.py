"""What each command of run_migration.py does: call the engine, show what it says, and say how it ended."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from src.cli.backups import cmd_backup, cmd_backups, cmd_delete, cmd_prune, cmd_restore, cmd_verify
from src.cli.check import cmd_check
from src.cli.context import Context, done, nothing
from src.cli.exit import EXIT_FAILED, EXIT_PREREQUISITE
from src.cli.findings import advice, next_words
from src.cli.output import Ending
from src.cli.parser import RollbackTarget
from src.cli.text import (
    current_run_lines,
    inspection_lines,
    outcome_lines,
    plan_lines,
    run_beside_lines,
    run_detail_lines,
)
from src.cli.text_history import activity_lines
from src.errors import InvalidInput, NotAllowed, PrerequisiteError, TableLocked
from src.journal import activity, runs
from src.journal.model import Keep, OutcomeState, Phase, RunOutcome
from src.journal.runs import actor
from src.migration import engine
from src.migration.findings import PlanRefused
from src.migration.model import Plan
from src.sample.load import init_database, is_sample, remove_sample


def cmd_init(context: Context) -> Ending:
    arguments = context.arguments
    assert arguments.schema is not None, "the parser asks for it"
    message = init_database(context.url, arguments.schema, arguments.sample)
    context.begin(schema=arguments.schema, sample=arguments.sample)  # only now: before, the database has to be empty
    return done(message)


def cmd_remove_sample(context: Context) -> Ending:
    if not is_sample(context.url):
        return nothing("Nothing to do: this database holds no sample data.")
    context.renderer.show("notice", {"message": "removes sample data"}, ["The sample's rows will be deleted."])
    context.ask("remove-sample")
    return done(remove_sample(context.url))


def cmd_plan(context: Context) -> Ending:
    plan = _plan(context)
    context.renderer.show("plan", plan, plan_lines(plan, context.options, sql=context.arguments.sql))
    if plan.nothing_to_do:
        return nothing("")
    if plan.refusals:
        return _refused(plan)
    return done("", f"To do it: python run_migration.py {_command(context, plan)}")


def cmd_phase(context: Context) -> Ending:
    """phase1, phase2 and rollback: plan, ask, run."""
    with suppress(NotAllowed, PrerequisiteError):  # the plan has all that is missing
        context.refuse_while_running()
    plan = _plan(context)
    lines = plan_lines(plan, context.options)
    if plan.nothing_to_do:
        ended = engine.end_unbegun(context.url, plan.phase)
        return nothing(plan.nothing_to_do, f"Run {ended}, which had not begun, is over." if ended else "")
    context.renderer.show("plan", plan, lines if plan.refusals or not context.arguments.yes else _short(plan))
    if plan.refusals:
        return _refused(plan)
    context.ask(plan.phase.subcommand, phase=plan.phase.value)
    context.renderer.expect(len(plan.steps))
    return _finish(context, engine.run(context.url, plan.phase, context.options, context.settings, context.on_event))


def cmd_resume(context: Context) -> Ending:
    try:
        context.refuse_while_running()
        run = runs.fetch_current_run(context.url)
    except NotAllowed:
        lacking = engine.lacking_rights(context.url)
        if not lacking:
            raise
        raise PlanRefused(lacking) from None
    if run is None:
        return nothing("Nothing to do: no run of this database is paused or interrupted.")
    context.renderer.show("run", run, current_run_lines(run))
    context.ask("resume")
    return _finish(context, engine.resume(context.url, context.options, context.settings, context.on_event))


def cmd_pause(context: Context) -> Ending:
    run = engine.request_pause(context.url, str(actor(context.settings.acting_for)))
    if run is None:
        return nothing("Nothing to do: no run of this database is under way.")
    context.begin(run=run.run_id)
    at = f"It is at step {run.current_step!r}. " if run.current_step else ""
    return done(
        f"Run {run.run_id} ({run.phase}) was asked to pause. {at}It stops at its next safe point: between two steps or "
        "batches, or while it tries for a lock; an index is built to its end, unless it waits for others.",
        "See the state: python run_migration.py check. To go on then: python run_migration.py resume.",
    )


def cmd_history(context: Context) -> Ending:
    if context.arguments.run is not None:
        return _one_run(context, context.arguments.run)
    known = activity.read(context.url)
    found = [one for one in known.entries if context.arguments.wanted.fits(one)]
    value = {"runs": [one.run for one in found if one.run is not None], "happenings": found, "notes": known.notes}
    context.renderer.show("history", value, [*activity_lines(found), *known.notes])
    if known.problem is not None:
        raise known.problem
    return done("", value={"count": len(found)})


def _one_run(context: Context, number: int) -> Ending:
    records = [run for run in runs.fetch_runs(context.url, limit=2**31 - 1) if run.run_id == number]
    if not records:
        raise InvalidInput(f"There is no run {number}. `history` lists them.")
    context.renderer.show("history", {"runs": records}, run_detail_lines(records[0]))
    return done("", value={"count": len(records)})


def _plan(context: Context) -> Plan:
    inspection = engine.inspect(context.url)
    phase = context.arguments.target(inspection.version)
    try:
        return engine.make_plan(context.url, phase, context.options, context.settings)
    except TableLocked:
        run = None
        with suppress(TableLocked, NotAllowed):
            run = runs.fetch_current_run(context.url)
        seen: dict[str, object] = {
            "phase": phase,
            "from_version": inspection.version,
            "steps": [],
            "findings": inspection.findings,
            "tables": inspection.tables,
            "legacy_roles": inspection.legacy_roles,
            "run": run,
        }
        context.renderer.show("plan", seen, inspection_lines(inspection, run))
        raise


def _command(context: Context, plan: Plan) -> str:
    """What to type to do what was planned."""
    arguments = context.arguments
    command = plan.phase.subcommand
    if plan.phase is Phase.ROLLBACK_V1 and arguments.to is RollbackTarget.V1:
        command += " --to v1"
    if plan.phase is Phase.ROLLBACK_V1 and arguments.options.keep is Keep.DEFAULT:
        command += " --keep default"
    if plan.phase is Phase.PHASE1 and not arguments.options.restore_archive:
        command += " --archived leave"
    return command + (" --force" if arguments.options.force else "")


def _short(plan: Plan) -> list[str]:
    return [
        *run_beside_lines(plan.run),
        f"{plan.phase}: {len(plan.steps)} steps, from v{plan.from_version} to v{plan.to_version}",
    ]


def _refused(plan: Plan) -> Ending:
    first = plan.refusals[0]
    return Ending(
        EXIT_PREREQUISITE,
        OutcomeState.REFUSED,
        f"Refused, nothing was touched: {first.title}",
        advice(first),
        {"findings": plan.refusals},
    )


def _finish(context: Context, outcome: RunOutcome) -> Ending:
    lines = outcome_lines(outcome)
    if lines:
        context.renderer.show("result", outcome, lines)
    code = 0 if outcome.state in (OutcomeState.DONE, OutcomeState.NOTHING) else EXIT_FAILED
    return Ending(code, outcome.state, outcome.message, next_words(outcome.next_step), outcome, outcome.next_step)


COMMANDS: Mapping[str, Callable[[Context], Ending]] = {
    "init": cmd_init,
    "check": cmd_check,
    "plan": cmd_plan,
    "phase1": cmd_phase,
    "phase2": cmd_phase,
    "rollback": cmd_phase,
    "pause": cmd_pause,
    "resume": cmd_resume,
    "backup": cmd_backup,
    "backups": cmd_backups,
    "verify": cmd_verify,
    "restore": cmd_restore,
    "delete": cmd_delete,
    "prune": cmd_prune,
    "history": cmd_history,
    "remove-sample": cmd_remove_sample,
}
