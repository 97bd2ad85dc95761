"""The strip of figures above a list of portfolios or above one of them. Each explains itself."""

from src.domain.valuation import Totals
from src.ui import format as fmt
from src.ui import markup
from src.ui.markup import Figure


def coverage(sums: Totals) -> str:
    """How much of what is held the figures cover."""
    if sums.held_count == 0:
        return "nothing is held"
    if sums.complete:
        return "all of what is held is priced"
    share = fmt.percent(sums.coverage, decimals=0)
    return f"{sums.priced_count} of {sums.held_count} positions priced ({share} by cost)"


def _market_value(sums: Totals) -> Figure:
    why = (
        "Price × quantity of each position held, to the cent, added up. Short positions count below zero. A position "
        f"without a price is left out, not counted as 0: {coverage(sums)}."
    )
    return Figure("Market value", fmt.money(sums.market_value), coverage(sums), unit="HKD", why=why)


def _gain(sums: Totals) -> Figure:
    pnl = sums.unrealized_pnl
    why = (
        "(Price − average cost) × quantity of each position held that has a price, to the cent, added up. The "
        f"percentage is of what those cost: HKD {fmt.money(sums.priced_size)}, short positions by their size."
    )
    note = fmt.percent(sums.return_ratio, signed=True)
    if not sums.complete:
        note += " · of the priced positions"
    return Figure("Unrealized P&L", fmt.gain(pnl), note, fmt.tone(pnl), "HKD", why)


def _cost(sums: Totals) -> Figure:
    why = (
        "Average cost × quantity of each position held, priced or not, added up. Short positions count below zero. "
        "Brokerage and levies are in it only where the average cost has them."
    )
    return Figure(
        "Cost", fmt.money(sums.cost_basis), f"{fmt.plural(sums.held_count, 'position')} held", unit="HKD", why=why
    )


def strip(sums: Totals, *more: Figure) -> str:
    return markup.figures((_market_value(sums), _gain(sums), _cost(sums), *more))
