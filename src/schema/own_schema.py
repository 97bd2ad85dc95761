"""The project's own schema hk_migration: its tables by numbered versions, and the functions of the steps.

Two parts, since two roles may own them: what the migration writes, and what is written with each save. A part's
version is recorded in the comment of its first table, which every role can read, and which a dump takes along.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files

import psycopg2
from psycopg2 import sql

from src.errors import PrerequisiteError
from src.postgres.connection import Connection, Cursor
from src.postgres.errors import is_moved
from src.postgres.queries import query, sql_file
from src.schema import own_schema_gaps
from src.schema.own_schema_gaps import Gaps

_FILE = re.compile(r"((\d{3})_(journal|revisions)\w*)\.sql")


class Part(StrEnum):
    """A part of the schema. `journal`: runs, audit, archive, proof. `revisions`: those, and what copies came from."""

    JOURNAL = "journal"
    REVISIONS = "revisions"


_FIRST_TABLES = {Part.JOURNAL: "run", Part.REVISIONS: "save"}
_RECORD = "HK Strategy: version "
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Version:
    """One file of own_schema_versions/, `NNN_part_what.sql`. Each is safe to run again."""

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


def files_of(part: Part, number: int) -> tuple[str, ...]:
    """The files of the part's versions up to that one."""
    return tuple(version.file for version in versions() if version.part is part and version.number <= number)


@dataclass(frozen=True)
class Record:
    """The comment of a part's first table. `version`: None where it names none; 0: it is no record of this program."""

    part: Part
    table: str
    comment: str
    version: int | None


def records(cursor: Cursor) -> tuple[Record, ...]:
    """Of both parts, from the catalogs alone. A table that is not there has an empty comment."""
    cursor.execute(query("schema.own_schema_record.comments"), {"tables": list(_FIRST_TABLES.values())})
    comments = dict(cursor.fetchall())
    return tuple(_record(part, table, comments.get(table) or "") for part, table in _FIRST_TABLES.items())


def _record(part: Part, table: str, comment: str) -> Record:
    if not comment.startswith(_RECORD):
        return Record(part, table, comment, 0)
    number = comment.removeprefix(_RECORD)
    return Record(part, table, comment, int(number) if _NUMBER.fullmatch(number) else None)


def newer_parts(found: Iterable[Record]) -> list[str]:
    """The parts that a newer version of the program has written, in words."""
    return [
        f"{one.part} has version {one.version}, known is {newest(one.part)}"
        for one in found
        if one.version is not None and one.version > newest(one.part)
    ]


def known(cursor: Cursor) -> dict[Part, int]:
    """The version of each part in the database. 0: it is not there, or made by a program that recorded none.

    Asked before anything is written to the schema: raises PrerequisiteError where the record names no version, or a
    newer one.
    """
    found = records(cursor)
    versions_found: dict[Part, int] = {}
    for one in found:
        if one.version is None:
            raise PrerequisiteError(
                f"The comment of the table hk_migration.{one.table} names no version of this program: "
                f"{one.comment[:80]!r}. Let its owner run: COMMENT ON TABLE hk_migration.{one.table} IS NULL;"
            )
        versions_found[one.part] = one.version
    newer = newer_parts(found)
    if newer:
        raise PrerequisiteError(
            "This database was last used by a newer version of this program. Update this one. "
            f"(Schema hk_migration: {'; '.join(newer)}.)"
        )
    return versions_found


def gaps(cursor: Cursor, *parts: Part) -> Gaps:
    """What is gone of these parts, or of both. A part of a newer version is not judged.

    Reads the catalogs, and rows only where something is missing. Raises psycopg2.Error.
    """
    found = Gaps()
    for one in records(cursor):
        if one.version is None or one.version > newest(one.part) or (parts and one.part not in parts):
            continue
        # Programs that recorded no version made what is the first one now.
        here = one.version or first(one.part)
        more = own_schema_gaps.find(cursor, files_of(one.part, here))
        if not one.version and one.table not in more.remade:
            more = replace(more, remade=())  # an older program did not make them
        found += more
    return found


def why_unusable(conn: Connection, error: psycopg2.Error) -> PrerequisiteError | None:
    """Why a statement found the schema to be another one: it is of a newer version, or a part of it is gone. None where
    that is not the reason.

    `conn` must be in no transaction that has failed.
    """
    if not is_moved(error):
        return None
    try:
        with conn.cursor() as cursor:
            known(cursor)
            found = gaps(cursor)
    except PrerequisiteError as newer:
        return newer
    except psycopg2.Error:
        return None
    return PrerequisiteError(found.text) if found.lost else None


def check_whole(cursor: Cursor, *parts: Part) -> Gaps:
    """The gaps, which are made anew. Raises PrerequisiteError as `known` does, and where something is gone that only a
    person can bring back."""
    known(cursor)
    found = gaps(cursor, *parts)
    if found.lost:
        raise PrerequisiteError(found.text)
    return found


def upgrade(cursor: Cursor, part: Part) -> None:
    """Apply the part's versions that are missing, in the caller's transaction: it holds a lock until that ends. Where
    a table is gone, and an empty one does no harm, it is made anew.

    Raises PrerequisiteError as `check_whole` does.
    """
    cursor.execute(query("schema.own_schema_record.lock"))
    here = 0 if check_whole(cursor, part).remade else known(cursor)[part]
    for version in versions():
        if version.part is part and version.number > here:
            cursor.execute(sql_file("schema", f"own_schema_versions/{version.file}"))
            cursor.execute(
                sql.SQL(query("schema.own_schema_record.record")).format(
                    tbl=sql.Identifier("hk_migration", _FIRST_TABLES[part]),
                    version=sql.Literal(f"{_RECORD}{version.number}"),
                )
            )


def define_functions(cursor: Cursor) -> None:
    """Define the functions that the steps use, as this program has them. In the caller's transaction."""
    cursor.execute(sql_file("schema", "own_schema"))
