"""Which tests `make quick` leaves out, and in which order the others start."""

from pathlib import Path

import pytest

from tests import durations


class Item:
    """What is asked of a test; `own_markers` as pytest fills it."""

    def __init__(self, nodeid: str, **params: object) -> None:
        self.nodeid = nodeid
        self.own_markers: list[str] = []
        self.callspec = type("CallSpec", (), {"params": params})()

    def add_marker(self, name: str) -> None:
        self.own_markers.append(name)


def test_a_report_becomes_seconds_by_test_function(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.unit.test_a" name="test_one[18]" time="0.7"/>'
        '<testcase classname="tests.unit.test_a" name="test_one[16]" time="2.31"/>'
        '<testcase classname="tests.unit.test_a" name="test_short" time="0.4"/>'
        "</testsuite></testsuites>"
    )
    assert durations.from_report(report) == {"tests/unit/test_a.py::test_one": 2.3}


def test_slow_are_the_long_ones_those_of_a_browser_and_those_of_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "read", lambda: {"tests/x/test_a.py::test_long": 1.0})
    items = {
        Item("tests/x/test_a.py::test_long[a]"): ["slow"],
        Item("tests/x/test_a.py::test_short"): [],
        Item("tests/x/test_a.py::test_short[18]", pg_version=18): [],
        Item("tests/x/test_a.py::test_short[16]", pg_version=16): ["slow"],
        Item("tests/x/test_a.py::test_short[v1]", version="v1"): [],
        Item("tests/browser/test_b.py::test_short"): ["slow"],
    }
    durations.mark(items)  # type: ignore[arg-type]
    assert {item: item.own_markers for item in items} == items


def test_each_worker_begins_with_its_share_of_the_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "read", lambda: {"l1": 9.0, "l2": 30.0, "l3": 5.0})
    items = [Item(name) for name in ("a", "l1", "b", "c", "l2", "d", "l3", "e")]
    durations.longest_first(items, 2)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == ["l2", "l3", "a", "b", "l1", "c", "d", "e"]
