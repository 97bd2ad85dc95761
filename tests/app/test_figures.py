"""Figures as text, valuation, and the events of a run: no server needed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.domain.portfolio import Position
from src.domain.valuation import Valued, value
from src.journal.model import Event
from src.ui.access import loopback
from src.ui.system_status.migration import run_progress
from src.ui.widgets import charts, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.preferences import Palette

HONG_KONG = Palette(up="#1f9d66", down="#d8475a")
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def holding(symbol: str, quantity: int, cost: str, price: str | None, sector: str = "") -> Valued:
    known = None if price is None else Decimal(price)
    return value([Position(symbol, quantity, Decimal(cost), known, sector=sector or None)]).positions[0]


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        ("1234567.891", "1,234,567.89", "+1,234,567.89"),
        ("-16430", "−16,430.00", "−16,430.00"),
        ("0", "0.00", "0.00"),
        ("-0.004", "0.00", "0.00"),
        ("0.005", "0.01", "+0.01"),
    ],
)
def test_money(value: str, plain: str, signed: str) -> None:
    assert fmt.money(Decimal(value)) == plain
    assert fmt.money(Decimal(value), signed=True) == signed


def test_what_is_not_known_is_never_a_number() -> None:
    texts = (fmt.money(None), fmt.price(None), fmt.percent(None), fmt.count(None), fmt.size(None), fmt.age(None, NOW))
    assert set(texts) == {"—"}


@pytest.mark.parametrize(
    ("passed", "text"),
    [(5, "just now"), (60, "1 min ago"), (3 * 3600, "3 h ago"), (86400, "1 day ago"), (9 * 86400, "9 days ago")],
)
def test_age(passed: int, text: str) -> None:
    assert fmt.age(NOW - timedelta(seconds=passed), NOW) == text


def test_the_treemap_holds_every_priced_position_under_its_sector() -> None:
    rows = [holding("A", 1, "1", "30", "Tech"), holding("B", 1, "1", "10"), holding("C", 1, "1", None)]
    figure = charts.allocation(rows)
    assert figure is not None
    tree = figure.data[0]
    found = dict(zip(tree.ids, zip(tree.parents, tree.values, strict=True), strict=True))
    assert found["position A"] == ("sector Tech", 30.0)
    assert found["position B"] == ("sector No sector", 10.0)
    assert "position C" not in found
    assert charts.allocation([holding("C", 1, "1", None)]) is None


def test_of_many_positions_the_smaller_ones_share_a_tile_and_nothing_is_lost() -> None:
    figure = charts.allocation([holding(f"{n:04}", 1, "1", str(n), "Tech") for n in range(1, 501)])
    assert figure is not None
    tree = figure.data[0]
    found = dict(zip(tree.ids, tree.values, strict=True))
    assert found["rest Tech"] == sum(range(1, 501 - charts.MOST_TILES))
    assert sum(value for name, value in found.items() if name.startswith(("position", "rest"))) == found["all"]


def test_bars_carry_their_sign_as_text() -> None:
    figure = charts.profit_and_loss(
        [holding("A", 1, "1", "3"), holding("B", 1, "3", "1"), holding("W", 0, "1", "5")], HONG_KONG
    )
    assert figure is not None
    bar = figure.data[0]
    assert list(bar.y) == ["A", "B"]
    assert list(bar.text) == ["▲ +2.00", "▼ −2.00"]
    assert list(bar.marker.color) == [HONG_KONG.up, HONG_KONG.down]


def test_of_many_positions_the_best_and_the_worst_are_drawn() -> None:
    rows, known = charts.shown_bars([holding(f"{n:04}", 1, "100", str(n)) for n in range(1, 101)])
    assert known == 100
    assert [row.position.symbol for row in rows[:2]] == ["0100", "0099"]
    assert rows[-1].position.symbol == "0001"
    assert len(rows) == charts.MOST_BARS


def test_a_table_escapes_what_it_is_given() -> None:
    html = markup.table((markup.Column("<x>"),), [(markup.Cell("<y>", href='a"b', note="<z>"),)], caption="<c>")
    for raw in ("<x>", "<y>", "<z>", "<c>", 'a"b'):
        assert raw not in html


def event(second: int, kind: str, message: str, **more: Any) -> Event:
    return Event(NOW + timedelta(seconds=second), 1, kind, None, message, **more)


def test_what_an_earlier_version_recorded_is_shown() -> None:
    """Its events have the message alone."""
    events = [
        event(0, "step", "Idle: not needed", detail={"state": "skipped"}),
        event(0, "step", "Build", detail={"state": "started"}),
        event(1, "progress", "Build: building index", done=5, total=20),
    ]
    idle, build = run_progress.lines(events, "running", NOW + timedelta(seconds=2))
    assert (idle.title, idle.state) == ("Idle: not needed", "done")
    assert build.note == "2.0 s · Build: building index · 5 of 20"


def test_the_events_of_a_run() -> None:
    events = [
        event(0, "run", "begins"),
        event(0, "step", "First", detail={"state": "started"}),
        event(1, "blocked", "First: waits for pid 7 (bob)", detail={"attempts": 3, "note": "waits for pid 7 (bob)"}),
        event(2, "step", "First", detail={"state": "done", "stall_ms": 7.5, "attempts": 4, "exclusive_ms": 2.5}),
        event(2, "step", "Idle: not needed", detail={"state": "skipped", "needed": False}),
        event(2, "step", "Early: there already", detail={"state": "skipped"}),
        event(2, "step", "Second", detail={"state": "started"}),
        event(3, "progress", "rows", done=50, total=200),
        event(5, "blocked", "Second: waits for pid 7", detail={"attempts": 9, "note": "waits for pid 7 (bob)"}),
    ]
    first, early, second = run_progress.lines(events, "running", NOW + timedelta(seconds=6))
    assert (first.state, early.state, early.title) == ("done", "done", "Early: there already")
    assert first.note == "2.0 s · locked for 2.5 ms after 4 tries · longest wait of a client 7.5 ms"
    assert second.state == "blocked"
    assert second.note == "4.0 s · waits for pid 7 (bob)"
    assert second.share == 0.25
    assert run_progress.lock_tries(events[:4]) == run_progress.LockTries("First", 4, 2.5)
    assert run_progress.lock_tries(events) == run_progress.LockTries("Second", 9)
    assert run_progress.pause_asked_by(events) is None
    asked = event(6, "pause", "tom asks", detail={"by": "tom"})
    assert run_progress.pause_asked_by([*events, asked]) == "tom"
    assert run_progress.pause_asked_by([*events, asked, event(7, "run", "goes on")]) is None
    stopped = run_progress.lines([*events, event(9, "outcome", "paused")], "paused", NOW)
    assert stopped[-1].state == "stopped"
    assert run_progress.lines([*events, event(9, "outcome", "done")], "done", NOW)[-1].state == "done"
    assert all("rows" not in text for _, text in run_progress.log(events))


@pytest.mark.parametrize(
    ("where", "yes"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True), ("", False)]
    + [(place, False) for place in ("0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com")],
)
def test_loopback(where: str, yes: bool) -> None:
    assert loopback.is_loopback(where) is yes


def test_the_url_is_one_that_a_browser_can_open() -> None:
    assert loopback.url_of("0.0.0.0", 8501) == "http://127.0.0.1:8501"
    assert loopback.url_of("::1", 80) == "http://[::1]:80"
