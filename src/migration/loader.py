"""Reading migrations/*.sql: the files are what runs, and what a DBA reads."""

import hashlib
import re
from pathlib import Path

from src.config import PROJECT_ROOT
from src.errors import MigrationError
from src.migration.model import Kind, Phase, Step

MIGRATIONS = PROJECT_ROOT / "migrations"

FILES = {
    Phase.PHASE1: "migration_v1_to_v2.sql",
    Phase.PHASE2: "migration_v2_to_v3.sql",
    Phase.ROLLBACK_V2: "rollback_v3_to_v2.sql",
    Phase.ROLLBACK_V1: "rollback_v2_to_v1.sql",
}

_HEADING = re.compile(r"^-- (step|title|kind|mode|locks|when|done|index): (.+)$")
_MODES = {"transaction", "autocommit", "batch"}


def load_steps(phase: Phase, directory: Path = MIGRATIONS) -> tuple[Step, ...]:
    """The steps of a phase's file, in order. Raises MigrationError for a file that does not follow its own rules."""
    path = directory / FILES[phase]
    sections: list[tuple[dict[str, str], list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        heading = _HEADING.match(line)
        if heading and heading[1] == "step":
            sections.append(({"step": heading[2]}, []))
        elif heading and sections and not sections[-1][1]:
            sections[-1][0][heading[1]] = heading[2]
        elif sections:
            sections[-1][1].append(line)
    return tuple(_step(path, headings, body) for headings, body in sections)


def _step(path: Path, headings: dict[str, str], body: list[str]) -> Step:
    missing = {"title", "kind", "mode"} - headings.keys()
    if missing or headings["mode"] not in _MODES:
        raise MigrationError(f"{path.name}, step {headings['step']}: title, kind or mode is missing or unknown.")
    index = headings.get("index")
    return Step(
        name=headings["step"],
        title=headings["title"],
        kind=Kind(headings["kind"]),
        mode=headings["mode"],
        locks=tuple(part.strip() for part in headings["locks"].split(",")) if "locks" in headings else (),
        sql="\n".join(body).strip(),
        done=f"SELECT hk_migration.has_valid_index('{index}')" if index else headings.get("done"),
        when=headings.get("when"),
        index=index,
    )


def checksums(phase: Phase, directory: Path = MIGRATIONS) -> dict[str, str]:
    """SHA-256 of the files that a run executes: name → hexadecimal digest."""
    own = Path(__file__).parent / "sql" / "own_schema.sql"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (directory / FILES[phase], own)}
