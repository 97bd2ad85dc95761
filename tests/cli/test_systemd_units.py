"""The systemd units of docs/examples: systemd accepts them, and what they start does what they promise."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.backup.api import list_backups
from src.config import PROJECT_ROOT
from tests.conftest import MakeDatabase

EXAMPLES = PROJECT_ROOT / "docs" / "examples"
PROGRAM = "/opt/hk_strategy/.venv/bin/python"


def unit(name: str) -> str:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return text.replace(PROGRAM, sys.executable).replace("/opt/hk_strategy", str(PROJECT_ROOT))


@pytest.mark.skipif(sys.platform != "linux", reason="there is no systemd elsewhere")
@pytest.mark.parametrize("name", ["hk_strategy.service", "hk_strategy-backup.timer"])
def test_systemd_understands_them(tmp_path: Path, name: str) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "systemd-analyze is missing: .ci/programs says how to get it"
    for path in EXAMPLES.glob("hk_strategy*"):
        (tmp_path / path.name).write_text(unit(path.name), encoding="utf-8")
    said = subprocess.run([analyze, "verify", f"./{name}"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stderr) == (0, "")


def nightly(text: str, environment: dict[str, str]) -> None:
    """What systemd does when the timer elapses, one command after the other."""
    commands = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            shlex.split(command), env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_nightly_backup_is_verified_and_not_made_twice(tmp_path: Path, make_database: MakeDatabase) -> None:
    text = unit("hk_strategy-backup.service")
    given = dict(
        part.split("=", 1) for line in re.findall(r"^Environment=(.+)$", text, re.MULTILINE) for part in line.split()
    )
    assert set(given) == {"HK_STRATEGY_HOME", "HK_STRATEGY_LOGS"}
    environment = {
        **os.environ,
        "DATABASE_URL": make_database("v1", sample=True),
        **{name: str(tmp_path / name) for name in given},
    }
    nightly(text, environment)
    (first,) = list_backups(tmp_path / "HK_STRATEGY_HOME" / "backups")
    assert first.verified_at is not None
    nightly(text, environment)
    assert [one.name for one in list_backups(tmp_path / "HK_STRATEGY_HOME" / "backups")] == [first.name]
