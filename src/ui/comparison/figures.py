"""The portfolios of a comparison with their figures, and the table that puts them side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from src.ui.reads.valued import Side
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column


@dataclass(frozen=True)
class _Figure:
    """A line of the table. `text` writes a value; `differ` draws right − left, where that makes sense."""

    label: str
    why: str
    value: Callable[[Side], Decimal | None]
    text: Callable[[Decimal | None], str]
    differ: Callable[[Decimal | None], str] | None
    toned: bool = False
    note: Callable[[Side], str] = lambda _: ""


def points(difference: Decimal | None) -> str:
    """The difference of two percentages, in percentage points: 0.0123 is +1.23 pp."""
    if difference is None:
        return fmt.MISSING
    # What is nothing to two decimals has no sign.
    return fmt.percent(round(difference, 4), signed=True).replace("%", " pp")


def less(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    """`whole` − `part`; None where either is not known."""
    return None if whole is None or part is None else whole - part


def _signed(amount: Decimal | None) -> str:
    return fmt.money(amount, signed=True)


def _signed_percent(ratio: Decimal | None) -> str:
    return fmt.percent(ratio, signed=True)


def _number(count: Decimal | None) -> str:
    return fmt.count(None if count is None else int(count))


def _signed_number(count: Decimal | None) -> str:
    return fmt.MISSING if count is None else f"{'+' if count > 0 else ''}{fmt.count(int(count))}"


def _priced(one: Side) -> str:
    sums = one.totals
    return "" if sums.complete else f"{sums.priced_count} of {sums.held_count} positions priced"


def _moved(one: Side) -> str:
    if one.today.change is None:
        return ""
    ratio, share = _signed_percent(one.today.ratio), one.today.covered_share
    return ratio if share == 1 else f"{ratio} · of {fmt.percent(share, decimals=0)} of the value"


_FIGURES = (
    _Figure(
        "Market value, HKD", "Price × quantity of each priced position, to the cent, added up.",
        lambda s: s.totals.market_value, fmt.money, _signed, note=_priced,
    ),
    _Figure(
        "Cost, HKD", "Average cost × quantity of each position held, priced or not, added up.",
        lambda s: s.totals.cost_basis, fmt.money, _signed,
    ),
    _Figure(
        "Unrealized P&L, HKD", "(Price − average cost) × quantity of each priced position, to the cent, added up.",
        lambda s: s.totals.unrealized_pnl, fmt.gain, fmt.gain, toned=True,
    ),
    _Figure(
        "Return on cost", "Unrealized P&L ÷ the cost of the priced positions, short ones by their size. "
        "The difference is in percentage points (pp).",
        lambda s: s.totals.return_ratio, _signed_percent, points, toned=True,
    ),
    _Figure(
        "Day change, HKD", "(Price − previous close) × quantity, to the cent, added up over the positions whose price "
        "is of the latest session and whose previous close is of the one before.",
        lambda s: s.today.change, fmt.gain, fmt.gain, toned=True, note=_moved,
    ),
    _Figure(
        "Positions held", "Positions whose quantity is not 0.",
        lambda s: Decimal(s.totals.held_count), _number, _signed_number,
    ),
    _Figure(
        "Priced in the latest session",
        "The share of the market value, short positions by their size, whose price is of the latest session.",
        lambda s: s.today.fresh_share, lambda v: fmt.percent(v, decimals=0), None,
    ),
)  # fmt: skip
EXPLAINED = tuple(Column(figure.label, why=figure.why) for figure in _FIGURES)


def figures(left: Side, right: Side, more: Sequence[Side]) -> tuple[tuple[Column, ...], list[list[Cell | str]]]:
    """Columns and rows: a line per figure, a column per portfolio, and the difference right − left."""
    columns = (
        Column("Figure", "title"),
        *(Column(name, "number") for name in (left.name, right.name, "Difference")),
        *(Column(one.name, "number") for one in more),
    )
    rows: list[list[Cell | str]] = [
        [
            "Portfolio",
            *(Cell(one.portfolio_id, href=one.entry.url) for one in (left, right)),
            Cell("right − left", "muted"),
            *(Cell(one.portfolio_id, href=one.entry.url) for one in more),
        ]
    ]
    for figure in _FIGURES:
        drawn = [_cell(figure, one) for one in (left, right, *more)]
        drawn.insert(2, _difference(figure, left, right))
        rows.append([Cell(figure.label, why=figure.why), *drawn])
    return columns, rows


def _cell(figure: _Figure, one: Side) -> Cell:
    found = figure.value(one)
    return Cell(figure.text(found), fmt.tone(found) if figure.toned else "", note=figure.note(one))


def _difference(figure: _Figure, left: Side, right: Side) -> Cell:
    if figure.differ is None:
        return Cell("")
    found = less(figure.value(right), figure.value(left))
    return Cell(figure.differ(found), fmt.tone(found) if figure.toned else "")
