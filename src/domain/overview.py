"""A portfolio in a list, and what it is worth."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from src.domain.day_change import Day
from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.domain.valuation import Totals


@dataclass(frozen=True)
class Portfolio:
    """A portfolio and its figures (HKD). Times by the server's clock, without a zone. Texts as stored; None: NULL.

    `copied_from`: the id of the portfolio that this one is a copy of. `archived_at` None: not archived. `updated_at`:
    the last change of the portfolio or of a position.
    """

    portfolio_id: str
    name: str
    description: str | None
    strategy: str | None
    copied_from: str | None
    copied_at: datetime | None
    archived_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    totals: Totals

    @property
    def title(self) -> str:
        """The name; the id where the name is empty."""
        return self.name or self.portfolio_id

    @property
    def label(self) -> str:
        """Name and id, for a list to choose from."""
        return f"{self.title} ({self.portfolio_id}){' · archived' if self.archived_at else ''}"

    @property
    def url(self) -> str:
        """The address of the portfolio's page, relative to the dashboard's."""
        return f"portfolio?{urlencode({'id': self.portfolio_id})}"

    @property
    def fixed(self) -> bool:
        """Whether it is the single-portfolio application's, which can be neither archived nor deleted."""
        return self.portfolio_id == DEFAULT_PORTFOLIO


@dataclass(frozen=True)
class PortfolioEntry(Portfolio):
    """A portfolio with its figures and what moved in the latest trading session."""

    day: Day
