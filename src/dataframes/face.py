"""The methods of DatabaseManager that give DataFrames, with the names and shapes that its older callers know."""

from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

from src.dataframes import curves, tables
from src.domain.price_age import TradingSessions
from src.portfolios import positions, signals
from src.portfolios.store import Store, check_limit
from src.schema.versions import READ_POSITIONS


class DataFrames(Store):
    """The values of the store as tables.

    Amounts, prices and costs are exact Decimals in HKD (dtype object; None where not known: an unknown price is never
    0), quantities and counts int64, texts str, times datetime64[us] in the server's own time zone. The columns and
    dtypes: src/dataframes/columns.py. The errors are the store's.
    """

    def get_portfolios(self) -> pd.DataFrame:
        """One row per portfolio, DEFAULT first, archived ones too. On v1: DEFAULT, "Legacy Portfolio".

        portfolio_id, name, description, created_at, updated_at, total_positions, active_positions (quantity not 0),
        total_market_value, total_cost, total_unrealized_pnl; how much of it is priced: priced_positions, priced_cost,
        priced_size of cost_size (costs with short positions counted by their size); strategy, copied_from, copied_at,
        archived_at. HKD. Market value and P&L are of the priced positions, and None when positions are held and none
        has a price.
        """
        return tables.portfolios(self.portfolios())

    def get_overview(self, sessions: TradingSessions) -> pd.DataFrame:
        """get_portfolios' columns, and the day (HKD), all of one snapshot in one statement:

        day_change: Σ of (price − previous close) × quantity, each to the cent, over the positions whose price is of
        the latest session and whose previous close is of the session directly before; None where there is none.
        day_change_value, fresh_value: the market value of those, and of all that is priced in the latest session.
        day_change_size, value_size, fresh_size: market value of those, of what is priced, and of what is priced in the
        latest session, with short positions counted by their size. oldest_price_at (datetime64[us, UTC]): of held
        positions; NaT where none is.
        """
        return tables.overview(self.overview(sessions))

    def get_portfolio_positions(self, portfolio_id: str | None = None) -> pd.DataFrame:
        """Positions by market value descending (unpriced last), of all portfolios when `portfolio_id` is None.

        symbol, company_name, quantity, avg_cost, current_price, market_value, unrealized_pnl, sector, last_updated
        and, from v2, portfolio_id. Raises PortfolioNotFound.
        """
        multi, found = self._db.read(
            lambda cur, state: (state.multi_portfolio, positions.list_all(cur, state, portfolio_id))
        )
        return tables.positions(found, multi=multi)

    def get_positions_of(self, portfolio_ids: Sequence[str]) -> pd.DataFrame:
        """As get_portfolio_positions, of several portfolios in one statement. Raises PortfolioNotFound."""
        ids = tuple(portfolio_ids)
        multi, found = self._db.read(
            lambda cur, state: (state.multi_portfolio, positions.list_several(cur, state, ids))
        )
        return tables.positions(found, multi=multi)

    def get_trading_signals(self, limit: int = 50, portfolio_id: str | None = None) -> pd.DataFrame:
        """The newest signals first, of all portfolios when `portfolio_id` is None; portfolio_id column from v2.

        id, symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50, bollinger_upper,
        bollinger_lower, created_at. Raises PortfolioNotFound, and InvalidInput for a limit below 1.
        """
        check_limit(limit, 1_000_000)
        multi, found = self._db.read(
            lambda cur, state: (state.multi_portfolio, signals.list_all(cur, state, limit, portfolio_id)),
            READ_POSITIONS,
        )
        return tables.signals(found, multi=multi)

    def get_price_ages(self) -> pd.DataFrame:
        """Per symbol with a position: symbol, price, as_of, age (by the server's clock), history_price, history_as_of.

        All None or NaT where no price is known.
        """
        return tables.price_ages(self.price_ages())

    def get_price_history(self, symbol: str, since: datetime | None = None) -> pd.DataFrame:
        """Recorded prices of a symbol or index, oldest first.

        timestamp, price, volume, high, low, open_price, close_price.
        """
        return tables.price_history(self.price_history(symbol, since))

    def get_closes(self, symbols: Sequence[str], since: date) -> pd.DataFrame:
        """The last recorded price of each Hong Kong day from `since` on, and of the last day with one before it.

        A float column (HKD) per symbol as given, NaN where a day has none; DatetimeIndex without zone, ascending.
        """
        return curves.closes_frame(since, self.closes(symbols, since))

    def get_value_curves(self, portfolio_ids: Sequence[str], since: date) -> pd.DataFrame:
        """What the current holdings of portfolios were worth at past closes: current holdings held constant.

        Float (HKD), a column per portfolio, Hong Kong days from `since` on as index (DatetimeIndex without zone); all
        NaN for a portfolio none of whose holdings has a close at or before `since`. Holdings without one are left out.
        """
        return curves.value_curves_frame(since, self.holdings_and_closes(portfolio_ids, since))
