"""Backups in a folder that was chosen for one of them are listed, found by name, and counted; no rule deletes there."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.backup.api import RetentionRule, find_in, folders, list_all, make_backup, preview, prune
from src.backup.manifest import Backup, write_manifest
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, cli_in
from tests.support.health_cases import of, read


@pytest.fixture
def cli(tmp_path: Path, cache_url: str) -> Cli:
    return cli_in(tmp_path, cache_url)


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
    assert folders(url, usual) == (usual, chosen)
    assert find_in(folders(url, usual), made.name).path == made.path
    assert "The newest verified one is from" in of(read(url, usual), "backups").message


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
    away = "postgresql://trader:x@127.0.0.1:9/hk_strategy?connect_timeout=2"
    assert folders(away, tmp_path) == (tmp_path,)
