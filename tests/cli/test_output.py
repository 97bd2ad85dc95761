"""What run_migration.py prints and logs: JSON, plain lines, a terminal; never a password."""

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from src.cli.detached import last_outcome
from src.config import PROJECT_ROOT
from tests.cli.test_commands import QUICK, v1
from tests.conftest import TRADER_PASSWORD
from tests.support.cli_process import COMMAND, Cli, fetch, migrate, wait_for

__all__ = ["v1"]


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["plan", "phase1"],
        ["plan", "phase2"],
        ["phase1", "--no-backup", "--yes"],
        ["rollback", "--yes"],
        ["resume", "--yes"],
        ["backup"],
        ["backups"],
        ["verify", "nonsense"],
        ["restore", "nonsense", "--yes"],
        ["history"],
        ["remove-sample", "--yes"],
        ["init", "--schema", "v1"],
        ["phase1"],
        ["nonsense"],
    ],
)
def test_json_is_one_object_per_line_and_the_last_is_the_outcome(v1: str, cli: Cli, command: list[str]) -> None:
    said = cli(v1, "--json", *command)
    records = said.records
    assert [record["type"] for record in records].count("outcome") == 1
    last = records[-1]
    assert last["type"] == "outcome"
    assert last["exit_code"] == said.exit_code
    assert last["state"] in ("done", "nothing", "failed", "refused", "usage")
    assert said.err == ""


def test_json_shows_the_steps_and_the_proof_of_a_run(v1: str, cli: Cli) -> None:
    records = cli(v1, "--json", "phase1", *QUICK, "--yes").records
    plan = next(record for record in records if record["type"] == "plan")
    steps = [r for r in records if r["type"] == "event" and r["kind"] == "step"]
    assert plan["steps"]
    assert {"switch", "prove"} <= {str(step["step"]) for step in steps}
    proof = records[-1]["proof"]
    assert isinstance(proof, list)
    assert proof
    assert all(row["equal"] is not False for row in proof)


def test_no_password_anywhere(v1: str, cli: Cli) -> None:
    """Not in what is printed, not in the log, not in the arguments of any process while a backup is made."""
    encoded = v1.split("//trader:")[1].split("@")[0]
    process = cli.start(None, "--database-url", v1, "phase1", "--legacy-role", "trader", "--yes")
    seen: set[str] = set()
    family = psutil.Process(process.pid)
    arguments_hidden = False
    while process.poll() is None:
        try:
            own = " ".join(family.cmdline())
            children = [" ".join(child.cmdline()) for child in family.children(recursive=True)]
        except psutil.Error:
            continue
        arguments_hidden = arguments_hidden or (bool(own) and "--database-url" not in own)
        seen.update(children)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert arguments_hidden
    assert any("pg_dump" in command for command in seen), seen
    (log,) = [path for path in cli.logs() if "phase1" in path.name]
    written = out + err + log.read_text(encoding="utf-8") + " ".join(seen)
    assert TRADER_PASSWORD not in written
    assert encoded not in written


def test_each_run_has_a_log_of_its_own_and_says_where(v1: str, cli: Cli) -> None:
    said = migrate(cli, v1, "phase1", *QUICK)
    (log,) = cli.logs()
    assert str(log) in said.out
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text(encoding="utf-8")
    assert "phase1" in text
    assert "switch" in text
    assert "exit code 0" in text
    for command in ("check", "history", "backups"):
        cli(v1, command)
    assert cli.logs() == [log]


def test_a_log_folder_that_cannot_be_written_is_reported_before_anything(v1: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    said = cli(v1, "phase1", "--yes")
    assert said.exit_code == 3
    assert "HK_STRATEGY_LOGS" in said.err
    assert fetch(v1, "SELECT to_regnamespace('hk_migration')") == [(None,)]


def test_progress_in_a_pipe_is_plain_lines(v1: str, cli: Cli) -> None:
    said = migrate(cli, v1, "phase1", *QUICK)
    assert "\x1b" not in said.out
    assert "\r" not in said.out
    assert re.search(r"\[1/\d+\] ", said.out)
    assert re.search(r"locked for \d", said.out)


def in_terminal(cli: Cli, url: str, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; type `answer` when asked."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env={**cli.environment, "DATABASE_URL": url, "TERM": "xterm", "LANG": "C.UTF-8", "PYTHONUTF8": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    answered = False
    while True:
        ready, _, _ = select.select([main], [], [], 120)
        assert ready, seen
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        if not answered and b"to go on" in seen:
            os.write(main, answer.encode() + b"\n")
            answered = True
    os.close(main)
    return process.wait(60), seen.decode()


def test_a_terminal_is_shown_the_plan_and_asked(v1: str, cli: Cli) -> None:
    code, screen = in_terminal(cli, v1, "no", "phase1", *QUICK)
    assert code == 3
    assert "Steps:" in screen
    assert "Backup: NONE" in screen
    assert "Type phase1 to go on" in screen
    assert "Nothing was touched" in screen
    assert fetch(v1, "SELECT to_regnamespace('hk_migration')") == [(None,)]
    code, screen = in_terminal(cli, v1, "phase1", "phase1", *QUICK)
    assert code == 0, screen
    assert "\x1b[K" in screen
    assert "✓ " in screen
    assert "multi-portfolio (v2.0)" in screen


def test_a_reader_that_goes_away_does_not_end_the_migration(v1: str, cli: Cli) -> None:
    process = cli.start(v1, "phase1", *QUICK, "--yes")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    _, complaints = process.communicate(timeout=120)
    assert (process.returncode, complaints) == (0, "")
    assert "multi-portfolio (v2.0)" in cli(v1, "check").out


def test_a_detached_run_survives_its_starter(v1: str, cli: Cli) -> None:
    program = (
        "from src.config import load_settings; from src.cli.detached import launch; "
        "settings = load_settings(); "
        "argv = ['phase1', '--no-backup', '--legacy-role', 'trader', '--yes']; "
        "started = launch(settings, settings.database_url, argv); "
        "print(started.pid, started.output)"
    )
    starter = subprocess.run(
        [sys.executable, "-c", program],
        env={**cli.environment, "DATABASE_URL": v1},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pid, output = starter.stdout.split()
    path = Path(output)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if psutil.pid_exists(int(pid)):
        assert TRADER_PASSWORD not in " ".join(psutil.Process(int(pid)).cmdline())
    wait_for("the detached run ends", lambda: last_outcome(path) is not None)
    outcome = last_outcome(path)
    assert outcome is not None
    assert outcome["exit_code"] == 0, path.read_text()
    assert "multi-portfolio (v2.0)" in cli(v1, "check").out


def test_the_last_outcome_of_a_command_that_has_not_ended(tmp_path: Path) -> None:
    output = tmp_path / "run.out"
    assert last_outcome(output) is None
    output.write_text(json.dumps({"type": "event"}) + "\nnot json\n")
    assert last_outcome(output) is None
