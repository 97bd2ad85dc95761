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

    `dashboard_hosts`: names by which browsers may reach the dashboard besides its own. `trusted_proxy`: the address
    whose X-Forwarded headers count. E-mail addresses are in lower case. `acting_for`: on whose behalf the dashboard
    started this command; `task`: what the audit's lines of this command have in common. `repr` leaves the URLs and the
    token out, since they are secrets.
    """

    database_url: str | None
    redis_url: str | None
    home: Path
    backup_dir: Path
    log_dir: Path
    dashboard_address: str
    dashboard_port: int
    dashboard_hosts: tuple[str, ...] = ()
    trusted_proxy: str | None = None
    admin_emails: frozenset[str] = frozenset()
    trader_emails: frozenset[str] = frozenset()
    metrics_token: str | None = None
    acting_for: str | None = None
    task: str | None = None

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
    metrics_token = values.get("METRICS_TOKEN") or None
    if metrics_token is not None and len(metrics_token) < 20:
        raise ConfigurationError(
            "METRICS_TOKEN is too short to be a secret: use 20 characters or more, made at random."
        )
    return Settings(
        database_url=values.get("DATABASE_URL") or None,
        redis_url=values.get("REDIS_URL") or None,
        home=home,
        backup_dir=_folder(values, "HK_STRATEGY_BACKUPS", home / "backups"),
        log_dir=_folder(values, "HK_STRATEGY_LOGS", PROJECT_ROOT / "logs"),
        dashboard_address=values.get("DASHBOARD_ADDRESS") or "127.0.0.1",
        dashboard_port=int(port_text),
        dashboard_hosts=_words(values.get("DASHBOARD_HOSTS")),
        trusted_proxy=values.get("DASHBOARD_TRUSTED_PROXY") or None,
        admin_emails=frozenset(_words(values.get("ADMIN_EMAILS"))),
        trader_emails=frozenset(_words(values.get("TRADER_EMAILS"))),
        metrics_token=metrics_token,
        acting_for=values.get("HK_STRATEGY_ACTING_FOR") or None,
        task=values.get("HK_STRATEGY_TASK") or None,
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
        given = Path(values.get(name) or default).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{name} is {values[name]!r}: there is no such user's home.") from None
    return Path(os.path.realpath(PROJECT_ROOT / given))  # a link to itself stays: its use says what is wrong with it


def _words(text: str | None) -> tuple[str, ...]:
    """What is separated by commas, in lower case."""
    return tuple(word.strip().lower() for word in (text or "").split(",") if word.strip())
