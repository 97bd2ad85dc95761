"""Portfolios as the list shows them: each with what it is worth, sorted, searched, grouped by strategy. No drawing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from src.domain.day_change import Day
from src.domain.day_change import combined as days_together
from src.domain.overview import PortfolioEntry
from src.domain.valuation import Totals, combined
from src.ui.reads import queries

NO_STRATEGY = "No strategy"


@dataclass(frozen=True)
class Group:
    """Portfolios of one strategy ("" for those without one). `count`, `totals` and `day` are of all that it has."""

    strategy: str
    entries: tuple[PortfolioEntry, ...]
    count: int
    totals: Totals
    day: Day

    @property
    def title(self) -> str:
        """For its heading."""
        return self.strategy or NO_STRATEGY

    @property
    def updated_at(self) -> datetime | None:
        """When one of them was changed last, by the server's clock, without a zone. None where that is not known."""
        return max((one.updated_at for one in self.entries if one.updated_at is not None), default=None)


def load() -> tuple[PortfolioEntry, ...]:
    """Every portfolio with its figures, as the list shows them."""
    return queries.overview(queries.sessions())


ListRow = PortfolioEntry | Group
# Unknown comes last, whichever way a column is sorted.
SORTS: dict[str, Callable[[ListRow], tuple[bool, Any]]] = {
    "Market value": lambda e: (e.totals.market_value is None, -(e.totals.market_value or 0)),
    "Day change": lambda e: (e.day.change is None, -(e.day.change or 0)),
    "Day change, worst first": lambda e: (e.day.change is None, e.day.change or 0),
    "P&L": lambda e: (e.totals.unrealized_pnl is None, -(e.totals.unrealized_pnl or 0)),
    "P&L, worst first": lambda e: (e.totals.unrealized_pnl is None, e.totals.unrealized_pnl or 0),
    "P&L %": lambda e: (e.totals.return_ratio is None, -(e.totals.return_ratio or 0)),
    "Name": lambda e: (isinstance(e, Group) and not e.strategy, e.title.casefold()),
    "Last change": lambda e: (e.updated_at is None, -(e.updated_at.timestamp() if e.updated_at else 0)),
}


def together(entries: Sequence[PortfolioEntry]) -> tuple[Totals, Day]:
    """Totals (HKD) and day change of these portfolios together."""
    return combined(one.totals for one in entries), days_together(one.day for one in entries)


def strategies(entries: Iterable[PortfolioEntry]) -> list[str]:
    """Those in use, by name; "" last where some portfolios have none."""
    return sorted({one.strategy or "" for one in entries}, key=lambda name: (not name, name.casefold(), name))


def found(entries: Iterable[PortfolioEntry], words: str, strategy: str | None) -> list[PortfolioEntry]:
    """Those of `strategy` (None: any; "": those without) that have `words` in their name, id or strategy."""
    words = words.strip().casefold()
    return [
        one
        for one in entries
        if (strategy is None or (one.strategy or "") == strategy)
        and words in f"{one.name} {one.portfolio_id} {one.strategy or ''}".casefold()
    ]


def arranged(entries: Sequence[PortfolioEntry], order: str, *, group: bool) -> list[Group]:
    """Sorted, and grouped by strategy, the groups in the same order; else in one group."""
    members: dict[str, list[PortfolioEntry]] = {}
    for one in sorted(entries, key=SORTS[order]):
        members.setdefault((one.strategy or "") if group else "", []).append(one)
    return sorted((Group(name, tuple(of), len(of), *together(of)) for name, of in members.items()), key=SORTS[order])


def page_of(groups: Sequence[Group], rows: slice) -> list[Group]:
    """The portfolios of one page, in their groups."""
    shown, passed = [], 0
    for group in groups:
        low, high = max(rows.start - passed, 0), max(rows.stop - passed, 0)
        if group.entries[low:high]:
            shown.append(replace(group, entries=group.entries[low:high]))
        passed += len(group.entries)
    return shown
