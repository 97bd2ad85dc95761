"""What the commands say, as lines of text. Pure: values in, lines out."""

import textwrap
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import zip_longest

from src.cli.findings import finding_lines, next_words
from src.health.model import Component, State
from src.journal.model import (
    NEWER_PROGRAM,
    VERSION_TITLES,
    Client,
    OutcomeState,
    Phase,
    ProofRow,
    RunOutcome,
    RunRecord,
)
from src.migration.engine import Inspection
from src.migration.model import MergedSymbol, Options, Plan, StepEstimate, TableSize
from src.migration.plan.lock_notes import CONSEQUENCES, lock_of
from src.text import duration, milliseconds, moment, money, plural, size


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Columns aligned by spaces; those numbered in `right` to the right."""
    body = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *body]) for i in range(len(header))]
    to_right = set(right)

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(widths[i]) if i in to_right else c.ljust(widths[i]) for i, c in enumerate(cells))
        return "  " + "  ".join(padded).rstrip()

    return [line(header), *(line(row) for row in body)]


def client_lines(clients: Iterable[Client]) -> list[str]:
    lines = []
    for client in clients:
        where = client.address or "local socket"
        age = f", in a transaction for {duration(client.transaction_s)}" if client.transaction_s is not None else ""
        waits = f", waits for {client.wait_event}" if client.wait_event else ""
        name = f" ({client.application_name})" if client.application_name else ""
        lines.append(
            f"  pid {client.pid}  {client.role}{name} from {where}, {client.state}, "
            f"last statement {duration(client.idle_s)} ago{age}{waits}"
        )
        if client.query:
            lines.append(f"    {' '.join(client.query.split())[:100]}")
    return lines


def plan_lines(plan: Plan, options: Options, *, sql: bool = False) -> list[str]:
    """Everything that an admin should know before saying yes."""
    lines = run_beside_lines(plan.run)
    if plan.nothing_to_do:
        return [*lines, plan.nothing_to_do, *finding_lines(plan.findings)]
    lines += [f"Plan: {plan.phase}, from {_title(plan.from_version)} to {_title(plan.to_version)}", "", "Steps:"]
    if not plan.steps:
        lines.append("  Which ones are needed cannot be found out before what is marked ✗ is settled.")
    for number, (step, estimate) in enumerate(zip(plan.steps, estimate_texts(plan), strict=True), 1):
        lock = lock_of(step)
        lines.append(f"  {number:>2}. {step.kind:<9} {step.title}")
        lines += [f"      {part}" for part in textwrap.wrap(step.why, 110)]
        lines.append(f"      Lock: {lock.mode} ({lock.felt}). {estimate}")
        if sql:
            lines += ["", *(f"      {line}" for line in step.sql.splitlines() or ["-- no SQL of its own"]), ""]
    limit = f"a client waits {options.max_lock_ms} ms at most for one try"
    lines += ["", f"Locks are tried for, never queued for; {limit}.", estimate_sum(plan)]
    lines += _size_lines(plan.tables)
    lines += _backup_lines(plan, options)
    if plan.legacy_roles:
        lines += ["", f"v1 clients connect as: {', '.join(plan.legacy_roles)}"]
    lines += ["", f"v1 clients connected now: {len(plan.legacy_clients) or 'none'}", *client_lines(plan.legacy_clients)]
    lines += [f"In the way of a lock now: {len(plan.blockers) or 'nobody'}", *client_lines(plan.blockers)]
    lines += _rollback_lines(plan)
    after = CONSEQUENCES[plan.phase]
    for heading, texts in (("Possible after it:", after.possible), ("Not possible any more:", after.impossible)):
        lines += ["", heading, *(f"  - {text}" for text in texts)]
    if plan.findings:
        lines += ["", "Noticed:", *finding_lines(plan.findings)]
    if plan.refusals:
        lines += ["", "This cannot start until what is marked ✗ is settled. Nothing has been touched."]
    return lines


def estimate_texts(plan: Plan) -> list[str]:
    """Of each step. Where all are from the same source, their sum says which that is."""
    sources = {one.run_at for one in plan.expected if one is not None}
    mixed = len(sources) > 1
    return [
        "How long is not known." if one is None
        else f"About {duration(one.seconds)}{f', {_source(one)}' if mixed else ''}."
        for one, _ in zip_longest(plan.expected, plan.steps)
    ]  # fmt: skip


def _source(one: StepEstimate) -> str:
    if one.run_at is None:
        return "measured on another machine"
    return f"by the run of {one.run_at.astimezone():%Y-%m-%d %H:%M}"


def estimate_sum(plan: Plan) -> str:
    """Of all steps; says where it is from, and what it leaves out."""
    known = [one for one in plan.expected if one is not None]
    if not known:
        return "How long it will take is not known."
    whole = duration(sum(one.seconds for one in known))
    unknown = len(plan.steps) - len(known)
    without = f", and what {plural(unknown, 'step takes', 'steps take')} of which nothing is known" if unknown else ""
    here = sum(one.run_at is not None for one in known)
    origin = (
        "by earlier runs on this database" if here == len(known)
        else "by measurements on another machine: yours may be quicker or slower" if not here
        else "by earlier runs on this database, and by measurements on another machine where there are none"
    )  # fmt: skip
    return f"Estimate of all steps: about {whole}{without}; {origin}. Waiting for clients in the way comes on top."


def _title(version: str) -> str:
    return VERSION_TITLES.get(version, version)


def inspection_lines(seen: Inspection, run: RunRecord | None) -> list[str]:
    """What is known where there is no plan, since a table is locked."""
    lines = [*run_beside_lines(run), f"Schema: {seen.title}", *_size_lines(seen.tables)]
    if seen.legacy_roles:
        lines += ["", f"v1 clients connect as: {', '.join(seen.legacy_roles)}"]
    if seen.findings:
        lines += ["", "Noticed:", *finding_lines(seen.findings)]
    return [*lines, ""]


def _size_lines(tables: Sequence[TableSize]) -> list[str]:
    if not tables:
        return []
    rows = [(t.table, "unknown" if t.rows_estimate < 0 else f"{t.rows_estimate:,}", size(t.bytes)) for t in tables]
    return ["", *table(("table", "rows (about)", "size"), rows, right=(1, 2))]


def _backup_lines(plan: Plan, options: Options) -> list[str]:
    if not options.backup:
        return ["", "Backup: NONE, as --no-backup says. If something goes wrong, there is nothing to restore."]
    where = f" in {options.backup_dir}" if options.backup_dir else ""
    room = ""
    if plan.backup_bytes_estimate is not None and plan.disk_free_bytes is not None:
        room = f"; needs about {size(plan.backup_bytes_estimate)}, {size(plan.disk_free_bytes)} free"
    return ["", f"Backup: made first{where}, and verified by restoring it{room}."]


def _rollback_lines(plan: Plan) -> list[str]:
    lines: list[str] = []
    if plan.archived_portfolios:
        names = ", ".join(plan.archived_portfolios)
        if plan.phase is Phase.PHASE1:
            lines += ["", f"Portfolios restored from the archive: {names}"]
        else:
            lines += ["", f"Portfolios archived, and gone from the live tables: {names}"]
    if plan.merged:
        lines += ["", f"{plural(len(plan.merged), 'symbol')} of these portfolios, merged into DEFAULT (HKD):"]
        lines += merged_lines(plan.merged)
    return lines


def merged_lines(merged: Iterable[MergedSymbol]) -> list[str]:
    header = ("symbol", "portfolios", "shares", "avg cost", "cost before", "after", "rounding", "value before", "after")
    rows = [
        (
            m.symbol,
            ", ".join(m.portfolios),
            f"{m.quantity:,}",
            f"{m.avg_cost:,.3f}",
            money(m.cost_before),
            money(m.cost_after),
            f"{m.cost_after - m.cost_before:+,.2f}",
            _value(m.value_before),
            _value(m.value_after),
        )
        for m in merged
    ]
    return table(header, rows, right=range(2, 9))


def _value(value: Decimal | None) -> str:
    return "no price" if value is None else money(value)


def proof_lines(proof: Sequence[ProofRow]) -> list[str]:
    rows = []
    for row in proof:
        result = {True: "equal", False: "DIFFERS", None: "explained"}[row.equal]
        rows.append(
            (row.subject, row.before, row.after, row.difference, f"{result}{f': {row.note}' if row.note else ''}")
        )
    if not rows:
        return []
    lines = table(("proof", "before", "after", "difference", ""), rows, right=(1, 2, 3))
    hashed = [(row.name or row.subject, *row.digests) for row in proof if row.digests]
    return [*lines, "", *table(("hash of", "before", "after"), hashed)] if hashed else lines


def outcome_lines(outcome: RunOutcome) -> list[str]:
    """What there is to say about a finished run beside its message."""
    lines = proof_lines(outcome.proof)
    if lines:
        lines = ["", *lines, ""]
    if outcome.longest_stall_ms is not None:
        lines.append(f"Longest wait of a client: {milliseconds(outcome.longest_stall_ms)}")
    if outcome.exclusive_ms is not None:
        lines.append(f"Longest exclusive section: {milliseconds(outcome.exclusive_ms)}")
    if outcome.backup:
        lines.append(f"Backup: {outcome.backup}")
    if outcome.state == OutcomeState.DONE:
        lines.append(f"Took {duration(outcome.seconds)}")
    return lines


def run_lines(runs: Sequence[RunRecord]) -> list[str]:
    rows = [
        (
            str(run.run_id),
            moment(run.started_at),
            run.phase,
            run.state,
            f"{run.steps_done}/{run.steps_total}",
            "-" if run.finished_at is None else duration((run.finished_at - run.started_at).total_seconds()),
            "-" if run.longest_stall_ms is None else milliseconds(run.longest_stall_ms),
            run.backup or "-",
            run.started_by,
        )
        for run in runs
    ]
    lines = table(("run", "started", "what", "state", "steps", "took", "stall", "backup", "by"), rows, right=(0,))
    return lines if rows else ["No run yet."]


def run_detail_lines(run: RunRecord) -> list[str]:
    """All that the history knows of one run."""
    lines = [*run_lines([run]), "", f"Outcome: {run.message}", "", "SQL files, SHA-256 when the run began:"]
    lines += [f"  {digest}  {name}" for name, digest in run.sql_files.items()]
    return [*lines, "", *(proof_lines(run.proof) or ["No proof: it did not come to that."])]


def current_run_lines(run: RunRecord) -> list[str]:
    """A run that has not ended: what it was at, and what to type."""
    at = f", at step {run.current_step!r}" if run.current_step else ""
    head = f"Run {run.run_id} ({run.phase}) {run.standing}: {run.steps_done} of {run.steps_total} steps done{at}."
    who = f"  started {moment(run.started_at)} by {run.started_by}"
    if run.is_running:
        return [head, who]
    if not run.phase.is_known:
        return [head, who, f"  {NEWER_PROGRAM}"]
    return [
        head,
        who,
        "  To go on:  python run_migration.py resume",
        f"  To undo:   python run_migration.py {' '.join(run.phase.opposite.arguments)}",
    ]


def run_beside_lines(run: RunRecord | None) -> list[str]:
    """A run that has not ended, above what is planned beside it: nothing else can begin before it is over."""
    if run is None:
        return []
    wait = ["  Wait until it has ended, or pause it: python run_migration.py pause"] if run.is_running else []
    return [*current_run_lines(run), *wait, ""]


def component_advice(of: Component) -> str:
    """What to do about it, as `check` says it, the only command that shows it."""
    return " ".join(filter(None, (of.advice, next_words(of.next_step, within="check"))))


def health_lines(components: Iterable[Component]) -> list[str]:
    """What is well in a line or two; of what is not, each thing on a line of its own."""
    lines = []
    for part in components:
        state = part.state.value if part.known else "not known"
        lines.append(f"  {part.name:<11}{state:<10} {part.message}")
        advice = component_advice(part)
        more = [advice] if advice else []
        if part.state is State.HEALTHY:
            more += ["; ".join(part.lines)] if part.lines else []
        else:
            more += [f"- {line}" for line in part.lines]
        lines += [f"  {'':<21} {text}" for text in more]
    return lines
