"""How long the steps of a plan may take: by earlier runs on this database, else by what the bench has measured.

Where neither knows there is no figure. A step whose time grows with tables is scaled by their bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from src.journal.model import Phase
from src.journal.runs import own_schema_exists
from src.migration.model import Step, StepEstimate, StepKind, TableSize
from src.postgres.connection import Connection
from src.postgres.queries import query

# `python -m bench --rates` writes it: two databases, a small and a large one, on the machine that it names.
RATES = Path(__file__).parent / "rates.json"
ENGINE = (StepKind.BACKUP, StepKind.PROVE)
# What was measured on tables so much smaller or larger says little; and below this size nothing grows visibly.
FARTHEST = 4.0
SMALL_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """One step of an earlier run on this database. `tables`: bytes of each table then."""

    phase: str
    step: str
    run_at: datetime
    seconds: float
    tables: Mapping[str, int]


def earlier_runs(conn: Connection) -> tuple[Measured, ...]:
    """What the history knows, the newest first. None where there is no history yet."""
    if not own_schema_exists(conn):
        return ()
    with conn.cursor() as cur:
        cur.execute(query("migration.plan.estimate.earlier"))
        return tuple(Measured(*row) for row in cur.fetchall())


def estimates(
    steps: Sequence[tuple[Phase, Step]], tables: Sequence[TableSize], earlier: Sequence[Measured]
) -> tuple[StepEstimate | None, ...]:
    """Of each step, in order; None where nothing is known."""
    sizes = {size.table: size.bytes for size in tables}
    return tuple(_by_history(phase, step, sizes, earlier) or _by_bench(phase, step, sizes) for phase, step in steps)


def _grows(step: Step, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The tables that decide how long it takes."""
    return tuple(sizes) if step.kind in ENGINE else step.grows


def _is_known(step: Step) -> bool:
    """What moves rows that are in no table of clients takes as long as there are such rows: nobody has counted them."""
    return step.kind is not StepKind.BACKFILL or bool(step.grows)


def _bytes(tables: Sequence[str], sizes: Mapping[str, int]) -> int:
    return sum(sizes.get(table, 0) for table in tables)


def _by_history(phase: Phase, step: Step, sizes: Mapping[str, int], earlier: Sequence[Measured]) -> StepEstimate | None:
    """The quickest of those that fit: the others waited for somebody."""
    if not _is_known(step):
        return None
    tables = _grows(step, sizes)
    found = []
    for one in earlier:
        if one.step != step.name or not (step.kind in ENGINE or one.phase == phase.value):
            continue
        now, then = _bytes(tables, sizes), _bytes(tables, one.tables)
        if not tables or max(now, then) < SMALL_BYTES:
            found.append(StepEstimate(one.seconds, one.run_at))
        elif then and 1 / FARTHEST <= now / then <= FARTHEST:
            found.append(StepEstimate(one.seconds * now / then, one.run_at))
    return min(found, key=lambda one: one.seconds, default=None)


@cache
def rates() -> Mapping[str, Any]:
    """What the bench measured, when and where; of each size `tables` (bytes) and `steps` (phase, step, seconds)."""
    found: Mapping[str, Any] = json.loads(RATES.read_text(encoding="utf-8"))
    return found


def _by_bench(phase: Phase, step: Step, sizes: Mapping[str, int]) -> StepEstimate | None:
    """On the line through the small and the large database."""
    if not _is_known(step):
        return None
    measured = rates()
    times = [measured[size]["steps"].get(phase.value, {}).get(step.name) for size in ("small", "large")]
    if None in times:
        return None
    tables = _grows(step, sizes)
    if not tables:
        return StepEstimate(max(times), None)
    small, large = (_bytes(tables, measured[size]["tables"]) for size in ("small", "large"))
    share = max((_bytes(tables, sizes) - small) / (large - small), 0.0)
    return StepEstimate(times[0] + max(times[1] - times[0], 0.0) * share, None)
