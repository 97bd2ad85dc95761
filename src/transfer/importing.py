"""What importing a file would do to a portfolio, row by row. Nothing is written here.

An import adds and changes; it never removes: positions that are not in the file stay as they are, and an empty cell
leaves a value as it is. The same file again changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from src.domain.edits import Edit, PositionValues, values_of
from src.domain.portfolio import (
    Position,
    check_avg_cost,
    check_price,
    check_quantity,
    check_text,
    check_value,
)
from src.domain.symbols import is_index, normalise_symbol
from src.errors import InvalidInput
from src.transfer import numbers, texts
from src.transfer.headers import Field
from src.transfer.mapping import LABELS, check
from src.transfer.numbers import Notation
from src.transfer.reading import FileRow, Table

_NUMBERS = (Field.QUANTITY, Field.AVG_COST, Field.PRICE)


class RowOutcome(StrEnum):
    """What importing does with a row of the file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERROR = "error"


@dataclass(frozen=True)
class RowResult:
    """What becomes of one row. `number`: the row's in the file, from 1. `symbol` None: it could not be read.

    `edit` is there for NEW and CHANGED, `reason` for ERROR (a sentence for the user). `notes`: what a user may want
    to know of a good row. `older_price`: its price was left out, since the one known here is as new or newer. `cells`:
    the row as it stands in the file.
    """

    number: int
    outcome: RowOutcome
    symbol: str | None = None
    edit: Edit | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    older_price: bool = False
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowError:
    """Why a row cannot be imported. `number`: the row's in the file, from 1; `reason`: a sentence for the user."""

    number: int
    reason: str


@dataclass(frozen=True)
class ImportPreview:
    """`rows` in the file's order. `kept`: symbols of the portfolio that are not in the file, and stay. `notation`: how
    the file's numbers were read; None where nothing decided it. `digest`: SHA-256 of the file."""

    rows: tuple[RowResult, ...]
    kept: tuple[str, ...]
    notation: Notation | None
    digest: str

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What to save: the good rows that change something."""
        return tuple(row.edit for row in self.rows if row.edit is not None)

    @property
    def older_prices(self) -> int:
        """How many prices of the file were left out, since those known here are as new or newer."""
        return sum(row.older_price for row in self.rows)

    @property
    def unchanged(self) -> int:
        """How many rows say what the portfolio holds already."""
        return self.count(RowOutcome.UNCHANGED)

    @property
    def errors(self) -> tuple[RowError, ...]:
        """The rows that cannot be imported, in the file's order."""
        return tuple(RowError(row.number, row.reason) for row in self.rows if row.outcome is RowOutcome.ERROR)

    def count(self, outcome: RowOutcome) -> int:
        """How many rows have that outcome."""
        return sum(row.outcome is outcome for row in self.rows)


def notation_of(table: Table, columns: Mapping[Field, int]) -> Notation | None:
    """How the table's numbers are written, as far as it follows from them and from the separator."""
    cells = {
        field: [line.cell(columns[field]) for line in table.lines if _shape(line, table) is None]
        for field in _NUMBERS
        if field in columns
    }
    # Where the comma is the decimal mark, spreadsheets separate cells by semicolons.
    hint = Notation.POINT if table.separator == "," else None
    others = [text for field, found in cells.items() if field is not Field.QUANTITY for text in found]
    return numbers.infer(others, cells.get(Field.QUANTITY, ()), hint)


def preview(
    table: Table, mapping: Mapping[int, Field], current: Sequence[Position], notation: Notation | None = None
) -> ImportPreview:
    """What the file would do to `current`, the positions of one portfolio. `mapping`: column index → field.

    A time in the file without a zone is in that of the positions' `last_updated`, which says when their prices were
    right: a price of the file that is not newer is left out.

    `notation` as the user says; found out where it is None. Raises InvalidInput where the mapping cannot be used; what
    is wrong with a row is in its result.
    """
    columns = check(mapping, table.columns)
    used = notation or notation_of(table, columns)
    there = {position.symbol: values_of(position) for position in current}
    reader = _Reader(table, columns, used, there, {one.symbol: one.last_updated for one in current})
    rows = tuple(reader.result(line) for line in table.lines)
    return ImportPreview(
        rows=rows,
        kept=tuple(sorted(there.keys() - {row.symbol for row in rows})),
        notation=used,
        digest=table.digest,
    )


