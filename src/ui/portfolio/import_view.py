"""Importing a file into a portfolio: how it is read, which column is what, what would change, and which rows cannot be
taken and why. Nothing is written before the button; then all good rows are, or none."""

from collections.abc import Sequence

import streamlit as st

from src.domain.edits import Edit
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.domain.revisions import Revision, SaveConflict
from src.errors import HKStrategyError
from src.text import plural
from src.transfer import encodings, importing, mapping, reading
from src.transfer.headers import Field
from src.transfer.importing import ImportPreview, RowOutcome
from src.transfer.numbers import Notation
from src.transfer.reading import SEPARATORS, Table
from src.ui.portfolio import review, view_state
from src.ui.reads import queries
from src.ui.widgets import components, preferences
from src.ui.widgets import format as fmt

ROUND = "hk_import_round"
FOUND = "as found"
LEFT_OUT = "left out"
FIELDS = (*Field,)
SHOWN_ERRORS = 100


def show(entry: PortfolioEntry, positions: Sequence[Position], live: queries.LiveState) -> None:
    """Draw the import: the file, how it is read, the preview."""
    portfolio_id = entry.portfolio_id
    tag = f"{portfolio_id} {st.session_state.get(ROUND, 0)}"
    st.caption(
        "A broker's file as CSV. It adds and changes positions and never removes any; nothing is written before you "
        "have seen what would change."
    )
    file = st.file_uploader(
        "File to import", key=f"file {tag}", max_upload_size=20, on_change=components.first_page, args=(review.PAGE,)
    )
    if file is None:
        return
    data = file.getvalue()
    table = _read(data, f"{tag} {file.file_id}")
    how = st.container()
    chosen = _mapping(table, f"{tag} {file.file_id}")
    notation = _chosen_notation(f"{tag} {file.file_id}")
    preview = importing.preview(table, chosen, positions, notation)
    with how:
        _how(table, preview)
    _preview(preview, positions, live)
    _again(portfolio_id, preview, live)
    _button(portfolio_id, file.name, preview, live)


def _read(data: bytes, tag: str) -> Table:
    """The table, read as found, or as the user says."""
    with st.expander("How the file is read", icon=":material/settings:"), st.container(horizontal=True):
        encoding = st.selectbox("Encoding", [FOUND, *encodings.NAMES], key=f"encoding {tag}", width=150)
        separator = st.selectbox(
            "Separator",
            [FOUND, *SEPARATORS],
            key=f"separator {tag}",
            format_func=lambda one: SEPARATORS.get(one, one),
            width=150,
        )
        header = st.number_input("Header in row (0: as found)", 0, reading.MAX_ROWS, 0, key=f"header {tag}", width=220)
        st.selectbox("Numbers like", [FOUND, *Notation], key=f"notation {tag}", width=150)
    return reading.read(
        data,
        encoding=None if encoding == FOUND else encoding,
        separator=None if separator == FOUND else separator,
        header_number=int(header) or None,
    )


def _chosen_notation(tag: str) -> Notation | None:
    chosen = st.session_state.get(f"notation {tag}", FOUND)
    return None if chosen == FOUND else Notation(chosen)


def _mapping(table: Table, tag: str) -> dict[int, Field]:
    """Which column is which field: guessed, and for the user to correct."""
    guessed = mapping.guess(table.columns)
    st.subheader("Columns")
    found: dict[int, Field] = {}
    # Another reading of the file has other columns, and so other widgets.
    shape = f"{table.encoding}{table.separator}{table.header_number}"
    with st.container(horizontal=True, key="hk_columns"):
        for at, name in enumerate(table.columns):
            with st.container(width=190, gap=None):
                chosen = st.selectbox(
                    fmt.plain(name),
                    [LEFT_OUT, *FIELDS],
                    index=1 + FIELDS.index(guessed[at]) if at in guessed else 0,
                    key=f"column {at} {shape} {tag}",
                    format_func=lambda one: mapping.LABELS.get(one, LEFT_OUT),
                )
                st.caption(fmt.plain(" · ".join(sample[:18] for sample in table.samples(at)) or "empty"))
            if chosen != LEFT_OUT:
                found[at] = Field(chosen)
    return found


