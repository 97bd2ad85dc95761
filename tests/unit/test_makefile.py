"""`make` where nothing is as it should be: no environment yet, half of one, or one of a Python that is gone."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from src.config import PROJECT_ROOT

STOP = "import sys; print('stopped by', sys.argv[0])\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile and its scripts, with nothing to install, in a folder whose name has a blank."""
    folder = tmp_path / "fresh clone"
    folder.mkdir()
    shutil.copy(PROJECT_ROOT / "Makefile", folder)
    shutil.copytree(PROJECT_ROOT / ".ci", folder / ".ci")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (folder / name).write_text("# nothing\n")
    (folder / "src" / "embedded").mkdir(parents=True)
    (folder / "src" / "embedded" / "stop.py").write_text(STOP)
    return folder


def make(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.run(
        ["make", "--no-print-directory", target], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_stop_and_clean_install_nothing(checkout: Path) -> None:
    for target in ("stop", "clean"):
        result = make(checkout, target)
        assert result.returncode == 0, result.stderr
        assert "Nothing to stop" in result.stdout
        assert not (checkout / ".venv").exists()


def test_setup_once_then_at_once_then_stop(checkout: Path) -> None:
    first = make(checkout, "setup")
    assert first.returncode == 0, first.stderr
    assert "Installing" in first.stdout
    again = make(checkout, "setup")
    assert (again.returncode, again.stdout) == (0, "Ready: .venv has what requirements.txt lists.\n")
    assert "stopped by" in make(checkout, "stop").stdout
    assert "stopped by" in make(checkout, "clean").stdout
    assert not (checkout / ".venv").exists()


def test_an_environment_that_was_interrupted_before_it_had_pip_is_made_again(checkout: Path) -> None:
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    assert make(checkout, "clean").returncode == 0
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    result = make(checkout, "setup")
    assert result.returncode == 0, result.stderr
    assert (checkout / ".venv" / "ready").exists()


def test_an_environment_of_a_python_that_is_gone_is_made_again(checkout: Path) -> None:
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to("/opt/gone/bin/python3")
    (checkout / ".venv" / "ready").touch()
    result = make(checkout, "setup")
    assert result.returncode == 0, result.stderr
    assert "Installing" in result.stdout
    assert subprocess.run([programs / "python", "-m", "pip", "--version"], capture_output=True).returncode == 0


def test_help_lists_all_targets() -> None:
    text = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)", text, re.MULTILINE)
    listed = re.findall(r"^make (\S+) +\S", make(PROJECT_ROOT, "help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony.split())


def test_what_runs_before_a_commit_is_what_make_checks_runs() -> None:
    text = (PROJECT_ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^checks:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert (
        re.findall(r"entry: (.*)", text) == recipe.replace("$(PY)", ".venv/bin/python").replace("\t", "").splitlines()
    )
