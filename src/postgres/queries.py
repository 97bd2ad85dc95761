"""Named SQL: each statement stands in sql/*.sql beside the package that runs it, under `-- == name: its purpose`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from src.postgres.connection import Cursor

Row = tuple[Any, ...]

_HEADING = re.compile(r"^-- == (\w+):.*$", re.MULTILINE)


@cache
def sql_file(package: str, name: str) -> str:
    """The whole text of `sql/name.sql` of a package of src."""
    return files(f"src.{package}").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def _statements(package: str, name: str) -> Mapping[str, str]:
    parts = _HEADING.split(sql_file(package, name))
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str) -> str:
    """The statement called `package.file.name`, for instance `portfolios.positions.list`."""
    package_and_file, _, key = name.rpartition(".")
    package, _, file = package_and_file.rpartition(".")
    return _statements(package, file)[key]


def rows_of(cursor: Cursor) -> list[Row]:
    """All rows of the last statement."""
    rows: list[Row] = cursor.fetchall()
    return rows