class _Reader:
    """Reads one file's rows in their order."""

    def __init__(
        self,
        table: Table,
        columns: Mapping[Field, int],
        notation: Notation | None,
        there: Mapping[str, PositionValues],
        as_of: Mapping[str, datetime | None],
    ) -> None:
        self._table = table
        self._columns = columns
        self._notation = notation
        self._there = there
        self._as_of = as_of
        self._aliases = _aliases(there)
        self._first: dict[str, int] = {}

    def result(self, line: FileRow) -> RowResult:
        symbol = None
        try:
            wrong = _shape(line, self._table)
            if wrong is not None:
                raise InvalidInput(wrong)
            symbol = self._symbol(line)
            before = self._there.get(symbol)
            after, notes = self._row(line, before)
            older = self._is_older(line, symbol, before, after)
            if older and before is not None:
                after = replace(after, price=before.price)
        except InvalidInput as error:
            return RowResult(line.number, RowOutcome.ERROR, symbol, reason=str(error), cells=line.cells)
        if after == before:
            return RowResult(line.number, RowOutcome.UNCHANGED, symbol, None, "", notes, older, line.cells)
        outcome = RowOutcome.NEW if before is None else RowOutcome.CHANGED
        return RowResult(line.number, outcome, symbol, Edit(symbol, before, after), "", notes, older, line.cells)

    def _is_older(self, line: FileRow, symbol: str, before: PositionValues | None, after: PositionValues) -> bool:
        """Whether the file's price is another one than ours, and not newer. Without both times nobody can say."""
        text = self._cell(line, Field.PRICE_AS_OF).strip()
        ours = self._as_of.get(symbol)
        if before is None or before.price is None or after.price == before.price or ours is None or not text:
            return False
        try:
            theirs = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidInput(f"Price as of: {text[:40]!r} is not a time like 2026-03-02 09:31:00.") from error
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=ours.tzinfo)
        if ours.tzinfo is None and theirs.tzinfo is not None:
            raise InvalidInput(f"Price as of: {text!r} cannot be compared with the time here: mind its time zone.")
        return theirs <= ours

    def _symbol(self, line: FileRow) -> str:
        cell = self._cell(line, Field.SYMBOL)
        if not cell.strip():
            raise InvalidInput("The symbol is missing.")
        written = texts.unguarded(cell)
        # Older databases may hold symbols that were never normalised.
        if written in self._there:
            symbol = written
        else:
            normal = texts.symbol_of(cell)
            symbol = normal if normal in self._there else self._aliases.get(normal, normal)
        first = self._first.setdefault(symbol, line.number)
        if first != line.number:
            raise InvalidInput(f"{symbol} is in row {first} already: a portfolio has one position per symbol.")
        if is_index(symbol) and symbol not in self._there:
            raise InvalidInput(f"{symbol} is an index: it has prices, but cannot be held.")
        return symbol

    def _row(self, line: FileRow, before: PositionValues | None) -> tuple[PositionValues, tuple[str, ...]]:
        quantity = self._number(line, Field.QUANTITY)
        if quantity is None:
            raise InvalidInput("The quantity is missing.")
        shares = check_quantity(quantity)
        notes: list[str] = []
        cost = self._money(line, Field.AVG_COST, notes)
        if cost is None:
            if before is None:
                raise InvalidInput("The average cost is missing; a position that is new needs one.")
            cost = before.avg_cost
        price = self._money(line, Field.PRICE, notes)
        if price is None and before is not None:
            price = before.price
        check_value(shares, cost, "cost")
        check_value(shares, price, "price")
        name = self._text(line, Field.COMPANY_NAME, 200, before.company_name if before else None)
        sector = self._text(line, Field.SECTOR, 50, before.sector if before else None)
        return PositionValues(shares, cost, name, sector, price), tuple(notes)

    def _money(self, line: FileRow, field: Field, notes: list[str]) -> Decimal | None:
        number = self._number(line, field)
        if number is None:
            return None
        value = check_price(number) if field is Field.PRICE else check_avg_cost(number)
        if value != number:
            notes.append(f"{LABELS[field]} {number} is kept as {value}.")
        return value

    def _number(self, line: FileRow, field: Field) -> Decimal | None:
        text = self._cell(line, field)
        formula = texts.AS_FORMULA.fullmatch(text.strip())
        text = formula[1] if formula else text
        if numbers.is_nothing(text):
            return None
        try:
            return numbers.parse(text, self._notation, must_be_whole=field is Field.QUANTITY)
        except InvalidInput as error:
            raise InvalidInput(f"{LABELS[field]}: {error}") from error

    def _text(self, line: FileRow, field: Field, limit: int, before: str | None) -> str | None:
        text = texts.unguarded(self._cell(line, field))
        # What an older program stored may be longer than what may be typed, or have spaces around it.
        if text == before or not text.strip():
            return before
        return check_text(text, f"The {LABELS[field].lower()}", limit)

    def _cell(self, line: FileRow, field: Field) -> str:
        return line.cell(self._columns[field]) if field in self._columns else ""


def _aliases(there: Mapping[str, PositionValues]) -> dict[str, str]:
    """Normalised symbol → as it is stored, of those that are stored otherwise."""
    found: dict[str, str] = {}
    for stored in sorted(there):
        try:
            found.setdefault(normalise_symbol(stored), stored)
        except InvalidInput:
            continue
    return found


def _shape(line: FileRow, table: Table) -> str | None:
    """What is wrong with a row that has more cells than there are columns."""
    extra = [cell for cell in line.cells[len(table.columns) :] if cell.strip()]
    if not extra:
        return None
    filled = len(line.cells)
    return (
        f"The row has {filled} cells, but the header has {len(table.columns)}: a number with separators, or a name "
        "with one in it, may lack its quotation marks."
    )
