"""Makes the dumps and the backup of this folder, with the code of a checkout of commit e46a308. README.md says how.

Every name that is imported here is a name of that commit, not of the code beside this file.
"""

# ruff: noqa: I001

import contextlib
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from decimal import Decimal
from pathlib import Path

import psycopg2

from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.domain.changes import Edit, Row
from src.embedded_programs import bin_dir
from src.errors import RunPaused
from src.health.watch import inspect_once
from src.migration import audit, service
from src.migration.cli import run_command
from src.migration.cli_context import Services
from src.migration.model import Event, Options, Phase
from src.sample import init_database, remove_sample
from tests.conftest import Servers
from tests.integration.editing import edit_of, new, removal_of
from tests.migration.lab import OTHER_PORTFOLIOS, V1_ROWS

VERSION = 16  # the oldest that the embedded package ships: what is dumped from it can be restored into any newer one
PERSON, MACHINE = "anna", "desk"


class Maker:
    """Databases on one server, and what was done to each."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self.servers = Servers(folder)
        self.url = ""

    def begin(self, name: str, schema_file: str = "init.sql", rows: str = V1_ROWS) -> None:
        self.execute(f"CREATE DATABASE {name} OWNER trader", self.servers[VERSION])
        self.url = self.servers.url(VERSION, "trader", name)
        self.execute((Path("migrations") / schema_file).read_text(encoding="utf-8"))
        self.execute(rows)

    def execute(self, statements: str, url: str | None = None) -> None:
        conn = psycopg2.connect(url or self.url)
        conn.autocommit = True
        with contextlib.closing(conn), conn.cursor() as cur:
            cur.execute(statements)

    @property
    def settings(self) -> Settings:
        f = self.folder
        return Settings(self.url, None, f / "home", f / "backups", f / "logs", "127.0.0.1", 8501)

    def cli(self, *argv: str) -> None:
        """A command as somebody types it."""
        os.environ["DATABASE_URL"] = self.url
        code = run_command(
            list(argv),
            Services(
                database_url=lambda _settings: self.url,
                manager=lambda settings: DatabaseManager(settings=settings),
                look=lambda settings, url: inspect_once(settings, url, DatabaseManager(settings=settings)),
                init_database=init_database,
                remove_sample=remove_sample,
            ),
        )
        assert code == 0, (argv, code)

    def pause_at(self, phase: Phase, step: str) -> None:
        """Start a phase, and ask it to pause when `step` begins."""

        def on_event(event: Event) -> None:
            if event.kind == "step" and event.step == step and event.detail.get("state") == "started":
                service.request_pause(self.url, PERSON)

        with contextlib.suppress(RunPaused):
            service.run(self.url, phase, Options(backup=False, force=True), self.settings, on_event)
        run = service.current_run(self.url)
        assert run is not None and run.state == "paused", run

    def pressed(self, action: str, outcome: str, **detail: object) -> None:
        """A line of the audit as the dashboard writes it for an admin."""
        audit.record(self.url, audit.Entry(PERSON, "admin", "192.0.2.7", action, outcome, detail))

    def edit(self) -> None:
        """A copy with edits, a save, an import, and an undo."""
        manager = DatabaseManager(settings=self.settings)
        try:
            manager.copy_portfolio("DEFAULT", "TRY", "Try", by="mei")
            manager.save_positions(
                "TRY",
                [edit_of(manager, "0001.HK", "TRY", quantity=500), removal_of(manager, "0002.HK", "TRY")],
                by="mei", note="less of 0002",
            )  # fmt: skip
            manager.save_positions("DEFAULT", [edit_of(manager, "0003.HK", avg_cost=Decimal("4.5"))], by="tom")
            rows = [new("1810.HK", 200, "17.5", "18"), Edit("1211.HK", None, Row(300, Decimal(210)))]
            manager.save_positions("DEFAULT", rows, by="mei", kind="import", note="holdings.csv")
            taken_back = manager.save_positions("DEFAULT", [removal_of(manager, "0005.HK")], by="tom")
            manager.undo_save(taken_back.save_id, by="mei")
        finally:
            manager.close()

    def dump(self, name: str) -> None:
        """As SQL that any session can execute: no COPY, and no command of psql."""
        done = subprocess.run(
            [str(bin_dir(VERSION) / "pg_dump"), "--inserts", "--rows-per-insert=200", "--dbname", self.url],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        text = re.sub(r"(?m)^\\(un)?restrict .*\n", "", done.stdout)
        text = text.replace(str(self.folder), "/srv/hk_strategy")
        (self.out / f"{name}.sql.gz").write_bytes(gzip.compress(text.encode(), mtime=0))

    def backup(self, name: str) -> None:
        """The folder of backups, with the newest one only."""
        newest = max(path for path in (self.folder / "backups").iterdir() if path.is_dir())
        with tarfile.open(self.out / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(newest, newest.name)


def main(out: Path) -> None:
    socket.gethostname = lambda: MACHINE  # what is written down of this machine is not this machine's name
    os.environ |= {"LOGNAME": PERSON, "USER": PERSON, "COLUMNS": "120"}
    folder = Path(tempfile.mkdtemp())
    os.environ |= {
        "HK_STRATEGY_HOME": str(folder / "home"), "HK_STRATEGY_LOGS": str(folder / "logs"),
        "HK_STRATEGY_BACKUPS": str(folder / "backups"), "REDIS_URL": "redis://127.0.0.1:1/0",
    }  # fmt: skip
    make = Maker(folder, out)
    try:
        make.begin("v2_history")
        make.cli("phase1", "--no-backup", "--yes")
        make.execute(OTHER_PORTFOLIOS)
        make.edit()
        make.pressed("interrupt", "done", client="trader, month-end report")
        make.cli("rollback", "--to", "v1", "--keep", "merge", "--no-backup", "--yes")
        make.dump("v1_archive")
        make.cli("phase1", "--no-backup", "--yes")
        make.pressed("delete", "refused", why="Only an admin may do that.")
        make.cli("backup")
        make.backup("v2_backup")
        make.dump("v2_history")
        make.pause_at(Phase.PHASE2, "validate_positions")
        make.dump("v2_paused")

        make.begin("v1_paused")
        make.pause_at(Phase.PHASE1, "index_legacy_symbol")
        make.dump("v1_paused")

        make.begin("v3_saves")
        make.cli("phase1", "--no-backup", "--yes")
        make.cli("phase2", "--no-backup", "--force", "--yes")
        make.execute(OTHER_PORTFOLIOS)
        make.edit()
        make.dump("v3_saves")
    finally:
        make.servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
