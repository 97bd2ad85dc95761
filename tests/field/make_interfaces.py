"""Writes interfaces.json: what programs and people outside rely on, as a checkout of commit e46a308 has it.

README.md says how. The names in its source are found by what surrounds them, so this fits that commit only.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2

sys.path.insert(0, str(Path(__file__).parent))

from field import COMMANDS, HERE, keys_of, restore, unpack_backup

VERSION = 16
VARIABLE = re.compile(r"^(HK_STRATEGY|DASHBOARD|DATABASE|REDIS|METRICS|ADMIN|TRADER)_[A-Z_]+$")
# Names of actions that are a constant elsewhere: the command that a phase is, and what is done to a client.
PUT_TOGETHER = ("phase1", "phase2", "rollback", "account passwd")


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(Path("src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node


def texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def in_source() -> dict[str, list[str]]:
    found: dict[str, set[str]] = {
        "event_kinds": {"pause", "blocked"}, "audit_actions": set(PUT_TOGETHER), "purposes": set(), "urls": set(),
        "metrics": set(), "environment": set(),
    }  # fmt: skip
    for path, call in calls():
        given = list(texts(call.args))
        if name_of(call) == "tell" and getattr(getattr(call.func, "value", None), "attr", "") == "_journal":
            found["event_kinds"].update(given[:1])
        if name_of(call) in ("as_admin", "asked_by"):
            found["audit_actions"].update(given[:1])
        if name_of(call) == "Route":
            found["urls"].update(given[:1])
        if path.name == "metrics.py":
            found["metrics"].update(text for text in given if re.fullmatch(r"hk_[a-z_]+", text))
        for keyword in call.keywords:
            if keyword.arg == "purpose":
                found["purposes"].update(texts([keyword.value]))
            if keyword.arg == "url_path":
                found["urls"].update(texts([keyword.value]))
        found["environment"].update(text for text in given if VARIABLE.match(text))
    return {kind: sorted(names) for kind, names in found.items()}


def steps() -> dict[str, list[str]]:
    files = sorted(Path("migrations").glob("*.sql"))
    named = {path.name: re.findall(r"(?m)^-- step: (\S+)", path.read_text(encoding="utf-8")) for path in files}
    return {name: names for name, names in named.items() if names}


def help_of(*command: str) -> str:
    done = subprocess.run([sys.executable, "run_migration.py", *command, "--help"], capture_output=True, text=True)
    return done.stdout


def commands() -> dict[str, list[str]]:
    from src.migration.cli_parser import COMMANDS as NAMES

    return {name: sorted(set(re.findall(r"(?<![\w-])--[a-z-]+", help_of(name)))) for name in NAMES}


def json_keys() -> dict[str, dict[str, dict[str, list[str]]]]:
    from tests.conftest import Servers

    folder = Path(tempfile.mkdtemp())
    servers, found = Servers(folder), {}
    environment = {
        **os.environ, "HK_STRATEGY_HOME": str(folder / "home"), "HK_STRATEGY_LOGS": str(folder / "logs"),
        "HK_STRATEGY_BACKUPS": str(folder / "backups"), "REDIS_URL": "redis://127.0.0.1:1/0",
    }  # fmt: skip
    try:
        backup = unpack_backup(folder / "backups")
        for name, lines in COMMANDS.items():
            conn = psycopg2.connect(servers[VERSION])
            conn.autocommit = True
            conn.cursor().execute(f"CREATE DATABASE left_{name} OWNER trader")
            conn.close()
            environment["DATABASE_URL"] = servers.url(VERSION, "trader", f"left_{name}")
            restore(environment["DATABASE_URL"], name)
            for line in lines:
                argv = [sys.executable, "run_migration.py", *line.format(backup=backup).split(), "--json"]
                done = subprocess.run(argv, env=environment, capture_output=True, text=True)
                found.setdefault(name, {})[line] = keys_of(done.stdout)
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return found


if __name__ == "__main__":
    value = {"commands": commands(), "steps": steps(), **in_source(), "json": json_keys()}
    (HERE / "interfaces.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
