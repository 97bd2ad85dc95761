"""Runs and their events, in the tables hk_migration.run and hk_migration.event, which are append-only.

Functions named `read_…` use the caller's connection. Those named `fetch_…` take a URL and open a connection of their
own; they raise DatabaseUnavailable.
"""

import getpass
import json
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extras import Json

from src.journal.model import Event, EventKind, Phase, ProofRow, ProofSubject, RunRecord, RunState
from src.postgres.connection import Connection, connect
from src.postgres.failures import READ, failure
from src.postgres.queries import query
from src.schema import own_schema

# One run per database: a session-level advisory lock, held by the session that executes the steps.
LOCK_CLASS, LOCK_OBJECT = 0x484B53, 1
LOCK_WAIT = "2s"  # somebody who holds a table for longer is named, and not waited for
_PROOF_KEYS = frozenset(one.name for one in fields(ProofRow))
_PROOF_NEEDS = frozenset(one.name for one in fields(ProofRow) if one.default is MISSING)


def own_schema_exists(conn: Connection) -> bool:
    """Whether the tables of runs and events exist.

    Raises PrerequisiteError where one of them is gone that only a person can bring back.
    """
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('hk_migration.run') IS NOT NULL, to_regclass('hk_migration.event') IS NOT NULL")
        run, event = _one(cur.fetchone())
        if run != event:
            own_schema.check_whole(cur, own_schema.Part.JOURNAL)
    return bool(run and event)


def ensure_own_schema(conn: Connection) -> None:
    """Create the journal's part of hk_migration, or bring it up to date. In the caller's transaction."""
    with conn.cursor() as cur:
        own_schema.upgrade(cur, own_schema.Part.JOURNAL)
        own_schema.define_functions(cur)


@dataclass(frozen=True)
class Actor:
    """Who began something: a user of a machine, and the dashboard's user that it acted for ("" for none)."""

    user: str
    machine: str
    acting_for: str = ""

    @property
    def person(self) -> str:
        return self.acting_for or f"{self.user}@{self.machine}"

    def __str__(self) -> str:
        here = f"{self.user}@{self.machine}"
        return f"{self.acting_for} via {here}" if self.acting_for else here


# In runs from before the actor was recorded by its parts: "trader (mei via hk@server)", "trader (hk@server)".
_STARTED_BY = re.compile(r"^.*? \((?:(.+?) via )?(.+)\)$")


def actor(acting_for: str | None) -> Actor:
    """This process, acting for the dashboard's user of that name, if there is one."""
    return Actor(getpass.getuser(), socket.gethostname(), acting_for or "")


def start_run(
    conn: Connection,
    phase: Phase,
    *,
    from_version: str,
    to_version: str,
    options: Mapping[str, object],
    steps: Sequence[Mapping[str, str]],
    sql_files: Mapping[str, str],
    acting_for: str | None = None,
) -> int:
    """Record a run before its first step. Returns its id. `options` and `steps` are JSON-serialisable."""
    began = actor(acting_for)
    with conn.cursor() as cur:
        cur.execute(
            query("journal.runs.start"),
            (
                phase.value,
                from_version,
                to_version,
                str(began),
                Json(_plain({**options, "actor": asdict(began)})),
                Json(list(steps)),
                Json(dict(sql_files)),
            ),
        )
        (run_id,) = _one(cur.fetchone())
    return int(run_id)


def add_event(conn: Connection, event: Event) -> None:
    """Append one event. In the caller's transaction, if there is one."""
    with conn.cursor() as cur:
        cur.execute(
            query("journal.runs.add_event"),
            (
                event.run_id,
                event.at,
                str(event.kind),
                event.step,
                event.message,
                event.done,
                event.total,
                Json(_plain(dict(event.detail))),
            ),
        )


