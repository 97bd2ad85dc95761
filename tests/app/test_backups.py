"""Backups on System Status: what is listed, what each button will do, and that it does just that."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from src.auth.store import Role
from src.backup.api import Backup, list_backups, make_backup
from src.backup.manifest import MANIFEST, now, write_manifest
from src.errors import Conflict, InvalidInput
from src.journal import audit
from src.ui.access import current_user
from src.ui.reads import queries
from src.ui.system_status import actions
from src.ui.system_status.backups import backup_actions
from tests.app.conftest import OpenPage, execute, log_in, shown
from tests.app.html_tables import table
from tests.conftest import MakeDatabase


def quiet(message: str, done: int | None, total: int | None) -> None:
    pass


@pytest.fixture
def url(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> str:
    settings_env.setattr(current_user, "address", lambda: "192.0.2.7")  # AppTest has no browser that could have one
    return make_database("v1", sample=True)


@pytest.fixture
def backups(url: str, tmp_path: Path) -> list[Backup]:
    """Four, the newest first: of today, of yesterday (never verified), of 20 and of 40 days ago."""
    first = make_backup(url, tmp_path / "backups", schema_version="1.0", on_progress=quiet)
    write_manifest(replace(first, verified_at=now(), verified_how="restored on a private server"), first.path)
    for days in (1, 20, 40):
        path = first.path.with_name(f"made-{days}-days-ago")
        shutil.copytree(first.path, path)
        verified = None if days == 1 else now()
        made = first.created_at - timedelta(days=days, minutes=1)
        write_manifest(replace(first, name=path.name, path=path, created_at=made, verified_at=verified), path)
    return list_backups(tmp_path / "backups")


def page_of(open_page: OpenPage, url: str, do: str = "") -> AppTest:
    query = {"backup_do": do} if do else {}
    return open_page(url, "system_status", **query)


def test_the_list_says_age_size_schema_and_how_it_was_verified(
    url: str, backups: list[Backup], open_page: OpenPage
) -> None:
    text = shown(page_of(open_page, url))
    for backup in backups:
        assert backup.name in text
    for part in ("20 days ago", "40 days ago", "not verified", "restored on a private server", "v1.0", "kB"):
        assert part in text, part


def test_one_that_cannot_be_read_is_listed_with_the_reason_and_cannot_be_chosen(
    url: str, backups: list[Backup], open_page: OpenPage
) -> None:
    (backups[3].path / MANIFEST).write_text("{")
    app = page_of(open_page, url, "Restore")
    assert (
        table(app, "Backups that cannot be read")
        .rows[backups[3].name]["Why not"]
        .startswith("manifest.json is no JSON")
    )
    assert "1 backup cannot be read, and counts for nothing." in app.warning[0].value
    assert app.selectbox("backup").options == [one.name for one in backups[:3]]
    for one in backups[:3]:
        (one.path / MANIFEST).write_text("{")
    queries.forget()
    app = page_of(open_page, url)
    assert "No backup yet" not in shown(app) and len(table(app, "Backups that cannot be read").rows) == 4


def test_a_restore_shows_what_it_will_do_and_asks_for_the_name(
    url: str, backups: list[Backup], open_page: OpenPage
) -> None:
    execute(url, "DELETE FROM trading_signals")
    app = page_of(open_page, url, "Restore")
    text = shown(app).replace("\\", "")
    assert "becomes what it was on" in text
    assert "_before_" in text
    assert f"+{backups[0].tables['public.trading_signals'].rows}" in text
    assert "as many" in text
    app.text_input("restore_typed").set_value("yes")
    app.button("restore_submit").click().run()
    assert app.error[0].value == f"Type {backups[0].name} to start it; nothing was started."


def test_the_download_is_a_link_with_the_name(url: str, backups: list[Backup], open_page: OpenPage) -> None:
    assert f'href="/backups/{backups[0].name}.tar"' in shown(page_of(open_page, url, "Download"))


def test_one_is_deleted_once_its_deletion_is_typed(url: str, backups: list[Backup], open_page: OpenPage) -> None:
    app = page_of(open_page, url, "Delete")
    app.selectbox("backup").set_value(backups[3].name).run()
    assert f"Deletes {backups[3].name} for good" in shown(app)
    app.button("delete_submit").click().run()
    assert "nothing was deleted" in app.error[0].value
    app.text_input("delete_typed").set_value("delete")
    app.button("delete_submit").click().run()
    assert not app.exception
    assert "Deleted" in app.success[0].value
    assert [one.name for one in list_backups(backups[0].path.parent)] == [one.name for one in backups[:3]]
    done, refused = audit.read(url)
    assert (done.action, done.outcome, done.detail["backup"]) == ("delete", "done", backups[3].name)
    assert (refused.action, refused.outcome) == ("delete", "refused")


def test_what_was_chosen_after_the_page_was_drawn_is_not_done(
    url: str, backups: list[Backup], open_page: OpenPage
) -> None:
    app = page_of(open_page, url, "Delete")
    app.text_input("delete_typed").set_value("delete")
    app.selectbox("backup").set_value(backups[2].name)
    app.button("delete_submit").click().run()
    assert "Another backup has been chosen" in app.error[0].value
    assert len(list_backups(backups[0].path.parent)) == 4
    with pytest.raises(Conflict):
        backup_actions._still("x")


def test_a_rule_shows_what_goes_and_deletes_that(url: str, backups: list[Backup], open_page: OpenPage) -> None:
    app = page_of(open_page, url)
    assert "goes:" not in shown(app)
    app.number_input("prune_keep").set_value(2)
    app.number_input("prune_days").set_value(3)
    app.run()
    text = shown(app)
    assert text.count("goes:") == 1
    assert text.count("stays:") == 3
    assert "Delete 1 backup" in [one.label for one in app.button]
    app.text_input("prune_typed").set_value("delete")
    app.button("prune_submit").click().run()
    assert "Deleted 1 backup" in app.success[0].value
    assert [one.name for one in list_backups(backups[0].path.parent)] == [one.name for one in backups[:3]]
    (done,) = audit.read(url)
    assert done.detail["deleted"] == [backups[3].name]


def test_a_trader_sees_the_list_and_nothing_to_press(
    url: str, backups: list[Backup], open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    log_in(settings_env, "tom", Role.TRADER)
    for do in ("Download", "Restore", "Delete"):
        app = page_of(open_page, url, do)
        assert backups[0].name in shown(app)
        assert "/backups/" not in shown(app)
        assert [one.label for one in app.button] == []


def test_the_word_is_asked_for_in_the_action_too(
    url: str, backups: list[Backup], settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("DATABASE_URL", url)
    with pytest.raises(InvalidInput):
        actions.prune(1, 0, [backups[3].name], "yes")
    assert actions.prune(1, 0, [], "delete").startswith("Nothing was deleted")
    assert len(list_backups(backups[0].path.parent)) == 4
