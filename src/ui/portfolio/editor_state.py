"""A table of positions while it is edited: what was seen, what stands in the cells, and which edits that comes to.

Pure. Cells are texts, read by the same rules as an imported file's, so that nothing is rounded or guessed on the way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position, check_avg_cost, check_price, check_quantity, check_text, check_value
from src.domain.revisions import Clash
from src.domain.symbols import is_index
from src.errors import InvalidInput
from src.transfer.numbers import Notation, parse
from src.transfer.texts import symbol_of

COLUMNS = ("symbol", "company_name", "sector", "quantity", "avg_cost", "price")
LABELS = ("Symbol", "Company name", "Sector", "Quantity", "Average cost", "Price")
FIELDS = COLUMNS[1:]
PositionsSeen = Mapping[str, PositionValues]


@dataclass(frozen=True)
class EditorRow:
    """A row of the table, its `cells` by COLUMNS. `origin`: the symbol of the position that it began as; None: new."""

    origin: str | None
    cells: tuple[str, ...]

    def cell(self, column: str) -> str:
        """The text in a column of COLUMNS."""
        return self.cells[COLUMNS.index(column)]

    @property
    def blank(self) -> bool:
        """Whether it is a new row in which nothing has been typed."""
        return self.origin is None and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be saved. `number`: as the table stands, from 1; `name`: what stands in its symbol's cell."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """What the table comes to. `edits` are there only for rows without a problem."""

    edits: tuple[Edit, ...]
    problems: tuple[Problem, ...]


def cells_of(symbol: str, row: PositionValues) -> tuple[str, ...]:
    """A position as the table first shows it."""
    price = "" if row.price is None else f"{row.price:,.3f}"
    return (symbol, row.company_name or "", row.sector or "", f"{row.quantity:,}", f"{row.avg_cost:,.3f}", price)


def lines_of(seen: PositionsSeen) -> tuple[EditorRow, ...]:
    """The rows of the table before anything is typed, one per position."""
    return tuple(EditorRow(symbol, cells_of(symbol, row)) for symbol, row in seen.items())


def typed(lines: Sequence[EditorRow], state: Mapping[str, Any]) -> tuple[EditorRow, ...]:
    """The lines with what the table's widget holds: `edited_rows`, `added_rows` and `deleted_rows`."""
    edited, gone = state.get("edited_rows", {}), set(state.get("deleted_rows", ()))
    kept = [_changed(line, edited.get(at, {})) for at, line in enumerate(lines) if at not in gone]
    added = [_changed(EditorRow(None, ("",) * len(COLUMNS)), cells) for cells in state.get("added_rows", ())]
    return (*kept, *(line for line in added if not line.blank))


def _changed(line: EditorRow, cells: Mapping[str, Any]) -> EditorRow:
    if not cells:
        return line
    new = (cells.get(column, old) for column, old in zip(COLUMNS, line.cells, strict=True))
    return replace(line, cells=tuple("" if cell is None else str(cell) for cell in new))


def read(seen: PositionsSeen, lines: Sequence[EditorRow]) -> Reading:
    """The edits that lead from what was seen to what the table says, by symbol, and the rows that are not valid."""
    rows: dict[str, PositionValues] = {}
    first: dict[str, int] = {}
    problems: list[Problem] = []
    broken: set[str] = set()
    for number, line in enumerate(lines, 1):
        symbol = line.origin
        try:
            symbol = _symbol(line)
            if symbol in first:
                raise InvalidInput(f"{symbol} is in row {first[symbol]} already: a portfolio has it once.")
            first[symbol] = number
            rows[symbol] = _row(seen.get(symbol) if line.origin else None, line)
        except InvalidInput as error:
            problems.append(Problem(number, line.cell("symbol").strip() or symbol or "", str(error)))
            broken.add(symbol or "")
    wanted = sorted((seen.keys() | rows.keys()) - broken)
    edits = (Edit(symbol, seen.get(symbol), rows.get(symbol)) for symbol in wanted)
    return Reading(tuple(edit for edit in edits if edit.before != edit.after), tuple(problems))


def _symbol(line: EditorRow) -> str:
    cell = line.cell("symbol")
    if line.origin is not None:
        if cell.strip() != line.origin:
            raise InvalidInput(f"This row is {line.origin}: to hold another symbol, delete it and add a row.")
        return line.origin
    if not cell.strip():
        raise InvalidInput("The symbol is missing.")
    symbol = symbol_of(cell)
    if is_index(symbol):
        raise InvalidInput(f"{symbol} is an index: it has prices, but cannot be held.")
    return symbol


