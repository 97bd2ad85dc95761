"""A whole database as text, to compare one moment with another."""

import difflib
import os
import re
import subprocess
from collections.abc import Iterable

from psycopg2.extensions import make_dsn, parse_dsn

from src.embedded.api import bin_dir

_UNIMPORTANT = re.compile(r"^(--|\\(un)?restrict|SET |SELECT pg_catalog\.set_config|$)")
_SEQUENCE = re.compile(r"^SELECT pg_catalog\.setval")
_DATA = re.compile(r"^(INSERT INTO |SELECT pg_catalog\.setval)")
# When DEFAULT was made, and the row number a portfolio has, say nothing about what it holds.
_PORTFOLIO = re.compile(r"^INSERT INTO public\.portfolios \(id, (.*?)\) VALUES \(\d+, ")
_MADE_AT = re.compile(r"(VALUES \('DEFAULT', '[^']*', '[^']*', )'[^']*', '[^']*'")


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """What may stand among a process's arguments, which everybody can read, and its environment with the rest."""
    parts = parse_dsn(url)
    return make_dsn(**{**parts, "password": None}), {**os.environ, "PGPASSWORD": parts.get("password", "")}


def _dump(url: str, version: int, *arguments: str) -> list[str]:
    dsn, environment = without_password(url)
    done = subprocess.run(
        [bin_dir(version) / "pg_dump", "-d", dsn, "-N", "hk_migration", *arguments],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not _UNIMPORTANT.match(line)]


def schema_dump(url: str, version: int = 18) -> list[str]:
    """Every object but those of hk_migration, with owners and privileges, in pg_dump's order."""
    return _dump(url, version, "--schema-only")


def data_dump(url: str, version: int = 18) -> list[str]:
    """Every row, sorted, columns named. Without sequences, and without when and as which row DEFAULT was made."""
    lines = _dump(url, version, "--data-only", "--column-inserts", "--rows-per-insert=1")
    return _comparable(lines)


def _comparable(lines: Iterable[str]) -> list[str]:
    rows = [_PORTFOLIO.sub(r"INSERT INTO public.portfolios (\1) VALUES (", line) for line in lines]
    return sorted(_MADE_AT.sub(r"\1…", row) for row in rows if not _SEQUENCE.match(row))


def whole_dump(url: str, version: int = 18) -> list[str]:
    """Both, by one pg_dump."""
    lines = _dump(url, version, "--column-inserts", "--rows-per-insert=1")
    data = [line for line in lines if _DATA.match(line)]
    return [line for line in lines if not _DATA.match(line)] + _comparable(data)


def difference(before: Iterable[str], after: Iterable[str]) -> str:
    """Empty where both are equal; otherwise a unified diff, for a failing test to show."""
    return "\n".join(difflib.unified_diff(list(before), list(after), "before", "after", lineterm="", n=0))
