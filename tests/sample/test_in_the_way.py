"""Removing the sample where somebody holds what it needs, or nothing may be changed: it says so, and does not wait."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from src.errors import CapabilityMissing, Conflict, TableLocked
from src.sample import database
from src.sample.load import is_sample, remove_sample
from tests.conftest import MakeDatabase
from tests.support.cli_process import Cli, cli_in, execute
from tests.support.databases import database_name


@contextmanager
def held(url: str, statement: str) -> Iterator[int]:
    """Somebody has executed it, and does not commit; the pid."""
    conn = psycopg2.connect(url, application_name="nightly import")
    try:
        conn.cursor().execute(statement)
        yield conn.info.backend_pid
    finally:
        conn.close()


@pytest.fixture
def url(make_database: MakeDatabase) -> str:
    return make_database("v2", sample=True)


@pytest.mark.parametrize(
    "table",
    ["public.portfolio_positions", "public.trading_signals", "public.price_history", "hk_migration.mark"],
)
def test_who_has_locked_a_table_is_named(url: str, table: str) -> None:
    with held(url, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE") as pid:
        began = time.monotonic()
        with pytest.raises(TableLocked) as raised:
            remove_sample(url)
        assert time.monotonic() - began < 60, "it does not wait until that ends"
    assert f"{table.removeprefix('public.')} is locked by pid {pid}" in str(raised.value)
    assert is_sample(url)


@pytest.mark.parametrize("table", ["trading_signals", "price_history"])
def test_who_has_changed_its_rows_is_named(url: str, table: str) -> None:
    with held(url, f"UPDATE public.{table} SET price = price + 1") as pid, pytest.raises(TableLocked) as raised:
        remove_sample(url)
    assert f"pid {pid} (role trader, application nightly import)" in str(raised.value)
    assert is_sample(url)


def test_who_changes_its_positions_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_LIMIT_S", 0.1)
    statement = "UPDATE public.portfolio_positions SET quantity = quantity + 1"
    with held(url, statement) as pid, pytest.raises(Conflict) as raised:
        remove_sample(url)
    assert f"pid {pid} (role trader, application nightly import)" in str(raised.value)


def test_a_reader_is_not_in_the_way(url: str) -> None:
    with held(url, "SELECT * FROM public.portfolio_positions, public.trading_signals"):
        assert "Removed the sample data" in remove_sample(url)


def test_a_read_only_database_is_said_to_be_one(url: str, tmp_path: Path, cache_url: str) -> None:
    cli: Cli = cli_in(tmp_path, cache_url)
    name = database_name(url)
    execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    said = cli(url, "remove-sample", "--yes")
    assert said.exit_code == 3, said.all
    assert f"ALTER DATABASE {name} RESET default_transaction_read_only;" in said.all
    assert "PostgreSQL refuses it" not in said.all and "GRANT" not in said.all
    with pytest.raises(CapabilityMissing, match="read-only"):
        remove_sample(url)
