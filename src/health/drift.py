"""Where a live schema differs from what its version should be, in words."""

from src.db.schema import SchemaState
from src.domain.health import Trouble
from src.migration.catalog import Drift, Item
from src.migration.cli_text import plural
from src.migration.model import UNDO, RunRecord

ADVICE = "Put right what is named below (migrations/ has the statements), or find out who changed it."


def schema_trouble(state: SchemaState, drift: Drift, run: RunRecord | None) -> Trouble | None:
    """What to say of the differences; None where there are none that matter."""
    faults = len(drift.missing) + len(drift.different) + len(drift.invalid)
    unfinished = run is not None and run.state in ("running", "paused", "interrupted", "failed")
    if run is not None and unfinished and (faults or state.warning is not None or drift.extra):
        text = f"{run.phase.value} is {run.state}: what differs from {state.title} may belong to it."
        if run.state == "running":
            return Trouble(text, "")
        return Trouble(
            text,
            f"Resume it (`python run_migration.py resume`) or undo it (`python run_migration.py {UNDO[run.phase]}`).",
        )
    if not faults:
        return None
    return Trouble(f"{plural(faults, 'part')} {'is' if faults == 1 else 'are'} not as it should be (drift).", ADVICE)


def difference_lines(drift: Drift) -> list[str]:
    """One line for each, what is missing first; what belongs to others last."""
    lines = [f"missing: {item}" for item in drift.missing]
    lines += [
        f"different: {want}{f' is “{have.definition}”, should be “{want.definition}”' if want.definition else ''}"
        for want, have in drift.different
    ]
    lines += [f"{_invalid(item)}: {item}" for item in drift.invalid]
    return lines + [f"extra, and left alone: {item}" for item in _outermost(drift.extra)]


def _outermost(extra: tuple[Item, ...]) -> list[Item]:
    """Without the columns, indexes and so on of tables that are extra themselves."""
    tables = {item.table for item in extra if item.kind in ("table", "view")}
    return [item for item in extra if item.kind in ("table", "view") or item.table not in tables]


def _invalid(item: Item) -> str:
    if item.kind == "index":
        return "invalid (an interrupted build)"
    return "disabled" if item.kind == "trigger" else "not validated"
