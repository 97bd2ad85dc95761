"""The run that is under way, or the last one: looked at from the database, so that it survives reload and restart."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from src.migration.model import Event, Phase, ProofRow, RunRecord
from src.ui import admin, cache, components, markup, run_story
from src.ui import format as fmt
from src.ui.markup import Cell, Column, Figure
from src.ui.tasks import Task, last_task

WATCHED = "hk_watched"
STORY = "hk_story"
PROOF_COLUMNS = (Column("What", "title"), Column("Before", "number"), Column("After", "number"), Column("Equal"))
EVERY_S = 1
# So long after its end the proof of a run stands open; later what can be done next comes first.
RECENT = timedelta(minutes=15)
STATES = {
    "running": "running",
    "paused": "paused: all as before the step it stopped at",
    "done": "done",
    "undone": "rolled back",
    "interrupted": "interrupted: nobody works on it any more",
    "failed": "failed",
}


def panel(may: bool) -> None:
    """The run under way, else the last one. Polled each second only while something runs."""
    task = last_task()
    run = cache.pulse().run
    busy = (run is not None and run.state == "running") or (task is not None and task.running)
    st.session_state[WATCHED] = _watched(run, busy)
    st.fragment(_panel, run_every=EVERY_S if busy else None)(may, busy)


def _watched(run: RunRecord | None, busy: bool) -> tuple[object, ...]:
    return (run.run_id if run else None, run.state if run else None, busy)


def _panel(may: bool, busy: bool) -> None:
    with components.edge():
        run = cache.current_run()
        task = last_task()
        now_busy = (run is not None and run.state == "running") or (task is not None and task.running)
        if _watched(run, now_busy) != st.session_state.get(WATCHED):
            cache.forget()
            st.rerun()
        if task is not None:
            _task(task, run)
        shown = run or _last()
        if shown is not None:
            _run(shown, may, current=run is not None)


def _last() -> RunRecord | None:
    runs = cache.history()
    return runs[0] if runs else None


def _task(task: Task, run: RunRecord | None) -> None:
    """A command this dashboard started: what is not told by a run in the database."""
    if task.running:
        if run is None:
            text, done, total = task.progress()
            share = done / total if done is not None and total else 0.0
            st.progress(min(max(share, 0.0), 1.0), text=f"{task.name}: {text}")
        return
    outcome = task.outcome()
    if outcome is None:
        st.error(f"`{task.name}` ended without a word. Its output is in {task.launched.output}.")
        return
    message = " ".join(str(outcome.get(part) or "") for part in ("message", "next_step")).strip()
    if outcome.get("exit_code") != 0:
        st.error(f"**{task.name}** {message}")
    elif task.name not in ("phase1", "phase2", "rollback", "resume"):
        st.success(f"**{task.name}** {message}")


def _run(run: RunRecord, may: bool, *, current: bool) -> None:
    st.subheader("Run under way" if current else "Last run")
    events = _events(run.run_id)
    _figures(run, events)
    if run.state == "running":
        _running(run)
    elif current:
        st.warning(run.message or f"This run is {STATES.get(run.state, run.state)}.")
        if may:
            _choices(run)
    now = datetime.now(UTC)
    story = run_story.lines(events, run.state, now)
    to_come = run.steps_total - len(story)
    if current and to_come > 0:
        story.append(markup.StepLine(f"{fmt.plural(to_come, 'more step')}", "", "waiting"))
    if current:
        _details(events, story, run.proof)
        return
    if run.state in ("failed", "undone"):
        st.error(run.message)
    equal = all(row.equal is True for row in run.proof)
    recent = run.finished_at is None or now - run.finished_at < RECENT
    if run.proof:
        with st.expander(_summary(run.proof), expanded=recent or not equal):
            _figures_compared(run.proof)
    with st.expander("Steps and log"):
        _details(events, story, ())


def _events(run_id: int) -> list[Event]:
    """All of a run's events; only the new ones are asked for each second."""
    known_id, last, found = st.session_state.get(STORY, (None, 0, []))
    if known_id != run_id:
        last, found = 0, []
    new = cache.events(run_id, last)
    found = [*found, *(event for _, event in new)]
    st.session_state[STORY] = (run_id, new[-1][0] if new else last, found)
    return found


def done_steps(run: RunRecord) -> int:
    """A step that was begun again after a pause counts once."""
    return min(run.steps_done, run.steps_total)


def _figures(run: RunRecord, events: Sequence[Event]) -> None:
    story = run_story.chapters(events)
    told = story[-1].title if story and run.state == "running" else ""
    took = (run.finished_at or datetime.now(UTC)) - run.started_at
    stall = run.longest_stall_ms if run.longest_stall_ms is not None else run_story.longest_stall(events)
    tone = {"done": "up", "undone": "", "running": ""}.get(run.state, "warn")
    st.html(
        markup.figures(
            (
                Figure("Run", str(run.phase), f"v{run.from_version} → v{run.to_version}, by {run.started_by}"),
                Figure("State", run.state, run.message if run.state == "done" else "", tone),
                Figure("Steps", f"{done_steps(run)} of {run.steps_total}", told),
                Figure(
                    "Took" if run.finished_at else "For",
                    fmt.seconds(took.total_seconds()),
                    f"since {fmt.moment(run.started_at)}",
                ),
                Figure("Longest stall of a client", fmt.milliseconds(stall), "measured by a v1 client of our own"),
            )
        )
    )


def _running(run: RunRecord) -> None:
    st.progress(done_steps(run) / run.steps_total if run.steps_total else 0.0)


def _details(events: Sequence[Event], story: Sequence[markup.StepLine], proof: Sequence[ProofRow]) -> None:
    _proof(proof)
    if story:
        st.html(markup.steps(story))
    if events:
        st.html(markup.log(run_story.log(events)))


def _proof(proof: Sequence[ProofRow]) -> None:
    if not proof:
        return
    st.markdown(_summary(proof))
    _figures_compared(proof)


def _summary(proof: Sequence[ProofRow]) -> str:
    equal = sum(row.equal is True for row in proof)
    return f"**Proof**: {equal} of {len(proof)} comparisons equal before and after."


def _figures_compared(proof: Sequence[ProofRow]) -> None:
    rows = []
    for row in proof:
        text, tone = {True: ("✓ equal", "up"), False: ("✕ differs", "down"), None: ("explained", "warn")}[row.equal]
        rows.append((Cell(row.subject), row.before, row.after, Cell(text, tone, note=row.note)))
    st.html(markup.table(PROOF_COLUMNS, rows, caption="Proof: figures before and after"))


def _resume() -> None:
    components.attempt(lambda: admin.resume().told)


def _undo(phase: Phase) -> None:
    typed = st.session_state.get("undo_typed", "")
    components.attempt(lambda: admin.undo(phase, typed).told)


def _choices(run: RunRecord) -> None:
    word = admin.undo_command(run.phase).split()[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Resume", key="resume", type="primary", icon=":material/play_arrow:", on_click=_resume)
        with st.popover("Roll back", icon=":material/undo:"), st.form("undo_form", border=False):
            st.caption(f"Undoes what {run.phase} has done so far: back to v{run.from_version}.")
            st.text_input(f"Type {word} to start it", key="undo_typed", autocomplete="off")
            st.form_submit_button("Roll back", key="undo_submit", on_click=_undo, args=(run.phase,))
