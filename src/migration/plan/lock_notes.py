"""What a plan says of a step beside its title, and of a phase beside its steps: locks, what will be possible."""

from dataclasses import dataclass

from src.journal.model import Phase
from src.migration.model import Step, StepKind


@dataclass(frozen=True)
class Lock:
    """`mode`: the strongest that the step takes on a table of clients, as PostgreSQL calls it. `felt`: by whom."""

    mode: str
    felt: str


_READS = "reads one snapshot; nobody waits for it"
_BY_KIND = {
    StepKind.BACKUP: f"{_READS}. The phase starts only if it restores equal",
    StepKind.PROVE: _READS,
    StepKind.BUILD: "clients go on reading and writing; it waits for open transactions",
}
_BY_MODE = {
    "ACCESS SHARE": "nobody waits for it",
    "ROW EXCLUSIVE": "a client waits only for a row that is just being changed, for milliseconds",
    "SHARE UPDATE EXCLUSIVE": "clients go on reading and writing",
}


def lock_of(step: Step) -> Lock:
    """The step's lock, as the heading of its file says, and what clients notice of it."""
    if step.locks:
        tables = ", ".join(step.locks)
        return Lock("ACCESS EXCLUSIVE", f"for some milliseconds, tried for and never queued for: {tables}")
    if step.kind is StepKind.BACKFILL and step.lock == "ACCESS SHARE":
        return Lock(step.lock, "copies rows into this project's own schema; nobody waits for it")
    return Lock(step.lock, _BY_KIND.get(step.kind) or _BY_MODE[step.lock])


@dataclass(frozen=True)
class Consequences:
    """What can be done once a phase is through, and what cannot be done any more."""

    possible: tuple[str, ...]
    impossible: tuple[str, ...]


_UNUSUAL = (
    "For v1 clients: COPY portfolio_positions FROM, TRUNCATE, ON CONFLICT ON CONSTRAINT "
    "portfolio_positions_symbol_key, and CREATE INDEX on these tables by their bare name (a re-run init.sql)."
)
CONSEQUENCES = {
    Phase.PHASE1: Consequences(
        (
            "Several portfolios: make, copy, compare, edit, import, archive.",
            "v1 clients go on working, in sessions opened before, during and after; they see DEFAULT alone.",
            "Rolling back to v1, at any time; a later phase 1 brings the other portfolios back.",
            "Phase 2, once no v1 client is left.",
        ),
        (_UNUSUAL,),
    ),
    Phase.PHASE2: Consequences(
        (
            "All that is possible now, with the database itself refusing rows without a portfolio.",
            "Performance per portfolio (portfolio_performance), and a check of each (validate_portfolio_integrity).",
            "Rolling back to v2, which brings v1 clients back, and to v1.",
        ),
        ("v1 clients: their next statement fails, or sees all portfolios. Rolling back to v2 brings them back.",),
    ),
    Phase.ROLLBACK_V2: Consequences(
        (
            "v1 clients can work again, and see DEFAULT alone.",
            "All portfolios stay, and everything that is done with them here.",
            "Phase 2 again, and rolling back to v1.",
        ),
        (
            "The database itself no longer refuses a row without a portfolio: it gives it to DEFAULT.",
            "portfolio_performance and validate_portfolio_integrity() are gone until phase 2.",
            _UNUSUAL,
        ),
    ),
    Phase.ROLLBACK_V1: Consequences(
        (
            "v1 clients work on the tables themselves, as before phase 1: COPY, TRUNCATE and a re-run init.sql too.",
            "Phase 1 again: it brings the archived portfolios back as they were, with what v1 clients changed since.",
        ),
        (
            "Several portfolios: there is DEFAULT alone, here too, until phase 1 is done again.",
            "Prices of symbols that are no position, an index for instance: they are in the archive.",
        ),
    ),
}
