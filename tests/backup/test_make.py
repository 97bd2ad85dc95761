"""Making a backup: whole, of one moment, private to its user, and refused where it cannot be made."""

import os
import resource
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from src.backup import make as backup_make
from src.backup.api import Backup, delete_backup, estimate_backup, find_backup, list_backups, make_backup
from src.backup.fingerprint import Needs
from src.cli.findings import next_words
from src.errors import Action, BackupError, HKStrategyError, NextStep, PrerequisiteError
from src.postgres.connection import Connection, connect
from tests.conftest import MakeDatabase, Servers
from tests.support.backups import EVERYTHING, execute, make, quiet, superuser_of, value, verify


def test_a_backup_is_made_verified_and_listed(make_database: MakeDatabase, pg_version: int, tmp_path: Path) -> None:
    url = make_database("v1", version=pg_version, sample=True)
    verified = verify(make(url, tmp_path), url)
    assert verified.verified_at is not None
    assert verified.verified_how == f"restored on a private server, PostgreSQL {pg_version}"
    assert [b.verified_at for b in list_backups(tmp_path)] == [verified.verified_at]
    assert find_backup(tmp_path, verified.name) == verified
    for table in ("portfolio_positions", "trading_signals", "price_history"):
        rows = value(url, f"SELECT count(*) FROM public.{table}")
        assert verified.tables[f"public.{table}"].rows == rows != 0
    assert [path.name for path in tmp_path.iterdir()] == [verified.name], "nothing else is left behind"
    files = [path for path in verified.path.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert verified.bytes == sum(path.stat().st_size for path in files)


def test_backups_are_closed_to_other_users(make_database: MakeDatabase, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "backups"
    made = make(make_database("v1"), folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in [made.path, *made.path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_names_sort_by_time_and_say_what_it_is(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v3")
    first = make_backup(url, tmp_path, schema_version="3.0", on_progress=quiet, label="phase1")
    second = make_backup(url, tmp_path, schema_version="3.0", on_progress=quiet, label="phase1")
    assert first.name != second.name
    assert first.name.endswith(f"-{first.database}-v3-phase1")
    assert first.name.startswith(f"{first.created_at:%Y%m%dT%H%M%SZ}")
    assert [b.name for b in list_backups(tmp_path)] == [second.name, first.name], "the newest first"


def test_the_schema_version_is_found_out_where_nobody_says_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    made = make_backup(make_database("v3"), tmp_path, schema_version=None, on_progress=quiet)
    assert find_backup(tmp_path, made.name).schema_version == "3.0"
    assert made.name.endswith("-v3")


def test_everything_in_the_database_is_in_the_backup(
    make_database: MakeDatabase, pg_version: int, tmp_path: Path
) -> None:
    url = make_database("v3", version=pg_version)
    execute(url, EVERYTHING.read_text(encoding="utf-8"))
    verified = verify(make(url, tmp_path), url)
    assert verified.tables['public."Mixed Case"'].rows == 2
    assert verified.tables["public.measured_2025"].rows == 1
    assert verified.tables["large objects"].rows == 1
    assert verified.tables["trader.own_things"].rows == 1


def test_rows_are_those_of_one_moment_while_clients_write(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    stop, written = threading.Event(), []

    def write() -> None:
        with closing(connect(url, autocommit=True)) as conn, conn.cursor() as cur:
            while not stop.is_set():
                cur.execute("UPDATE public.portfolio_positions SET current_price = current_price + 0.001")
                cur.execute("INSERT INTO public.price_history (symbol, price) VALUES ('0700.HK', 1)")
                written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        verified = verify(make(url, tmp_path), url)
    finally:
        stop.set()
        writer.join()
    assert verified.verified_at is not None
    assert written


def test_no_room_is_found_out_before_it_starts(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database("v1", sample=True)
    estimate = estimate_backup(url, tmp_path)
    needed, free = estimate.needed, estimate.free
    assert estimate.obstacle is None
    size = value(url, "SELECT pg_database_size(current_database())")
    assert isinstance(size, int)
    assert needed > size
    assert free > 0
    monkeypatch.setattr(backup_make, "free_bytes", lambda directory: needed - 10 * 2**20)
    with pytest.raises(PrerequisiteError, match="MB are free") as refused:
        make(url, tmp_path)
    assert refused.value.next_step == NextStep(Action.OTHER_BACKUP_DIR)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused_with_what_to_do(make_database: MakeDatabase, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BackupError, match="The folder for backups cannot be used") as refused:
        make(make_database("v1"), tmp_path / "file" / "backups")
    assert refused.value.next_step == NextStep(Action.OTHER_BACKUP_DIR)
    assert "HK_STRATEGY_BACKUPS" in next_words(refused.value.next_step)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB where that can be had (root), else a limit of 20 kB on every file."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
        yield place
        subprocess.run(["umount", str(place)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield place
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_meanwhile(
    make_database: MakeDatabase, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database("v1", sample=True)
    filling = "SELECT '0700.HK', random() * 1000, (random() * 1e9)::int FROM generate_series(1, 100000)"
    execute(url, f"INSERT INTO public.price_history (symbol, price, volume) {filling}")
    monkeypatch.setattr(backup_make, "free_bytes", lambda directory: 2**40)
    with pytest.raises(BackupError, match=r"disk space|signal|No space|too large"):
        make(url, small_disk)
    assert list(small_disk.iterdir()) == [], "the disk is not left full"


def test_a_full_disk_is_measured_for_what_it_is(make_database: MakeDatabase, small_disk: Path) -> None:
    free = backup_make.free_bytes(small_disk / "not" / "yet")
    assert free >= 0
    if os.geteuid() == 0:
        assert free <= 2**20
        with pytest.raises(PrerequisiteError, match="Make room"):
            make(make_database("v1"), small_disk)


def test_a_table_that_the_role_may_not_read(make_database: MakeDatabase, servers: Servers, tmp_path: Path) -> None:
    url = make_database("v1")
    tables = "CREATE SCHEMA audit; CREATE TABLE audit.trail (id int); CREATE TABLE public.secret (id int)"
    execute(superuser_of(servers, url), tables)
    with pytest.raises(PrerequisiteError) as refused:
        make(url, tmp_path)
    assert "trader may not read audit.trail, public.secret" in str(refused.value)
    assert "GRANT" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_rows_hidden_by_a_policy_are_no_silent_loss(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1")
    execute(
        superuser_of(servers, url),
        "CREATE TABLE public.notes (id int); ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;"
        "GRANT SELECT ON public.notes TO trader",
    )
    with pytest.raises(BackupError, match="notes"):
        make(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_not_broken_by_what_lies_there(make_database: MakeDatabase, tmp_path: Path) -> None:
    made = make(make_database("v1"), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "manifest.json").write_text('{"format": 1}')
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "manifest.json").write_bytes(b"\xff\xfe not json")
    assert [b.name for b in list_backups(tmp_path)] == [made.name]
    assert list_backups(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", "/etc", ".hidden", "x\0y", "b.tmp-01234567"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackupError, match="not the name of a backup"):
        find_backup(tmp_path, name)


def test_a_link_out_of_the_folder_is_no_backup(make_database: MakeDatabase, tmp_path: Path) -> None:
    made = make(make_database("v1"), tmp_path / "elsewhere")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(made.path)
    with pytest.raises(BackupError, match="There is no backup link"):
        find_backup(tmp_path / "here", "link")


def test_the_only_verified_backup_is_not_deleted(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1")
    first, unverified = verify(make(url, tmp_path), url), make(url, tmp_path)
    with pytest.raises(BackupError, match="only verified backup"):
        delete_backup(first)
    delete_backup(unverified)
    second = verify(make(url, tmp_path), url)
    delete_backup(first)
    assert [p.name for p in tmp_path.iterdir()] == [second.name]


def test_only_a_backup_is_ever_deleted(make_database: MakeDatabase, tmp_path: Path) -> None:
    made = make(make_database("v1"), tmp_path / "backups")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("three years")
    with pytest.raises(BackupError, match="not a backup"):
        delete_backup(replace(made, path=precious))
    assert (precious / "thesis.txt").read_text() == "three years"


def test_the_server_goes_away(make_database: MakeDatabase, servers: Servers, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    name = url.split("/")[3].split("?")[0]
    ended = threading.Event()

    def end_sessions(message: str, done: int | None, total: int | None) -> None:
        if not ended.is_set():
            ended.set()
            with closing(psycopg2.connect(servers[18])) as conn, conn.cursor() as cur:
                cur.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    many = "INSERT INTO public.price_history (symbol, price) SELECT '0700.HK', g FROM generate_series(1, 300000) g"
    execute(url, many)
    with pytest.raises(HKStrategyError) as failed:
        make_backup(url, tmp_path, schema_version="1.0", on_progress=end_sessions)
    assert "s3cret" not in str(failed.value)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_is_locked_while_the_dump_begins_is_named(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database("v1")
    holder = psycopg2.connect(url, application_name="nightly import")
    read_needs = backup_make.read_needs

    def lock_then_read(conn: Connection) -> Needs:
        found = read_needs(conn)
        holder.cursor().execute("LOCK TABLE public.trading_signals IN ACCESS EXCLUSIVE MODE")
        return found

    monkeypatch.setattr(backup_make, "read_needs", lock_then_read)
    with pytest.raises(BackupError, match=r"trading_signals is locked by pid .* application nightly import"):
        make_backup(url, tmp_path, schema_version="1.0")
    holder.close()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_two_at_once_each_get_a_name(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made in the same second, neither sees the other's name before it is given."""
    url = make_database("v1", sample=True)
    instant = backup_make.now()
    monkeypatch.setattr(backup_make, "now", lambda: instant)
    both = threading.Barrier(2)

    def put(work: Path, backup: Backup) -> Backup:
        both.wait(60)
        return put_in_place(work, backup)

    put_in_place = backup_make._put_in_place
    monkeypatch.setattr(backup_make, "_put_in_place", put)
    with ThreadPoolExecutor(2) as pool:
        names = sorted(made.name for made in pool.map(lambda _: make(url, tmp_path), range(2)))
    assert names[1] == f"{names[0]}-2"
    assert sorted(one.name for one in list_backups(tmp_path)) == names
