"""Settings: what comes from `.env`, what from the environment, and what makes no sense."""

from pathlib import Path

import pytest

from src.config import PROJECT_ROOT, load_settings
from src.errors import ConfigurationError

NAMES = ("DATABASE_URL", "REDIS_URL", "HK_STRATEGY_HOME", "HK_STRATEGY_BACKUPS", "HK_STRATEGY_LOGS")
DASHBOARD_NAMES = ("DASHBOARD_ADDRESS", "DASHBOARD_PORT")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES + DASHBOARD_NAMES:
        monkeypatch.delenv(name, raising=False)


def env_file(directory: Path, text: str) -> Path:
    path = directory / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_configuration_the_embedded_servers_are_meant(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / ".env")
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.home == PROJECT_ROOT / ".hk_strategy"
    assert settings.backup_dir == settings.home / "backups"
    assert (settings.dashboard_address, settings.dashboard_port) == ("127.0.0.1", 8501)


def test_env_file_is_read(tmp_path: Path) -> None:
    text = "DATABASE_URL='postgresql://trader:p%40ss@db/hk'\nDASHBOARD_PORT=9000\nHK_STRATEGY_HOME=/srv/hk\n"
    settings = load_settings(env_file(tmp_path, text))
    assert settings.database_url == "postgresql://trader:p%40ss@db/hk"
    assert settings.dashboard_port == 9000
    assert settings.backup_dir == Path("/srv/hk/backups")


def test_environment_wins_over_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://from-the-environment/hk")
    monkeypatch.setenv("REDIS_URL", "")
    path = env_file(tmp_path, "DATABASE_URL=postgresql://from-the-file/hk\nREDIS_URL=redis://from-the-file/0\n")
    settings = load_settings(path)
    assert settings.database_url == "postgresql://from-the-environment/hk"
    assert settings.redis_url is None, "set to nothing in the environment means: the embedded cache"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "85 01"])
def test_a_port_that_is_none_is_refused_by_name(tmp_path: Path, port: str) -> None:
    with pytest.raises(ConfigurationError, match="DASHBOARD_PORT") as caught:
        load_settings(env_file(tmp_path, f'DASHBOARD_PORT="{port}"\n'))
    assert port in str(caught.value)


def test_a_relative_folder_means_the_same_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(env_file(tmp_path, "HK_STRATEGY_HOME=my data\nHK_STRATEGY_BACKUPS=../backups\n"))
    assert settings.home == PROJECT_ROOT / "my data"
    assert settings.backup_dir == PROJECT_ROOT.parent / "backups"


def test_the_home_of_a_user_who_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HK_STRATEGY_LOGS"):
        load_settings(env_file(tmp_path, "HK_STRATEGY_LOGS=~nobody-of-this-name/logs\n"))


def test_an_env_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("DASHBOARD_PORT=9000\n".encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"\.env cannot be read"):
        load_settings(tmp_path / ".env")


def test_printing_settings_shows_no_password(tmp_path: Path) -> None:
    settings = load_settings(env_file(tmp_path, "DATABASE_URL=postgresql://trader:hunter2@db/hk\n"))
    assert "hunter2" not in f"{settings} {settings!r}"


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    assert load_settings(PROJECT_ROOT / ".env.example") == load_settings(tmp_path / "none")


def test_who_may_come_in_and_by_which_names(tmp_path: Path) -> None:
    text = (
        "ADMIN_EMAILS=' Mei@Example.com ,'\nTRADER_EMAILS=tom@example.com,ann@example.com\n"
        "DASHBOARD_HOSTS=Dash.example.com\nMETRICS_TOKEN=0123456789abcdefghij\n"
    )
    settings = load_settings(env_file(tmp_path, text))
    assert settings.admin_emails == {"mei@example.com"}
    assert settings.trader_emails == {"tom@example.com", "ann@example.com"}
    assert settings.dashboard_hosts == ("dash.example.com",)
    assert "0123456789abcdefghij" not in repr(settings)


def test_a_metrics_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_TOKEN is too short") as caught:
        load_settings(env_file(tmp_path, "METRICS_TOKEN=hunter2\n"))
    assert "hunter2" not in str(caught.value)
