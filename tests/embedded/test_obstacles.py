"""What prevents the embedded servers is reported with its cause and what to do, or is worked around."""

import logging
import os
import re
import resource
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cli.exit import ending_of
from src.embedded import api as embedded
from src.embedded import binaries
from src.embedded.os_user import server_account
from src.errors import ConfigurationError, DatabaseUnavailable
from tests.support.embedded_users import settings_for


def test_a_cache_that_cannot_start_is_done_without(cold: Path, caplog: pytest.LogCaptureFixture) -> None:
    cold.mkdir()
    (cold / "valkey").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert embedded.cache_url(settings_for(cold)) is None
    assert "Working without a cache" in caplog.text
    assert "valkey" in caplog.text


def test_a_home_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="HK_STRATEGY_HOME"):
        embedded.database_url(settings_for(tmp_path / "file" / "home"))


def test_a_home_that_cannot_be_written_to_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ConfigurationError, match=r"cannot write to .*home: it is read-only\. Set HK_STRATEGY_HOME"):
        embedded.database_url(settings_for(home))
    os.chown(home, 65534, -1)
    with pytest.raises(ConfigurationError, match=r"cannot write to .*home: it belongs to nobody\."):
        embedded.database_url(settings_for(home))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which no database has room; for users who cannot mount one, a limit on every file that is too low."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)], check=True)
        yield place
        subprocess.run(["umount", str(place)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    yield place
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_is_reported_without_the_noise(small_disk: Path) -> None:
    """What initdb says is many lines, of which two matter."""
    with pytest.raises(DatabaseUnavailable) as caught:
        embedded.database_url(settings_for(small_disk))
    embedded.stop(settings_for(small_disk))
    reported = str(caught.value)
    assert re.search("No space left on device|Check free disk space|File too large|File size limit exceeded", reported)
    assert "removing contents" not in reported
    assert "\n" not in reported
    assert "DATABASE_URL right" not in ending_of(caught.value).advice, "there is none"


def test_a_damaged_data_directory_is_reported_with_the_log(home: Path) -> None:
    (home / "pgdata18" / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseUnavailable, match=r"does not start.*postgresql18\.log"):
        embedded.database_url(settings_for(home))


def test_programs_below_a_closed_directory_can_still_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project below /root: the server's user may not read it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    original = binaries.wheel_directory()
    for name in (original.name, f"{original.name}.libs"):
        subprocess.run(["cp", "-a", str(original.parent / name), str(closed / name)], check=True)
    monkeypatch.setattr(binaries, "wheel_directory", lambda: closed / original.name)
    account = server_account(tmp_path / "none")
    programs = binaries.server_bin_dir(18, account)
    assert "PostgreSQL) 18" in account.run([str(programs / "initdb"), "--version"]).stdout
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700, "nobody's directories are opened up"
