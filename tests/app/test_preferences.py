"""The settings in the corner of every page."""

import json
from urllib.parse import quote

import pytest
from streamlit.testing.v1 import AppTest

from src.ui.widgets import preferences
from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase


def bars(app: AppTest) -> dict[str, str]:
    """The colour of each bar of the P&L chart."""
    figure = json.loads(app.get("plotly_chart")[1].proto.spec)
    (bar,) = figure["data"]
    return dict(zip(bar["y"], bar["marker"]["color"], strict=True))


def test_gains_are_green_in_hong_kong_and_red_on_the_mainland(make_database: MakeDatabase, open_page: OpenPage) -> None:
    app = open_page(make_database("v1", sample=True), "portfolio", id="DEFAULT")
    assert (bars(app)["0005.HK"], bars(app)["0700.HK"]) == (preferences.GREEN, preferences.RED)
    app.radio("hk_colours").set_value("mainland").run()
    assert (bars(app)["0005.HK"], bars(app)["0700.HK"]) == (preferences.RED, preferences.GREEN)
    text = shown(app)
    assert "▲ +18,730.90" in text  # the sign stays, whatever the colour
    app.radio("hk_colours").set_value("hong_kong").run()
    assert bars(app)["0005.HK"] == preferences.GREEN


@pytest.mark.parametrize("page", ["portfolios", "portfolio", "system_status"])
def test_every_page_has_them(make_database: MakeDatabase, open_page: OpenPage, page: str) -> None:
    app = open_page(make_database("v3", sample=True), page)
    assert app.radio("hk_colours").value == "hong_kong"
    assert app.text_input("hk_name").value == ""


def test_nothing_that_is_typed_becomes_script_or_another_cookie(
    make_database: MakeDatabase, open_page: OpenPage
) -> None:
    app = open_page(make_database("v1", sample=True), "portfolios")
    assert "hk-keep" not in shown(app)
    name = '"></div><script>x</script>; Path=/ 陳'
    app.text_input("hk_name").set_value(name).run()
    (script,) = [one.proto.body for one in app.get("html") if "<script>" in one.proto.body]
    assert f'data-hk_name="{quote(name, safe="")}"' in script
    assert "<script>x" not in script
