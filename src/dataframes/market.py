"""Quotes, closes, and what they make of portfolios, as DatabaseManager offers them."""

from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

from src.dataframes import columns
from src.dataframes.base import Methods
from src.domain.price_age import TradingSessions
from src.domain.quote import Quote
from src.portfolios import quotes


class MarketMethods(Methods):
    def get_quotes(self, latest_opens: datetime, symbols: Sequence[str] | None = None) -> dict[str, Quote]:
        """What is known about the prices of `symbols` (all that have a position when None), by symbol as given.

        `latest_opens`: when the latest session opened. The previous close is the last recorded price before the Hong
        Kong day of the price's own session; a price that came after the latest session opened, on a Sunday say, is of
        that session. A symbol without a position has the last price of its history.
        """
        return self._db.read(lambda cur, _: quotes.quotes(cur, latest_opens, symbols))

    def get_closes(self, symbols: Sequence[str], since: date) -> pd.DataFrame:
        """The last recorded price of each Hong Kong day from `since` on, and of the last day with one before it.

        A float column (HKD) per symbol as given, NaN where a day has none; DatetimeIndex without zone, ascending.
        """
        return self._db.read(lambda cur, _: quotes.closes(cur, symbols, since))

    def get_overview(self, sessions: TradingSessions) -> pd.DataFrame:
        """get_portfolios' columns, and the day (HKD), all of one snapshot in one statement:

        day_change: Σ of (price − previous close) × quantity, each to the cent, over the positions whose price is of
        the latest session and whose previous close is of the session directly before; None where there is none.
        day_change_value, fresh_value: the market value of those, and of all that is priced in the latest session.
        day_change_size, value_size, fresh_size: market value of those, of what is priced, and of what is priced in the
        latest session, with short positions counted by their size. oldest_price_at (datetime64[us, UTC]): of held
        positions; NaT where none is.
        """
        rows = self._db.read(lambda cur, state: quotes.overview(cur, state, sessions))
        return columns.frame(rows, columns.OVERVIEW)

    def get_value_curves(self, portfolio_ids: Sequence[str], since: date) -> pd.DataFrame:
        """What the current holdings of portfolios were worth at past closes: current holdings held constant.

        Float (HKD), a column per portfolio, Hong Kong days from `since` on as index (DatetimeIndex without zone); all
        NaN for a portfolio none of whose holdings has a close at or before `since`. Holdings without one are left out.
        """
        return self._db.read(lambda cur, state: quotes.value_curves(cur, state, portfolio_ids, since))
