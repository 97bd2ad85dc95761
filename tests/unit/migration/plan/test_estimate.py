"""How long a step may take: by this database's own runs where they fit, else by the bench, else not said."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from src.cli.text import estimate_sum
from src.journal.model import Phase
from src.migration.model import Plan, Step, StepEstimate, StepKind, TableSize
from src.migration.plan import estimate as module
from src.migration.plan.estimate import Measured, estimates
from src.migration.plan.planner import BACKUP
from src.migration.steps import load_steps

MB = 1024 * 1024
AT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
BUILD = Step("index", "Build", StepKind.BUILD, "autocommit", (), "", index="i", grows=("trading_signals",))
SWITCH = Step("switch", "Switch", StepKind.SWITCH, "transaction", ("trading_signals",), "")
RESTORE = Step("restore_positions", "Restore", StepKind.BACKFILL, "batch", (), "", done="SELECT true")


def tables(megabytes: int) -> tuple[TableSize, ...]:
    return (TableSize("trading_signals", 1, megabytes * MB), TableSize("price_history", 1, 10 * megabytes * MB))


def ran(step: str, seconds: float, megabytes: int, phase: Phase = Phase.PHASE1) -> Measured:
    return Measured(phase.value, step, AT, seconds, {t.table: t.bytes for t in tables(megabytes)})


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"index": 1.0, "switch": 0.01, "backup": 2.0, "restore_positions": 5.0}
    found = {
        "small": {"tables": {"trading_signals": MB, "price_history": 0}, "steps": {"phase1": steps}},
        "large": {
            "tables": {"trading_signals": 101 * MB, "price_history": 0},
            "steps": {"phase1": {**steps, "index": 11.0}},
        },
    }
    monkeypatch.setattr(module, "rates", lambda: found)


def seconds(step: Step, megabytes: int, *earlier: Measured, phase: Phase = Phase.PHASE1) -> StepEstimate | None:
    (one,) = estimates([(phase, step)], tables(megabytes), earlier)
    return one


def test_an_earlier_run_is_scaled_by_the_tables_it_depends_on() -> None:
    assert seconds(BUILD, 200, ran("index", 4.0, 100)) == StepEstimate(8.0, AT)
    assert seconds(BACKUP, 200, ran("backup", 4.0, 100, Phase.PHASE2)) == StepEstimate(8.0, AT), "whatever the phase"
    assert seconds(SWITCH, 200, ran("switch", 0.5, 100)) == StepEstimate(0.5, AT), "it changes the catalog only"
    assert seconds(BUILD, 2, ran("index", 0.5, 1)) == StepEstimate(0.5, AT), "small tables make no difference"


def test_of_several_runs_the_quickest_counts_since_the_others_waited() -> None:
    assert seconds(BUILD, 100, ran("index", 90.0, 100), ran("index", 4.0, 100)) == StepEstimate(4.0, AT)


def test_what_does_not_fit_is_left_to_the_bench() -> None:
    assert seconds(BUILD, 51) == StepEstimate(6.0, None)
    assert seconds(BUILD, 201) == StepEstimate(21.0, None)
    assert seconds(BUILD, 0) == StepEstimate(1.0, None)
    assert seconds(BUILD, 51, ran("index", 4.0, 51, Phase.ROLLBACK_V1)) == StepEstimate(6.0, None), (
        "another phase's step"
    )
    assert seconds(BUILD, 51, ran("index", 0.1, 1)) == StepEstimate(6.0, None), "a table fifty times smaller"


def test_nothing_is_invented() -> None:
    assert seconds(BUILD, 51, phase=Phase.PHASE2) is None
    assert seconds(RESTORE, 51, ran("restore_positions", 3.0, 51)) is None, "nobody knows how many rows there are now"


def test_the_sum_says_where_it_is_from_and_what_it_leaves_out() -> None:
    plan = Plan(Phase.PHASE1, "1.0", "2.0", (BUILD, SWITCH), (), (), (), (), ())
    known, other = StepEstimate(3.0, AT), StepEstimate(4.0, None)
    assert "not known" in estimate_sum(replace(plan, expected=(None, None)))
    both = estimate_sum(replace(plan, expected=(known, other)))
    assert "about 7.0 s; by earlier runs on this database, and by" in both
    text = estimate_sum(replace(plan, expected=(other, None)))
    assert "about 4.0 s, and what 1 step takes of which nothing is known; by measurements on another machine" in text


@pytest.mark.parametrize("phase", list(Phase))
def test_every_step_that_reads_or_writes_rows_says_which_tables_it_grows_with(phase: Phase) -> None:
    """Those whose rows lie elsewhere (an archive, a side table) excepted: of these nothing is reported."""
    known = {"portfolio_positions", "trading_signals", "price_history"}
    for step in load_steps(phase):
        assert set(step.grows) <= known, step.name
        if step.kind in (StepKind.BUILD, StepKind.VALIDATE):
            assert step.grows, step.name
