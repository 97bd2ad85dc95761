"""The decorator of cached reads: what an entry is of, and that forget() empties every one of them."""

import importlib
import pkgutil
import re
import time
from pathlib import Path

import pytest

import src.ui
from src.config import PROJECT_ROOT
from src.journal import audit
from src.journal.audit import AuditEntry
from src.journal.model import AuditOutcome, Phase
from src.ui.reads import cached, live_state, queries
from src.ui.reads.cached import CachedRead, Source, nothing, registered
from tests.app.conftest import OpenPage, execute
from tests.conftest import MakeDatabase
from tests.support.backups import make
from tests.support.health_cases import note_run


@pytest.fixture
def url(make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch) -> str:
    made = make_database("v3")
    settings_env.setenv("DATABASE_URL", made)
    return made


def reads_of_the_dashboard() -> dict[str, CachedRead[..., object]]:
    found = {}
    for module in pkgutil.walk_packages(src.ui.__path__, "src.ui."):
        if module.name != "src.ui.script":
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, CachedRead):
                    found[value.name] = value
    return found


def test_forget_empties_every_cached_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, emptied = reads_of_the_dashboard(), []
    monkeypatch.setattr(CachedRead, "forget", lambda self: emptied.append(self.name))
    cached.forget()
    assert len(reads) > 20
    assert set(reads) <= set(emptied)


def test_nothing_else_in_the_dashboard_caches() -> None:
    allowed = {"reads/cached.py", "reads/source.py", "reads/commands.py"}
    root = PROJECT_ROOT / "src" / "ui"
    found = {
        str(one.relative_to(root))
        for one in Path(root).rglob("*.py")
        if re.search(r"\bcache_(data|resource)", one.read_text())
    }
    assert found <= allowed


def test_an_entry_counts_until_the_data_changes_or_all_is_forgotten(url: str) -> None:
    asked: list[str] = []

    def read(source: Source, portfolio_id: str, _note: object) -> str:
        """Of the database."""
        asked.append(portfolio_id)
        return f"{portfolio_id} of {source.url}"

    made = cached.cached(ttl=600, most=10)(read)
    try:
        assert made("P1", object()) == made("P1", object()) == f"P1 of {url}"
        assert asked == ["P1"]
        made("P2", object())
        assert asked == ["P1", "P2"]
        made.anew("P1", object())
        assert asked == ["P1", "P2", "P1"]
        cached.forget()
        made("P1", object())
        assert asked == ["P1", "P2", "P1", "P1"]
        execute(url, "UPDATE portfolios SET name = 'Another'")
        live_state.forget()
        made("P1", object())
        assert asked == ["P1", "P2", "P1", "P1", "P1"]
        assert made.__doc__ == "Of the database."
    finally:
        registered.remove(made)


def test_what_a_run_changes_is_read_anew_after_its_last_event(url: str, tmp_path: Path) -> None:
    """A page is drawn anew for that event, at once, and not again."""
    run = note_run(url, Phase.PHASE2, state=None)
    queries.forget()
    assert [one.outcome for one in queries.activity().entries] == ["interrupted"]
    assert queries.backups().backups == ()
    made = make(url, tmp_path / "backups")
    event = "INSERT INTO hk_migration.event (run_id, kind, message, detail) VALUES (%(run)s, 'outcome', '', %(detail)s)"
    execute(url, event, values={"run": run, "detail": '{"state": "undone"}'})
    live_state.forget()
    assert [one.outcome for one in queries.activity().entries] == ["undone"]
    assert [one.name for one in queries.backups().backups] == [made.name]


def test_a_page_that_is_drawn_when_a_command_has_ended_reads_anew(url: str, settings_env: pytest.MonkeyPatch) -> None:
    """The first one to see that reads anew, though it is drawn already and need not be drawn again."""
    settings_env.setattr(live_state, "FRESH_S", 600.0)
    began = time.monotonic()
    queries.catch_up("a command runs", drawn=True)
    assert queries.activity().entries == ()
    audit.record(url, AuditEntry("ann", "admin", "192.0.2.8", "backup", AuditOutcome.DONE))
    queries.catch_up("a command runs", drawn=True)
    known = queries.activity().entries
    assert known == () or time.monotonic() - began > queries.activity.ttl, "nothing has changed"
    queries.catch_up("it has ended", drawn=True)
    assert [one.name for one in queries.activity().entries] == ["backup"]


def test_a_read_that_follows_nothing_does_not_ask_for_the_state(settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    settings_env.setattr(live_state, "live_state", lambda **_: pytest.fail("asked"))
    made = cached.cached(ttl=600, most=10, follows=nothing)(lambda source: source.url)
    try:
        assert made() == "postgresql://nobody@127.0.0.1:1/nothing"
    finally:
        registered.remove(made)
