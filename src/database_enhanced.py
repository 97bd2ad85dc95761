"""DatabaseManager: the dashboard's only access to portfolios and prices.

For the dashboard it offers values (src/portfolios/store.py), and for its older callers DataFrames and dicts
(src/dataframes/face.py). Where their forerunner answered with an empty frame or False, this one raises an error of
src/errors.py, whose text may be shown as it is.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from src.cache import Cache, CacheStatus
from src.config import Settings, load_settings
from src.dataframes.face import DataFrames
from src.domain.quote import Quote
from src.domain.revisions import Lineage, Revision
from src.errors import ConfigurationError, HKStrategyError, NotAllowed, PrerequisiteError, TableLocked
from src.health import server as health
from src.migration import engine
from src.portfolios.transactions import Database
from src.schema.versions import SchemaVersion, features

__all__ = ["DatabaseManager", "SchemaVersion"]


class DatabaseManager(DataFrames):
    """The database and the cache of `settings` (of the environment and `.env` when not given).

    With `database_url`, that database and no other; then the cache too is only the one of `redis_url`. Nothing is
    contacted before it is needed. Safe to share between threads.
    """

    def __init__(
        self, database_url: str | None = None, redis_url: str | None = None, *, settings: Settings | None = None
    ) -> None:
        super().__init__(lambda: Database(self._database_url or _configured_url(self._settings)))
        self._settings = settings if settings is not None or database_url else load_settings()
        self._database_url = database_url
        self._redis_url = redis_url
        self._lock = threading.RLock()
        self._cache_made: Cache | None = None

    # Schema, health

    def close(self) -> None:
        """Close all connections, the cache's too, that are not in use."""
        super().close()
        with self._lock:
            if self._cache_made is not None:
                self._cache_made.close()

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
        info: dict[str, Any] = {
            "version": None if state.version is None else state.version.value,
            "title": state.title,
            "capabilities": features(state),
            "migration_recommendations": self._recommendations(),
        }
        if state.warning is not None:
            info["warning"] = state.warning
        return info

    def _recommendations(self) -> list[str]:
        """What to do next, and what keeps it from being done; or why that is not known."""
        backup_dir = None if self._settings is None else self._settings.backup_dir
        try:
            found = engine.inspect(self._database_url or _configured_url(self._settings), backup_dir).recommendation
        except (NotAllowed, PrerequisiteError, TableLocked) as error:
            return [str(error)]
        if not found.refused:
            return [found.text]
        return [f"Until this is settled, {found.refused} is refused: {one.text}" for one in found.obstacles]

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

    def cache_status(self) -> CacheStatus:
        """What the cache says of itself, asked now."""
        return self._cache.status()

    def data_token(self) -> str:
        """A short text that differs after positions, portfolios, signals, prices or the schema changed. Cheap."""
        return self.change_markers().token

    # Values by the names that older callers know

    def get_quotes(self, latest_opens: datetime, symbols: Sequence[str] | None = None) -> dict[str, Quote]:
        """See `quotes`."""
        return self.quotes(latest_opens, symbols)

    def get_lineage(self, portfolio_id: str) -> Lineage | None:
        """See `lineage`."""
        return self.lineage(portfolio_id)

    def get_saves(self, portfolio_id: str | None = None, limit: int = 50) -> tuple[Revision, ...]:
        """See `revisions`."""
        return self.revisions(portfolio_id, limit)

    def undo_save(self, save_id: int, *, by: str | None = None) -> Revision:
        """See `undo_revision`."""
        return self.undo_revision(save_id, by=by)

    # Cache

    def get_cache(self, key: str) -> Any:
        """The cached value; None when it is not there, or the cache is down."""
        return self._cache.get(key)

    def set_cache(self, key: str, value: Any, expiry: int = 300) -> bool:
        """Cache a JSON value (Decimal and datetime too) for `expiry` seconds; False when the cache is down."""
        return self._cache.set(key, value, expiry)

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
