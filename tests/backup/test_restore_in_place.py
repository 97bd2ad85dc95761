"""Restoring in place, where no database may be created: in one transaction, equal to the row, or not at all."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from src.backup.api import (
    Backup,
    TableFingerprint,
    find_backup,
    verify_backup,
)
from src.backup.restore import in_place
from src.errors import BackupNotVerified, HKStrategyError, PrerequisiteError
from src.postgres.connection import connect
from tests.conftest import Servers
from tests.support.backups import (
    accept_files,
    add_event,
    change_everything,
    content,
    data_file,
    database_of,
    databases,
    execute,
    make,
    make_clerk_database,
    quiet,
    restore,
    value,
    with_history,
)

__all__ = ["make_clerk_database"]


def test_in_place_where_no_database_may_be_created(
    make_clerk_database: Callable[..., str], servers: Servers, pg_version: int, tmp_path: Path
) -> None:
    url = make_clerk_database(pg_version)
    with_history(url)
    before, backup = content(url), make(url, tmp_path)
    change_everything(url)
    add_event(url, "since the backup")
    execute(
        url,
        "CREATE TYPE public.mood AS ENUM ('bull'); CREATE DOMAIN public.share AS int; CREATE SCHEMA extra;"
        "CREATE TABLE extra.moods (m public.mood);"
        "CREATE FUNCTION public.later(int) RETURNS int LANGUAGE sql AS 'SELECT $1';"
        "CREATE MATERIALIZED VIEW public.sums AS SELECT sum(quantity) FROM public.portfolio_positions;"
        "CREATE AGGREGATE public.product(int) (SFUNC = int4mul, STYPE = int); SELECT lo_from_bytea(0, 'x')",
    )
    changed = content(url)
    outcome = restore(url, backup, tmp_path)
    assert outcome.how == "in place"
    assert content(url) == before
    assert value(url, "SELECT count(*) FROM hk_migration.event") == 3
    assert value(url, "SELECT count(*) FROM pg_type WHERE typname IN ('mood', 'share')") == 0
    assert outcome.old_database is None
    assert outcome.safety_backup is not None
    execute(url, "INSERT INTO public.portfolio_positions (symbol) VALUES ('9999.HK')")
    assert databases(servers[pg_version], database_of(url)) == [database_of(url)]
    safety = find_backup(tmp_path, outcome.safety_backup)
    assert safety.verified_at is not None
    restore(url, safety, tmp_path)
    assert content(url) == changed, "the way back works too"


def test_in_place_an_unequal_restore_changes_nothing(make_clerk_database: Callable[..., str], tmp_path: Path) -> None:
    url = make_clerk_database()
    backup = make(url, tmp_path)
    execute(url, "DELETE FROM public.portfolio_positions WHERE symbol = '0005.HK'")
    before = content(url)
    tables = dict(backup.tables)
    tables["public.portfolio_positions"] = TableFingerprint(2, "0123456789abcdef")
    with pytest.raises(BackupNotVerified, match=r"rows of table public\.portfolio_positions differ"):
        restore(url, replace(backup, tables=tables), tmp_path)
    assert content(url) == before
    path = data_file(backup, "price_history")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(HKStrategyError):
        restore(url, accept_files(backup), tmp_path)
    assert content(url) == before


def test_in_place_never_loses_what_clients_write_meanwhile(
    make_clerk_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_clerk_database()
    backup = make(url, tmp_path)

    def verify_while_a_client_writes(fresh: Backup, **rest: object) -> Backup:
        execute(url, "INSERT INTO public.price_history (symbol, price) VALUES ('0700.HK', 0.009)")
        return verify_backup(fresh, url=url, on_progress=quiet)

    monkeypatch.setattr(in_place, "verify_backup", verify_while_a_client_writes)
    with pytest.raises(PrerequisiteError, match="CREATEDB"):
        restore(url, backup, tmp_path)
    assert value(url, "SELECT count(*) FROM public.price_history WHERE price = 0.009") == 3


def test_in_place_waits_for_a_gap_without_holding_clients_up(
    make_clerk_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_clerk_database()
    backup = make(url, tmp_path)
    monkeypatch.setattr(in_place, "LOCK_TIMEOUT_S", 0.3)
    with closing(connect(url)) as reader, reader.cursor() as cur:
        cur.execute("SELECT count(*) FROM public.portfolio_positions")
        with pytest.raises(PrerequisiteError, match="no gap"):
            restore(url, backup, tmp_path)
        cur.execute("UPDATE public.portfolio_positions SET quantity = 1")
        reader.commit()
    restore(url, backup, tmp_path)
    assert value(url, "SELECT sum(quantity) FROM public.portfolio_positions") == 12
