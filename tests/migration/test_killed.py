"""Killed with -9 at every step of every phase, and inside of steps: known for what it is, completed by `resume`, undone
by the opposite phase; and v1 clients notice nothing.
"""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.journal import runs
from src.journal.model import Phase
from tests.conftest import MakeDatabase, Servers
from tests.support.dumps import difference, whole_dump
from tests.support.migration_env import (
    OTHER_PORTFOLIOS,
    Apart,
    MigrationEnv,
    copied,
    migration_env,
    step_events,
    v1_clients_work,
    wait_for_the_end_of,
    wait_until,
    writer,
)

UNDO = {
    Phase.PHASE1: Phase.ROLLBACK_V1,
    Phase.PHASE2: Phase.ROLLBACK_V2,
    Phase.ROLLBACK_V2: Phase.PHASE2,
    Phase.ROLLBACK_V1: Phase.PHASE1,
}


@dataclass(frozen=True)
class Case:
    """A phase, and whether it finds an archive to restore."""

    phase: Phase
    restoring: bool = False

    def __str__(self) -> str:
        return f"{self.phase.value}{', restoring' if self.restoring else ''}"

    def prepare(self, it: MigrationEnv) -> None:
        """Bring a v1 database to where the phase starts; with other portfolios, from v2 on."""
        if self.phase is Phase.PHASE1 and not self.restoring:
            return
        it.run(Phase.PHASE1)
        it.rows(OTHER_PORTFOLIOS)
        if self.phase is Phase.ROLLBACK_V2:
            it.run(Phase.PHASE2)
        if self.restoring:
            it.run(Phase.ROLLBACK_V1)


CASES = [*(Case(phase) for phase in Phase), Case(Phase.PHASE1, restoring=True)]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("version", [16, 18])
def test_killed_between_any_two_steps(
    case: Case, version: int, make_database: MakeDatabase, tmp_path: Path, servers: Servers
) -> None:
    """At every step (on 16: at every fourth): `current_run` says so, v1 clients work, resume completes it, the opposite
    phase undoes it.
    """
    it, phase = migration_env(make_database("v1", version=version), tmp_path, version), case.phase
    case.prepare(it)
    before = whole_dump(it.url, version)
    with copied(it, servers[version]) as undisturbed:
        undisturbed.run(phase)
        after = whole_dump(undisturbed.url, version)
        steps = step_events(undisturbed.reported)
    beginnings = [n for n, event in enumerate(steps) if event.detail["state"] == "started"]
    assert len(beginnings) >= 8
    if case.restoring:
        # What comes before is what it is without an archive.
        beginnings = [n for n in beginnings if n > beginnings[-1] - 12]
        assert {steps[n].step for n in beginnings} >= {"restore_portfolios", "restore_positions", "restore_done"}
    for number in beginnings if version == 18 else beginnings[2::4]:
        with copied(it, servers[version]) as killed:
            assert Apart(killed, phase, kill_at=number).end() == -signal.SIGKILL
            wait_for_the_end_of(killed)
            check_interrupted(killed, case, servers[version], before, after, f"killed before {steps[number].step}")


def check_interrupted(
    killed: MigrationEnv, case: Case, superuser: str, before: list[str], after: list[str], when: str
) -> None:
    version, phase = killed.version, case.phase
    record = runs.fetch_current_run(killed.url)
    assert record is not None and (record.state, record.phase) == ("interrupted", phase), when
    with copied(killed, superuser) as other:
        if phase in (Phase.PHASE1, Phase.ROLLBACK_V1):
            v1_clients_work(other)
        assert killed.resume().state == "done", when
        assert difference(after, whole_dump(killed.url, version)) == "", when
        assert runs.fetch_current_run(killed.url) is None, when
        assert other.run(UNDO[phase]).state in ("done", "nothing"), when
        undone = whole_dump(other.url, version)
        if case.restoring:
            # Rows that DEFAULT holds for the others alone are made anew by every rollback.
            assert difference(without_ids(before), without_ids(undone)) == "", when
        else:
            assert difference(before, undone) == "", when
        assert runs.fetch_current_run(other.url) is None, when
        if case.restoring:
            assert other.run(phase).state == "done", when
            assert difference(after, whole_dump(other.url, version)) == "", when


def without_ids(dump: list[str]) -> list[str]:
    return sorted(re.sub(r"(portfolio_positions \(id, .*? VALUES \()\d+", r"\1…", line) for line in dump)


LEFT = "SELECT count(*) FROM "
HALF_DONE = [
    (Case(Phase.PHASE1), "backfill", LEFT + "public.portfolio_positions WHERE legacy_symbol IS NULL"),
    (Case(Phase.ROLLBACK_V1), "merge_positions", LEFT + "public.portfolio_positions WHERE portfolio_id <> 'DEFAULT'"),
    (
        Case(Phase.PHASE1, restoring=True),
        "restore_positions",
        LEFT + "hk_migration.archived_position WHERE NOT restored",
    ),
]


@pytest.mark.parametrize(("case", "step", "left"), HALF_DONE, ids=lambda value: str(value).partition(" FROM ")[0])
def test_killed_inside_a_step_of_many_batches(
    case: Case, step: str, left: str, make_database: MakeDatabase, tmp_path: Path, servers: Servers
) -> None:
    """Half of the work is committed: all but the row that a client holds."""
    v1 = migration_env(make_database("v1"), tmp_path)
    case.prepare(v1)
    before = whole_dump(v1.url)
    with copied(v1, servers[18]) as undisturbed:
        undisturbed.run(case.phase)
        after = whole_dump(undisturbed.url)
    run = Apart(v1, case.phase, hold_at=step)
    run.wait_for(step=step, state="started")
    with writer(v1):
        run.let_go()
        wait_until(lambda: v1.rows(left) == [(1,)], "all rows but one are done", run.process)
        run.process.kill()
        run.end()
        wait_for_the_end_of(v1)
    check_interrupted(v1, case, servers[18], before, after, f"killed inside {step}")
