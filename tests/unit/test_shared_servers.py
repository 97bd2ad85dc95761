"""The servers of a test run are shared by all its workers: no test changes what other tests' databases rely on."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# What changes the role trader, or all databases that it owns, for every test of that moment.
FORBIDDEN = re.compile(
    r"(REASSIGN|DROP) OWNED BY (trader|\{owner\})|ALTER ROLE trader (?!IN DATABASE)|ALTER (ROLE ALL|SYSTEM) "
    r"|GRANT (?!.* ON )[\w{}]+ TO trader|REVOKE (?!.* ON )[\w{}]+ FROM trader"
)


def test_no_test_changes_the_role_or_the_server_that_others_use() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("REASSIGN OWNED BY trader TO postgres", True),
        ("GRANT pg_read_all_stats TO trader", True),
        ("REVOKE pg_read_all_stats FROM trader", True),
        ("GRANT {} TO trader", True),
        ("ALTER ROLE trader SET work_mem = '1MB'", True),
        ("ALTER SYSTEM SET work_mem = '1MB'", True),
        ("ALTER ROLE trader IN DATABASE x SET work_mem = '1MB'", False),
        ("GRANT SELECT ON public.notes TO trader", False),
        ("GRANT trader TO app", False),
        ("DROP OWNED BY app", False),
    ],
)
def test_what_is_forbidden(statement: str, forbidden: bool) -> None:
    assert bool(FORBIDDEN.search(statement)) == forbidden
