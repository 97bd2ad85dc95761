"""What `history` says of runs and actions. Pure: values in, lines out."""

from collections.abc import Sequence

from src.cli.text import table
from src.journal.activity import ActivityEntry
from src.text import duration, milliseconds, moment


def activity_lines(entries: Sequence[ActivityEntry]) -> list[str]:
    """Runs and actions, one a line; a run's number is what `history RUN` wants."""
    rows = []
    for one in entries:
        run = one.run
        extra = (
            "" if run is None or run.longest_stall_ms is None else f"longest stall {milliseconds(run.longest_stall_ms)}"
        )
        what = ", ".join(part for part in (extra, one.backup or "", "" if run is not None else one.message) if part)
        rows.append(
            (
                "-" if run is None else str(run.run_id),
                moment(one.began),
                one.name,
                one.outcome,
                "-" if run is None else f"{run.steps_done}/{run.steps_total}",
                "-" if one.seconds is None else duration(one.seconds),
                one.by,
                what,
            )
        )
    header = ("run", "began", "what", "outcome", "steps", "took", "by", "")
    return table(header, rows, right=(0,)) if rows else ["No run yet, and no action, that fits."]
