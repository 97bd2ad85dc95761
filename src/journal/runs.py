"""The history of runs, in the database itself: append-only, in the schema hk_migration."""

import getpass
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2.extras import Json

from src.journal import runs as store
from src.journal.model import Event, EventKind, Phase, ProofRow, RunRecord, RunState
from src.postgres.connection import Connection, connect, failure
from src.postgres.queries import query
from src.schema import own_schema

# One run per database: a session-level advisory lock, held by the session that executes the steps.
LOCK_CLASS, LOCK_OBJECT = 0x484B53, 1


def own_schema_exists(conn: Connection) -> bool:
    """Whether hk_migration is there. Reads the catalog only."""
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('hk_migration.event') IS NOT NULL")
        row = cur.fetchone()
    return bool(row and row[0])


def ensure_own_schema(conn: Connection) -> None:
    """Create the journal's part of hk_migration, or bring it up to date. In the caller's transaction."""
    with conn.cursor() as cur:
        own_schema.upgrade(cur, own_schema.Part.JOURNAL)
        own_schema.define_functions(cur)


def who(acting_for: str | None) -> str:
    """Who is at work: the user of this machine, and the dashboard's user that it is for, if there is one."""
    here = f"{getpass.getuser()}@{socket.gethostname()}"
    return f"{acting_for} via {here}" if acting_for else here


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
    """Write a run down before its first step. Returns its id."""
    with conn.cursor() as cur:
        cur.execute(
            query("journal.runs.start"),
            (
                phase.value,
                from_version,
                to_version,
                who(acting_for),
                Json(_plain(options)),
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
    """Events of a run with an id greater than `after`, in order. None where there is no history yet."""
    if not own_schema_exists(conn):
        return []
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.events"), (run_id, after))
        return [(int(row[0]), _event(row[1:])) for row in cur.fetchall()]


def read_records(conn: Connection, limit: int = 50) -> list[RunRecord]:
    """Runs, newest first. Empty where there is no history yet."""
    if not own_schema_exists(conn):
        return []
    with conn.cursor() as cur:
        cur.execute(
            query("journal.runs.records"), {"limit": limit, "lock_class": LOCK_CLASS, "lock_object": LOCK_OBJECT}
        )
        return [_record(row) for row in cur.fetchall()]


def read_run(conn: Connection, run_id: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The stored options, and the checksums of the SQL files, of a run."""
    with conn.cursor() as cur:
        cur.execute("SELECT options, sql_files FROM hk_migration.run WHERE run_id = %s", (run_id,))
        options, sql_files = _one(cur.fetchone())
    return dict(options), dict(sql_files)


def last_checksums(conn: Connection, phase: Phase) -> tuple[dict[str, str], datetime] | None:
    """The checksums of the SQL files of the newest run of `phase`, and when it began. None: there was none."""
    if not own_schema_exists(conn):
        return None
    with conn.cursor() as cur:
        cur.execute(
            "SELECT sql_files, started_at FROM hk_migration.run WHERE phase = %s ORDER BY run_id DESC LIMIT 1",
            (phase.value,),
        )
        row = cur.fetchone()
    return (dict(row[0]), row[1]) if row else None


def pause_asked_by(conn: Connection, run_id: int) -> str | None:
    """Who asked the run to pause since it began, or went on, last. None: nobody did."""
    with conn.cursor() as cur:
        cur.execute(query("journal.runs.pause_asked_by"), {"run": run_id})
        row = cur.fetchone()
    return str(row[0]) if row else None


def unfinished(records: Sequence[RunRecord]) -> RunRecord | None:
    """The newest run, if it did not end: it is running, paused, failed or interrupted."""
    return records[0] if records and records[0].is_unfinished else None


def end_unfinished(conn: Connection, message: str) -> None:
    """Note on the run that did not end, if there is one, that there is nothing of it left to resume or to undo."""
    run = unfinished(read_records(conn, limit=1))
    if run is not None:
        add_event(conn, Event(now(), run.run_id, EventKind.OUTCOME, None, message, detail={"state": RunState.UNDONE}))


def _record(row: Sequence[Any]) -> RunRecord:
    (
        run_id,
        phase,
        from_version,
        to_version,
        started_at,
        finished_at,
        started_by,
        state,
        message,
        backup,
        stall,
        done,
        total,
        current,
        proof,
        sql_files,
    ) = row
    return RunRecord(
        run_id=int(run_id),
        phase=Phase(phase),
        from_version=from_version,
        to_version=to_version,
        started_at=started_at,
        finished_at=finished_at,
        started_by=started_by,
        state=RunState(state),
        message=message,
        backup=backup,
        longest_stall_ms=float(stall) if stall is not None else None,
        steps_done=int(done),
        steps_total=int(total),
        current_step=current,
        proof=tuple(_proof_row(entry) for entry in proof or ()),
        sql_files=sql_files,
    )


def _event(row: Sequence[Any]) -> Event:
    at, run_id, kind, step, message, done, total, detail = row
    return Event(at, run_id, EventKind(kind), step, message, done, total, detail)


def _proof_row(entry: Mapping[str, Any]) -> ProofRow:
    """JSON has no tuples; what is written by an earlier version has no digests."""
    digests = entry.get("digests")
    return ProofRow(**{**entry, "digests": None if digests is None else (digests[0], digests[1])})


def _one(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    assert row is not None
    return row


def _plain(value: object) -> Any:
    """Through JSON and back, with paths, dates and decimals as text."""
    return json.loads(json.dumps(value, default=str))


def now() -> datetime:
    """The time now, with the local time zone."""
    return datetime.now().astimezone()


def history(url: str, limit: int = 50) -> list[RunRecord]:
    """Runs, newest first."""
    with reader(url) as conn:
        return store.read_records(conn, limit)


def current_run(url: str) -> RunRecord | None:
    """The run that has not ended: running, paused, failed or interrupted. None: there is none."""
    with reader(url) as conn:
        return store.unfinished(store.read_records(conn, limit=1))


def events(url: str, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
    """(id, event) of a run, those behind `after`, in order."""
    with reader(url) as conn:
        return store.read_events(conn, run_id, after)


@contextmanager
def reader(url: str) -> Iterator[Connection]:
    """A session for a look. Raises DatabaseUnavailable."""
    conn = connect(url, purpose="status", autocommit=True)
    try:
        with conn.cursor() as cur:
            cur.execute("SET statement_timeout = '30s'")
            cur.execute("SET search_path = public")
        yield conn
    except psycopg2.Error as error:
        raise failure(conn, error) from None
    finally:
        conn.close()
