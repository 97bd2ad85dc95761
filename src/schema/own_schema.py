"""The project's own schema hk_migration: its tables by numbered versions, and the functions of the steps.

Two parts, since two roles may own them: what the migration writes, and what is written with each save. A part's
version is recorded in the comment of its first table, which every role can read, and which a dump takes along.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from psycopg2 import sql

from src.postgres.connection import Cursor
from src.postgres.queries import query, sql_file

_FILE = re.compile(r"((\d{3})_(journal|revisions)\w*)\.sql")


class Part(StrEnum):
    """A part of the schema. `journal`: runs, audit, archive, proof. `revisions`: those, and what copies came from."""

    JOURNAL = "journal"
    REVISIONS = "revisions"


_FIRST_TABLES = {Part.JOURNAL: "run", Part.REVISIONS: "save"}


@dataclass(frozen=True)
class Version:
    """One file of own_schema_versions/, `NNN_part_what.sql`. The first of a part is safe to run again."""

    number: int
    part: Part
    file: str


@cache
def versions() -> tuple[Version, ...]:
    """All versions, in order."""
    folder = files("src.schema").joinpath("sql", "own_schema_versions")
    found = [match for entry in folder.iterdir() if (match := _FILE.fullmatch(entry.name))]
    return tuple(sorted((Version(int(m[2]), Part(m[3]), m[1]) for m in found), key=lambda version: version.number))


def first(part: Part) -> int:
    """The number of the part's first version."""
    return min(version.number for version in versions() if version.part is part)


def newest(part: Part) -> int:
    """The number of the part's newest version."""
    return max(version.number for version in versions() if version.part is part)


def recorded(cursor: Cursor, part: Part) -> int:
    """The part's version in the database. 0: it is not there, or made by a program that recorded none."""
    cursor.execute(query("schema.own_schema_record.recorded"), {"tbl": _FIRST_TABLES[part]})
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def upgrade(cursor: Cursor, part: Part) -> None:
    """Apply the part's versions that are missing, in the caller's transaction: it holds a lock until that ends."""
    cursor.execute(query("schema.own_schema_record.lock"))
    here = recorded(cursor, part)
    for version in versions():
        if version.part is part and version.number > here:
            cursor.execute(sql_file("schema", f"own_schema_versions/{version.file}"))
            cursor.execute(
                sql.SQL(query("schema.own_schema_record.record")).format(
                    tbl=sql.Identifier("hk_migration", _FIRST_TABLES[part]),
                    version=sql.Literal(f"HK Strategy: version {version.number}"),
                )
            )


def define_functions(cursor: Cursor) -> None:
    """Define the functions that the steps use, as this program has them. In the caller's transaction."""
    cursor.execute(sql_file("schema", "own_schema"))
