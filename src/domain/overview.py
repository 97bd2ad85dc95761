"""A portfolio in a list, and what it is worth."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from src.domain.day_change import Day
from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.domain.valuation import Totals


@dataclass(frozen=True)
class PortfolioEntry:
    """A portfolio and what it is worth. Times by the server's clock, without a zone."""

    portfolio_id: str
    name: str
    description: str
    strategy: str
    copied_from: str
    copied_at: datetime | None
    archived_at: datetime | None
    updated_at: datetime | None
    totals: Totals
    day: Day

    @property
    def title(self) -> str:
        return self.name or self.portfolio_id

    @property
    def label(self) -> str:
        """For a list to choose from."""
        return f"{self.title} ({self.portfolio_id}){' · archived' if self.archived_at else ''}"

    @property
    def url(self) -> str:
        return f"portfolio?{urlencode({'id': self.portfolio_id})}"

    @property
    def fixed(self) -> bool:
        """The single-portfolio application's: it can be neither archived nor deleted."""
        return self.portfolio_id == DEFAULT_PORTFOLIO
