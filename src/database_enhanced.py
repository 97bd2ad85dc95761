"""DatabaseManager: the one door to the data.

Its older callers get DataFrames and dicts. Where their forerunner answered with an empty frame or False, this one
raises an error of src/errors.py, whose text may be shown as it is.

Types in the DataFrames: amounts, prices and costs are exact `Decimal`s (dtype object; None where not known: an
unknown price is never 0), quantities and counts int64, text `str`, times datetime64[us] in the server's own time
zone. Use `.astype(float)` where a chart needs it.
"""

import threading
from datetime import datetime
from typing import Any

import pandas as pd

from src.cache import Cache, CacheStatus
from src.config import Settings, load_settings
from src.dataframes import columns
from src.dataframes.market import MarketMethods
from src.dataframes.portfolios import PortfolioMethods
from src.dataframes.positions import PositionMethods
from src.dataframes.revisions import SaveMethods
from src.domain import symbols, validation
from src.errors import ConfigurationError, HKStrategyError, InvalidInput
from src.health import server as health
from src.portfolios import markers, signals
from src.portfolios.markers import ChangeMarkers
from src.portfolios.transactions import Database
from src.postgres.pool import POOL_SIZE, LeasedConnection, PoolStatus
from src.schema.versions import (
    CAPABILITIES,
    READ_POSITIONS,
    RECORD_SIGNALS,
    SchemaState,
    SchemaVersion,
    recommendations,
    why_not,
)

__all__ = ["DatabaseManager", "SchemaVersion"]


class DatabaseManager(PortfolioMethods, PositionMethods, SaveMethods, MarketMethods):
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
        """A psycopg2 connection of the pool, with and without `with`; `close()` gives it back.

        Names without a schema mean the tables in public on every version, never v1's compatibility views.
        """
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
            unknown = health.schema_unknown("It is not known.")
            found = (health.unreachable(error), health.cache(self._cache), unknown)
        else:
            found = (health.database(db), health.cache(self._cache), health.schema(db))
        return {component.key: component.report() for component in found}

    def pool_status(self) -> PoolStatus:
        """How busy the connections of this process are. Contacts nothing."""
        return self._db_made.pool_status() if self._db_made is not None else PoolStatus(POOL_SIZE)

    def cache_status(self) -> CacheStatus:
        """What the cache says of itself, asked now."""
        return self._cache.status()

    def data_token(self) -> str:
        """A short text that differs after positions, portfolios, signals, prices or the schema changed. Cheap."""
        return self.change_markers().token

    def change_markers(self) -> ChangeMarkers:
        """What differs when something in the database does, the schema and the history of runs included. Cheap."""
        return self._db.read(markers.change_markers, needs=None)

    def other_sessions(self) -> tuple[int, ...]:
        """The process numbers of other programs' sessions in this database. Cheap."""
        return self._db.read(markers.others, needs=None)

    def server_time(self) -> datetime:
        """The server's clock, aware, in its own zone: without the zone it is as the times in the tables are."""
        return self._db.read(markers.clock, needs=None)

    def is_sample_data(self) -> bool:
        """Whether the data was generated as a sample, and not removed since."""
        return self._db.read(markers.is_sample, needs=None)

    # Signals

    def get_trading_signals(self, limit: int = 50, portfolio_id: str | None = None) -> pd.DataFrame:
        """The newest signals first, of all portfolios when `portfolio_id` is None; portfolio_id column from v2."""
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= 1_000_000:
            raise InvalidInput(f"limit is {limit!r}; it must be a whole number from 1 to 1000000.")
        multi, rows = self._db.read(
            lambda cur, state: (state.multi_portfolio, signals.list_all(cur, state, limit, portfolio_id)),
            READ_POSITIONS,
        )
        return columns.frame(rows, columns.SIGNALS if multi else columns.SIGNALS_V1)

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
        values = validation.signal(signal_type, signal_strength, price, indicators)
        names = symbols.spellings(symbol)
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
        from src.embedded import api as embedded  # here, since it starts servers

        return embedded.cache_url(self._settings)


def _configured_url(settings: Settings | None) -> str:
    if settings is None:
        raise ConfigurationError("No database is configured.")
    from src.embedded import api as embedded  # here, since it starts servers

    return embedded.database_url(settings)
