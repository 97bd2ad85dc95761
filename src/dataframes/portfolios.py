"""Portfolios, as DatabaseManager offers them."""

from collections.abc import Callable

import pandas as pd

from src.dataframes import columns
from src.dataframes.base import Methods
from src.domain import portfolio as checks
from src.domain import validation
from src.portfolios import lineage, portfolios
from src.postgres.connection import Cursor
from src.schema.versions import COPY_PORTFOLIO, CREATE_PORTFOLIO, EDIT_PORTFOLIO, SchemaState


class PortfolioMethods(Methods):
    def get_portfolios(self) -> pd.DataFrame:
        """One row per portfolio, DEFAULT first, archived ones too. On v1: DEFAULT, "Legacy Portfolio".

        portfolio_id, name, description, created_at, updated_at, total_positions, active_positions (quantity not 0),
        total_market_value, total_cost, total_unrealized_pnl; how much of it is priced: priced_positions, priced_cost,
        priced_size of cost_size (costs with short positions counted by their size); strategy, copied_from, copied_at,
        archived_at. HKD. Market value and P&L are of the priced positions, and None when positions are held and none
        has a price.
        """
        return columns.frame(self._db.read(portfolios.list_all), columns.PORTFOLIOS)

    def create_portfolio(
        self,
        portfolio_id: str,
        name: str,
        description: str = "",
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> bool:
        """An empty portfolio. Raises PortfolioExists."""
        new_id, new_name, text = validation.identity(portfolio_id, name, description)
        theme = checks.check_text(strategy, "The strategy", 100)
        self._record(
            new_id, "create", by, new_name, CREATE_PORTFOLIO,
            lambda cur, state: portfolios.create(cur, new_id, new_name, text, strategy=theme),
        )  # fmt: skip
        return True

    def copy_portfolio(
        self,
        source_id: str,
        portfolio_id: str,
        name: str,
        description: str = "",
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> int:
        """A new portfolio with the positions and prices of `source_id`, which it remembers; how many positions.

        Its strategy is the source's when not given. All or nothing. Raises PortfolioNotFound and PortfolioExists.
        """
        new_id, new_name, text = validation.identity(portfolio_id, name, description)
        theme = checks.check_text(strategy, "The strategy", 100)

        def work(cur: Cursor, state: SchemaState) -> int:
            copied = portfolios.copy(cur, state, source_id, new_id, new_name, text, theme)
            lineage.keep_base(cur, new_id, new_id)
            return copied

        return self._record(new_id, "copy", by, f"from {source_id}", COPY_PORTFOLIO, work)

    def rename_portfolio(
        self,
        portfolio_id: str,
        name: str,
        description: str | None = None,
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> bool:
        """New name; description and strategy stay when None, and go when empty."""
        new_name = checks.check_text(name, "The name", 200, required=True) or ""
        text = None if description is None else checks.check_text(description, "The description", 10_000) or ""
        theme = None if strategy is None else checks.check_text(strategy, "The strategy", 100) or ""
        self._record(
            portfolio_id, "rename", by, new_name, EDIT_PORTFOLIO,
            lambda cur, state: portfolios.rename(cur, state, portfolio_id, new_name, text, theme),
        )  # fmt: skip
        return True

    def archive_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """Out of sight, nothing deleted. DEFAULT cannot be archived."""
        self._change(portfolio_id, "archive", by, portfolios.archive)
        return True

    def restore_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """Back from the archive."""
        self._change(portfolio_id, "restore", by, portfolios.restore)
        return True

    def delete_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """For good, with its positions and signals. DEFAULT cannot be deleted."""
        self._change(portfolio_id, "delete", by, portfolios.delete)
        return True

    def _change(
        self, portfolio_id: str, kind: str, by: str | None, work: Callable[[Cursor, SchemaState, str], None]
    ) -> None:
        self._record(portfolio_id, kind, by, "", EDIT_PORTFOLIO, lambda cur, state: work(cur, state, portfolio_id))
