"""Tables and columns of hk_migration that are gone: some are made anew, the others only a person can bring back.

What should be there is what the versions of own_schema_versions/ make.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from psycopg2 import sql

from src.postgres.connection import Cursor
from src.postgres.queries import query, sql_file
from src.text import listed

SCHEMA = "hk_migration"
_TABLE = re.compile(rf"^CREATE TABLE IF NOT EXISTS {SCHEMA}\.(\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(r"^    ([a-z_]+) ", re.MULTILINE)
# A table that is made anew is empty. While one of these has rows, they refer to rows that it held, or it held a part of
# what they say: an empty one would make them say something else.
_TIED: Mapping[str, tuple[str, ...]] = {
    "run": ("event", "proof_position", "own_write"),
    "event": ("run",),
    "archive": ("archived_portfolio", "archived_position", "archived_signal", "archived_merge"),
    **dict.fromkeys(("archived_portfolio", "archived_position", "archived_signal", "archived_merge"), ("archive",)),
    "save": ("saved_row",),
    "saved_row": ("save",),
    "lineage_base": ("lineage_position",),
    "lineage_position": ("lineage_base",),
}


@dataclass(frozen=True)
class Gaps:
    """`lost`: what a person has to bring back, "table hk_migration.event" say; `broken`: the tables, by name, that it
    is of. `tied`: the tables that are there whose rows mean something only together with those. `remade`: tables that
    are made anew, empty, before something is written to their part of the schema."""

    lost: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    remade: tuple[str, ...] = ()

    def __add__(self, other: "Gaps") -> "Gaps":
        return Gaps(
            self.lost + other.lost,
            self.broken + other.broken,
            self.tied + other.tied,
            self.remade + other.remade,
        )

    @property
    def text(self) -> str:
        """What is wrong with what is lost, and what to do."""
        return f"Schema {SCHEMA} is not whole, it lacks {listed(self.lost)}. {ADVICE}: {self.statement}; {THEN}"

    @property
    def made_anew(self) -> str:
        """What is wrong where tables are gone that are made anew."""
        tables = listed([f"table {SCHEMA}.{table}" for table in self.remade])
        return f"Schema {SCHEMA} lacks {tables}, and what was recorded there. {REMADE}"

    @property
    def statement(self) -> str:
        """What gives up the tables that are tied to what is lost: they are made anew, empty."""
        return f"DROP TABLE {', '.join(f'{SCHEMA}.{table}' for table in self.tied)} CASCADE"


ADVICE = (
    "Rename it back, if somebody has renamed it, or bring it back from the dump of a backup, as docs/operating.md "
    "says. Where there is none, let the owner give up what belongs to it"
)
REMADE = "A table that is gone is made anew, empty, before something is written to it."
THEN = "What these tables hold is lost then; the next command that writes there makes them anew, empty."


@cache
def made_by(file: str) -> Mapping[str, frozenset[str]]:
    """The columns of each table that a file of own_schema_versions/ makes with CREATE TABLE."""
    text = sql_file("schema", f"own_schema_versions/{file}")
    return {name: frozenset(_COLUMN.findall(body)) for name, body in _TABLE.findall(text)}


def find(cursor: Cursor, files: Iterable[str]) -> Gaps:
    """What is missing of the tables that these files have made. A part of which no table is there has no gaps.

    Reads the catalogs, and of tables only whether they have rows, where something is missing.
    """
    there, readable = _there(cursor)
    lost: dict[str, str] = {}
    remade = []
    for file in files:
        tables = made_by(file)
        if there.keys().isdisjoint(tables):
            continue
        for name, columns in tables.items():
            if name in there:
                gone = sorted(columns - there[name])
                lost |= {f"column {SCHEMA}.{name}.{column}": name for column in gone}
            elif any(_has_rows(cursor, one, there, readable) for one in _TIED.get(name, ())):
                lost[f"table {SCHEMA}.{name}"] = name
            else:
                remade.append(name)
    tied = sorted({one for name in lost.values() for one in _together(name)} & there.keys())
    return Gaps(tuple(sorted(lost)), tuple(dict.fromkeys(lost.values())), tuple(tied), tuple(remade))


def _together(table: str) -> set[str]:
    """The table, and those whose rows mean something only together with its rows."""
    found = {table}
    while True:
        more = {name for name, ties in _TIED.items() if name in found or not found.isdisjoint(ties)}
        more |= {name for one in found for name in _TIED.get(one, ())}
        if more <= found:
            return found
        found |= more


def _there(cursor: Cursor) -> tuple[dict[str, set[str]], frozenset[str]]:
    """The columns of each table that is there, and the tables that this role may read."""
    cursor.execute(query("schema.own_schema_gaps.columns"))
    found: dict[str, set[str]] = {}
    readable = set()
    for table, column, may_read in cursor.fetchall():
        found.setdefault(table, set()).add(column)
        if may_read:
            readable.add(table)
    return found, frozenset(readable)


def _has_rows(cursor: Cursor, table: str, there: Mapping[str, object], readable: frozenset[str]) -> bool:
    """True as well where this role may not see it: nothing is made anew on a guess."""
    if table not in there:
        return False
    if table not in readable:
        return True
    cursor.execute(sql.SQL(query("schema.own_schema_gaps.has_rows")).format(tbl=sql.Identifier(SCHEMA, table)))
    row = cursor.fetchone()
    return bool(row and row[0])
