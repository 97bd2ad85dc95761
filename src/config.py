"""Settings: the only reader of the environment and of `.env`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
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
    for key, value in _read(env_file or PROJECT_ROOT / ".env").items():
        if value is not None:
            values[key] = value
    values.update(os.environ)
    home = _folder(values, "HK_STRATEGY_HOME", PROJECT_ROOT / ".hk_strategy")
    port_text = values.get("DASHBOARD_PORT") or "8501"
    if not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise ConfigurationError(f"DASHBOARD_PORT is {port_text!r}; it must be a number from 1 to 65535.")
    return Settings(
        database_url=values.get("DATABASE_URL") or None,
        redis_url=values.get("REDIS_URL") or None,
        home=home,
        backup_dir=_folder(values, "HK_STRATEGY_BACKUPS", home / "backups"),
        log_dir=_folder(values, "HK_STRATEGY_LOGS", PROJECT_ROOT / "logs"),
        dashboard_address=values.get("DASHBOARD_ADDRESS") or "127.0.0.1",
        dashboard_port=int(port_text),
    )


def _read(env_file: Path) -> dict[str, str | None]:
    try:
        seen = env_file.stat()
    except OSError:
        return _parse(env_file, 0, 0)
    return _parse(env_file, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=4)
def _parse(env_file: Path, mtime_ns: int, size: int) -> dict[str, str | None]:
    """Remembered as long as the file is the same: a page asks for its settings a dozen times."""
    try:
        return dotenv_values(env_file)
    except OSError as error:
        raise ConfigurationError(
            f"{env_file} cannot be read: {error.strerror}. Give it to the user who runs this."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{env_file} cannot be read: it is not UTF-8 text. Save it as UTF-8.") from None


def _folder(values: Mapping[str, str], name: str, default: Path) -> Path:
    """Absolute. A relative one is meant from the project's folder, wherever the program was started."""
    try:
        return (PROJECT_ROOT / Path(values.get(name) or default).expanduser()).resolve()
    except RuntimeError:
        raise ConfigurationError(f"{name} is {values[name]!r}: there is no such user's home.") from None
