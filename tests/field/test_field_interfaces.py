"""What programs and people outside rely on is as commit e46a308 had it: names are there, JSON has the same keys."""

import ast
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from src.config import PROJECT_ROOT
from tests.conftest import Servers
from tests.field.conftest import Left
from tests.field.field import COMMANDS, HERE, keys_of, unpack_backup
from tests.support.cli_process import Cli

THEN: dict[str, Any] = json.loads((HERE / "interfaces.json").read_text(encoding="utf-8"))


@lru_cache
def constants(below: str = "src") -> frozenset[str]:
    """Every text constant of the source, and every word that its SQL files quote."""
    found: set[str] = set()
    place = PROJECT_ROOT / below
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)


@pytest.mark.parametrize("kind", ["event_kinds", "audit_actions", "purposes", "urls", "environment", "metrics"])
def test_each_name_is_still_there(kind: str) -> None:
    assert not set(THEN[kind]) - constants()


def test_the_steps_have_their_names_and_their_order() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in (PROJECT_ROOT / "migrations").glob("*.sql")}
    named = {name: re.findall(r"(?m)^-- step: (\S+)", text) for name, text in files.items()}
    assert {name: steps for name, steps in named.items() if steps} == THEN["steps"]


@pytest.mark.parametrize("command", THEN["commands"])
def test_each_command_has_its_options(cli: Cli, command: str) -> None:
    said = cli(None, command, "--help")
    assert said.exit_code == 0
    assert not set(THEN["commands"][command]) - set(re.findall(r"(?<![\w-])--[a-z-]+", said.out))


@pytest.mark.parametrize("dump", COMMANDS)
def test_json_has_the_keys_that_it_had(left18: Left, cli: Cli, tmp_path: Path, dump: str) -> None:
    backup, url = unpack_backup(tmp_path / "backups"), left18(dump)
    for line in COMMANDS[dump]:
        said = cli(url, *line.format(backup=backup).split(), "--json")
        now = keys_of(said.out)
        for kind, keys in THEN["json"][dump][line].items():
            assert not set(keys) - set(now.get(kind, ())), (line, kind)


@pytest.mark.parametrize(
    ("dump", "arguments", "code"),
    [
        ("v2_history", ("phase1", "--yes"), 0),
        ("v2_history", ("verify", "no-such-backup"), 1),
        ("v2_history", ("phase1", "--no-such-option"), 2),
        ("v1_archive", ("phase2", "--yes"), 3),
    ],
)
def test_exit_codes(left18: Left, cli: Cli, dump: str, arguments: tuple[str, ...], code: int) -> None:
    said = cli(left18(dump), *arguments)
    assert said.exit_code == code, said.all


@pytest.fixture
def run_of_old_code(servers: Servers) -> Callable[[str], Any]:
    """A session that holds the lock of a run, as the code of e46a308 takes it."""

    def hold(url: str) -> Any:
        conn = psycopg2.connect(url, application_name="hk_strategy migration")
        conn.autocommit = True
        with conn.cursor() as cur:
            cur.execute("SELECT pg_advisory_lock(%s, %s)", (0x484B53, 1))
        return conn

    return hold


def test_a_run_of_the_old_code_keeps_a_new_one_out(
    left18: Left, cli: Cli, run_of_old_code: Callable[[str], Any]
) -> None:
    url = left18("v1_archive")
    holder = run_of_old_code(url)
    try:
        said = cli(url, "phase1", "--yes", "--no-backup")
        assert said.exit_code == 4, said.all
    finally:
        holder.close()
