"""What a phase would do, and the button that does it."""

import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import count

import streamlit as st

from src.cli.text import estimate_sum, estimate_texts
from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.model import MergedSymbol, Options, Plan, Step
from src.migration.plan.lock_notes import CONSEQUENCES, lock_of
from src.schema.versions import SchemaVersion
from src.text import plural
from src.ui.reads import queries
from src.ui.reads.commands import last_command
from src.ui.system_status import actions, blockers_view
from src.ui.system_status.migration import findings_view, plan_choices
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, StepLine, StepMark

POSSIBLE = {
    SchemaVersion.V1: (Phase.PHASE1,),
    SchemaVersion.V2: (Phase.PHASE2, Phase.ROLLBACK_V1),
    SchemaVersion.V3: (Phase.ROLLBACK_V2, Phase.ROLLBACK_V1),
}
EFFECTS = {
    Phase.PHASE1: "Several portfolios beside DEFAULT. v1 clients go on working and notice nothing.",
    Phase.PHASE2: "Every row belongs to a portfolio, enforced by the database. v1 clients can no longer work after it.",
    Phase.ROLLBACK_V2: "Backward compatibility comes back: v1 clients can work again. All portfolios stay.",
    Phase.ROLLBACK_V1: "One portfolio again. What v1 cannot hold is archived, and a later phase 1 brings it back.",
}
REFRESH_S = 5
WHOLE_REFRESH_S = 60
SYMBOLS_PAGE = 25
ACTION = "action"
INSPECTED = "hk_plan_inspected"


def offers(live: queries.LiveState) -> bool:
    """Whether there is a plan to show: not while a run, or something that this dashboard started, is under way."""
    command = last_command(queries.settings())
    return live.version in POSSIBLE and live.run is None and not (command is not None and command.running)


def refusals(live: queries.LiveState) -> tuple[Finding, ...]:
    """Of the plan that is shown; empty where none is."""
    if not offers(live):
        return ()
    phase = _chosen(live)
    return queries.plan(phase, plan_choices.chosen(phase)).refusals


def _phases(live: queries.LiveState) -> tuple[Phase, ...]:
    return POSSIBLE[SchemaVersion(live.version or "")]


def _chosen(live: queries.LiveState) -> Phase:
    """What was chosen before the schema moved may not be there any more: then the first."""
    phases = _phases(live)
    return next((one for one in phases if one.label == st.session_state.get(ACTION)), phases[0])


def show(live: queries.LiveState) -> None:
    """For admins: what could be done next, in full, and the button."""
    if not offers(live):
        return
    labels = [one.label for one in _phases(live)]
    st.subheader("What can be done")
    if len(labels) > 1:
        st.segmented_control(
            "Action",
            labels,
            default=labels[0],
            required=True,
            key=ACTION,
            bind="query-params",
            label_visibility="collapsed",
        )
    phase = _chosen(live)
    plan_choices.keep(phase)
    options = plan_choices.chosen(phase)
    plan = queries.plan(phase, options)
    if (plan.refusals or plan.run is not None) and queries.moved_on(live):
        st.caption("The schema has just changed; reading it again…")
        return
    _effect(plan)
    if plan.nothing_to_do:
        return
    if plan.refusals:
        st.session_state[INSPECTED] = _surroundings()
        st.fragment(_refresh_plan, run_every=REFRESH_S)(phase, options, _state(plan))
    plan_choices.controls(plan)
    if not plan.steps:
        st.caption("Which steps are needed cannot be found out before that is settled.")
        return
    _merged(plan)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        lines = zip(count(1), plan.steps, estimate_texts(plan), strict=False)
        st.html(markup.steps([_line(*line) for line in lines]))
        st.caption(estimate_sum(plan))
        st.fragment(_sql)(plan)
    with right:
        _afterwards(plan)
        _sizes(plan)
        _button(plan, live)


def _state(plan: Plan) -> tuple[int, int]:
    return len(plan.refusals), len(plan.legacy_clients)


