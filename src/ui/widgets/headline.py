"""The strip of figures above a list of portfolios or above one of them. Each explains itself."""

from src.domain.day_change import Day
from src.domain.price_age import TradingSessions, age_in_sessions, age_text
from src.domain.valuation import Totals
from src.text import plural
from src.ui.widgets import format as fmt
from src.ui.widgets import markup
from src.ui.widgets.markup import Figure


def coverage(sums: Totals) -> str:
    """How much of what is held the figures cover."""
    if sums.held_count == 0:
        return "nothing is held"
    if sums.complete:
        return "all of what is held is priced"
    share = fmt.share(sums.coverage)
    return f"{sums.priced_count:,} of {sums.held_count:,} positions priced ({share} by cost)"


def _market_value(sums: Totals) -> Figure:
    why = (
        "Price × quantity of each position held, to the cent, added up. Short positions count below zero. A position "
        f"without a price is left out, not counted as 0: {coverage(sums)}."
    )
    return Figure("Market value", fmt.money(sums.market_value), coverage(sums), unit="HKD", why=why)


def _day_change(moved: Day, sessions: TradingSessions) -> Figure:
    latest, before = fmt.day(sessions.latest.day), fmt.day(sessions.previous.day)
    why = (
        f"(Price of the session of {latest} − close of {before}) × quantity, to the cent, of each position for which "
        "both are known, added up. The percentage is of what those were worth at that close."
    )
    if moved.change is None:
        return Figure("Day change", fmt.MISSING, f"no price of {latest} with a close of {before}", why=why)
    note = fmt.percent(moved.ratio, signed=True)
    if moved.covered_share != 1:
        note += f" · of {fmt.share(moved.covered_share)} of the value"
    return Figure("Day change", fmt.gain(moved.change), note, fmt.tone(moved.change), "HKD", why)


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
    held = f"{plural(sums.held_count, 'position')} held"
    return Figure("Cost", fmt.money(sums.cost_basis), held, unit="HKD", why=why)


def _freshness(sums: Totals, moved: Day, sessions: TradingSessions) -> Figure:
    latest = fmt.day(sessions.latest.day)
    why = (
        f"The share of the market value (short positions by their size) that has a price of the latest session, "
        f"{latest}. Sessions are those of the Hong Kong exchange: weekends and holidays make no price older."
    )
    share = moved.fresh_share
    if share is None:
        return Figure("Up to date", fmt.MISSING, "no prices", why=why)
    notes = [f"priced on {latest}"]
    if share < 1:
        notes.append(f"oldest: {age_text(age_in_sessions(moved.oldest_at, sessions))}")
    if not sums.complete:
        notes.append(f"{sums.held_count - sums.priced_count:,} without a price")
    return Figure("Up to date", fmt.share(share), "; ".join(notes), "warn" if len(notes) > 1 else "", why=why)


def strip(sums: Totals, moved: Day, sessions: TradingSessions, *more: Figure) -> str:
    """The headline figures of one or several portfolios, as HTML."""
    return markup.figures(
        (
            _market_value(sums),
            _day_change(moved, sessions),
            _gain(sums),
            _cost(sums),
            _freshness(sums, moved, sessions),
            *more,
        )
    )
