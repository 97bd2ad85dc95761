"""What the preview of a rollback shows is what the rollback does."""

from decimal import Decimal
from pathlib import Path

import pytest

from src.config import Settings
from src.errors import TableLocked
from src.journal.model import Keep, Phase
from src.migration import engine
from src.migration.model import MergedSymbol, Options
from src.migration.preflight.rollback_preview import merge_preview
from src.postgres.connection import connect
from tests.conftest import MakeDatabase
from tests.support.locks import locked
from tests.support.migration_env import OTHER_PORTFOLIOS, V1_ROWS, migration_env

MORE = """
INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) VALUES
('TECH', '0007.HK', -70, 3, 7.25), ('OWN', '0008.HK', -200, 1, 8.25), ('OWN', '6666.HK', 3, 1.111, NULL),
('TECH', '6666.HK', 4, 2.222, NULL), ('OWN', '5555.HK', 0, 2, 5), ('TECH', '5555.HK', 0, 4, 5),
('OWN', '0009.HK', 1, 0.001, 9.25), ('TECH', '4444.HK', -10, 4, 4), ('OWN', '4444.HK', 4, 9, 4)
"""


def preview(url: str, keep: Keep = Keep.MERGE) -> dict[str, MergedSymbol]:
    conn = connect(url, autocommit=True)
    try:
        return {merged.symbol: merged for merged in merge_preview(conn, keep)}
    finally:
        conn.close()


def test_the_preview_is_what_a_rollback_does(make_database: MakeDatabase, tmp_path: Path, pg_version: int) -> None:
    it = migration_env(make_database("v2", version=pg_version, rows=V1_ROWS), tmp_path, pg_version, rows="")
    it.rows(OTHER_PORTFOLIOS)
    it.rows(MORE)
    others = it.rows("SELECT DISTINCT symbol FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT'")
    before = it.rows("SELECT sum(quantity) FROM public.portfolio_positions")
    shown = preview(it.url)
    assert sorted(shown) == sorted(symbol for (symbol,) in others)
    assert preview(it.url, Keep.DEFAULT) == {}
    assert shown["0001.HK"].portfolios == ("DEFAULT", "TECH")
    assert (shown["6666.HK"].value_before, shown["6666.HK"].value_after) == (None, None)
    # 10 at 1.125 and 15 at 2.458 are 48.12; 25 at 1.925 are 48.13.
    first = shown["0001.HK"]
    assert (first.quantity, first.avg_cost) == (25, Decimal("1.925"))
    assert (first.cost_before, first.cost_after) == (Decimal("48.12"), Decimal("48.13"))

    it.run(Phase.ROLLBACK_V1)
    rows = it.v1(
        "SELECT symbol, quantity, avg_cost, round(quantity * avg_cost, 2), market_value FROM portfolio_positions"
    )
    compared = [row for row in rows if row[0] in shown]
    assert len(compared) == len(shown)
    for symbol, quantity, avg_cost, cost, value in compared:
        merged = shown[symbol]
        assert (symbol, merged.quantity, merged.avg_cost) == (symbol, quantity, avg_cost)
        assert (symbol, merged.cost_after) == (symbol, cost)
        assert (symbol, merged.value_after) == (symbol, value)
    assert it.v1("SELECT sum(quantity) FROM portfolio_positions") == before


def test_a_price_that_only_another_portfolio_knows_survives_the_merge(
    make_database: MakeDatabase, tmp_path: Path, pg_version: int
) -> None:
    it = migration_env(make_database("v2", version=pg_version, rows=V1_ROWS), tmp_path, pg_version, rows="")
    it.rows("INSERT INTO public.portfolios (portfolio_id, name) VALUES ('A', 'A')")
    it.v1("INSERT INTO portfolio_positions (symbol, quantity, avg_cost) VALUES ('4321.HK', 10, 2)")
    it.rows(
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) "
        "VALUES ('A', '4321.HK', 5, 2, 3.5)"
    )
    shown = preview(it.url)["4321.HK"]
    assert (shown.value_before, shown.value_after) == (None, Decimal("52.50"))
    it.run(Phase.ROLLBACK_V1)
    row = it.v1("SELECT quantity, current_price, market_value FROM portfolio_positions WHERE symbol = '4321.HK'")
    assert row == [(15, Decimal("3.5"), Decimal("52.50"))]


def test_the_plan_names_who_keeps_the_preview_from_being_read(
    make_database: MakeDatabase, tmp_path: Path, pg_version: int
) -> None:
    url = make_database("v3", version=pg_version)
    settings = Settings(None, None, tmp_path, tmp_path / "backups", tmp_path / "logs", "127.0.0.1", 8501)
    with locked(url, "public.portfolio_positions") as pid, pytest.raises(TableLocked) as raised:
        engine.make_plan(url, Phase.ROLLBACK_V1, Options(backup=False), settings)
    assert f"portfolio_positions is locked by pid {pid}" in str(raised.value)
