"""A comparison of two portfolios as a CSV file. Pure: bytes out, nothing read."""

import csv
import io
from decimal import ROUND_HALF_UP, Decimal

from src.domain.analytics.comparison import ComparedSymbol, Comparison, SideFigures
from src.transfer.texts import guarded

_FIGURES = ("quantity", "cost", "market_value", "weight", "unrealized_pnl")
_WEIGHT = Decimal("0.00000001")


def to_csv(comparison: Comparison, left: str, right: str) -> bytes:
    """A row per symbol that either holds. UTF-8 with a byte order mark, CRLF, comma; not known is empty.

    Columns: symbol, company_name, held_by ("left", "right" or "both"), then each figure of the portfolio `left`, of
    `right` (their ids are in the header) and the difference right − left. HKD; weights are ratios, to 8 decimals.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    sides = (left, right, "right - left")
    writer.writerow(["symbol", "company_name", "held_by", *(f"{one} ({side})" for one in _FIGURES for side in sides)])
    for line in comparison.lines:
        writer.writerow(
            [
                guarded(line.symbol),
                guarded(line.company_name or ""),
                line.held_by,
                *(_plain(value) for value in _of(line)),
            ]
        )
    return out.getvalue().encode("utf-8-sig")


def _of(line: ComparedSymbol) -> list[Decimal | int | None]:
    sides = [_figures(one) for one in (line.left, line.right, line.difference)]
    return [value for values in zip(*sides, strict=True) for value in values]


def _figures(one: SideFigures) -> tuple[Decimal | int | None, ...]:
    weight = None if one.weight is None else one.weight.quantize(_WEIGHT, ROUND_HALF_UP)
    return one.quantity, one.cost, one.market_value, weight, one.pnl


def _plain(value: Decimal | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:f}"
