"""The history as a file: all that is shown by a filter, each with all that is known of it."""

import csv
import io
import json
from collections.abc import Sequence

from src.cli.output import to_json
from src.journal.activity import ActivityEntry
from src.transfer.texts import guarded

COLUMNS = (
    "began", "ended", "seconds", "kind", "what", "by", "role", "address", "outcome", "message", "run", "from_version",
    "to_version", "longest_stall_ms", "proof_equal", "proof_rows", "backup", "detail",
)  # fmt: skip


def to_csv(entries: Sequence[ActivityEntry]) -> bytes:
    """UTF-8 with a byte order mark, CRLF, comma; times in ISO 8601 with their zone. Not known is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in entries:
        run = one.run
        writer.writerow(
            [
                one.began.isoformat(timespec="seconds"),
                "" if one.ended is None else one.ended.isoformat(timespec="seconds"),
                "" if one.seconds is None else f"{one.seconds:.1f}",
                one.kind,
                *(guarded(text) for text in (one.name, one.by, one.role, one.address, one.outcome, one.message)),
                *(("", "", "", "", "", "") if run is None else _of_a_run(one)),
                guarded(one.backup or ""),
                guarded(json.dumps(to_json(one.detail), ensure_ascii=False)) if one.detail else "",
            ]
        )
    return out.getvalue().encode("utf-8-sig")


def _of_a_run(one: ActivityEntry) -> tuple[object, ...]:
    run = one.run
    assert run is not None
    stall = "" if run.longest_stall_ms is None else f"{run.longest_stall_ms:.1f}"
    equal = sum(row.equal is True for row in run.proof)
    return run.run_id, run.from_version, run.to_version, stall, equal, len(run.proof)


def to_json_file(entries: Sequence[ActivityEntry]) -> bytes:
    """A list of objects, those of runs with their proof and the SQL files' checksums."""
    return (json.dumps(to_json(list(entries)), ensure_ascii=False, indent=1) + "\n").encode()
