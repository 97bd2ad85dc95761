"""What may be typed to run_migration.py, and what it means."""

from pathlib import Path

import pytest

from src.cli.parser import COMMANDS, Arguments, UsageError, build_parser, parse
from src.journal.model import Keep, Phase


def test_options_are_accepted_before_and_after_the_command() -> None:
    before = parse(["--yes", "--json", "--max-lock-ms", "50", "phase1"])
    after = parse(["phase1", "--yes", "--json", "--max-lock-ms", "50"])
    assert before == after
    assert after.yes
    assert after.json
    assert after.options.max_lock_ms == 50


def test_a_repeated_option_collects_wherever_it_stands() -> None:
    parsed = parse(["--legacy-role", "trader", "phase1", "--legacy-role", "old_app", "--legacy-role", "report"])
    assert parsed.options.legacy_roles == ("trader", "old_app", "report")


@pytest.mark.parametrize(
    ("argv", "version", "phase"),
    [
        (["phase1"], "1.0", Phase.PHASE1),
        (["phase2"], "2.0", Phase.PHASE2),
        (["rollback"], "2.0", Phase.ROLLBACK_V1),
        (["rollback"], "3.0", Phase.ROLLBACK_V2),
        (["rollback"], "1.0", Phase.ROLLBACK_V1),
        (["rollback", "--to", "v1"], "3.0", Phase.ROLLBACK_V1),
        (["rollback", "--to", "v2"], "3.0", Phase.ROLLBACK_V2),
        (["plan", "rollback"], "3.0", Phase.ROLLBACK_V2),
        (["plan", "phase2"], "2.0", Phase.PHASE2),
    ],
)
def test_which_phase_is_meant(argv: list[str], version: str, phase: Phase) -> None:
    assert parse(argv).target(version) is phase


def test_what_is_left_out() -> None:
    options = parse(["phase1"]).options
    assert options.backup
    assert options.backup_dir is None
    assert options.legacy_roles == ()
    assert options.max_lock_ms == 100
    assert not options.force
    assert options.keep is Keep.MERGE
    assert options.restore_archive


def test_choices_of_a_run(tmp_path: Path) -> None:
    assert not parse(["phase1", "--no-backup"]).options.backup
    assert parse(["phase1", "--backup-dir", str(tmp_path)]).options.backup_dir == tmp_path
    assert parse(["rollback", "--keep", "default"]).options.keep is Keep.DEFAULT
    assert not parse(["phase1", "--archived", "leave"]).options.restore_archive
    assert parse(["phase2", "--force"]).options.force
    assert parse(["restore", "2026-11-23"]) == Arguments("restore", backup="2026-11-23")
    assert parse(["init", "--schema", "v3", "--sample"]) == Arguments("init", schema="v3", sample=True)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: COMMAND"),
        (["phase3"], "phase3"),
        (["plan"], "required: phase"),
        (["verify"], "BACKUP"),
        (["init"], "--schema v1 or --schema v3"),
        (["init", "--schema", "v2"], "v2"),
        (["rollback", "--to", "v3"], "v3"),
        (["phase1", "--max-lock-ms", "soon"], "number of milliseconds"),
        (["phase1", "--max-lock-ms", "0"], "from 1 to 60000"),
        (["--database-url", "", "check"], "--database-url is empty"),
        (["--yes", "check"], "--yes has no meaning for `check`"),
        (["--force", "phase1"], "--force has no meaning for `phase1`"),
        (["plan", "phase1", "--keep", "merge"], "belongs to rollback"),
        (["plan", "phase2", "--archived", "leave"], "belongs to phase1"),
        (["phase1", "--yess"], "--yess"),
        (["phase1", "--backup-dir", ""], "Name a folder"),
    ],
)
def test_what_makes_no_sense_is_reported(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert said in str(caught.value)


def test_help_names_every_command_and_prefers_the_environment() -> None:
    text = build_parser().format_help()
    for command in COMMANDS:
        assert command in text
    assert "DATABASE_URL" in text
    assert "exit codes" in text
