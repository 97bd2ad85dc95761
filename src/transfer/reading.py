"""An uploaded file as a table of texts: its encoding, its separator and its header row found, or as the user says.

Nothing is dropped in silence: what is not a text file, or too large, is refused with what to do about it.
"""

import csv
import hashlib
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from src.errors import InvalidInput
from src.transfer import encodings
from src.transfer.headers import Field, known

MAX_BYTES = 10 * 1000 * 1000
MAX_ROWS = 5_000
MAX_COLUMNS = 100
_TOO_MANY = f"The file has more than {MAX_ROWS:,} rows; split it into several."
# A broker's file has its account and date above the table, and no more than so many lines of it.
HEADER_WITHIN = 40
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


@dataclass(frozen=True)
class FileRow:
    """A row of the table. `number` is the row's in the file as a spreadsheet counts, from 1; `cells` may be fewer or
    more than there are columns."""

    number: int
    cells: tuple[str, ...]

    def cell(self, column: int) -> str:
        """Of that column, from 0; empty where the row is shorter."""
        return self.cells[column] if column < len(self.cells) else ""


@dataclass(frozen=True)
class Table:
    """What was read, and how: show encoding, separator and header row to the user, and read again with what they
    choose. `columns`: the headers, made unique, `Column 3` where there is none. `digest`: SHA-256 of the file."""

    encoding: str
    separator: str
    header_number: int
    columns: tuple[str, ...]
    lines: tuple[FileRow, ...]
    digest: str

    def samples(self, column: int, count: int = 3) -> tuple[str, ...]:
        """The first different texts of a column that are not empty."""
        texts = (line.cell(column).strip() for line in self.lines)
        return tuple(itertools.islice(dict.fromkeys(text for text in texts if text), count))


def read(
    data: bytes, *, encoding: str | None = None, separator: str | None = None, header_number: int | None = None
) -> Table:
    """The table in `data`; what is None is found out. `encoding` is one of encodings.NAMES, `separator` of SEPARATORS.

    Raises InvalidInput for a file that is empty, over 10 MB, over 5,000 rows or 100 columns, no text, not in the
    encoding, or torn (a quotation mark that is never closed).
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(
            f"The file has {len(data) / 1e6:.2f} MB; at most {MAX_BYTES // 1_000_000} MB can be imported. "
            "Leave out what is not about positions."
        )
    text, used_encoding = encodings.decode(data, encoding)
    if not text.strip():
        raise InvalidInput("The file is empty.")
    text, skipped, declared = _declared_separator(text)
    if separator is not None and separator not in SEPARATORS:
        raise InvalidInput(f"{separator!r} is no separator; there are {', '.join(SEPARATORS.values())}.")
    used_separator = separator or declared or _separator(text)
    lines = _lines(text, used_separator, skipped)
    at = _header(lines) if header_number is None else _line_at(lines, header_number)
    columns = _columns(lines[at].cells)
    rows = tuple(line for line in lines[at + 1 :] if any(cell.strip() for cell in line.cells))
    if len(rows) > MAX_ROWS:
        raise InvalidInput(_TOO_MANY)
    if not rows:
        raise InvalidInput(f"There is nothing below the header in row {lines[at].number}.")
    return Table(
        encoding=used_encoding,
        separator=used_separator,
        header_number=lines[at].number,
        columns=columns,
        lines=rows,
        digest=hashlib.sha256(data).hexdigest(),
    )


def _declared_separator(text: str) -> tuple[str, int, str | None]:
    """Spreadsheets write `sep=;` as a first line: the text without it, how many lines that were, and the separator."""
    first, _, rest = text.partition("\n")
    declared = first.rstrip("\r")
    if declared.lower().startswith("sep=") and declared[4:] in SEPARATORS:
        return rest, 1, declared[4:]
    return text, 0, None


def _records(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _lines(text: str, separator: str, skipped: int) -> list[FileRow]:
    """Every line, blank ones too."""
    found: list[FileRow] = []
    reader = _records(text, separator)
    try:
        for number, cells in enumerate(reader, skipped + 1):
            if len(cells) > MAX_COLUMNS and any(cells[MAX_COLUMNS:]):
                raise InvalidInput(
                    f"Row {number} has {len(cells):,} columns; at most {MAX_COLUMNS} can be imported. "
                    "Is the separator the right one?"
                )
            if len(found) > MAX_ROWS + HEADER_WITHIN:
                raise InvalidInput(_TOO_MANY)
            found.append(FileRow(number, tuple(cells)))
    except csv.Error as error:
        raise InvalidInput(
            f"Row {len(found) + skipped + 1} cannot be read as columns ({error}): find a quotation mark that is "
            "not closed, or choose another separator."
        ) from error
    return found


def _separator(text: str) -> str:
    """The one that gives a header that is known, or else rows of the same number of columns."""

    def score(separator: str) -> tuple[int, int, int]:
        rows: list[list[str]] = []
        try:
            rows.extend(itertools.islice(_records(text, separator), HEADER_WITHIN + 10))
        except csv.Error:
            return (0, 0, 0)
        filled = [row for row in rows if any(cell.strip() for cell in row)]
        names = max((len(known(row)) for row in filled[:HEADER_WITHIN]), default=0)
        widths = [len(row) for row in filled if len(row) > 1]
        same = max((widths.count(width) for width in set(widths)), default=0)
        return (names if names > 1 else 0, same, max(widths, default=0))

    return max(SEPARATORS, key=score)


def _header(lines: list[FileRow]) -> int:
    """The line with the most known headers; where none has two, the first that is not empty."""
    found = [(known(line.cells), at) for at, line in enumerate(lines[:HEADER_WITHIN])]
    best = max(found, key=lambda one: (Field.SYMBOL in one[0], len(one[0]), -one[1]))
    if len(best[0]) > 1:
        return best[1]
    for at, line in enumerate(lines):
        if any(cell.strip() for cell in line.cells):
            return at
    raise InvalidInput("The file has no values, only separators.")


def _line_at(lines: list[FileRow], number: int) -> int:
    for at, line in enumerate(lines):
        if line.number == number and any(cell.strip() for cell in line.cells):
            return at
    raise InvalidInput(f"Row {number} of the file is empty, or not there: it cannot be the header.")


def _columns(cells: tuple[str, ...]) -> tuple[str, ...]:
    names: list[str] = []
    filled = max((at + 1 for at, cell in enumerate(cells) if cell.strip()), default=0)
    for at, cell in enumerate(cells[:filled]):
        name = " ".join(cell.split()) or f"Column {at + 1}"
        unique = name
        for again in itertools.count(2):
            if unique not in names:
                break
            unique = f"{name} ({again})"
        names.append(unique)
    return tuple(names)
