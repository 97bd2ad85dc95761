"""How long tests take, as measured: which are marked `slow`, and which start first.

`python -m tests.durations REPORT.xml` renews tests/durations.json from a report that `make durations` writes: seconds
by test function, the longest of its cases. Functions under half a second are not listed.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

MEASURED = Path(__file__).with_name("durations.json")
SLOW_S = 0.5
LONG_S = 4.0
QUICK_VERSION = 18


def read(path: Path = MEASURED) -> dict[str, float]:
    """Seconds by the test function's id, without the case in brackets."""
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def from_report(report: Path) -> dict[str, float]:
    """What a JUnit report of pytest says, with test functions under SLOW_S left out."""
    longest: dict[str, float] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        test = f"{case.get('classname', '').replace('.', '/')}.py::{name}"
        longest[test] = max(longest.get(test, 0.0), float(case.get("time", "0")))
    return {test: round(seconds, 1) for test, seconds in sorted(longest.items()) if seconds >= SLOW_S}


def mark(items: Iterable[pytest.Item]) -> None:
    """Give `slow` to tests that take SLOW_S or more, need a browser, or run on another server than QUICK_VERSION."""
    measured = read()
    for item in items:
        if item.nodeid.startswith("tests/browser/") or _other_version(item) or _seconds(item, measured) >= SLOW_S:
            item.add_marker("slow")


def longest_first(items: list[pytest.Item], workers: int) -> None:
    """Order `items` so that each of `workers`, which begin with equal parts of the list, has long tests at the front.

    Otherwise the order stays, so that tests which share a fixture follow each other.
    """
    measured = read()
    long = [item for item in items if _seconds(item, measured) >= LONG_S]
    long.sort(key=lambda item: _seconds(item, measured), reverse=True)
    taken = set(long)
    rest = [item for item in items if item not in taken]
    parts = []
    for number in range(workers):
        ahead = long[number::workers]
        size = len(items) * (number + 1) // workers - len(items) * number // workers
        parts += ahead + rest[: size - len(ahead)]
        del rest[: size - len(ahead)]
    items[:] = parts + rest


def _seconds(item: pytest.Item, measured: dict[str, float]) -> float:
    return measured.get(item.nodeid.partition("[")[0], 0.0)


def _other_version(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    versions = [] if callspec is None else [callspec.params.get(name) for name in ("pg_version", "version")]
    return any(isinstance(version, int) and version != QUICK_VERSION for version in versions)


def main() -> None:
    measured = from_report(Path(sys.argv[1]))
    MEASURED.write_text(json.dumps(measured, indent=0) + "\n", encoding="utf-8")
    sys.stdout.write(f"{MEASURED}: {len(measured)} tests take {SLOW_S} s or more.\n")


if __name__ == "__main__":
    main()