def _surroundings() -> tuple[object, ...]:
    """Who else is in the database; and, now and then, that it is time to read all else. A whole plan costs more."""
    return queries.other_sessions(), int(time.monotonic() // WHOLE_REFRESH_S)


def _refresh_plan(phase: Phase, options: Options, shown: tuple[int, int]) -> None:
    """What stood in the way may be gone by itself: a v1 client that was stopped, say."""
    with components.error_boundary():
        found = _surroundings()
        if found == st.session_state.get(INSPECTED):
            return
        st.session_state[INSPECTED] = found
        if _state(queries.plan.anew(phase, options)) != shown:
            st.rerun()


def _line(number: int, step: Step, estimate: str) -> StepLine:
    lock = lock_of(step)
    facts = (f"Lock: {lock.mode}, {lock.felt}", estimate)
    return StepLine(f"{number}. {step.title}", step.kind.value, StepMark.PLANNED, step.why, facts=facts)


def _sql(plan: Plan) -> None:
    """Of one step at a time: all of it together is long."""
    steps = {f"{number}. {step.title}": step for number, step in enumerate(plan.steps, 1) if step.sql}
    chosen = st.selectbox(
        "SQL of a step", list(steps), index=None, placeholder="Show the SQL of a step", key=f"sql {plan.phase}",
        label_visibility="collapsed",
    )  # fmt: skip
    if chosen in steps:
        st.code(steps[chosen].sql, language="sql", wrap_lines=True)


def _afterwards(plan: Plan) -> None:
    after = CONSEQUENCES[plan.phase]
    st.html(markup.two_lists(("Possible after it", after.possible), ("Not possible any more", after.impossible)))


def _effect(plan: Plan) -> None:
    st.markdown(f"**{plan.phase.label}**: v{plan.from_version} → v{plan.to_version}. {EFFECTS[plan.phase]}")
    if plan.nothing_to_do:
        st.info(plan.nothing_to_do)
        return
    findings_view.show(plan.findings)
    _clients(plan)


def _sizes(plan: Plan) -> None:
    rows = [(Cell(size.table), fmt.count(size.rows_estimate), fmt.size(size.bytes)) for size in plan.tables]
    columns = (Column("Table", "title"), Column("Rows, about", "number"), Column("Size", "number"))
    st.html(markup.table(columns, rows, caption="Tables", stack=False))
    room = ""
    if plan.backup_bytes_estimate is not None and plan.disk_free_bytes is not None:
        room = f"Backup: about {fmt.size(plan.backup_bytes_estimate)} needed, {fmt.size(plan.disk_free_bytes)} free. "
    st.caption(
        f"{room}v1 clients connect as: {', '.join(plan.legacy_roles) or 'nobody known'}; connected now: "
        f"{len(plan.legacy_clients)}. In the way of a lock now: {len(plan.blockers) or 'nobody'}."
    )


def _clients(plan: Plan) -> None:
    if plan.legacy_clients:
        with st.expander(f"v1 clients connected: {len(plan.legacy_clients)}"):
            blockers_view.table(plan.legacy_clients, "v1 clients connected")
    if plan.blockers:
        with st.expander(f"In the way: {len(plan.blockers)}", expanded=True):
            blockers_view.table(plan.blockers, "In the way")
            st.caption("Transactions that have been open for long. A step cannot have a lock while they hold one.")
            st.fragment(blockers_view.long_ones)()


def _merged(plan: Plan) -> None:
    if plan.phase is Phase.ROLLBACK_V1 and plan.archived_portfolios:
        st.text(f"Portfolios that go into the archive: {', '.join(plan.archived_portfolios)}.")
    if not plan.merged:
        return
    columns = (
        Column("Symbol", "title"),
        Column("From"),
        Column("Quantity", "number"),
        Column("Average cost", "number"),
        Column("Cost before", "number"),
        Column("Cost after", "number"),
        Column("Rounding", "number"),
        Column("Value before", "number"),
        Column("Value after", "number"),
    )
    total: list[Cell | str] = [
        Cell("All of them"),
        "",
        "",
        "",
        fmt.money(_sum([one.cost_before for one in plan.merged])),
        fmt.money(_sum([one.cost_after for one in plan.merged])),
        fmt.money(_sum([one.cost_after - one.cost_before for one in plan.merged]), signed=True),
        fmt.money(_sum([one.value_before for one in plan.merged])),
        fmt.money(_sum([one.value_after for one in plan.merged])),
    ]
    symbols = plural(len(plan.merged), "symbol")
    with st.expander(f"What becomes of the {symbols} of these portfolios", expanded=True):
        shown = plan.merged[components.page(len(plan.merged), SYMBOLS_PAGE, symbols, "merged_page")]
        rows = [_merged_row(one) for one in shown]
        st.html(markup.table(columns, rows, caption="Merged symbols; money in HKD", total=total))


def _merged_row(one: MergedSymbol) -> tuple[Cell | str, ...]:
    return (
        Cell(one.symbol),
        ", ".join(one.portfolios),
        fmt.count(one.quantity),
        fmt.price(one.avg_cost),
        fmt.money(one.cost_before),
        fmt.money(one.cost_after),
        fmt.money(one.cost_after - one.cost_before, signed=True),
        fmt.money(one.value_before),
        fmt.money(one.value_after),
    )


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    """Missing where one of them is."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if len(known) == len(values) else None


def _start(phase: Phase, version: str | None) -> None:
    """With the choices as they are now: the page may not have been drawn again since the last of them."""
    typed = st.session_state.get(f"typed {phase}", "")
    options = plan_choices.chosen(phase)
    components.attempt(lambda: actions.start_phase(phase, typed, version, options).message)


def _button(plan: Plan, live: queries.LiveState) -> None:
    if plan.refusals:
        st.caption(f"{plan.phase.label} cannot start: see above for what to do first.")
        return
    name = plan.phase.subcommand
    with st.form(f"start {plan.phase}"):
        if plan.phase is Phase.PHASE1 and plan.archived_portfolios:
            names = ", ".join(plan.archived_portfolios)
            st.checkbox(f"Bring back the portfolios in the archive: {names}", value=True, key="restore_archive")
        st.text_input(f"Type {name} to start it", key=f"typed {plan.phase}", placeholder=name, autocomplete="off")
        st.form_submit_button(
            f"Start {plan.phase.label.lower()}" if "Phase" in plan.phase.label else plan.phase.label,
            key=f"start_{name}",
            type="primary",
            on_click=_start,
            args=(plan.phase, live.version),
        )
