"""Backups in a folder that was chosen for one of them are listed, found by name, and counted; no rule deletes there."""

import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.backup.api import RetentionRule, find_in, folders, list_all, make_backup, preview, prune
from src.backup.folders import NOTED, note_folder, noted, with_chosen
from src.backup.manifest import Backup, write_manifest
from tests.conftest import MakeDatabase
from tests.support.backups import make_clerk_database
from tests.support.cli_process import Cli, execute, fetch
from tests.support.health_cases import of, read

__all__ = ["make_clerk_database"]

AWAY = "postgresql://trader:x@127.0.0.1:9/hk_strategy?connect_timeout=2"


def copies(backup: Backup, folder: Path, *days: int) -> None:
    """Verified backups of that many days of this month, as far as a rule is concerned."""
    for day in days:
        one = replace(backup, name=f"202601{day:02}", created_at=datetime(2026, 1, day, tzinfo=UTC),
                      verified_at=datetime(2026, 1, day, tzinfo=UTC), files={})  # fmt: skip
        (folder / one.name).mkdir(parents=True)
        write_manifest(one, folder / one.name)


def test_a_backup_in_a_chosen_folder_is_listed_and_found_later(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen, usual = make_database("v1"), tmp_path / "chosen", tmp_path / "backups"
    said = cli(url, "backup", "--backup-dir", str(chosen))
    assert said.exit_code == 0, said.all
    (made,) = list_all([chosen])
    listed = cli(url, "backups")
    assert made.name in listed.out and f"in {chosen}" in listed.out
    assert cli(url, "verify", made.name).exit_code == 0
    assert folders(url, usual).places == (usual, chosen)
    assert find_in(folders(url, usual), made.name).path == made.path
    assert "The newest verified one is from" in of(read(url, usual), "backups").message


def test_it_is_found_where_the_database_keeps_no_record_or_is_lost(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen, usual = make_database("v1"), tmp_path / "chosen", tmp_path / "backups"
    (name,) = fetch(url, "SELECT current_database()")[0]
    execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    said = cli(url, "backup", "--backup-dir", str(chosen))
    assert said.exit_code == 0 and "This is not in the audit" in said.err, said.all
    (made,) = list_all([chosen])
    assert stat.S_IMODE((usual / NOTED).stat().st_mode) == 0o600
    for place in (url, make_database(None), AWAY):
        assert made.name in cli(place, "backups").out
    assert cli(make_database(None), "verify", made.name).exit_code == 0
    seen = read(url, usual).backups.value
    assert seen is not None and [one.name for one in seen.backups] == [made.name]
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    assert len((usual / NOTED).read_text().splitlines()) == 1, "it is noted once"


def test_where_it_cannot_be_noted_the_option_that_lists_it_is_named(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    url, chosen, unusable = make_database("v1"), tmp_path / "chosen", tmp_path / "file" / "backups"
    said = cli(url, "backup", "--backup-dir", str(chosen), HK_STRATEGY_BACKUPS=str(unusable))
    assert said.exit_code == 0, said.all
    assert f"`backups --backup-dir {chosen}` lists them" in said.err and f"{unusable}: Not a directory" in said.err
    assert list_all([chosen])[0].name in cli(url, "backups", "--backup-dir", str(chosen)).out


def test_the_backup_of_a_phase_in_a_chosen_folder_is_found_without_its_database(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    chosen = tmp_path / "it's\nhere"
    said = cli(make_database("v1"), "phase1", "--yes", f"--backup-dir={chosen}")
    assert said.exit_code == 0, said.all
    assert list_all([chosen])[0].name in cli(AWAY, "backups").out


def test_what_a_restore_backs_up_before_it_is_found_in_the_chosen_folder(
    make_clerk_database: Callable[..., str], cli: Cli, tmp_path: Path
) -> None:
    url, chosen = make_clerk_database(), tmp_path / "chosen"
    backup = make_backup(url, chosen, schema_version="1.0")
    said = cli(url, "restore", backup.name, "--yes", "--backup-dir", str(chosen))
    assert said.exit_code == 0, said.all
    (safety,) = (one.name for one in list_all([chosen]) if one.name != backup.name)
    assert safety in cli(url, "backups").out


def test_a_damaged_note_is_said(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / NOTED).write_text(f'{{\n"relative"\n"{tmp_path}/other"\n5\n')
    found = noted(tmp_path)
    assert found.places == (tmp_path, tmp_path / "other")
    assert f"{tmp_path / NOTED} is damaged in line 1" in found.note
    (tmp_path / NOTED).write_text('"/cut o')
    note_folder(tmp_path, tmp_path / "other")
    assert noted(tmp_path).places == (tmp_path, tmp_path / "other")
    (tmp_path / NOTED).unlink()
    (tmp_path / NOTED).mkdir()
    assert f"{tmp_path / NOTED}: Is a directory" in noted(tmp_path).note
    assert noted(tmp_path / "nowhere").note == ""


def test_whether_a_backup_is_due_goes_by_what_the_list_shows(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen = make_database("v1"), tmp_path / "chosen"
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    (made,) = list_all([chosen])
    said = cli(url, "backup", "--if-older-than", "1h")
    assert f"Nothing to do: {made.name}, verified, in {chosen}, was made" in said.out, said.all
    said = cli(url, "backup", "--if-older-than", "1h", "--backup-dir", str(tmp_path / "third"))
    assert len(list_all([tmp_path / "third"])) == 1, said.all


def test_a_rule_counts_them_and_deletes_only_in_its_own_folder(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen, usual, stranger = (make_database("v1"), *(tmp_path / name for name in ("chosen", "usual", "strange")))
    backup = make_backup(url, tmp_path / "source", schema_version="1.0")
    copies(backup, chosen, 2, 9)
    copies(backup, usual, 3, 8)
    copies(backup, stranger, 1)
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    rule = RetentionRule(2, 0)
    found = {one.backup.name: one for one in preview(url, usual, rule)}
    assert found["20260109"].why == "one of the newest 2 verified ones"
    assert not found["20260102"].goes and str(chosen) in found["20260102"].why
    assert {name for name, one in found.items() if one.goes} == {"20260103", "20260108"}
    assert "20260101" not in found, "nobody chose that folder"
    gone = prune(url, usual, rule, list(found))
    assert {one.name for one in gone} == {"20260103", "20260108"}
    assert {"20260102", "20260109"} <= {path.name for path in chosen.iterdir()}
    assert (stranger / "20260101").is_dir()


def test_without_the_database_the_configured_folder_is_listed(tmp_path: Path) -> None:
    found = folders(AWAY, tmp_path)
    assert found.places == (tmp_path,)
    assert "could not be looked up: PostgreSQL does not answer" in found.note


def test_a_copy_of_a_backup_is_no_other_backup(make_database: MakeDatabase, cli: Cli, tmp_path: Path) -> None:
    url, chosen, usual = make_database("v1"), tmp_path / "chosen", tmp_path / "usual"
    backup = make_backup(url, tmp_path / "source", schema_version="1.0")
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    copies(backup, chosen, 9)
    copies(backup, usual, 3, 8, 9)
    (made,) = (one for one in list_all([chosen]) if one.name != "20260109")
    decisions = preview(url, usual, RetentionRule(3, 0))
    assert {one.backup.name for one in decisions if not one.goes} == {made.name, "20260109", "20260108"}


@pytest.mark.parametrize("odd", ["x" * 300, "closed/inside", "loop"])
def test_a_recorded_folder_that_cannot_be_read_is_left_out(tmp_path: Path, odd: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert with_chosen(tmp_path / "usual", [tmp_path / odd, tmp_path]) == (tmp_path / "usual", tmp_path)


def test_a_folder_name_that_is_too_long_is_refused_and_harms_no_later_command(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url = make_database("v1")
    assert cli(url, "backup", "--backup-dir", str(tmp_path / ("x" * 300))).exit_code == 1
    assert cli(url, "backups").exit_code == 0
    assert cli(url, "backup").exit_code == 0


def test_the_only_verified_backup_is_that_of_all_known_folders(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen, usual = make_database("v1"), tmp_path / "chosen", tmp_path / "backups"
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    (made,) = list_all([chosen])
    copies(made, usual, 3)
    assert cli(url, "delete", "20260103", "--yes").exit_code == 0, "the one in the chosen folder stays"
    refused = cli(url, "delete", made.name, "--yes")
    assert refused.exit_code == 1 and "only verified backup" in refused.err
    copies(made, usual, 4)
    assert cli(url, "delete", made.name, "--yes", "--backup-dir", str(chosen)).exit_code == 0
    assert [one.name for one in list_all([usual, chosen])] == ["20260104"]


@pytest.mark.parametrize(("odd", "reason"), [("loop", "Too many levels of symbolic links"), ("file/below", "Not a")])
def test_why_the_folder_cannot_be_used_is_the_systems_own_reason(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path, odd: str, reason: str
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    url, folder = make_database("v1"), str(tmp_path / odd)
    for command in (("backups",), ("backup",), ("verify", "20260101"), ("prune", "--keep", "1", "--yes")):
        said = cli(url, *command, HK_STRATEGY_BACKUPS=folder)
        assert said.exit_code == 1, said.all
        assert f"{folder}: {reason}" in said.err, command
    for command in (("plan", "phase1"), ("check",)):
        said = cli(url, *command, HK_STRATEGY_BACKUPS=folder)
        assert "The folder for backups cannot be used: " in said.all and "user's home" not in said.all
    if odd == "loop":
        assert reason in cli(url, "plan", "phase1", HK_STRATEGY_BACKUPS=folder).all
        assert reason in cli(url, "check", HK_STRATEGY_BACKUPS=folder).all


def test_backups_elsewhere_are_listed_where_the_configured_folder_cannot_be_read(
    make_database: MakeDatabase, cli: Cli, tmp_path: Path
) -> None:
    url, chosen, loop = make_database("v1"), tmp_path / "chosen", tmp_path / "loop"
    loop.symlink_to(loop)
    assert cli(url, "backup", "--backup-dir", str(chosen)).exit_code == 0
    (made,) = list_all([chosen])
    listed = cli(url, "backups", HK_STRATEGY_BACKUPS=str(loop))
    assert listed.exit_code == 0, listed.all
    assert made.name in listed.out
    assert f"The folder for backups cannot be read: {loop}: Too many levels of symbolic links." in listed.out
