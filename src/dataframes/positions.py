"""Positions one by one, and prices, as DatabaseManager offers them. Every change leaves an entry in the audit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from src.dataframes import columns
from src.dataframes.base import Methods
from src.domain import portfolio as checks
from src.domain import symbols, validation
from src.errors import InvalidInput
from src.portfolios import positions, prices
from src.schema.versions import UPDATE_PRICES


class PositionMethods(Methods):
    def get_portfolio_positions(self, portfolio_id: str | None = None) -> pd.DataFrame:
        """Positions by market value descending (unpriced last), of all portfolios when `portfolio_id` is None.

        symbol, company_name, quantity, avg_cost, current_price, market_value, unrealized_pnl, sector, last_updated
        and, from v2, portfolio_id. Raises PortfolioNotFound.
        """
        multi, rows = self._db.read(lambda cur, st: (st.multi_portfolio, positions.list_all(cur, st, portfolio_id)))
        return columns.frame(rows, columns.POSITIONS if multi else columns.POSITIONS_V1)

    def get_positions_of(self, portfolio_ids: Sequence[str]) -> pd.DataFrame:
        """As get_portfolio_positions, of several portfolios in one statement. Raises PortfolioNotFound."""
        ids = tuple(portfolio_ids)
        multi, rows = self._db.read(lambda cur, st: (st.multi_portfolio, positions.list_several(cur, st, ids)))
        return columns.frame(rows, columns.POSITIONS if multi else columns.POSITIONS_V1)

    def add_position(
        self,
        portfolio_id: str,
        symbol: str,
        quantity: object,
        avg_cost: object,
        company_name: str | None = None,
        sector: str | None = None,
        *,
        by: str | None = None,
    ) -> str:
        """A new position, priced as the market last was (not at all when no price is known); its symbol, normalised.

        Name and sector, where not given, are those of the same symbol in another portfolio.
        """
        normal = symbols.normalise_symbol(symbol)
        if symbols.is_index(normal):
            raise InvalidInput(f"{normal} is an index: it has prices, but cannot be held.")
        values = validation.position(quantity, avg_cost, company_name, sector)
        values.setdefault("company_name", None)
        values.setdefault("sector", None)
        if not values.keys() >= {"quantity", "avg_cost"}:
            raise InvalidInput("A new position needs a quantity and an average cost.")
        checks.check_value(values["quantity"], values["avg_cost"], "cost")
        self._edit(portfolio_id, by, lambda cur, state: positions.add(cur, state, portfolio_id, normal, values))
        return normal

    def change_position(
        self,
        portfolio_id: str,
        symbol: str,
        *,
        quantity: object = None,
        avg_cost: object = None,
        company_name: str | None = None,
        sector: str | None = None,
        expected: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> bool:
        """Change what is given; an empty company_name or sector clears it.

        `expected`: the values of some of those columns that the change is based on; Conflict when they changed.
        """
        changes = validation.position(quantity, avg_cost, company_name, sector)
        if not changes:
            raise InvalidInput("Nothing to change was given.")
        before = validation.expected(expected)
        names = symbols.spellings(symbol)
        self._edit(
            portfolio_id, by, lambda cur, state: positions.change(cur, state, portfolio_id, names, changes, before)
        )
        return True

    def remove_position(
        self,
        portfolio_id: str,
        symbol: str,
        *,
        expected: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> bool:
        """Remove a position, and its signals in that portfolio. `expected` as in change_position."""
        before = validation.expected(expected)
        names = symbols.spellings(symbol)
        self._edit(portfolio_id, by, lambda cur, state: positions.remove(cur, state, portfolio_id, names, before))
        return True

    def update_position_price(self, symbol: str, new_price: object) -> bool:
        """The new price (HKD) for the symbol in every portfolio. Raises PositionNotFound."""
        price = checks.check_price(new_price)
        names = symbols.spellings(symbol)
        self._db.write(lambda cur, state: positions.update_price(cur, names, price), UPDATE_PRICES)
        return True

    def get_price_ages(self) -> pd.DataFrame:
        """Per symbol with a position: price, as_of, age (by the server's clock), history_price, history_as_of.

        All None or NaT where no price is known.
        """
        return columns.frame(self._db.read(prices.ages), columns.PRICE_AGES)

    def get_price_history(self, symbol: str, since: datetime | None = None) -> pd.DataFrame:
        """Recorded prices of a symbol or index, oldest first."""
        names = symbols.spellings(symbol)
        return columns.frame(self._db.read(lambda cur, _: prices.history(cur, names, since)), columns.PRICE_HISTORY)
