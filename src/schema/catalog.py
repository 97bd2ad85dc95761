"""The catalog that each schema version should have, and where a live one differs from it (drift)."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from psycopg2.extensions import connection

from src.postgres.queries import query
from src.schema.versions import SchemaVersion

_EXPECTED = Path(__file__).parent / "expected"

# May be missing in an older v1 database, and stay as they are through every phase.
OPTIONAL_TABLES = frozenset({"portfolio_analyses", "portfolio_value_history"})


class ItemKind(StrEnum):
    """What an item of the catalog is. The values stand in sql/catalog.sql and in the files of expected/."""

    TABLE = "table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    VIEW = "view"
    FUNCTION = "function"
    TRIGGER = "trigger"


# A portfolios table that someone made by hand is adopted: it may have no id, and portfolio_id as its primary key.
_ADOPTED = frozenset(
    {
        (ItemKind.COLUMN, "portfolios", "id"),
        (ItemKind.CONSTRAINT, "portfolios", "portfolios_pkey"),
        (ItemKind.CONSTRAINT, "portfolios", "portfolios_portfolio_id_key"),
        (ItemKind.INDEX, "portfolios", "portfolios_pkey"),
        (ItemKind.INDEX, "portfolios", "portfolios_portfolio_id_key"),
    }
)
_CAST = re.compile(r"::[a-z ]+(\(\d+\))?(\[\])?")


@dataclass(frozen=True)
class Item:
    """One thing in schema public. `table`: whose it is, "" for a function. `valid`: built, validated, enabled."""

    kind: ItemKind
    table: str
    name: str
    definition: str
    valid: bool

    @property
    def key(self) -> tuple[ItemKind, str, str]:
        """Unique in its database."""
        return (self.kind, self.table, self.name)

    def __str__(self) -> str:
        if self.kind is ItemKind.COLUMN:
            return f"column {self.table}.{self.name}"
        if self.kind in (ItemKind.TABLE, ItemKind.VIEW):
            return f"{self.kind} {self.table}"
        return f"{self.kind} {self.name}" + (f" on {self.table}" if self.table else "")


@dataclass(frozen=True)
class Drift:
    """`missing` and `different` are faults; `extra` are other people's things, which are kept."""

    missing: tuple[Item, ...]
    different: tuple[tuple[Item, Item], ...]
    invalid: tuple[Item, ...]
    extra: tuple[Item, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return not (self.missing or self.different or self.invalid)


def read_catalog(conn: connection) -> tuple[Item, ...]:
    """Everything in public, in a transaction whose search_path is empty until it ends."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config('search_path', '', true)")
        cursor.execute(query("schema.catalog.objects"))
        return tuple(Item(ItemKind(kind), *rest) for kind, *rest in cursor.fetchall())


@cache
def expected_catalog(version: SchemaVersion) -> tuple[Item, ...]:
    """What a healthy database of this version holds; a test holds these files and real databases together."""
    rows = json.loads((_EXPECTED / f"v{version[0]}.json").read_text(encoding="utf-8"))
    return tuple(Item(ItemKind(kind), table, name, text, True) for kind, table, name, text in rows)


def write_expected(conn: connection, version: SchemaVersion) -> Path:
    """Note the catalog of a fresh database as what this version should have."""
    path = _EXPECTED / f"v{version[0]}.json"
    rows = [[i.kind, i.table, i.name, i.definition] for i in read_catalog(conn)]
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    return path


def compare(version: SchemaVersion, live: Iterable[Item]) -> Drift:
    """Where a live catalog differs from what its version should have."""
    found = {item.key: item for item in live}
    tables = {item.table for item in found.values() if item.kind is ItemKind.TABLE}
    wanted = {
        item.key: item
        for item in expected_catalog(version)
        if item.table not in OPTIONAL_TABLES or item.table in tables
    }
    meanings = {_meaning(item) for item in found.values()}
    missing = tuple(
        i for key, i in wanted.items() if key not in found and key not in _ADOPTED and _meaning(i) not in meanings
    )
    pairs = ((i, found[key]) for key, i in wanted.items() if key in found and key not in _ADOPTED)
    different = tuple((w, f) for w, f in pairs if _plain(w.definition) != _plain(f.definition))
    known = {item.table for item in wanted.values()} - {""}
    extra = tuple(i for key, i in found.items() if key not in wanted and (i.table in known or i.kind is ItemKind.TABLE))
    return Drift(
        missing=missing,
        different=different,
        invalid=tuple(i for i in found.values() if not i.valid and i.table in known),
        extra=extra,
    )


def _meaning(item: Item) -> tuple[ItemKind, str, str]:
    """A constraint or an index does its work under another name too."""
    if item.kind not in (ItemKind.CONSTRAINT, ItemKind.INDEX):
        return item.key
    return (item.kind, item.table, _plain(re.sub(r"INDEX \S+ ON", "INDEX ON", item.definition)))


def _plain(definition: str) -> str:
    """Without casts, brackets and blanks: a dump and restore moves those in a CHECK or a generated column."""
    return re.sub(r"[()\s]", "", _CAST.sub("", definition)).lower()
