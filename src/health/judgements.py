"""What was seen, judged: each component healthy, degraded or down, and the next thing to do. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from src.backup.folders import others_unknown
from src.backup.make import Estimate
from src.backup.manifest import Backup
from src.backup.reading import Stored, UnreadableBackup
from src.cache import CacheStatus
from src.errors import Action, HKStrategyError, NextStep, TableLocked
from src.health import server as health
from src.health.background_poll import Answer
from src.health.drift import difference_lines, repairs, schema_trouble
from src.health.model import SILENT, Component, Key, State, Trouble, unknown
from src.health.probes import JournalProbe, ServerProbe, StructureProbe
from src.journal.model import NEWER_PROGRAM, RunRecord, RunState
from src.postgres import errors
from src.postgres.connection import APPLICATION_NAME
from src.postgres.pool import PoolStatus
from src.postgres.table_locks import TableLock
from src.schema.versions import SchemaState
from src.text import duration, milliseconds, plural, size

LATE_S = 15.0  # so long a server that answered before counts as slow, and not yet as down
OLD_BACKUP_S = 7 * 86400.0
ROOM = 1.5  # with less than so many times what a backup may need, the disk is nearly full
RECENT_S = 60.0


def is_up(server: Answer[ServerProbe]) -> bool:
    """Whether PostgreSQL answers, or did so a moment ago."""
    return server.value is not None and (server.silent_s is None or server.age_s < LATE_S)


def database(seen: Answer[ServerProbe]) -> Component:
    """PostgreSQL, as the component `database`."""
    if seen.silent_s is None or seen.value is None or not is_up(seen):
        return _answered(seen)
    found = _with_lines(health.server(seen.value.details))
    late = Trouble(
        f"It has not answered for {duration(seen.silent_s)}, and did {duration(seen.age_s)} ago.",
        "It is overloaded, or the way to it is: check its processors, its disk and the network.",
    )
    return replace(found, state=State.DEGRADED, message=late.message, advice=late.advice)


def _answered(seen: Answer[ServerProbe]) -> Component:
    if seen.silent_s is not None:
        text = f"PostgreSQL has not answered for {duration(seen.silent_s)}."
        return Component(
            Key.DATABASE, "PostgreSQL", State.DOWN, text, errors.advice(errors.Reason.SILENT), details={SILENT: True}
        )
    if seen.problem is not None:
        return health.unreachable(seen.problem)
    assert seen.value is not None
    return _with_lines(health.server(seen.value.details))


def _with_lines(found: Component) -> Component:
    details: Any = found.details
    longest = details["longest_transaction_s"]
    return replace(
        found,
        lines=(
            f"{size(details['size_bytes'])}, {details['database']} as {details['role']}",
            f"{details['connections']} of {details['max_connections']} connections in use",
            f"longest transaction: {duration(longest) if longest else 'none open'}",
            "a read-only standby" if details["standby"] else "the primary",
        ),
    )


def pool(seen: PoolStatus) -> Component:
    """`details`: as in PoolStatus."""
    details = {"size": seen.size, "in_use": seen.in_use, "waiting": seen.waiting, "gave_up": seen.gave_up}
    troubles = []
    if seen.in_use >= seen.size:
        waiting = (
            f" {plural(seen.waiting, 'request')} {'waits' if seen.waiting == 1 else 'wait'} for one."
            if seen.waiting
            else ""
        )
        troubles.append(
            Trouble(
                f"All {seen.size} connections of this dashboard are in use.{waiting}",
                "It passes when their statements end. Where it lasts: find what holds them in pg_stat_activity "
                "(application_name hk_strategy), or restart the dashboard.",
            )
        )
    if seen.gave_up_s is not None and seen.gave_up_s < RECENT_S:
        troubles.append(
            Trouble(
                f"{duration(seen.gave_up_s)} ago a request waited for a connection in vain.",
                "Somebody was shown an error: it works again as soon as connections are free.",
            )
        )
    message = "" if seen.in_use >= seen.size else f"This dashboard uses {seen.in_use} of its {seen.size}."
    found = health.judged(Key.POOL, "Connections", message, troubles, details)
    return replace(found, lines=(f"waited in vain since the start: {seen.gave_up:,}",))


def cache(seen: Answer[CacheStatus]) -> Component:
    """The cache, as the component `redis`."""
    if seen.silent_s is not None:
        return health.cache_of(CacheStatus(False, f"The cache has not answered for {duration(seen.silent_s)}."))
    if seen.value is None:
        return health.cache_of(CacheStatus(False, str(seen.problem)))
    status, lines = seen.value, []
    if status.used_memory_bytes is not None:
        lines.append(f"{size(status.used_memory_bytes)} in use, {plural(status.keys or 0, 'key')}")
    if status.hit_rate is not None:
        lines.append(f"{status.hit_rate:.0%} of all reads found what they asked for")
    if status.up:
        lines.append("for programs that use DatabaseManager; pages keep what they read in memory")
    return replace(health.cache_of(status), lines=tuple(lines))


def schema(server: Answer[ServerProbe], own: Answer[JournalProbe], structure: Answer[StructureProbe]) -> Component:
    """`details`: as src.health.server.schema_of has them, and `differences` and `repairs`: lists of sentences and of
    statements; where something cannot be read: `locks` (table, pid, role, application_name, since) and
    `missing_grants` (statements)."""
    if server.value is None or not is_up(server):
        return Component(Key.SCHEMA, "Schema", State.DOWN, unknown(server.problem), known=False)
    calm = own.value is not None and own.value.run is not None and own.value.run.is_running
    return _with_obstacles(_structure(server.value.schema, own, structure), server.value, calm=calm)


def _with_obstacles(found: Component, seen: ServerProbe, *, calm: bool) -> Component:
    """`found` with who keeps readers out of tables, and which tables this role may not read. `calm`: a run is under
    way, whose own short locks are no obstacle."""
    locks = [lock for lock in seen.locks if not (calm and lock.application_name.startswith(APPLICATION_NAME))]
    troubles = []
    if locks:
        troubles.append(Trouble(f"{'; '.join(map(str, locks))}.", _ending(locks)))
    if seen.missing_grants:
        text = f"The role {seen.details['role']} may not read everything, so something is not known or backed up."
        troubles.append(Trouble(text, f"Let the owner run: {' '.join(seen.missing_grants)}"))
    if not troubles:
        return found
    return replace(
        found,
        state=State.DEGRADED,
        message=" ".join((found.message, *(trouble.message for trouble in troubles))).strip(),
        advice=found.advice or troubles[0].advice,
        details={**found.details, "locks": [_lock(one) for one in locks], "missing_grants": [*seen.missing_grants]},
    )


def _ending(locks: Sequence[TableLock]) -> str:
    """How the transactions that hold these locks can be ended."""
    pids = sorted({lock.pid for lock in locks if lock.pid})
    ends = " ".join(f"SELECT pg_terminate_backend({pid});" for pid in pids) or "ROLLBACK PREPARED '…';"
    return (
        "Nobody can read or change what is locked until that transaction has ended. Let its client end it; where that "
        f"cannot be waited for, let an administrator of the server end it: {ends}"
    )


def _lock(one: TableLock) -> dict[str, object]:
    return {**asdict(one), "since": None if one.since is None else one.since.isoformat()}


def _structure(state: SchemaState, own: Answer[JournalProbe], structure: Answer[StructureProbe]) -> Component:
    found = health.schema_of(state)
    lines = [
        "several portfolios" if state.multi_portfolio else "one portfolio, DEFAULT",
        "v1 clients can work" if state.backward_compatible else "v1 clients cannot work",
    ]
    if state.version is None:
        return found
    drift = structure.value.drift if structure.value is not None else None
    if drift is None:
        why = structure.problem
        reason = "" if why is None or isinstance(why, TableLocked) else f": {why}"  # the lock is in the message
        return replace(found, lines=(*lines, f"what it is made of could not be compared just now{reason}"))
    run = own.value.run if own.value is not None else None
    differences = difference_lines(drift)
    to_type = repairs(drift)
    details = {**found.details, "differences": differences, "repairs": to_type}
    found = replace(found, details=details)
    trouble = schema_trouble(state, drift, run)
    if trouble is None:
        if not drift.extra and found.state is State.HEALTHY:
            lines.append("every table, column, index and rule is as it should be")
        return replace(found, lines=(*differences, *lines))
    unfinished = run is not None and run.is_unfinished
    calm = run is not None and run.is_running
    return replace(
        found,
        state=State.HEALTHY if calm else State.DEGRADED,
        message=f"{state.title}. {trouble.message}",
        advice=trouble.advice,
        next_step=trouble.next_step,
        # While a run is under way its own steps do what is missing.
        lines=(*differences, *(() if unfinished else (f"to put right: {one}" for one in to_type)), *lines),
    )


def _unread(own: Answer[JournalProbe], name: str) -> HKStrategyError | None:
    """Why a field of what the project noted is not known, where there is a reason."""
    return own.problem if own.value is None else own.value.locked.get(name)


def data(own: Answer[JournalProbe], *, answers: bool = False) -> Component:
    """Whether the data was made up. `details`: sample. `answers`: PostgreSQL does."""
    problem = _unread(own, "sample")
    if own.value is None or problem is not None:
        return Component(Key.DATA, "Data", State.DEGRADED, unknown(problem, answers=answers), known=False)
    details = {"sample": own.value.sample}
    if own.value.sample:
        advice, step = "Remove it before real positions come in.", NextStep(Action.REMOVE_SAMPLE)
        text = "Sample data, made up for trying things out."
        return Component(Key.DATA, "Data", State.HEALTHY, text, advice, details=details, next_step=step)
    return Component(
        Key.DATA, "Data", State.HEALTHY, "Real data: none of it was made up by this program.", details=details
    )


def newest_verified(found: Sequence[Backup], database_name: str | None) -> Backup | None:
    """The newest verified backup of this database; of any, where its name is not known."""
    fitting = [b for b in found if b.verified_at is not None and database_name in (None, b.database)]
    return max(fitting, key=lambda one: one.created_at, default=None)


def backups(
    server: Answer[ServerProbe],
    own: Answer[JournalProbe],
    structure: Answer[StructureProbe],
    found: Answer[Stored],
) -> Component:
    """`details`: needed_bytes, free_bytes, newest_verified (a name), age_s, unreadable (names, where there are any).

    While PostgreSQL does not answer it is not known which backups are of this database, nor what one would need.
    """
    if found.value is not None and not is_up(server):
        lines = [str(one) for one in found.value.unreadable]
        text = _in_the_folder(found.value.backups)
        return Component(Key.BACKUPS, "Backups", State.DEGRADED, text, lines=tuple(lines), known=False)
    lines = []
    troubles: list[Trouble] = []
    details: dict[str, Any] = {}
    estimate = structure.value.estimate if structure.value is not None else None
    if estimate is not None:
        details |= {"needed_bytes": estimate.needed, "free_bytes": estimate.free}
        lines.append(f"a backup may need {size(estimate.needed)}; {size(estimate.free)} are free")
        troubles += _room(estimate)
    message = ""
    if found.value is None:
        why = "The folder for backups does not answer." if found.problem is None else str(found.problem)
        troubles.append(Trouble(why, "Check that disk, or name another folder in HK_STRATEGY_BACKUPS, in .env."))
    else:
        name = str(server.value.details["database"]) if server.value is not None else None
        newest = newest_verified(found.value.backups, name)
        real = own.value is not None and "sample" not in own.value.locked and not own.value.sample
        message, trouble = _age(newest, needed=real)
        troubles += trouble
        if newest is not None:
            age = (datetime.now(UTC) - newest.created_at).total_seconds()
            details |= {"newest_verified": newest.name, "age_s": round(age)}
        if found.value.unreadable:
            details |= {"unreadable": [one.name for one in found.value.unreadable]}
            troubles.append(_unreadable(found.value.unreadable))
    unread = _unread(own, "backup_folders")
    if unread is not None:
        lines.append(others_unknown(unread))
    if estimate is None and not troubles:
        # Whether there is room for one depends on the tables' sizes.
        lines.append("what a backup would need is not known just now")
    result = health.judged(Key.BACKUPS, "Backups", message, troubles, details)
    return replace(result, lines=tuple(lines))


def _in_the_folder(found: Sequence[Backup]) -> str:
    """What the files alone show."""
    newest = newest_verified(found, None)
    unknown_rest = "Whether another one is due, and has room, is not known while PostgreSQL does not answer."
    if newest is None:
        return f"There is no verified backup in the folder. {unknown_rest}"
    age = (datetime.now(UTC) - newest.created_at).total_seconds()
    return (
        f"The newest verified one in the folder, of the database {newest.database}, is from "
        f"{newest.created_at.astimezone():%Y-%m-%d %H:%M}, {ago(age)}. {unknown_rest}"
    )


def _unreadable(found: Sequence[UnreadableBackup]) -> Trouble:
    rest = f" {plural(len(found) - 1, 'other')} cannot be read either." if found[1:] else ""
    return Trouble(f"{found[0]}{rest}", "Put that right, or remove its folder yourself: no command deletes it.")


def _room(estimate: Estimate) -> list[Trouble]:
    if estimate.obstacle is not None:
        return [
            Trouble(
                estimate.obstacle, "Settle this first: a phase and a rollback begin with a backup.", estimate.next_step
            )
        ]
    if estimate.free < ROOM * estimate.needed:
        free, needed = size(estimate.free), size(estimate.needed)
        text = f"The disk for backups is nearly full: {free} are free, one may need {needed}."
        return [Trouble(text, "Make room there, or name another folder in HK_STRATEGY_BACKUPS, in .env.")]
    return []


def _age(newest: Backup | None, *, needed: bool) -> tuple[str, list[Trouble]]:
    step = NextStep(Action.BACKUP)
    if newest is None:
        text = "No backup of this database has been verified yet."
        return ("", [Trouble(text, "", step)]) if needed else (text, [])
    age = (datetime.now(UTC) - newest.created_at).total_seconds()
    text = f"The newest verified one is from {newest.created_at.astimezone():%Y-%m-%d %H:%M}, {ago(age)}."
    return ("", [Trouble(text, "", step)]) if age > OLD_BACKUP_S else (text, [])


def run(own: Answer[JournalProbe], *, answers: bool = False) -> Component:
    """How the last run stands. `details`: run_id, phase, state, longest_stall_ms. `answers`: PostgreSQL does."""
    problem = _unread(own, "run")
    if own.value is None or problem is not None:
        return Component(Key.RUN, "Last run", State.DEGRADED, unknown(problem, answers=answers), known=False)
    last = own.value.run
    if last is None:
        return Component(Key.RUN, "Last run", State.HEALTHY, "No phase or rollback has run here yet.")
    details = {
        "run_id": last.run_id,
        "phase": last.phase.value,
        "state": last.state,
        "longest_stall_ms": last.longest_stall_ms,
    }
    stall = last.longest_stall_ms
    lines = () if stall is None else (f"longest stall of a client: {milliseconds(stall)}",)
    head = f"{last.phase.value} (run {last.run_id})"
    if last.is_resumable:
        # The event of an interrupted run that came last is not why it ended. A reason begins with the state it led to.
        reason = "" if last.state == RunState.INTERRUPTED else last.message
        why = reason.removeprefix(f"{last.state.capitalize()}: ")
        at = f"with {last.steps_done} of {last.steps_total} steps done"
        advice, step = NEWER_PROGRAM, None
        if last.phase.is_known:
            advice, step = "Resume it or roll it back.", NextStep(Action.RESUME_OR_UNDO, last.phase)
        text = f"{head} {last.standing} {at}{f': {why}' if why else '.'}"
        return Component(Key.RUN, "Last run", State.DEGRADED, text, advice, lines, details, next_step=step)
    return Component(Key.RUN, "Last run", State.HEALTHY, f"{head} {_ended(last)}", "", lines, details)


def _ended(last: RunRecord) -> str:
    if last.is_running or last.finished_at is None:
        return f"is running: step {min(last.steps_done + 1, last.steps_total)} of {last.steps_total}."
    since = (datetime.now(UTC) - last.finished_at).total_seconds()
    took = (last.finished_at - last.started_at).total_seconds()
    word = "was undone" if last.state == RunState.UNDONE else "is done"
    return f"{word}, {ago(since)}; it took {duration(took)}."


def ago(seconds: float) -> str:
    """How long ago (seconds), as text."""
    for unit, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {word}s ago"
    return "just now" if seconds < 60 else "a minute ago"
