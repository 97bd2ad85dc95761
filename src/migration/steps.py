"""Reading migrations/*.sql: the files are what runs, and what a DBA reads."""

import hashlib
import re
from pathlib import Path

import psycopg2
import psycopg2.errors

from src.config import PROJECT_ROOT
from src.errors import MigrationError
from src.journal.model import Phase
from src.migration.model import Step, StepKind, StepMode
from src.postgres.connection import Connection
from src.postgres.queries import sql_file

MIGRATIONS = PROJECT_ROOT / "migrations"

FILES = {
    Phase.PHASE1: "migration_v1_to_v2.sql",
    Phase.PHASE2: "migration_v2_to_v3.sql",
    Phase.ROLLBACK_V2: "rollback_v3_to_v2.sql",
    Phase.ROLLBACK_V1: "rollback_v2_to_v1.sql",
}

_HEADING = re.compile(r"^-- (step|title|why|grows|kind|mode|locks|lock|before|repeat|when|done|index): (.+)$")
_KINDS = {kind.value for kind in StepKind}
_MODES = {StepMode.TRANSACTION, StepMode.AUTOCOMMIT, StepMode.BATCH}
_LOCKS = {"ACCESS SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"}
_REFUSE_V1_CLIENTS, _WAIT = "refuse v1 clients", "wait for transactions"


def load_steps(phase: Phase, directory: Path | None = None) -> tuple[Step, ...]:
    """The steps of a phase's file, in order. Raises MigrationError for a file that does not follow its own rules."""
    path = (directory or MIGRATIONS) / FILES[phase]
    sections: list[tuple[dict[str, str], list[str]]] = []
    for line in _read(path).decode("utf-8").splitlines():
        heading = _HEADING.match(line)
        if heading and heading[1] == "step":
            sections.append(({"step": heading[2]}, []))
        elif heading and sections and not sections[-1][1]:
            sections[-1][0][heading[1]] = heading[2]
        elif sections:
            sections[-1][1].append(line)
    if not sections:
        raise MigrationError(f"{path.name} has no step: it is not the file that this program came with.")
    steps = tuple(_step(path, headings, body) for headings, body in sections)
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise MigrationError(f"{path.name}, step {name}: it is there twice.")
    if len({step.repeat for step in steps if step.repeat}) > 1:
        raise MigrationError(f"{path.name}: its steps are repeated for different reasons.")
    return steps


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MigrationError(f"{path.name} cannot be read ({error.strerror}). It belongs into {path.parent}.") from None


def _step(path: Path, headings: dict[str, str], body: list[str]) -> Step:
    index, sql, mode = headings.get("index"), "\n".join(body).strip(), headings.get("mode")
    batch, autocommit = mode == StepMode.BATCH, mode == StepMode.AUTOCOMMIT
    faults = {
        "its title is missing": "title" not in headings,
        "it does not say why": "why" not in headings,
        "its kind is missing or unknown": headings.get("kind") not in _KINDS,
        "its mode is missing or unknown": mode not in _MODES,
        "it has no SQL": not sql,
        "its lock is missing or unknown": "locks" not in headings and headings.get("lock") not in _LOCKS,
        "it has both locks and a lock (locks are ACCESS EXCLUSIVE)": "locks" in headings and "lock" in headings,
        "what is to be done before it is unknown": headings.get("before", _WAIT) not in (_WAIT, _REFUSE_V1_CLIENTS),
        "its done is missing (a batch is repeated until that is true)": batch and "done" not in headings,
        "its index is missing (only the build of one runs in autocommit)": autocommit and index is None,
    }
    for fault, found in faults.items():
        if found:
            raise MigrationError(f"{path.name}, step {headings['step']}: {fault}.")
    return Step(
        name=headings["step"],
        title=headings["title"],
        kind=StepKind(headings["kind"]),
        mode=StepMode(headings["mode"]),
        locks=_names(headings.get("locks")),
        sql=sql,
        done=f"SELECT hk_migration.has_valid_index('{index}')" if index else headings.get("done"),
        when=headings.get("when"),
        index=index,
        why=headings["why"],
        grows=_names(headings.get("grows")),
        lock=headings.get("lock", ""),
        refuses_v1_clients=headings.get("before") == _REFUSE_V1_CLIENTS,
        waits_for_transactions=headings.get("before") == _WAIT,
        repeat=headings.get("repeat"),
    )


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


def checksums(phase: Phase, directory: Path | None = None) -> dict[str, str]:
    """SHA-256 of the files that a run executes: name → hexadecimal digest."""
    contents = {
        FILES[phase]: _read((directory or MIGRATIONS) / FILES[phase]),
        "own_schema.sql": sql_file("schema", "own_schema").encode(),
    }
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


# Predicates of steps name things that are not there yet in an earlier version: then they are not true.
NOT_THERE = (
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.InvalidSchemaName,
    psycopg2.errors.InvalidTextRepresentation,  # a column of that name, made by someone, of another type
)


def is_true(conn: Connection, query: str | None, default: bool = False) -> bool:
    """Whether a step's predicate holds. What it names and is not there yet makes it false. In autocommit."""
    if query is None:
        return default
    with conn.cursor() as cur:
        try:
            cur.execute(query)
        except NOT_THERE:
            return False
        row = cur.fetchone()
    return bool(row and row[0])
