"""Starting with any Python: the project's packages are found, and the password leaves the process list."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.bootstrap import split_url
from src.config import PROJECT_ROOT

SCRIPT = """\
import os, sys
sys.path.insert(0, {root!r})
from src.bootstrap import prepare
prepare(__file__, required={required!r})
print(sys.prefix)
print(open("/proc/self/cmdline").read().replace("\\0", " "))
print(os.environ.get("DATABASE_URL", ""))
"""


def bare_python() -> str:
    """The Python that this virtual environment was made of: without the project's packages."""
    return str(Path(sys.base_prefix) / "bin" / "python3")


def run(python: str, folder: Path, *arguments: str, required: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(root=str(PROJECT_ROOT), required=required))
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return subprocess.run(
        [python, str(script), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_a_python_without_packages_says_make_setup(tmp_path: Path) -> None:
    result = run(bare_python(), tmp_path, "check", required=("surely_not_installed",))
    assert result.returncode == 3
    assert "make setup" in result.stderr
    assert "surely_not_installed" in result.stderr
    assert "Traceback" not in result.stderr


def test_it_goes_on_with_the_projects_environment(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "the project\'s own"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    result = run(bare_python(), tmp_path, "check", required=("psycopg2",))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "the project's own"
    assert Path(result.stdout.splitlines()[1]).resolve() == Path(sys.prefix).resolve()
    assert result.stdout.splitlines()[2].strip().endswith("script.py check")


@pytest.mark.parametrize("spelling", [["--database-url", "{}"], ["--database-url={}"]])
def test_the_url_leaves_the_process_list(tmp_path: Path, spelling: list[str]) -> None:
    url = "postgresql://trader:s3cret@/hk"
    arguments = [part.format(url) for part in spelling]
    result = run(sys.executable, tmp_path, *arguments, "check", "--json", required=("psycopg2",))
    assert result.returncode == 0, result.stderr
    _, command, found = result.stdout.splitlines()
    assert "s3cret" not in command
    assert command.strip().endswith("script.py check --json")
    assert found == url


def test_an_empty_url_is_left_for_the_parser_to_refuse() -> None:
    assert split_url(["--database-url", "", "check"]) == (["--database-url", "", "check"], None)
    assert split_url(["--database-url=", "check"]) == (["--database-url=", "check"], None)
    assert split_url(["check", "--database-url"]) == (["check", "--database-url"], None)
