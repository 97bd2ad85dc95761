"""Where a live schema differs from what its version should be, in words."""

from src.errors import Action, NextStep
from src.health.model import Trouble
from src.journal.model import NEWER_PROGRAM, RunRecord
from src.schema.catalog import Drift, Item, ItemKind
from src.schema.versions import SchemaState
from src.text import plural

ADVICE = (
    "Find out who changed what is named below, and put it right. Where a statement can do it, it is shown; the files "
    "in migrations/ have the rest."
)


def schema_trouble(state: SchemaState, drift: Drift, run: RunRecord | None) -> Trouble | None:
    """The trouble that the differences make. None where there is none."""
    faults = count(drift)
    if run is not None and run.is_unfinished and (faults or state.warning is not None or drift.extra):
        text = f"{run.phase.value} {run.standing}: what differs from {state.title} may belong to it."
        if run.is_running:
            return Trouble(text, "")
        if not run.phase.is_known:
            return Trouble(text, NEWER_PROGRAM)
        return Trouble(
            text,
            "Resume it or undo it.",
            NextStep(Action.RESUME_OR_UNDO, run.phase),
        )
    if not faults:
        return None
    return Trouble(f"{plural(faults, 'difference')} from what it should be (drift).", ADVICE)


def count(drift: Drift) -> int:
    """The number of missing, different and invalid items. Extra items do not count."""
    return len(drift.missing) + len(_really_different(drift)) + len(drift.invalid)


def _really_different(drift: Drift) -> list[tuple[Item, Item]]:
    """Without items that differ only by NOT VALID: they are in `drift.invalid`."""
    invalid = {item.key for item in drift.invalid}
    return [
        (want, have)
        for want, have in drift.different
        if have.key not in invalid or have.definition.removesuffix(" NOT VALID") != want.definition
    ]


def difference_lines(drift: Drift) -> list[str]:
    """One line for each difference: missing, different, invalid, and extra items last."""
    lines = [f"missing: {item}" for item in drift.missing]
    lines += [
        f"different: {want}{f' is “{have.definition}”, should be “{want.definition}”' if want.definition else ''}"
        for want, have in _really_different(drift)
    ]
    lines += [f"{_invalid(item)}: {item}" for item in drift.invalid]
    return lines + [f"extra, and left alone: {item}" for item in _outermost(drift.extra)]


def repairs(drift: Drift) -> list[str]:
    """SQL statements that repair single items without blocking clients for long.

    Empty where tables or columns are missing: then the version is doubtful, and a person decides what they hold.
    """
    if any(item.kind in (ItemKind.TABLE, ItemKind.COLUMN) for item in drift.missing):
        return []
    constraints = {item.name for item in drift.missing if item.kind is ItemKind.CONSTRAINT}
    found = []
    for item in drift.missing:
        if item.kind is ItemKind.CONSTRAINT:
            kind = " NOT VALID" if item.definition.startswith(("FOREIGN KEY", "CHECK")) else ""
            found.append(f"ALTER TABLE public.{item.table} ADD CONSTRAINT {item.name} {item.definition}{kind};")
            if kind:
                found.append(_validate(item))
        elif item.kind is ItemKind.INDEX and item.name not in constraints:
            found.append(f"{item.definition.replace(' INDEX ', ' INDEX CONCURRENTLY ', 1)};")
        elif item.kind is ItemKind.TRIGGER:
            found.append(f"{item.definition};")
    for item in drift.invalid:
        if item.kind is ItemKind.INDEX:
            found.append(f"REINDEX INDEX CONCURRENTLY public.{item.name};")
        elif item.kind is ItemKind.TRIGGER:
            found.append(f"ALTER TABLE public.{item.table} ENABLE TRIGGER {item.name};")
        else:
            found.append(_validate(item))
    return found


def _validate(item: Item) -> str:
    return f"ALTER TABLE public.{item.table} VALIDATE CONSTRAINT {item.name};"


def _outermost(extra: tuple[Item, ...]) -> list[Item]:
    """Without the columns, indexes and so on of tables that are extra themselves."""
    tables = {item.table for item in extra if item.kind in (ItemKind.TABLE, ItemKind.VIEW)}
    return [item for item in extra if item.kind in (ItemKind.TABLE, ItemKind.VIEW) or item.table not in tables]


def _invalid(item: Item) -> str:
    if item.kind is ItemKind.INDEX:
        return "invalid (an interrupted build)"
    return "disabled" if item.kind is ItemKind.TRIGGER else "not validated"
