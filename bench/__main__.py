"""`python -m bench`: prints how our migration compares with its rivals, and what the traders' pages cost beside their
own SQL, measured now, on this machine.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from bench import pages, rates, sessions
from bench.live import FULL, QUICK, Measured, measure


def _number(value: float | int | None, decimals: int = 0) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


def _ratio(value: float | None, base: float | None) -> str:
    return "-" if value is None or not base else f"{value / base:.1f}x"


HEADINGS = (
    "", "", "stall ms", "of (a)", "p99 ms", "failed", "after", "wrong", "lost", "wall s", "of (e)", "exclusive ms",
)  # fmt: skip


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns; the first two to the left, the others to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def table(rows: list[Measured]) -> str:
    """The rows as text. Ratios: longest stall against (a), wall time against (e)."""
    base_stall = next((row.stall_ms for row in rows if row.letter == "a"), None)
    base_wall = next((row.wall_s for row in rows if row.letter == "e"), None)
    cells = [
        (
            f"({row.letter})" if row.letter else "",
            row.name,
            _number(row.stall_ms, 1),
            _ratio(row.stall_ms, base_stall),
            _number(row.p99_ms, 1),
            _number(row.failed_during),
            _number(row.failed_after),
            _number(row.wrong),
            _number(row.lost),
            _number(row.wall_s, 1),
            _ratio(row.wall_s, base_wall),
            _number(row.exclusive_ms, 1),
        )
        for row in rows
    ]
    return columns(HEADINGS, cells)


PAGE_HEADINGS = ("", "page", "statements", "SQL ms", "script ms", "allowed ms", "of allowed", "again ms")


def page_table(rows: list[pages.Timed]) -> str:
    """The rows as text. Allowed: twice the page's own SQL, and 60 ms."""
    cells = [
        (
            f"{row.size.portfolios:,} x {row.size.positions:,}",
            row.page,
            _number(row.statements),
            _number(row.sql_ms, 1),
            _number(row.script_ms, 1),
            _number(row.allowed_ms, 1),
            f"{row.script_ms / row.allowed_ms:.2f}x",
            _number(row.again_ms, 1),
        )
        for row in rows
    ]
    return columns(PAGE_HEADINGS, cells)


WATCHED_HEADINGS = ("", "open sessions", "run s", "of alone", "stall ms", "parts drawn meanwhile")


def watched_table(rows: list[sessions.Watched]) -> str:
    """The rows as text. Ratio: against the run without open pages."""
    cells = [
        (
            "",
            _number(row.sessions),
            _number(row.seconds, 1),
            f"{row.seconds / rows[0].seconds:.2f}x",
            _number(row.stall_ms, 1),
            _number(row.drawn),
        )
        for row in rows
    ]
    return columns(WATCHED_HEADINGS, cells)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data; about two minutes")
    parser.add_argument("--rates", action="store_true", help="measure how long each step takes, for the plans to go by")
    given = parser.parse_args()
    quick = given.quick
    sizes = QUICK if quick else FULL
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    if given.rates:
        rates.write(say=say)
        return 0
    logging.disable(logging.WARNING)  # Streamlit's remarks on running without its server
    timed = pages.measure(quick=quick, say=say)
    print(
        "The traders' pages: medians of a script that remembers nothing, of the statements that it sends, sent again "
        "alone,\nand of the script when nothing has changed since.\n"
    )
    print(page_table(timed), end="\n\n")
    watched = sessions.measure(quick=quick, say=say)
    print(
        "Phase 1 with its backup, without open pages, and with many, on one machine with those "
        "who play\nthe browsers: half on System Status, where a run is read each second, half on Portfolios.\n"
    )
    print(watched_table(watched), end="\n\n")
    rows, steps = measure(quick=quick, say=say)
    print(
        f"Phase 1 on PostgreSQL 18 with {sizes.prices:,} prices, {sizes.signals:,} signals, {sizes.positions:,} "
        "positions, while four\nconnections of a version 1 application work. failed: its statements that failed "
        "meanwhile; after: in the 3 s after;\nwrong: its answers with columns or rows that are not version 1's; "
        "lost: acknowledged writes not in the database\nat the end; wall: without backup; exclusive: longest lock.\n"
    )
    print(table(rows))
    for row in rows:
        if row.remark:
            print(f"\n({row.letter or row.name}) {row.remark}")
    print("\nOurs, by step: " + ", ".join(f"{step} {seconds:.2f} s" for step, seconds in steps.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
