"""The pages on a v2 database, made by the engine itself."""

import dataclasses
from collections.abc import Sequence

import psycopg2
import pytest

from src.config import load_settings
from src.errors import InvalidInput
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from src.ui.reads import commands, queries
from src.ui.system_status import actions
from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase


@pytest.fixture
def v2(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> str:
    """The sample after phase 1."""
    return make_database("v2", sample=True)


def test_the_figures_are_those_of_before(v2: str, open_page: OpenPage) -> None:
    text = shown(open_page(v2, "portfolio", id="DEFAULT"))
    for figure in ("2,177,898.90", "2,159,168.00", "▲ +18,730.90", "▼ −16,430.00"):
        assert figure in text


def test_a_copy_and_what_a_rollback_would_make_of_it(v2: str, open_page: OpenPage) -> None:
    app = open_page(v2, "portfolios")
    app.text_input("copy_id_0").set_value("TRY")
    app.text_input("copy_name_0").set_value("A try")
    app.button("copy_submit").click().run()
    assert "12 positions" in app.success[0].value
    app = open_page(v2, "system_status")
    assert "Start phase 2" in [one.label for one in app.button]
    app.segmented_control("action").set_value("Roll back to v1").run()
    text = shown(app)
    assert "DEFAULT, TRY" in text
    assert "6,200" in text  # Tencent's 3,100, twice
    assert "Roll back to v1" in [one.label for one in app.button]
    app.radio("keep").set_value("default").run()
    assert "DEFAULT, TRY" not in shown(app)


def test_the_last_run_stands_there_with_its_proof(v2: str, open_page: OpenPage) -> None:
    app = open_page(v2, "system_status")
    text = shown(app)
    assert "This database is multi-portfolio (v2.0)." in text
    assert "DEFAULT, unrealized P&amp;L, HKD" in text
    assert "✕ differs" not in text
    assert "Run 1: phase1" in text
    assert not app.error


def test_phase_2_waits_for_v1_clients_unless_a_box_is_ticked(
    v2: str, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    app = open_page(v2, "system_status")
    assert [one.label for one in app.checkbox] == [], "nobody is there to be cut off"
    client = psycopg2.connect(v2, application_name="old_app")
    queries.forget()
    try:
        app = open_page(v2, "system_status")
        assert "Start phase 2" not in [one.label for one in app.button]
        assert "old_app" in app.error[0].value.replace("\\", "")
        assert "tick the box below" in app.error[0].value
        assert not any("0 B" in one.value for one in app.caption), "what was not read is not shown as nothing"
        app.checkbox("force").check().run()
        assert "Start phase 2" in [one.label for one in app.button]
        assert "You insisted on it" in app.warning[0].value
        settings_env.setenv("DASHBOARD_ADDRESS", "0.0.0.0")
        assert [one.label for one in open_page(v2, "system_status").checkbox] == [], "a trader has nothing to tick"
    finally:
        client.close()


def test_no_option_of_the_command_line_is_asked_for_on_the_page(
    v2: str, open_page: OpenPage, settings_env: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(load_settings(), database_url=v2)
    with_copy = open_page(v2, "portfolios")
    with_copy.text_input("copy_id_0").set_value("TRY")
    with_copy.text_input("copy_name_0").set_value("A try")
    with_copy.button("copy_submit").click().run()
    app = open_page(v2, "system_status")
    app.segmented_control("action").set_value("Roll back to v1").run()
    assert any("Keeping only DEFAULT's" in one.value and "--" not in one.value for one in app.warning)
    engine.run(v2, Phase.ROLLBACK_V1, Options(backup=False), settings, lambda event: None)
    queries.moved_on(queries.live_state())  # what is remembered for a moment is forgotten
    app = open_page(v2, "system_status")
    assert any("untick the box" in one.value and "--" not in one.value for one in app.info)


def test_what_is_started_is_what_is_chosen_now_not_what_was_drawn(
    v2: str, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever chooses and presses at once is faster than the page is drawn again."""
    started: list[Sequence[str]] = []

    def start(argv: Sequence[str], _asked: object) -> commands.StartedCommand:
        started.append(argv)
        raise InvalidInput("not in this test")

    monkeypatch.setattr(actions, "_start", start)
    app = open_page(v2, "system_status")
    app.segmented_control("action").set_value("Roll back to v1").run()
    app.radio("keep").set_value("default")
    app.text_input("typed rollback to v1").set_value("rollback")
    app.button("start_rollback").click().run()
    assert started == [["rollback", "--to", "v1", "--yes", "--keep", "default"]]
