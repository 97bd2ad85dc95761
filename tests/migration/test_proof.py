"""The proof fails when it should, and distinguishes clients' writes from the migration's own."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from src.config import PROJECT_ROOT
from src.errors import Action, ProofFailed
from src.journal import runs
from src.journal.model import Event, Keep, Phase, ProofRow
from src.migration import steps
from src.migration.run.proof import (
    Measurement,
    PortfolioFigures,
    PositionChanges,
    archive_rows,
    compare,
    measure,
    one_snapshot,
)
from src.migration.steps import FILES
from tests.conftest import MakeDatabase
from tests.support.migration_env import OTHER_PORTFOLIOS, MigrationEnv, migration_env, session

D = Decimal
NOBODY = PositionChanges(0, 0, 0)


@pytest.fixture
def v1(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    return migration_env(make_database("v1"), tmp_path)


def with_step(monkeypatch: pytest.MonkeyPatch, directory: Path, phase: Phase, sql: str) -> None:
    """The phase's file with one more step before its last, which is ANALYZE."""
    copy = directory / "migrations"
    if not copy.exists():
        shutil.copytree(PROJECT_ROOT / "migrations", copy)
    file = copy / FILES[phase]
    headings = (
        "-- step: wrong\n-- title: Wrong\n-- why: To be found\n"
        "-- kind: backfill\n-- mode: transaction\n-- lock: ROW EXCLUSIVE"
    )
    step = f"{headings}\n{sql}\n\n-- step: analyze"
    text = file.read_text()
    assert "-- step: analyze" in text
    file.write_text(text.replace("-- step: analyze", step))
    monkeypatch.setattr(steps, "MIGRATIONS", copy)


WRONG = [
    "UPDATE public.portfolio_positions SET quantity = quantity + 1 WHERE symbol = '0003.HK';",
    "UPDATE public.portfolio_positions SET avg_cost = avg_cost + 0.001;",
    "DELETE FROM public.portfolio_positions WHERE symbol = '0003.HK';",
    "DELETE FROM public.trading_signals WHERE id = (SELECT max(id) FROM public.trading_signals);",
    "UPDATE public.price_history SET price = price + 1 WHERE id = 1;",
]


