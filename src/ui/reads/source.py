"""Where the dashboard's data comes from: the settings, the database's address, and its DatabaseManager."""

import streamlit as st

from src.config import Settings, load_settings
from src.database_enhanced import DatabaseManager
from src.embedded import api as embedded
from src.postgres.pool import POOL_SIZE, PoolStatus

_made: list[DatabaseManager] = []


def settings() -> Settings:
    """The settings, read anew. Raises ConfigurationError."""
    return load_settings()


def database_url() -> str:
    """The database's URL; starts or joins the embedded server where none is configured."""
    found = settings()
    return _database_url(found, found.database_url or "", str(found.home))


@st.cache_resource(ttl=5, show_spinner=False)
def _database_url(_settings: Settings, url: str, home: str) -> str:
    # Joining costs a file lock, and a page asks a dozen times.
    return embedded.database_url(_settings)


def manager() -> DatabaseManager:
    """The one way to the data, shared by all sessions of this process."""
    found = settings()
    return _manager(found, database_url(), found.redis_url or str(found.home))


@st.cache_resource(show_spinner=False)
def _manager(_settings: Settings, url: str, cache: str) -> DatabaseManager:
    made = DatabaseManager(settings=_settings)
    _made[:] = [made]
    return made


def pool_status() -> PoolStatus:
    """How busy the manager's connections are. Waits for nothing, not even for the manager."""
    return _made[0].pool_status() if _made else PoolStatus(POOL_SIZE)
