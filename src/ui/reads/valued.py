"""A portfolio with its positions and what they are worth, as pages compare it."""

from collections.abc import Mapping
from dataclasses import dataclass

from src.domain import day_change
from src.domain.day_change import Day
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.domain.price_age import TradingSessions
from src.domain.quote import Quote
from src.domain.valuation import Totals, Valuation

NAME_LENGTH = 28


@dataclass(frozen=True)
class Side:
    """One portfolio, its figures (HKD), and what moved in the latest session."""

    entry: PortfolioEntry
    positions: tuple[Position, ...]
    totals: Totals
    today: Day

    @property
    def portfolio_id(self) -> str:
        """The portfolio's id."""
        return self.entry.portfolio_id

    @property
    def name(self) -> str:
        """For headings and legends: not too long."""
        full = self.entry.title
        return full if len(full) <= NAME_LENGTH else f"{full[: NAME_LENGTH - 1]}…"


def side(entry: PortfolioEntry, found: Valuation, quotes: Mapping[str, Quote], sessions: TradingSessions) -> Side:
    """A portfolio with its figures and moves, for one side of a comparison."""
    today = day_change.day(found.positions, day_change.moves(found.positions, quotes, sessions))
    return Side(entry, tuple(one.position for one in found.positions), found.totals, today)
