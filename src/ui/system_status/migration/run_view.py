"""The run that is under way, or the last one: read from the database, so that it survives reload and restart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import streamlit as st

from src.journal.model import NEWER_PROGRAM, Event, OutcomeState, Phase, RunRecord, RunState
from src.text import plural
from src.ui.reads import queries
from src.ui.reads.commands import OF_A_RUN, StartedCommand, last_command
from src.ui.system_status import actions, blockers_view
from src.ui.system_status.migration import findings_view, plan_view, proof_view, run_progress
from src.ui.widgets import components, markup, next_steps
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Figure, StepMark

WATCHED = "hk_watched"
RESUME_FORCE = "resume_force"
SAFE_POINTS = "between two steps or batches, or while it waits for others; an index is finished first."
EVERY_S = 1
# So long after its end the proof of a run stands open; later what can be done next comes first.
RECENT = timedelta(minutes=15)
STATES = {
    RunState.RUNNING: "running",
    RunState.PAUSED: "paused: all as before the step it stopped at",
    RunState.DONE: "done",
    RunState.UNDONE: "rolled back",
    RunState.INTERRUPTED: "interrupted: nobody works on it any more",
    RunState.FAILED: "failed",
}


def panel(may: bool) -> None:
    """The run under way, else the last one. Polled each second only while something runs."""
    watched = _watched(queries.current_run(), last_command(queries.settings()))
    st.session_state[WATCHED] = watched
    queries.catch_up(watched, drawn=True)
    st.fragment(_panel, run_every=EVERY_S if watched.busy else None)(may)


@dataclass(frozen=True)
class _Watched:
    """What the page is drawn anew for: the run, the command that was started last, and whether one of them goes on."""

    run: tuple[int, RunState] | None
    command: Path | None
    busy: bool


def _watched(run: RunRecord | None, command: StartedCommand | None) -> _Watched:
    busy = (run is not None and run.is_running) or (command is not None and command.running)
    return _Watched(None if run is None else (run.run_id, run.state), None if command is None else command.output, busy)


def _panel(may: bool) -> None:
    with components.error_boundary():
        run = queries.current_run()
        command = last_command(queries.settings())
        watched = _watched(run, command)
        if watched != st.session_state.get(WATCHED):
            queries.catch_up(watched)
            st.rerun()
        if components.has_flash():
            st.rerun()
        shown = run or _last()
        if command is not None and may:
            _command(command, run, shown)
        if shown is not None:
            _run(shown, may, current=run is not None)


def _last() -> RunRecord | None:
    runs = queries.history()
    return runs[0] if runs else None


def _command(command: StartedCommand, run: RunRecord | None, last: RunRecord | None) -> None:
    """A command that a dashboard started: what no run in the database records."""
    if command.running:
        if run is None:
            text, done, total = command.progress()
            share = done / total if done is not None and total else 0.0
            st.progress(min(max(share, 0.0), 1.0), text=f"{command.name}, started by {command.by}: {text}")
        return
    outcome = command.outcome()
    in_the_record = command.name in OF_A_RUN and run is not None
    news = command.is_news(last.started_at if last else None)
    stopped = outcome is None or outcome.get("state") in (OutcomeState.PAUSED, OutcomeState.FAILED)
    if not news or (in_the_record and stopped):
        return
    if outcome is None:
        st.error(f"`{command.name}`, started by {command.by}, ended without a word. Its output is in {command.output}.")
        return
    message = outcome_text(outcome)
    if _is_shown_below(outcome):
        st.caption(
            f"{command.name}, started by {command.by}, was refused: nothing was touched. Below is what to do first."
        )
    elif outcome.get("exit_code") != 0:
        st.error(f"**{command.name}**, started by {command.by}: {message}")
    elif command.name not in OF_A_RUN:
        st.success(f"**{command.name}**, started by {command.by}: {message}")


def _is_shown_below(outcome: Mapping[str, object]) -> bool:
    """Whether the command was refused for what the plan shows now."""
    found = outcome.get("findings")
    codes = {one.get("code") for one in found} if isinstance(found, list) else set()
    return bool(codes) and codes <= {finding.code for finding in plan_view.refusals(queries.known())}


def outcome_text(outcome: Mapping[str, object]) -> str:
    """How a command ended, in the words of this page: what the command line says of its options is left out."""
    found = outcome.get("findings")
    if isinstance(found, list) and found:
        return " ".join(("Nothing was touched.", *(findings_view.text_of(one) for one in found)))
    step = next_steps.from_json(outcome.get("next"))
    texts = (str(outcome.get(key) or "") for key in ("message", "advice"))
    return " ".join(filter(None, (*texts, next_steps.words(step))))


def _run(run: RunRecord, may: bool, *, current: bool) -> None:
    st.subheader("Run under way" if run.is_running else "Run that has not ended" if current else "Last run")
    events = queries.events(run)
    _figures(run, events)
    if run.is_running:
        _running(run, events, may)
    elif current:
        st.warning(run.message or f"This run is {STATES.get(run.state, run.state)}.")
        if may:
            _choices(run)
            in_the_way()
    now = datetime.now(UTC)
    steps = run_progress.lines(events, run.state, now)
    at_one = steps and steps[-1].state != StepMark.DONE
    to_come = run.steps_total - done_steps(run) - bool(at_one)
    if current and to_come > 0:
        steps.append(markup.StepLine(f"{plural(to_come, 'more step')}", "", StepMark.WAITING))
    if current:
        _details(events, steps, run, may)
        return
    if run.state in (RunState.FAILED, RunState.UNDONE):
        st.error(run.message)
    equal = all(row.equal is True for row in run.proof)
    recent = run.finished_at is None or now - run.finished_at < RECENT
    if run.proof:
        with st.expander(proof_view.summary(run.proof), expanded=recent or not equal):
            proof_view.show(run.run_id, run.proof)
    with st.expander("Steps and log"):
        _details(events, steps, replace(run, proof=()), may)


def done_steps(run: RunRecord) -> int:
    """A step that was begun again after a pause counts once."""
    return min(run.steps_done, run.steps_total)


def _figures(run: RunRecord, events: Sequence[Event]) -> None:
    found = run_progress.sections(events)
    current = found[-1].title if found and run.is_running else ""
    took = (run.finished_at or datetime.now(UTC)) - run.started_at
    tone = {RunState.DONE: "up", RunState.UNDONE: "", RunState.RUNNING: ""}.get(run.state, "warn")
    figures = [
        Figure("Run", str(run.phase), f"v{run.from_version} → v{run.to_version}, by {run.started_by}"),
        Figure("State", run.state, run.message if run.state == RunState.DONE else "", tone),
        Figure("Steps", f"{done_steps(run)} of {run.steps_total}", current),
        Figure(
            "Took" if run.finished_at else "For",
            fmt.duration(took.total_seconds()),
            f"since {fmt.moment(run.started_at)}",
        ),
        Figure(
            "Longest stall of a client", fmt.milliseconds(run.longest_stall_ms), "measured by a v1 client of our own"
        ),
    ]
    lock = run_progress.lock_tries(events)
    if lock is not None:
        had = "not had yet" if lock.held_ms is None else f"held for {fmt.milliseconds(lock.held_ms)}"
        queued = f", clients queued {lock.queued_ms:.0f} ms at most behind one" if lock.queued_ms else ""
        figures.append(Figure("Last lock", plural(lock.tries, "try", "tries"), f"{had}{queued}: {lock.title}"))
    st.html(markup.figures(figures))


def _pause() -> None:
    components.attempt(actions.pause)


def _running(run: RunRecord, events: Sequence[Event], may: bool) -> None:
    st.progress(done_steps(run) / run.steps_total if run.steps_total else 0.0)
    by = run_progress.pause_asked_by(events)
    if by is not None:
        st.info(f"{by} asked for a pause. The run stops at its next safe point: {SAFE_POINTS}")
    elif may:
        st.button("Pause", key="pause", icon=":material/pause:", help=f"Stops {SAFE_POINTS}", on_click=_pause)
    found = run_progress.sections(events)
    last = found[-1] if found else None
    waits = last is not None and last.ended_at is None and (last.blocked or _waits_for_somebody(last.progress))
    if waits and may:
        in_the_way()


def _waits_for_somebody(progress: Event | None) -> bool:
    return progress is not None and "waiting_for" in progress.detail


def in_the_way() -> None:
    """Who holds a lock that a run needs, with what an admin can do about it."""
    found = [one for one in queries.in_the_way() if one.holds_lock]
    if found:
        st.markdown(f"**In the way now: {plural(len(found), 'client')}**")
        blockers_view.table(found, "In the way now")
        blockers_view.controls(found)


def finished(run: RunRecord, may: bool) -> None:
    """Of any run: its proof, its steps, and for an admin its log."""
    events = queries.events(run)
    _details(events, run_progress.lines(events, run.state, datetime.now(UTC)), run, may, whole=True)


def _details(
    events: Sequence[Event], sections: Sequence[markup.StepLine], run: RunRecord, may: bool, *, whole: bool = False
) -> None:
    if run.proof:
        st.markdown(proof_view.summary(run.proof))
        proof_view.show(run.run_id, run.proof, whole=whole)
    if sections:
        st.html(markup.steps(sections))
    if events and may:
        st.html(markup.log(run_progress.log(events)))


def _resume() -> None:
    force = bool(st.session_state.get(RESUME_FORCE))
    components.attempt(lambda: actions.resume(force=force).message)


def _undo(phase: Phase) -> None:
    typed = st.session_state.get("undo_typed", "")
    components.attempt(lambda: actions.undo(phase, typed).message)


def _choices(run: RunRecord) -> None:
    if not run.phase.is_known:
        st.caption(NEWER_PROGRAM)
        return
    word = run.phase.opposite.subcommand
    if run.phase is Phase.PHASE2:
        st.checkbox("Resume although v1 clients are connected: it cuts them off.", key=RESUME_FORCE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Resume", key="resume", type="primary", icon=":material/play_arrow:", on_click=_resume)
        with st.popover("Roll back", icon=":material/undo:"), st.form("undo_form", border=False):
            st.caption(f"Undoes what {run.phase} has done so far: back to v{run.from_version}.")
            st.text_input(f"Type {word} to start it", key="undo_typed", autocomplete="off")
            st.form_submit_button("Roll back", key="undo_submit", on_click=_undo, args=(run.phase,))
