"""What the plan leaves to an admin is a control on the page, and what was chosen becomes options of the command."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from src.config import load_settings
from src.database_enhanced import DatabaseManager
from src.journal.model import Phase
from src.migration.model import Options
from src.ui.access import current_user
from src.ui.reads import commands, queries
from src.ui.system_status import actions
from tests.app.conftest import OpenPage, execute, log_in, shown
from tests.app.html_tables import table
from tests.conftest import MakeDatabase, Servers
from tests.field.field import restore
from tests.support.surveys import MakeRole, roles_made, superuser


@pytest.fixture
def make_role(servers: Servers, make_database: MakeDatabase) -> Iterator[MakeRole]:
    with roles_made(servers) as make:
        yield make


@pytest.fixture(autouse=True)
def _address(settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setattr(current_user, "address", lambda: "192.0.2.7")  # AppTest has no browser that could have one


def errors(app: AppTest) -> str:
    return "\n".join(error.value for error in app.error)


def ended() -> commands.StartedCommand:
    """The command that the page started, once it is over."""
    for _ in range(1200):
        command = commands.last_command(load_settings())
        assert command is not None, "nothing was started"
        if not command.running:
            return command
        time.sleep(0.05)
    pytest.fail("the command does not end")


def await_version(version: str) -> None:
    """The schema version is read at most every two seconds, whatever has ended meanwhile."""
    for _ in range(600):
        queries.forget()
        if queries.live_state(wait=True).version == version:
            return
        time.sleep(0.05)
    pytest.fail(f"the schema is not {version}")


def test_a_role_that_is_no_v1_client_is_left_out_on_the_page(
    make_database: MakeDatabase, make_role: MakeRole, open_page: OpenPage, servers: Servers
) -> None:
    url = make_database("v1", sample=True)
    reporting = make_role(18, "LOGIN", url)
    execute(url, f"GRANT INSERT, UPDATE ON portfolio_positions TO {reporting}")
    execute(superuser(servers, 18, url), f"ALTER ROLE {reporting} SET search_path = public")
    app = open_page(url, "system_status")
    assert f"Sessions of role {reporting} would not find the compatibility views" in errors(app).replace("\\", "")
    assert any("Choose below which roles are v1 clients" in caption.value for caption in app.caption)
    assert any("SET search_path" in code.value for code in app.code), "the statement can be copied"

    roles = app.multiselect("legacy_roles")
    assert set(roles.options) == {"trader", reporting}
    roles.set_value(["trader"]).run()
    assert errors(app) == ""
    app.text_input("typed phase1").set_value("phase1")
    app.button("start_phase1").click().run()
    assert errors(app) == ""
    assert ended().outcome() is not None
    await_version("2.0")
    views = "SELECT 1 / (to_regclass('{0}.portfolio_positions') IS NOT NULL)::int"
    execute(url, views.format("trader"))
    execute(url, f"SELECT 1 / (to_regnamespace('{reporting}') IS NULL)::int")


def test_a_folder_for_the_backup_is_chosen_on_the_page(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    settings_env.setenv("HK_STRATEGY_BACKUPS", str(file / "backups"))
    app = open_page(make_database("v1", sample=True), "system_status")
    assert "No backup can be made" in errors(app)
    assert "Choose another folder below" in errors(app) and "--" not in errors(app)

    app.text_input("backup_dir").set_value(str(file / "elsewhere")).run()
    assert "No backup can be made" in errors(app), "the folder that was typed is checked"
    folder = tmp_path / "elsewhere"
    app.text_input("backup_dir").set_value(str(folder)).run()
    assert errors(app) == ""
    app.text_input("typed phase1").set_value("phase1")
    app.button("start_phase1").click().run()
    assert errors(app) == ""
    ended()
    await_version("2.0")
    assert [path for path in folder.iterdir() if path.is_dir()], "the backup is there"


def test_a_refused_command_and_the_plan_say_the_same_once(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    settings_env.setenv("HK_STRATEGY_BACKUPS", str(tmp_path / "file" / "backups"))
    url = make_database("v1", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    log_in(settings_env, "anna")
    actions.start_phase(Phase.PHASE1, "phase1", "1.0", Options())
    assert (ended().outcome() or {})["exit_code"] == 3
    queries.forget()
    app = open_page(url, "system_status")
    (refusal,) = app.error
    assert "No backup can be made" in refusal.value, "with what can be chosen, in the plan"
    assert "phase1, started by anna, was refused: nothing was touched. Below is what to do first." in [
        one.value for one in app.caption
    ]
    app.text_input("backup_dir").set_value(str(tmp_path / "elsewhere")).run()
    (news,) = app.error
    assert news.value.startswith("**phase1**, started by anna: Nothing was touched. No backup can be made"), (
        "what stood in the way is settled, and the command's end is still news"
    )


def test_a_backup_that_cannot_be_written_names_the_setting(
    make_database: MakeDatabase, open_page: OpenPage, settings_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    settings_env.setenv("HK_STRATEGY_BACKUPS", str(tmp_path / "file" / "backups"))
    url = make_database("v3", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    actions.back_up()
    ended()
    queries.forget()
    app = open_page(url, "system_status")
    setting = "Name another folder in HK_STRATEGY_BACKUPS, in .env."
    (news,) = (one.value for one in app.error if one.value.startswith("**backup**"))
    assert "The folder for backups cannot be used" in news and setting in news
    warnings = [one.value.replace("\\", "") for one in app.warning]
    assert any("The folder for backups cannot be read" in one and setting in one for one in warnings)


def test_a_paused_phase_2_is_resumed_although_v1_clients_are_connected(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    url = make_database(None)
    restore(url, "v2_paused")
    app = open_page(url, "system_status")
    app.checkbox("resume_force").check()
    app.button("resume").click().run()
    assert errors(app) == ""
    command = ended()
    assert "--force" in command.argv
    outcome = command.outcome()
    assert outcome is not None and outcome["exit_code"] == 0, outcome
    await_version("3.0")


def test_merged_symbols_are_shown_by_pages_with_the_total_of_all(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    rows = (
        "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost) "
        "SELECT lpad(n::text, 4, '0') || '.HK', 100, 10 FROM generate_series(1, 30) n"
    )
    url = make_database("v2", rows=rows)
    manager = DatabaseManager(url)
    manager.copy_portfolio("DEFAULT", "TRY", "A try")
    manager.close()
    page = open_page(url, "system_status", action=Phase.ROLLBACK_V1.label, merged_page="2")
    assert "26 to 30 of 30 symbols" in shown(page)
    rows_shown = table(page, "Merged symbols").rows
    assert list(rows_shown) == [f"{n:04}.HK" for n in range(26, 31)] + ["All of them"]
    assert rows_shown["All of them"]["Cost before"] == "60,000.00", "30 symbols, 200 shares of each at 10"
