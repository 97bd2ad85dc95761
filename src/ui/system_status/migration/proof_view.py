"""The proof of a run: tables by rows and hash, portfolios by cost, value and P&L, before, after, and the difference."""

from collections.abc import Sequence

import streamlit as st

from src.journal.model import ProofRow, ProofSubject
from src.text import plural
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column

MOST = 90
BEFORE, AFTER = Column("Before", "number"), Column("After", "number")
DIFFERENCE, EQUAL = Column("Difference", "number"), Column("Equal")
HASH = "Of all rows, in any order. Of price_history, which no phase rewrites: the sum of its prices."
PORTFOLIOS = (Column("Portfolio", "title"), BEFORE, AFTER, DIFFERENCE, EQUAL)
TABLES = (
    Column("Table", "title"),
    BEFORE,
    AFTER,
    DIFFERENCE,
    Column("Hash before", "number", HASH),
    Column("Hash after", "number", HASH),
    EQUAL,
)
OTHERS = (Column("What", "title"), BEFORE, AFTER, EQUAL)


def _page_of(columns: Sequence[Column]) -> str:
    return f"proof_{columns[0].label.lower()}"


PAGES = tuple(map(_page_of, (PORTFOLIOS, TABLES, OTHERS)))
RESULTS = {True: ("✓ equal", "up"), False: ("✕ differs", "down"), None: ("explained", "warn")}


def summary(proof: Sequence[ProofRow]) -> str:
    """One sentence: how many comparisons are equal."""
    equal = sum(row.equal is True for row in proof)
    return f"**Proof**: {equal} of {plural(len(proof), 'comparison')} equal before and after."


def show(run_id: int, proof: Sequence[ProofRow], *, whole: bool = False) -> None:
    """Draw the comparisons of a run, those that are not equal first. `whole`: all of them, MOST at a time."""
    ordered = sorted(proof, key=lambda row: row.equal is True)
    for about, columns, caption in (
        (ProofSubject.PORTFOLIO, PORTFOLIOS, "Portfolios, in HKD"),
        (ProofSubject.TABLE, TABLES, "Tables, in rows"),
        (ProofSubject.OTHER, OTHERS, "And besides"),
    ):
        rows = [row for row in ordered if row.about == about]
        if not rows:
            continue
        st.caption(caption)
        of_all = plural(len(rows), "comparison")
        part = components.page(len(rows), MOST, of_all, _page_of(columns)) if whole else slice(MOST)
        st.html(markup.table(columns, [_row(row) for row in rows[part]], caption=f"Proof: {caption}"))
        if len(rows) > MOST and not whole:
            st.caption(f"{MOST} of {of_all}: Activity, below, has them all in the details of run {run_id}.")


def _row(row: ProofRow) -> list[Cell | str]:
    text, tone = RESULTS[row.equal]
    result = Cell(text, tone, note=row.note)
    if row.about == ProofSubject.PORTFOLIO:
        return [Cell(row.subject), row.before, row.after, row.difference or fmt.MISSING, result]
    if row.about == ProofSubject.TABLE:
        before, after = row.digests or (fmt.MISSING, fmt.MISSING)
        return [
            Cell(row.name or row.subject),
            row.before,
            row.after,
            row.difference,
            _hash(before),
            _hash(after),
            result,
        ]
    return [Cell(row.subject), row.before, row.after, result]


def _hash(fingerprint: str) -> Cell:
    """As much of it as the eye compares; of prices it is their sum."""
    return Cell(f"{fingerprint[:10]}…" if len(fingerprint) > 14 else fingerprint, "muted", why=fingerprint)