def read_events(conn: Connection, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
    """(id, event) of a run's events with an id greater than `after`, in order. Empty where there is no journal yet."""
    if not own_schema_exists(conn):
        return []
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.events"), (run_id, after))
        return [(int(row[0]), _event(row[1:])) for row in cur.fetchall()]


def read_runs(conn: Connection, limit: int = 50) -> list[RunRecord]:
    """The newest runs, newest first. Empty where there is no journal yet."""
    if not own_schema_exists(conn):
        return []
    with conn.cursor() as cur:
        cur.execute(
            query("journal.runs.records"), {"limit": limit, "lock_class": LOCK_CLASS, "lock_object": LOCK_OBJECT}
        )
        return [_record(row) for row in cur.fetchall()]


def read_inputs(conn: Connection, run_id: int) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run was started with: its options, and the SHA-256 of its SQL files by file name."""
    with conn.cursor() as cur:
        cur.execute("SELECT options, sql_files FROM hk_migration.run WHERE run_id = %s", (run_id,))
        options, sql_files = _one(cur.fetchone())
    return _mapping(options), _mapping(sql_files)


def last_checksums(conn: Connection, phase: Phase) -> tuple[dict[str, str], datetime] | None:
    """SHA-256 of the SQL files of the newest run of `phase` by name, and its start. None where there was none."""
    if not own_schema_exists(conn):
        return None
    with conn.cursor() as cur:
        cur.execute(
            "SELECT sql_files, started_at FROM hk_migration.run WHERE phase = %s ORDER BY run_id DESC LIMIT 1",
            (phase.value,),
        )
        row = cur.fetchone()
    return (_mapping(row[0]), row[1]) if row else None


def pause_asked_by(conn: Connection, run_id: int) -> str | None:
    """Who asked the run to pause since it was last started or resumed. None where nobody did."""
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.pause_asked_by"), {"run": run_id})
        row = cur.fetchone()
    return str(row[0]) if row else None


def unfinished_run(records: Sequence[RunRecord]) -> RunRecord | None:
    """The newest of `records` (newest first), if it is unfinished."""
    return records[0] if records and records[0].is_unfinished else None


def end_unfinished(conn: Connection, message: str) -> None:
    """Mark the unfinished run, if there is one, as undone: nothing of it is left to resume or to undo."""
    run = unfinished_run(read_runs(conn, limit=1))
    if run is not None:
        add_event(conn, Event(now(), run.run_id, EventKind.OUTCOME, None, message, detail={"state": RunState.UNDONE}))


def _record(row: Sequence[Any]) -> RunRecord:
    (run_id, phase, from_version, to_version, started_at, finished_at, started_by, state, message, backup, stall_ms,
     steps_done, steps_total, current_step, proof, sql_files, began_by) = row  # fmt: skip
    return RunRecord(
        run_id=int(run_id),
        phase=Phase(phase),
        from_version=from_version,
        to_version=to_version,
        started_at=started_at,
        finished_at=finished_at,
        started_by=started_by,
        by=_person(started_by, began_by),
        state=RunState(state),
        message=message,
        backup=backup,
        longest_stall_ms=None if stall_ms is None else float(stall_ms),
        steps_done=int(steps_done),
        steps_total=int(steps_total),
        current_step=current_step,
        proof=_proof(proof),
        sql_files=_mapping(sql_files),
    )


def _person(started_by: str, began_by: object) -> str:
    """Who began a run: `began_by`, the JSON of its Actor, where it can be read, else what `started_by` says."""
    if isinstance(began_by, Mapping):
        user, machine, acting_for = (began_by.get(key) for key in ("user", "machine", "acting_for"))
        if acting_for or (user and machine):
            return Actor(str(user), str(machine), str(acting_for or "")).person
    old = _STARTED_BY.match(started_by)
    return started_by if old is None else old[1] or old[2]


def _event(row: Sequence[Any]) -> Event:
    at, run_id, kind, step, message, done, total, detail = row
    return Event(at, run_id, EventKind(kind), step, message, done, total, _mapping(detail))


def _proof(entries: object) -> tuple[ProofRow, ...]:
    """The rows that can be read. Those of an earlier version have no digests. Keys of a later version are left out."""
    found = []
    for entry in entries if isinstance(entries, list) else ():
        known = {key: value for key, value in _mapping(entry).items() if key in _PROOF_KEYS}
        if known.keys() >= _PROOF_NEEDS:
            digests = known.get("digests")
            pair = tuple(digests) if isinstance(digests, list) and len(digests) == 2 else None
            known |= {
                "about": ProofSubject(str(known.get("about", ""))),
                "digests": pair,
            }
            found.append(ProofRow(**known))
    return tuple(found)


def _mapping(value: object) -> dict[str, Any]:
    """A JSON object of the database; empty where something else stands there."""
    return dict(value) if isinstance(value, Mapping) else {}


def _one(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    assert row is not None
    return row


def _plain(value: object) -> Any:
    """JSON values of `value`, with paths, dates and decimals as text."""
    return json.loads(json.dumps(value, default=str))


def now() -> datetime:
    """The time now, with the local time zone."""
    return datetime.now().astimezone()


def fetch_runs(url: str, limit: int = 50) -> list[RunRecord]:
    """The newest runs, newest first."""
    with reading_session(url) as conn:
        return read_runs(conn, limit)


def fetch_current_run(url: str) -> RunRecord | None:
    """The unfinished run: running, paused, failed or interrupted. None where there is none."""
    with reading_session(url) as conn:
        return unfinished_run(read_runs(conn, limit=1))


def fetch_events(url: str, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
    """As `read_events`."""
    with reading_session(url) as conn:
        return read_events(conn, run_id, after)


@contextmanager
def reading_session(
    url: str, rights: Sequence[str] = READ, *, only: Sequence[str] | None = None
) -> Iterator[Connection]:
    """A connection in autocommit, with a statement timeout of 30 s and a lock timeout of LOCK_WAIT.

    `rights`: what is to be done, with which tables of public (`only`), for the error where that is kept from it.

    Raises DatabaseUnavailable, and PrerequisiteError where a newer version of the program has made what is read.
    """
    conn = connect(url, purpose="status", autocommit=True)
    try:
        with conn.cursor() as cur:
            cur.execute("SET statement_timeout = '30s'")
            cur.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_WAIT,))
            cur.execute("SET search_path = public")
        yield conn
    except psycopg2.Error as error:
        raise own_schema.why_unusable(conn, error) or failure(conn, error, rights, only=only) from None
    finally:
        conn.close()