@pytest.mark.parametrize("sql", WRONG)
def test_a_step_that_corrupts_data_fails_the_proof(
    v1: MigrationEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Also while a client changes other rows, which is no excuse."""
    with_step(monkeypatch, tmp_path, Phase.PHASE1, sql)

    def client(event: Event) -> None:
        if event.step == "backfill" and event.detail.get("state") == "started":
            v1.v1("UPDATE portfolio_positions SET quantity = 77 WHERE symbol = '0001.HK'")
            v1.v1("INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0001.HK', 'A', 1)")
            v1.v1("INSERT INTO price_history (symbol, price) VALUES ('0001.HK', 1)")

    with pytest.raises(ProofFailed, match="proof failed") as failed:
        v1.run(Phase.PHASE1, client)
    assert failed.value.next_step and failed.value.next_step.action is Action.RESUME_OR_UNDO
    record = runs.fetch_current_run(v1.url)
    assert record is not None and record.state == "failed"
    assert any(row.equal is False for row in record.proof)


@pytest.mark.parametrize("keep", list(Keep))
def test_a_rollback_that_loses_shares_fails_the_proof(
    v1: MigrationEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    symbol = "0001.HK" if keep is Keep.MERGE else "0009.HK"
    with_step(monkeypatch, tmp_path, Phase.ROLLBACK_V1,
              f"UPDATE public.portfolio_positions SET quantity = quantity - 1 WHERE symbol = '{symbol}';")  # fmt: skip
    with pytest.raises(ProofFailed):
        v1.run(Phase.ROLLBACK_V1, keep=keep)


def test_what_clients_changed_is_reported_and_is_no_failure(v1: MigrationEnv) -> None:
    def client(event: Event) -> None:
        if event.step == "switch" and event.detail.get("state") == "started":
            v1.v1("UPDATE portfolio_positions SET quantity = 77 WHERE symbol = '0001.HK'")
            v1.v1("DELETE FROM portfolio_positions WHERE symbol = '0002.HK'")
            v1.v1("INSERT INTO portfolio_positions (symbol, quantity, avg_cost) VALUES ('0099.HK', 9, 9)")

    outcome = v1.run(Phase.PHASE1, client)
    assert outcome.state == "done"
    row = next(row for row in outcome.proof if row.subject == "DEFAULT, cost, HKD")
    assert row.equal is None
    assert "clients" in row.note
    assert any("3 positions" in r.note for r in outcome.proof)


def test_without_clients_everything_is_proved_equal(v1: MigrationEnv) -> None:
    outcome = v1.run(Phase.PHASE1)
    assert [row.equal for row in outcome.proof] == [True] * len(outcome.proof)
    assert {row.subject.split(",")[0] for row in outcome.proof} >= {
        "portfolio_positions", "trading_signals", "price_history", "DEFAULT",
    }  # fmt: skip


@pytest.mark.parametrize("keep", list(Keep))
def test_what_a_rollback_moves_is_not_blamed_on_clients(v1: MigrationEnv, keep: Keep) -> None:
    """Nobody else is connected: whatever differs is the rollback's, or the restoring phase 1's."""
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    for phase in (Phase.ROLLBACK_V1, Phase.PHASE1):
        proof = v1.run(phase, keep=keep).proof
        assert [row for row in proof if "clients" in row.note] == []
        positions = next(row for row in proof if row.subject == "portfolio_positions, rows")
        assert positions.before != positions.after and positions.equal is True
        signals = next(row for row in proof if row.subject == "trading_signals, rows")
        assert signals.equal is True


def test_a_restored_position_that_a_client_deletes_later_is_the_clients(v1: MigrationEnv) -> None:
    """Its id is in the archive of the earlier rollback, which says nothing about this run."""
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    v1.run(Phase.ROLLBACK_V1)
    v1.run(Phase.PHASE1)

    def client(event: Event) -> None:
        if event.step == "contract" and event.detail.get("state") == "started":
            v1.rows("DELETE FROM public.portfolio_positions WHERE portfolio_id = 'OWN' AND symbol = '7777.HK'")

    outcome = v1.run(Phase.PHASE2, client)
    assert outcome.state == "done"
    assert any(
        row.subject == "OWN, cost, HKD" and "clients changed 1 position meanwhile" in row.note for row in outcome.proof
    )


def test_an_earlier_merge_excuses_nothing_later(
    v1: MigrationEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    v1.run(Phase.ROLLBACK_V1)
    v1.run(Phase.PHASE1)
    with_step(monkeypatch, tmp_path, Phase.PHASE2,
              "UPDATE public.portfolio_positions SET quantity = quantity - 1 WHERE symbol = '0001.HK';")  # fmt: skip
    with pytest.raises(ProofFailed, match="the run itself changed"):
        v1.run(Phase.PHASE2)


def measurement(quantity_digest: str, cost: str) -> Measurement:
    figures = PortfolioFigures(1, D(cost), D("20"), D("10"))
    return Measurement({"portfolio_positions": (1, quantity_digest)}, {"DEFAULT": figures})


def failed(rows: list[ProofRow]) -> list[str]:
    return [row.subject for row in rows if row.equal is False]


def test_positions_that_clients_deleted_are_not_called_archived() -> None:
    before = measurement("a", "10")
    gone = Measurement({"portfolio_positions": (0, "0")}, {})
    by_a_client = compare(before, gone, changed=PositionChanges(1, 0, 0), reshaped=False)
    assert failed(by_a_client) == []
    assert [(row.after, row.equal) for row in by_a_client if row.subject == "DEFAULT, cost, HKD"] == [("0.00", None)]
    assert "DEFAULT, cost, HKD" in failed(compare(before, gone, changed=NOBODY, reshaped=False))
    other = Measurement(before.tables, {"TRY": before.portfolios["DEFAULT"]})
    for archives in (True, False):
        rows = compare(other, gone, changed=PositionChanges(1, 0, 0), reshaped=False, archives=archives)
        assert any(row.after == "archived" for row in rows) is archives


def test_compare_forgives_a_difference_only_where_clients_wrote() -> None:
    before, after = measurement("a", "10"), measurement("b", "11")
    assert failed(compare(before, before, changed=NOBODY, reshaped=False)) == []
    assert failed(compare(before, after, changed=NOBODY, reshaped=False)) == [
        "portfolio_positions, rows", "DEFAULT, cost, HKD",
    ]  # fmt: skip
    assert failed(compare(before, after, changed=PositionChanges(1, 0, 0), reshaped=False)) == []
    assert failed(compare(before, after, changed=PositionChanges(1, 0, 1), reshaped=False)) == [
        "Positions that the run itself changed in v1's columns"
    ]


def test_one_snapshot_fails_where_the_view_shows_something_else(v1: MigrationEnv) -> None:
    v1.run(Phase.PHASE1)
    with session(v1.url, "hk_strategy test") as conn:
        assert failed(one_snapshot(conn, "trader")) == []
        v1.rows(
            "CREATE OR REPLACE VIEW trader.portfolio_positions AS SELECT id, legacy_symbol AS symbol, company_name, "
            "quantity, avg_cost, current_price, market_value, unrealized_pnl, sector, last_updated "
            "FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT' AND symbol <> '0001.HK'"
        )
        assert "DEFAULT, positions: v1's view and portfolio_summary" in failed(one_snapshot(conn, "trader"))


def test_archive_rows_fail_where_a_merged_row_differs(v1: MigrationEnv) -> None:
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    run_id = v1.run(Phase.ROLLBACK_V1).run_id or 0
    with session(v1.url, "hk_strategy test") as conn:
        assert failed(archive_rows(conn, Phase.ROLLBACK_V1, run_id)) == []
        v1.rows("UPDATE hk_migration.archived_position SET quantity = quantity + 1 WHERE symbol = '0001.HK'")
        assert "Merged symbols, shares" in failed(archive_rows(conn, Phase.ROLLBACK_V1, run_id))


def test_archive_rows_fail_where_a_restored_row_differs_unless_a_client_changed_it(v1: MigrationEnv) -> None:
    v1.run(Phase.PHASE1)
    v1.rows(OTHER_PORTFOLIOS)
    v1.run(Phase.ROLLBACK_V1)
    run_id = v1.run(Phase.PHASE1).run_id or 0
    with session(v1.url, "hk_strategy test") as conn:
        assert [row.equal for row in archive_rows(conn, Phase.PHASE1, run_id)] == [True]
        v1.rows("UPDATE hk_migration.archived_position SET quantity = quantity + 1 WHERE symbol = '0002.HK'")
        assert failed(archive_rows(conn, Phase.PHASE1, run_id)) == ["Restored positions"]
        v1.rows("UPDATE public.portfolio_positions SET quantity = 1 WHERE portfolio_id = 'TECH' AND symbol = '0002.HK'")
        v1.rows("DELETE FROM public.portfolio_positions WHERE portfolio_id = 'OWN' AND symbol = '7777.HK'")
        (row,) = archive_rows(conn, Phase.PHASE1, run_id)
        assert row.equal is None and "clients changed 1 and deleted 1" in row.note
        v1.rows("UPDATE hk_migration.own_write SET inserted = inserted - 1 WHERE step = 'restore_positions'")
        assert failed(archive_rows(conn, Phase.PHASE1, run_id)) == ["Restored positions"]


def test_a_measurement_survives_the_journal(v1: MigrationEnv) -> None:
    with session(v1.url, "hk_strategy test") as conn:
        measured = measure(conn)
    assert measured.portfolios["DEFAULT"].positions == 12
    assert Measurement.from_json(measured.as_json()) == measured
