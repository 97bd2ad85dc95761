"""Named SQL: every statement stands in queries/*.sql under a line `-- == name: what it is for`."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from src.db.connection import Cursor

Row = tuple[Any, ...]

QUERIES = Path(__file__).resolve().parent / "queries"
_HEADING = re.compile(r"^-- == (\w+):.*$", re.MULTILINE)


@cache
def _file(name: str) -> dict[str, str]:
    parts = _HEADING.split((QUERIES / f"{name}.sql").read_text(encoding="utf-8"))
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str) -> str:
    """The statement called `file.name`, for instance `positions.list`."""
    file, _, key = name.partition(".")
    return _file(file)[key]


def rows_of(cursor: Cursor) -> list[Row]:
    """All rows of the last statement."""
    rows: list[Row] = cursor.fetchall()
    return rows
