"""Settings of the engine for tests that run it beside the commands."""

from pathlib import Path

import pytest

from src.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(None, None, tmp_path, tmp_path / "backups", tmp_path / "logs", "127.0.0.1", 8501)
