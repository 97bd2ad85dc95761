"""Which backups go: never the newest verified one, never one that is wanted, whatever the rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.backup.manifest import Backup
from src.backup.retention import RetentionRule, decide, why_not_delete
from src.cli.parser import UsageError, parse
from src.errors import InvalidInput

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def backup(hours: float, *, verified: bool = True, database: str = "hk", number: int = 0) -> Backup:
    """One that was made so many hours ago."""
    made = NOW - timedelta(hours=hours)
    return Backup(
        name=f"{made:%Y%m%dT%H%M%SZ}-{database}-{number}", path=Path("nowhere"), created_at=made, database=database,
        schema_version="1.0", bytes=1, tables={}, server_version="18", dump_version="18.0",
        verified_at=made if verified else None,
    )  # fmt: skip


def going(backups: list[Backup], rule: RetentionRule, *wanted: str) -> list[str]:
    return [v.backup.name for v in decide(backups, rule, NOW, database="hk", wanted=wanted) if v.goes]


def test_the_newest_and_those_of_the_last_days_stay() -> None:
    daily = [backup(24 * days + 1) for days in range(10)]
    assert going(daily, RetentionRule(keep=3, days=0)) == [one.name for one in daily[3:]]
    assert going(daily, RetentionRule(keep=1, days=5)) == [one.name for one in daily[5:]]
    assert going(daily, RetentionRule(keep=20, days=0)) == []


def test_what_was_never_verified_does_not_count_as_kept_and_goes_when_it_is_old() -> None:
    fresh, old = backup(2, verified=False), backup(30, verified=False)
    good = backup(40)
    assert going([fresh, old, good], RetentionRule(keep=1, days=0)) == [old.name]


def test_one_that_an_unfinished_run_refers_to_stays() -> None:
    new, old = backup(1), backup(100)
    assert going([new, old], RetentionRule(1, 0)) == [old.name]
    assert going([new, old], RetentionRule(1, 0), old.name) == []


def test_those_of_another_database_are_left_alone() -> None:
    assert going([backup(1), backup(500, database="other")], RetentionRule(1, 0)) == []


BACKUPS = st.lists(
    st.builds(
        lambda hours, verified, database, number: backup(hours, verified=verified, database=database, number=number),
        st.floats(-48, 2000, allow_nan=False), st.booleans(), st.sampled_from(["hk", "other"]), st.integers(0, 10**9),
    ),
    max_size=12, unique_by=lambda one: one.name,
)  # fmt: skip


@given(BACKUPS, st.integers(1, 5), st.integers(0, 60), st.data())
def test_whatever_the_rule(backups: list[Backup], keep: int, days: int, data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.sampled_from([b.name for b in backups]))) if backups else set()
    decisions = decide(backups, RetentionRule(keep, days), NOW, database="hk", wanted=wanted)
    assert {v.backup.name for v in decisions} == {b.name for b in backups if b.database == "hk"}
    gone = {v.backup.name for v in decisions if v.goes}
    verified = sorted((v.backup for v in decisions if v.backup.verified_at), key=lambda b: b.created_at)
    assert not gone & wanted
    assert len({b.name for b in verified} - gone) >= min(keep, len(verified))
    if verified:
        assert verified[-1].name not in gone or verified[-1].created_at == verified[-2].created_at
    for decision in decisions:
        assert decision.why
        if NOW - decision.backup.created_at < timedelta(days=days):
            assert not decision.goes
    left = [b for b in backups if b.name not in gone]
    again = decide(left, RetentionRule(keep, days), NOW, database="hk", wanted=wanted)
    assert not any(v.goes for v in again), "what stays, stays"


def test_why_one_backup_may_not_go() -> None:
    only, unverified, other = backup(1), backup(2, verified=False), backup(3, database="other")
    assert "only verified backup of hk" in (why_not_delete(only, [only, unverified, other], ()) or "")
    assert why_not_delete(unverified, [only, unverified, other], ()) is None
    assert why_not_delete(only, [only, replace(only, name="second")], ()) is None
    assert "did not end" in (why_not_delete(unverified, [only, unverified], {unverified.name}) or "")


@pytest.mark.parametrize(("keep", "days"), [(0, 5), (-1, 0), (1, -1), (10**9, 0)])
def test_a_rule_that_keeps_nothing_is_none(keep: int, days: int) -> None:
    with pytest.raises(InvalidInput):
        RetentionRule(keep, days)


def test_how_it_is_typed() -> None:
    assert parse(["prune", "--keep", "7", "--days", "14"]).rule == RetentionRule(7, 14)
    assert parse(["--keep", "3", "prune"]).rule == RetentionRule(3, 0)
    assert parse(["prune", "--days", "30"]).rule == RetentionRule(1, 30)
    assert parse(["backup", "--if-older-than", "24h"]).if_older_than == timedelta(hours=24)
    assert parse(["backup", "--if-older-than", "30m"]).if_older_than == timedelta(minutes=30)
    assert parse(["backup", "--if-older-than", "7d"]).if_older_than == timedelta(days=7)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["prune"], "which backups shall stay"),
        (["prune", "--keep", "merge"], "--keep is 'merge'; it must be a number"),
        (["prune", "--keep", "0"], "from 1"),
        (["prune", "--days", "-1"], "days"),
        (["rollback", "--keep", "3"], "merge"),
        (["--keep", "3", "rollback"], "merge or default"),
        (["--keep", "3", "check"], "belongs to rollback, plan, prune"),
        (["backup", "--if-older-than", "1w"], "30m, 24h or 7d"),
        (["backup", "--if-older-than", "0h"], "30m, 24h or 7d"),
        (["backup", "--if-older-than", ""], "30m, 24h or 7d"),
        (["delete"], "BACKUP"),
    ],
)
def test_what_makes_no_sense_is_reported(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert said in str(caught.value)
