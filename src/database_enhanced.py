"""DatabaseManager: the one door to the data.

Its older callers get DataFrames and dicts. Where their forerunner answered with an empty frame or False, this one
raises an error of src/errors.py, whose text may be shown as it is.

Types in the DataFrames: amounts, prices and costs are exact `Decimal`s (dtype object; None where not known: an
unknown price is never 0), quantities and counts int64, text `str`, times datetime64[us] in the server's own time
zone. Use `.astype(float)` where a chart needs it.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from src.config import Settings, load_settings
from src.db import frames, health, portfolios, positions, prices, server, signals
from src.db.cache import Cache
from src.db.pool import LeasedConnection
from src.db.schema import (
    CAPABILITIES,
    COPY_PORTFOLIO,
    CREATE_PORTFOLIO,
    EDIT_PORTFOLIO,
    EDIT_POSITIONS,
    READ_POSITIONS,
    RECORD_SIGNALS,
    UPDATE_PRICES,
    SchemaState,
    SchemaVersion,
    recommendations,
    why_not,
)
from src.db.session import Database
from src.domain import edits, hk_market
from src.domain import portfolio as checks
from src.errors import ConfigurationError, HKStrategyError, InvalidInput

__all__ = ["DatabaseManager", "SchemaVersion"]


class DatabaseManager:
    """The database and the cache of `settings` (of the environment and `.env` when not given).

    With `database_url`, that database and no other; then the cache too is only the one of `redis_url`. Nothing is
    contacted before it is needed. Safe to share between threads.
    """

    def __init__(
        self, database_url: str | None = None, redis_url: str | None = None, *, settings: Settings | None = None
    ) -> None:
        self._settings = settings if settings is not None or database_url else load_settings()
        self._database_url = database_url
        self._redis_url = redis_url
        self._lock = threading.RLock()
        self._db_made: Database | None = None
        self._cache_made: Cache | None = None

    # Connections, schema, health

    def get_connection(self) -> LeasedConnection:
        """A psycopg2 connection of the pool, with and without `with`; `close()` gives it back."""
        return self._db.lease()

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            if self._db_made is not None:
                self._db_made.close()
            if self._cache_made is not None:
                self._cache_made.close()

    def schema_state(self, force_refresh: bool = False) -> SchemaState:
        """What detect_schema_version says, as a dataclass."""
        return self._db.schema(refresh=force_refresh)

    def detect_schema_version(self, force_refresh: bool = False) -> tuple[SchemaVersion | None, dict[str, bool | str]]:
        """The version, and multi_portfolio, portfolio_isolation, backward_compatible, has_constraints,
        portfolio_id_required and, where the state is odd, warning.

        The version is None for an empty database and for one that is none of the three. Raises DatabaseUnavailable
        when the database is down.
        """
        state = self.schema_state(force_refresh)
        return state.version, state.flags()

    def get_schema_info(self) -> dict[str, Any]:
        """version (text, or None), title, capabilities (name → bool), migration_recommendations (list of text)."""
        state = self.schema_state(force_refresh=True)
        able = {capability.name: why_not(state, capability) is None for capability in CAPABILITIES}
        flags = {key: found for key, found in state.flags().items() if key != "warning"}
        info: dict[str, Any] = {
            "version": None if state.version is None else state.version.value,
            "title": state.title,
            "capabilities": {**flags, **able},
            "migration_recommendations": recommendations(state),
        }
        if state.warning is not None:
            info["warning"] = state.warning
        return info

    def test_connection_health(self) -> dict[str, dict[str, Any]]:
        """database, redis and schema: each status ("healthy", "degraded" or "down"), message, advice and details."""
        try:
            db = self._db
        except HKStrategyError as error:
            gone = health.down(str(error), "Start PostgreSQL, or correct DATABASE_URL in .env.")
            return {"database": gone, "redis": health.cache(self._cache), "schema": gone}
        return {"database": health.database(db), "redis": health.cache(self._cache), "schema": health.schema(db)}

    def data_token(self) -> str:
        """A short text that differs after positions, portfolios, signals, prices or the schema changed. Cheap."""
        return self._db.read(prices.data_token, needs=None)

    def is_sample_data(self) -> bool:
        """Whether the data was generated as a sample, and not removed since."""
        return self._db.read(server.is_sample, needs=None)

    # Portfolios

    def get_portfolios(self) -> pd.DataFrame:
        """One row per portfolio, DEFAULT first, archived ones too. On v1: DEFAULT, "Legacy Portfolio".

        portfolio_id, name, description, created_at, updated_at, total_positions, active_positions (quantity not 0),
        total_market_value, total_cost, total_unrealized_pnl; how much of it is priced: priced_positions, priced_cost,
        priced_size of cost_size (costs with short positions counted by their size); strategy, copied_from, copied_at,
        archived_at. HKD. Market value and P&L are of the priced positions, and None when positions are held and none
        has a price.
        """
        return frames.frame(self._db.read(portfolios.list_all), frames.PORTFOLIOS)

    def create_portfolio(
        self, portfolio_id: str, name: str, description: str = "", strategy: str | None = None
    ) -> bool:
        """An empty portfolio. Raises PortfolioExists."""
        new_id, new_name, text = edits.identity(portfolio_id, name, description)
        theme = checks.check_text(strategy, "The strategy", 100)
        self._db.write(
            lambda cur, state: portfolios.create(cur, new_id, new_name, text, strategy=theme), CREATE_PORTFOLIO
        )
        return True

    def copy_portfolio(
        self, source_id: str, portfolio_id: str, name: str, description: str = "", strategy: str | None = None
    ) -> int:
        """A new portfolio with the positions and prices of `source_id`, which it remembers; how many positions.

        Its strategy is the source's when not given. All or nothing. Raises PortfolioNotFound and PortfolioExists.
        """
        new_id, new_name, text = edits.identity(portfolio_id, name, description)
        theme = checks.check_text(strategy, "The strategy", 100)
        return self._db.write(
            lambda cur, state: portfolios.copy(cur, state, source_id, new_id, new_name, text, theme), COPY_PORTFOLIO
        )

    def rename_portfolio(
        self, portfolio_id: str, name: str, description: str | None = None, strategy: str | None = None
    ) -> bool:
        """New name; description and strategy stay when None, and go when empty."""
        new_name = checks.check_text(name, "The name", 200, required=True) or ""
        text = None if description is None else checks.check_text(description, "The description", 10_000) or ""
        theme = None if strategy is None else checks.check_text(strategy, "The strategy", 100) or ""
        self._db.write(
            lambda cur, state: portfolios.rename(cur, state, portfolio_id, new_name, text, theme), EDIT_PORTFOLIO
        )
        return True

    def archive_portfolio(self, portfolio_id: str) -> bool:
        """Out of sight, nothing deleted. DEFAULT cannot be archived."""
        self._db.write(lambda cur, state: portfolios.archive(cur, state, portfolio_id), EDIT_PORTFOLIO)
        return True

    def restore_portfolio(self, portfolio_id: str) -> bool:
        """Back from the archive."""
        self._db.write(lambda cur, state: portfolios.restore(cur, state, portfolio_id), EDIT_PORTFOLIO)
        return True

    def delete_portfolio(self, portfolio_id: str) -> bool:
        """For good, with its positions and signals. DEFAULT cannot be deleted."""
        self._db.write(lambda cur, state: portfolios.delete(cur, state, portfolio_id), EDIT_PORTFOLIO)
        return True

    # Positions and prices

    def get_portfolio_positions(self, portfolio_id: str | None = None) -> pd.DataFrame:
        """Positions by market value descending (unpriced last), of all portfolios when `portfolio_id` is None.

        symbol, company_name, quantity, avg_cost, current_price, market_value, unrealized_pnl, sector, last_updated
        and, from v2, portfolio_id. Raises PortfolioNotFound.
        """
        multi, rows = self._db.read(lambda cur, st: (st.multi_portfolio, positions.list_all(cur, st, portfolio_id)))
        return frames.frame(rows, frames.POSITIONS if multi else frames.POSITIONS_V1)

    def get_positions_of(self, portfolio_ids: Sequence[str]) -> pd.DataFrame:
        """As get_portfolio_positions, of several portfolios in one statement. Raises PortfolioNotFound."""
        ids = tuple(portfolio_ids)
        multi, rows = self._db.read(lambda cur, st: (st.multi_portfolio, positions.list_several(cur, st, ids)))
        return frames.frame(rows, frames.POSITIONS if multi else frames.POSITIONS_V1)

    def add_position(
        self,
        portfolio_id: str,
        symbol: str,
        quantity: object,
        avg_cost: object,
        company_name: str | None = None,
        sector: str | None = None,
    ) -> str:
        """A new position, priced as the market last was (not at all when no price is known); its symbol, normalised.

        Name and sector, where not given, are those of the same symbol in another portfolio.
        """
        normal = hk_market.normalise_symbol(symbol)
        if hk_market.is_index(normal):
            raise InvalidInput(f"{normal} is an index: it has prices, but cannot be held.")
        values = edits.position(quantity, avg_cost, company_name, sector)
        values.setdefault("company_name", None)
        values.setdefault("sector", None)
        if not values.keys() >= {"quantity", "avg_cost"}:
            raise InvalidInput("A new position needs a quantity and an average cost.")
        checks.check_value(values["quantity"], values["avg_cost"], "cost")
        self._db.write(lambda cur, state: positions.add(cur, state, portfolio_id, normal, values), EDIT_POSITIONS)
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
    ) -> bool:
        """Change what is given; an empty company_name or sector clears it.

        `expected`: the values of some of those columns that the change is based on; Conflict when they changed.
        """
        changes = edits.position(quantity, avg_cost, company_name, sector)
        if not changes:
            raise InvalidInput("Nothing to change was given.")
        before = edits.expected(expected)
        names = hk_market.spellings(symbol)
        self._db.write(
            lambda cur, state: positions.change(cur, state, portfolio_id, names, changes, before), EDIT_POSITIONS
        )
        return True

    def remove_position(self, portfolio_id: str, symbol: str, *, expected: Mapping[str, Any] | None = None) -> bool:
        """Remove a position, and its signals in that portfolio. `expected` as in change_position."""
        before = edits.expected(expected)
        names = hk_market.spellings(symbol)
        self._db.write(lambda cur, state: positions.remove(cur, state, portfolio_id, names, before), EDIT_POSITIONS)
        return True

    def update_position_price(self, symbol: str, new_price: object) -> bool:
        """The new price (HKD) for the symbol in every portfolio. Raises PositionNotFound."""
        price = checks.check_price(new_price)
        names = hk_market.spellings(symbol)
        self._db.write(lambda cur, state: positions.update_price(cur, names, price), UPDATE_PRICES)
        return True

    def get_price_ages(self) -> pd.DataFrame:
        """Per symbol with a position: price, as_of, age (by the server's clock), history_price, history_as_of.

        All None or NaT where no price is known.
        """
        return frames.frame(self._db.read(prices.ages), frames.PRICE_AGES)

    def get_price_history(self, symbol: str, since: datetime | None = None) -> pd.DataFrame:
        """Recorded prices of a symbol or index, oldest first."""
        names = hk_market.spellings(symbol)
        return frames.frame(self._db.read(lambda cur, _: prices.history(cur, names, since)), frames.PRICE_HISTORY)

    # Signals

    def get_trading_signals(self, limit: int = 50, portfolio_id: str | None = None) -> pd.DataFrame:
        """The newest signals first, of all portfolios when `portfolio_id` is None; portfolio_id column from v2."""
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= 1_000_000:
            raise InvalidInput(f"limit is {limit!r}; it must be a whole number from 1 to 1000000.")
        multi, rows = self._db.read(
            lambda cur, state: (state.multi_portfolio, signals.list_all(cur, state, limit, portfolio_id)),
            READ_POSITIONS,
        )
        return frames.frame(rows, frames.SIGNALS if multi else frames.SIGNALS_V1)

    def insert_trading_signal(
        self,
        symbol: str,
        signal_type: str,
        signal_strength: object,
        price: object,
        portfolio_id: str | None = None,
        **indicators: object,
    ) -> bool:
        """Record a signal (type A, B, C or D; strength 0 to 9.99) for a symbol that the portfolio holds or watches.

        Indicators: volume, rsi, ma_5, ma_20, ma_50, bollinger_upper, bollinger_lower; None and NaN are "not known".
        """
        values = edits.signal(signal_type, signal_strength, price, indicators)
        names = hk_market.spellings(symbol)
        self._db.write(lambda cur, state: signals.insert(cur, state, portfolio_id, names, values), RECORD_SIGNALS)
        return True

    # Cache

    def get_cache(self, key: str) -> Any:
        """The cached value; None when it is not there, or the cache is down."""
        return self._cache.get(key)

    def set_cache(self, key: str, value: Any, expiry: int = 300) -> bool:
        """Cache a JSON value (Decimal and datetime too) for `expiry` seconds; False when the cache is down."""
        return self._cache.set(key, value, expiry)

    @property
    def _db(self) -> Database:
        with self._lock:
            if self._db_made is None:
                self._db_made = Database(self._database_url or _configured_url(self._settings))
            return self._db_made

    @property
    def _cache(self) -> Cache:
        with self._lock:
            if self._cache_made is None:
                self._cache_made = Cache(self._redis_url or self._configured_cache())
            return self._cache_made

    def _configured_cache(self) -> str | None:
        if self._settings is None or self._database_url is not None:
            return None
        from src import embedded  # here, since it starts servers

        return embedded.cache_url(self._settings)


def _configured_url(settings: Settings | None) -> str:
    if settings is None:
        raise ConfigurationError("No database is configured.")
    from src import embedded  # here, since it starts servers

    return embedded.database_url(settings)
