"""Activity: runs and what admins did, newest first; filtered by the URL, exported, each shown in full on demand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from src.journal.activity import ACTION, RUN, ActivityEntry, ActivityFilter
from src.journal.model import AuditOutcome, RunState
from src.text import plural
from src.ui.reads import queries
from src.ui.system_status import history_export
from src.ui.system_status.migration import proof_view, run_view
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

ANY = "all"
KINDS = {ANY: "Everything", RUN: "Runs", ACTION: "Actions"}
PERIODS = {ANY: "All time", "24h": "The last 24 hours", "7d": "The last 7 days", "30d": "The last 30 days"}
SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
PAGE = 15
COLUMNS = (
    Column("What", "title"),
    Column("When", "number"),
    Column("Took", "number"),
    Column("By"),
    Column("Outcome", "wide"),
)
GOOD = (RunState.DONE, RunState.UNDONE, RunState.RUNNING, AuditOutcome.NOTHING)


def show(may: bool) -> None:
    """For an admin with the actions; a trader sees the runs, which concern everybody."""
    st.subheader("Activity")
    known = queries.activity()
    if known.problem is not None:
        st.warning(fmt.plain(f"Not all of it can be read. {known.problem}"))
    for note in known.notes:
        st.warning(fmt.plain(note))
    found = known.entries if may else tuple(one for one in known.entries if one.kind == RUN)
    if not found:
        if known.problem is None:
            st.caption("Nothing has happened to this database yet that is kept here.")
        return
    wanted = _filter(found, may)
    shown = [one for one in found if wanted.fits(one)]
    if not shown:
        st.caption("Nothing fits this filter.")
        return
    part = components.page(len(shown), PAGE, plural(len(shown), "entry", "entries"), "history_page")
    st.html(markup.table(COLUMNS, [_row(one, may) for one in shown[part]], caption="Activity, newest first"))
    if may:
        _exports(shown)
    _closer(shown[part], may)


def _filter(found: Sequence[ActivityEntry], may: bool) -> ActivityFilter:
    names = dict.fromkeys(one.name for one in found)
    kinds = KINDS | {name: name for name in names} if may else {ANY: KINDS[ANY]} | {name: name for name in names}
    by = {ANY: "Everybody"} | {name: name for name in dict.fromkeys(one.by for one in found)}
    outcomes = {ANY: "Any outcome"} | {name: name for name in dict.fromkeys(one.outcome for one in found)}
    with st.container(horizontal=True, key="hk_history_filter"):
        kind = _choice("What", kinds, "history_what")
        who = _choice("By", by, "history_by")
        outcome = _choice("Outcome", outcomes, "history_outcome")
        period = _choice("When", PERIODS, "history_when")
    since = None if period not in SPANS else datetime.now(UTC) - SPANS[period]
    what, person, ended = (None if one == ANY else one for one in (kind, who, outcome))
    return ActivityFilter(what, person, ended, since)


def _choice(label: str, options: Mapping[str, str], key: str) -> str:
    chosen = st.selectbox(
        label, list(options), key=key, format_func=lambda one: options.get(one, one), bind="query-params", width=165,
        on_change=components.first_page, args=("history_page",),
    )  # fmt: skip
    return str(chosen)


def _row(one: ActivityEntry, may: bool) -> tuple[Cell | str, ...]:
    who = Cell(one.by, note=_from(one)) if may else Cell(one.by)
    took = fmt.duration(one.seconds)
    return (
        Cell(_title(one), note=_note(one)),
        fmt.moment(one.began),
        took,
        who,
        Cell(one.outcome, "" if one.outcome in GOOD else "warn", note=one.message),
    )


def _title(one: ActivityEntry) -> str:
    return one.name if one.run is None else f"Run {one.run.run_id}: {one.name}"


def _note(one: ActivityEntry) -> str:
    parts = []
    if one.run is not None:
        parts.append(f"v{one.run.from_version} → v{one.run.to_version}")
        if one.run.longest_stall_ms is not None:
            parts.append(f"longest stall {fmt.milliseconds(one.run.longest_stall_ms)}")
    if one.backup:
        parts.append(one.backup)
    return ", ".join(parts)


def _from(one: ActivityEntry) -> str:
    return ", ".join(part for part in (one.role, f"from {one.address}" if one.address else "") if part)


def _exports(shown: Sequence[ActivityEntry]) -> None:
    """Made when asked for, not when the page is drawn."""
    kept = tuple(shown)
    day = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV", lambda: history_export.to_csv(kept), f"history-{day}.csv", "text/csv", key="history_csv",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "JSON", lambda: history_export.to_json_file(kept), f"history-{day}.json", "application/json",
            key="history_json", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.caption(f"{plural(len(kept), 'entry', 'entries')}, as filtered, with all that is known of each.")


def _closer(shown: Sequence[ActivityEntry], may: bool) -> None:
    by_key = {one.key: one for one in shown}
    chosen = st.selectbox(
        "Details of", list(by_key), index=None, key="history_details", placeholder="Choose an entry",
        format_func=lambda key: _named(by_key[key]) if key in by_key else key, width=480,
        on_change=components.first_page, args=proof_view.PAGES,
    )  # fmt: skip
    one = by_key.get(chosen or "")
    if one is None:
        return
    with st.container(border=True, key="hk_history_entry"):
        st.markdown(f"**{fmt.plain(_named(one))}** by {fmt.plain(one.by)}: {fmt.plain(one.outcome)}")
        if one.message:
            st.caption(fmt.plain(one.message))
        if one.run is not None:
            run_view.finished(one.run, may)
        if may and one.detail:
            facts = [(name.replace("_", " "), _said(value)) for name, value in one.detail.items() if _said(value)]
            st.html(markup.table((Column("Kept in the audit", "title"), Column("", "wide")), facts, caption="Details"))


def _named(one: ActivityEntry) -> str:
    return f"{_title(one)}, {fmt.moment(one.began)}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
