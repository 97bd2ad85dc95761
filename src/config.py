"""Settings: the only reader of the environment and of `.env`."""

import os
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from src.errors import ConfigurationError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What the environment says. A URL of None means: use the embedded server.

    `repr` leaves the URLs out, since they may hold passwords.
    """

    database_url: str | None
    redis_url: str | None
    home: Path
    backup_dir: Path
    log_dir: Path
    dashboard_address: str
    dashboard_port: int

    def __repr__(self) -> str:
        kind = "embedded" if self.database_url is None else "configured"
        return f"Settings(database={kind}, home={str(self.home)!r})"


def load_settings(env_file: Path | None = None) -> Settings:
    """Read `.env` of the project (or `env_file`), then the environment, which wins.

    Raises ConfigurationError for a value that makes no sense.
    """
    values: dict[str, str] = {}
    for key, value in dotenv_values(env_file or PROJECT_ROOT / ".env").items():
        if value is not None:
            values[key] = value
    values.update(os.environ)
    home = Path(values.get("HK_STRATEGY_HOME") or PROJECT_ROOT / ".hk_strategy").expanduser().resolve()
    port_text = values.get("DASHBOARD_PORT") or "8501"
    if not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise ConfigurationError(f"DASHBOARD_PORT is {port_text!r}; it must be a number from 1 to 65535.")
    return Settings(
        database_url=values.get("DATABASE_URL") or None,
        redis_url=values.get("REDIS_URL") or None,
        home=home,
        backup_dir=Path(values.get("HK_STRATEGY_BACKUPS") or home / "backups").expanduser().resolve(),
        log_dir=Path(values.get("HK_STRATEGY_LOGS") or PROJECT_ROOT / "logs").expanduser().resolve(),
        dashboard_address=values.get("DASHBOARD_ADDRESS") or "127.0.0.1",
        dashboard_port=int(port_text),
    )