def _how(table: Table, preview: ImportPreview) -> None:
    notation = f"numbers like {preview.notation}" if preview.notation else "numbers as each of them says"
    st.caption(
        fmt.plain(
            f"Read as {table.encoding}, separated by {SEPARATORS[table.separator]}, header in row "
            f"{table.header_number}, {notation}, {plural(len(table.lines), 'row')}."
        )
    )


def _preview(preview: ImportPreview, positions: Sequence[Position], live: queries.LiveState) -> None:
    errors = preview.errors
    if errors:
        count = plural(len(errors), "row")
        st.subheader(f"{count} that cannot be taken")
        cells = {row.number: " | ".join(cell for cell in row.cells if cell.strip()) for row in preview.rows}
        st.html(review.errors([(one.number, cells[one.number], one.reason) for one in errors[:SHOWN_ERRORS]]))
        if len(errors) > SHOWN_ERRORS:
            st.caption(f"The first {SHOWN_ERRORS} of {len(errors):,}.")
    edits = _possible(preview, live)
    if edits:
        notes = {row.symbol: row.notes for row in preview.rows if row.symbol and row.notes}
        review.show(edits, positions, notes)
    remarks = []
    if preview.older_prices:
        remarks.append(
            f"{plural(preview.older_prices, 'price')} of the file left out: those known here are as new or newer. "
            "To take them all the same, leave out the column with their time."
        )
    if preview.unchanged:
        remarks.append(f"{plural(preview.unchanged, 'row')} as the portfolio has it already.")
    if preview.kept:
        shown = ", ".join(preview.kept[:8]) + (f" and {len(preview.kept) - 8} more" if len(preview.kept) > 8 else "")
        remarks.append(f"Not in the file, and staying as they are: {shown}.")
    if remarks:
        st.caption(fmt.plain(" ".join(remarks)))


def _possible(preview: ImportPreview, live: queries.LiveState) -> tuple[Edit, ...]:
    """What this database can take of it: v1 has no way to add positions beside those of the old application."""
    if live.multi_portfolio:
        return preview.edits
    return tuple(edit for edit in preview.edits if edit.before is not None)


def _again(portfolio_id: str, preview: ImportPreview, live: queries.LiveState) -> None:
    same = (one for one in queries.revisions(portfolio_id) if one.digest == preview.digest)
    before = next((one for one in same if one.undone_by is None), None)
    if before is not None:
        when = f"on {fmt.moment(before.at)} (revision {before.revision_id})"
        st.caption(fmt.plain(f"This very file was imported by {before.by} {when}."))
    if not live.multi_portfolio and preview.count(RowOutcome.NEW):
        new = plural(preview.count(RowOutcome.NEW), "position")
        view_state.needs_v2(f"{new} of the file are not in the portfolio; adding them needs v2.")


def _button(portfolio_id: str, name: str, preview: ImportPreview, live: queries.LiveState) -> None:
    edits, bad = _possible(preview, live), len(preview.errors)
    if not edits:
        why = "none of its rows can be taken" if bad == len(preview.rows) else "nothing in it differs"
        st.info(f"There is nothing to import: {why}.")
        return
    label = f"Import {plural(len(edits), 'good row')}" + (f", leave {bad:,} out" if bad else "")
    st.button(
        label,
        type="primary",
        key="import_positions",
        on_click=_import,
        args=(portfolio_id, name, edits, preview.digest, st.session_state.get(ROUND, 0)),
    )


def _import(portfolio_id: str, name: str, edits: Sequence[Edit], digest: str, round_: int) -> None:
    """Callback: exactly what the preview showed, or nothing."""
    if st.session_state.get(ROUND, 0) != round_:
        return  # the second half of a double click
    try:
        revision: Revision = queries.manager().save_positions(
            portfolio_id, edits, by=preferences.your_name(), kind="import", note=name[:200], digest=digest
        )
    except SaveConflict as error:
        names = ", ".join(clash.symbol for clash in error.clashes[:10])
        components.flash(
            f"Someone else changed {names} meanwhile, so nothing was imported. The preview below is made anew, "
            "against what is there now: check it again.",
            "error",
        )
    except HKStrategyError as error:
        components.flash(components.error_text(error), "error")
    else:
        st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
        text = review.summary(edits)
        view_state.saved(revision, f"import of {name}: {text}")
        components.flash(f"Imported {fmt.plain(name)}: {text}. Undo takes all of it back at once.")
    finally:
        queries.forget()
