"""History on System Status: runs and actions, filtered by the address, with details; runs only for traders."""

import dataclasses

import pytest

from src.auth.store import Role
from src.config import load_settings
from src.journal import audit
from src.journal.audit import AuditEntry
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from tests.app.conftest import OpenPage, log_in, shown, tables
from tests.conftest import MakeDatabase


@pytest.fixture
def url(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> str:
    made = make_database("v1", sample=True)
    settings = dataclasses.replace(load_settings(), database_url=made, acting_for="mei")
    engine.run(made, Phase.PHASE1, Options(backup=False), settings, lambda event: None)
    audit.record(
        made, AuditEntry("tom", "trader", "192.0.2.7", "restore", "refused", {"why": "Only an admin <b>may</b>."})
    )
    audit.record(made, AuditEntry("ann", "admin", "192.0.2.8", "backup", "started", {"task": "a"}))
    message = {"task": "a", "message": "Backup B made and verified.", "backup": "B-of-ann"}
    audit.record(made, AuditEntry("ann", "admin", "the dashboard", "backup", "done", message))
    return made


def history(text: str) -> str:
    return next(part for part in text.split("\n") if "Activity, newest first" in part)


def test_runs_and_actions_stand_in_one_list(url: str, open_page: OpenPage) -> None:
    reported = history(tables(open_page(url, "system_status")))
    order = [reported.index(part) for part in ("B-of-ann", "Only an admin", "Run 1: phase1")]
    assert order == sorted(order)
    for part in ("ann", "192.0.2.8", "tom", "192.0.2.7", "refused", "v1.0 → v2.0", "mei", "longest stall"):
        assert part in reported, part
    assert "<b>may</b>" not in reported


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ({"history_what": "Runs"}, "Run 1", "B-of-ann"),
        ({"history_what": "backup"}, "B-of-ann", "Run 1"),
        ({"history_by": "tom"}, "Only an admin", "B-of-ann"),
        ({"history_outcome": "refused"}, "Only an admin", "Run 1"),
        ({"history_what": "Actions", "history_when": "The last 24 hours"}, "B-of-ann", "Run 1"),
    ],
)
def test_the_filter_is_in_the_address(
    url: str, open_page: OpenPage, query: dict[str, str], there: str, gone: str
) -> None:
    reported = history(tables(open_page(url, "system_status", **query)))
    assert there in reported
    assert gone not in reported


def test_one_is_shown_with_its_details(url: str, open_page: OpenPage) -> None:
    app = open_page(url, "system_status")
    before = shown(app).count("comparisons equal before and after")
    run = next(key for key in app.selectbox("history_details").options if "Run 1" in key)
    app.selectbox("history_details").set_value("run-1").run()
    assert "Run 1" in run
    assert not app.exception
    assert shown(app).count("comparisons equal before and after") == before + 1
    action = next(key for key in app.selectbox("history_details").options if "restore" in key)
    assert action


def test_a_trader_sees_the_runs_only(url: str, open_page: OpenPage, settings_env: pytest.MonkeyPatch) -> None:
    log_in(settings_env, "tom", Role.TRADER)
    text = shown(open_page(url, "system_status"))
    assert "Run 1: phase1" in text
    for part in ("B-of-ann", "192.0.2", "Only an admin &lt;b", "history-"):
        assert part not in text, part


def test_where_nothing_happened_it_says_so(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v3"), "system_status")
    assert any("Nothing has happened to this database" in one.value for one in app.caption)