def _row(before: PositionValues | None, line: EditorRow) -> PositionValues:
    """What the cells say. A cell that stands as it was shown is the value itself, however it is stored."""
    shown = dict(zip(COLUMNS, cells_of("", before), strict=True)) if before else {}
    given: dict[str, Any] = {}
    for column, label in zip(FIELDS, LABELS[1:], strict=True):
        cell = line.cell(column)
        if before is not None and cell == shown[column]:
            given[column] = getattr(before, column)
        else:
            given[column] = _value(column, label, cell, before)
    row = PositionValues(**given)
    check_value(row.quantity, row.avg_cost, "cost")
    check_value(row.quantity, row.price, "price")
    return row


def _value(column: str, label: str, cell: str, before: PositionValues | None) -> int | Decimal | str | None:
    if column == "company_name":
        return check_text(cell, "The company name", 200)
    if column == "sector":
        return check_text(cell, "The sector", 50)
    if not cell.strip():
        if column != "price":
            raise InvalidInput(f"The {label.lower()} is missing.")
        if before is not None and before.price is not None:
            raise InvalidInput("A price that is known cannot be taken away: type another, or leave it as it was.")
        return None
    try:
        number = parse(cell, Notation.POINT)
    except InvalidInput as error:
        raise InvalidInput(f"{label}: {error}") from error
    if column == "quantity":
        return check_quantity(number)
    return check_price(number) if column == "price" else check_avg_cost(number)


def positions_after(positions: Sequence[Position], edits: Iterable[Edit]) -> tuple[Position, ...]:
    """The portfolio as it would be, for its totals. A price that an edit leaves alone is the one of now."""
    found = {position.symbol: position for position in positions}
    for edit in edits:
        now = found.pop(edit.symbol, None)
        row = edit.after
        if row is None:
            continue
        same_price = edit.before is not None and row.price == edit.before.price
        price = now.price if now is not None and same_price else row.price
        found[edit.symbol] = Position(
            edit.symbol, row.quantity, row.avg_cost, price, company_name=row.company_name, sector=row.sector
        )
    return tuple(found.values())


def changed_fields(before: PositionValues | None, after: PositionValues | None) -> tuple[str, ...]:
    """Which of FIELDS differ; all of them where there is but one row."""
    if before is None or after is None:
        return FIELDS
    return tuple(name for name in FIELDS if getattr(before, name) != getattr(after, name))


def mine_over(clash: Clash) -> PositionValues | None:
    """What it comes to when the wanted values go over what is there now: only those that were changed or given here."""
    if clash.wanted is None or clash.now is None:
        return clash.wanted
    if clash.seen is None:
        given = {name: getattr(clash.wanted, name) for name in FIELDS if getattr(clash.wanted, name) is not None}
        return replace(clash.now, **given)
    mine = {name: getattr(clash.wanted, name) for name in changed_fields(clash.seen, clash.wanted)}
    return replace(clash.now, **mine)


def resolved(
    seen: PositionsSeen, lines: Sequence[EditorRow], clashes: Sequence[Clash], mine: Iterable[str]
) -> tuple[dict[str, PositionValues], tuple[EditorRow, ...]]:
    """The table after someone else saved first: what is there now counts as seen, and each of the clashing rows stands
    as it is now, or, for the symbols in `mine`, as it was wanted here."""
    ours = set(mine)
    base = dict(seen)
    wanted: dict[str, PositionValues | None] = {}
    for clash in clashes:
        if clash.now is None:
            base.pop(clash.symbol, None)
        else:
            base[clash.symbol] = clash.now
        wanted[clash.symbol] = mine_over(clash) if clash.symbol in ours else clash.now
    found: list[EditorRow] = []
    for line in lines:
        symbol = line.origin or _symbol(line)
        if symbol not in wanted:
            found.append(line)
            continue
        row = wanted.pop(symbol)
        if row is not None:
            found.append(EditorRow(symbol if symbol in base else None, cells_of(symbol, row)))
    found += [EditorRow(symbol, cells_of(symbol, row)) for symbol, row in wanted.items() if row is not None]
    return base, tuple(found)
