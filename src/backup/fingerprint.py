"""What a database holds, for comparison with another one: rows per table, their fingerprints, the catalog.

A fingerprint does not depend on the order of rows, nor on the server's version or machine: the sum, modulo 2^64, of the
first 64 bits of the md5 of each row's text, all columns included, under fixed settings of how values are written.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from psycopg2 import sql

from src.errors import PrerequisiteError
from src.postgres.connection import Connection
from src.postgres.failures import READ, missing_grants
from src.postgres.queries import query
from src.text import quoted

OWN_SCHEMA = "hk_migration"
LARGE_OBJECTS = "large objects"

# How values are written must not depend on the database, the role or the machine; a policy that would hide rows
# must be an error; and a timeout meant for clients must not end a long read.
FIXED_SETTINGS = (
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("xmlbinary", "base64"),
    ("lc_monetary", "C"),
    ("search_path", "pg_catalog"),
    ("row_security", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("transaction_timeout", "0"),
)
CAST = re.compile(
    r"::(character varying|double precision|bit varying|(timestamp|time)(\(\d\))? with(out)? time zone|[\w.\"]+)"
    r"(\([\d,]+\))?(\[\])*"
)
VERBATIM = ("function", "comment", "grant", "extension", "schema")


@dataclass(frozen=True)
class TableFingerprint:
    """`digest`: 16 hexadecimal digits, by that name in manifests and in --json."""

    rows: int
    digest: str


@dataclass(frozen=True)
class CatalogLine:
    kind: str
    identity: str
    definition: str


@dataclass(frozen=True)
class SequenceState:
    """`value` is None for a sequence that was never used. `only_rises`: it counts up and does not start over."""

    value: int | None
    only_rises: bool


@dataclass(frozen=True)
class Content:
    """All that is compared between a database and its restored backup."""

    tables: Mapping[str, TableFingerprint]
    sequences: Mapping[str, SequenceState]
    catalog: tuple[CatalogLine, ...]


@dataclass(frozen=True)
class Needs:
    """What a server must have so that a dump can be restored there."""

    extensions: tuple[str, ...] = ()
    collations: tuple[str, ...] = ()
    roles: tuple[str, ...] = field(default=())


def qualified(schema: str, name: str) -> str:
    """`schema.name`, each in double quotes where SQL needs them."""
    return f"{quoted(schema)}.{quoted(name)}"


def fix_settings(conn: Connection, *, local: bool = True) -> None:
    """Set what every fingerprint is computed under. `local`: until the end of the transaction only."""
    with conn.cursor() as cur:
        cur.execute("SELECT name FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'")
        newer = cur.fetchone() is not None  # PostgreSQL 17
        for name, value in FIXED_SETTINGS:
            if newer or name != "transaction_timeout":
                cur.execute("SELECT set_config(%s, %s, %s)", (name, value, local))


def readable_tables(conn: Connection) -> list[tuple[str, str, int]]:
    """(schema, table, bytes) of every table that a dump holds, the largest first.

    Raises PrerequisiteError naming the tables and sequences that the role may not read.
    """
    with conn.cursor() as cur:
        cur.execute(query("backup.fingerprint.tables"))
        tables = cur.fetchall()
        cur.execute(query("backup.fingerprint.sequences"))
        sequences = cur.fetchall()
        cur.execute("SELECT current_user")
        role = str((cur.fetchone() or ["this role"])[0])
    refused = [(str(row[0]), str(row[1])) for row in (*tables, *sequences) if not row[-1]]
    if refused:
        schemas = dict.fromkeys(schema for schema, _ in refused)
        grants = [grant for schema in schemas for grant in missing_grants(conn, schema, READ)]
        raise PrerequisiteError(
            f"The role {role} may not read {_some([qualified(*one) for one in refused])}, so a backup would not be "
            f"whole. Let the owner run: {' '.join(grants)}"
        )
    return sorted(((s, t, int(size or 0)) for s, t, size, _ in tables), key=lambda row: -row[2])


def fingerprint_table(conn: Connection, schema: str, table: str) -> TableFingerprint:
    """Count and fingerprint of the table's rows, as the connection's snapshot sees them."""
    statement = sql.SQL(query("backup.fingerprint.rows")).format(tbl=sql.Identifier(schema, table))
    with conn.cursor() as cur:
        cur.execute(statement)
        return _fingerprint(cur.fetchone())


def fingerprint_tables(
    connections: Sequence[Connection],
    tables: Iterable[tuple[str, str]],
    on_table: Callable[[str, int], None] = lambda name, done: None,
) -> dict[str, TableFingerprint]:
    """Fingerprints of `tables`, computed on all connections at once: they share a snapshot, or nobody writes."""
    waiting: SimpleQueue[tuple[str, str]] = SimpleQueue()
    for pair in tables:
        waiting.put(pair)
    found: dict[str, TableFingerprint] = {}

    def work(conn: Connection) -> None:
        while True:
            try:
                schema, table = waiting.get_nowait()
            except Empty:
                return
            found[qualified(schema, table)] = fingerprint_table(conn, schema, table)
            on_table(qualified(schema, table), len(found))

    with ThreadPoolExecutor(max_workers=len(connections)) as pool:
        jobs = [pool.submit(work, conn) for conn in connections]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            for conn in connections:
                conn.cancel()
            raise
    return dict(sorted(found.items()))


def fingerprint_large_objects(conn: Connection) -> TableFingerprint | None:
    """As for a table, over all large objects; None when there are none."""
    with conn.cursor() as cur:
        cur.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)")
        if cur.fetchone() == (False,):
            return None
        cur.execute(query("backup.fingerprint.large_objects"))
        return _fingerprint(cur.fetchone())


def read_sequences(conn: Connection) -> dict[str, SequenceState]:
    with conn.cursor() as cur:
        cur.execute(query("backup.fingerprint.sequences"))
        return {qualified(s, name): SequenceState(value, bool(rises)) for s, name, value, rises, _ in cur.fetchall()}


def read_catalog(conn: Connection) -> tuple[CatalogLine, ...]:
    """The user's objects; `fix_settings` must be in force, so that names come out qualified."""
    with conn.cursor() as cur:
        cur.execute(query("backup.fingerprint.catalog"))
        return tuple(CatalogLine(str(kind), str(name), definition or "") for kind, name, definition in cur.fetchall())


def read_needs(conn: Connection) -> Needs:
    with conn.cursor() as cur:
        cur.execute(query("backup.fingerprint.needs"))
        rows = [(str(kind), str(name)) for kind, name in cur.fetchall()]

    def named(wanted: str) -> tuple[str, ...]:
        return tuple(name for kind, name in rows if kind == wanted)

    return Needs(named("extension"), named("collation"), named("role"))


def read_content(
    connections: Sequence[Connection],
    *,
    skip_schema: str | None = None,
    on_table: Callable[[str, int], None] = lambda name, done: None,
) -> Content:
    """Everything of the database. `connections` are in a transaction each, with `fix_settings` in force."""
    first = connections[0]
    pairs = [(s, t) for s, t, _ in readable_tables(first) if s != skip_schema]
    sequences = read_sequences(first)
    catalog = read_catalog(first)
    large = fingerprint_large_objects(first)
    tables = fingerprint_tables(connections, pairs, on_table)
    if large is not None:
        tables[LARGE_OBJECTS] = large
    return without_schema(Content(tables, sequences, catalog), skip_schema)


def without_schema(content: Content, schema: str | None) -> Content:
    """`content` with everything of one schema left out."""
    if schema is None:
        return content
    start = qualified(schema, "x")[:-1]
    bare = start[:-1]

    def belongs(text: str) -> bool:
        return any(word.startswith(start) or word == bare for word in text.replace(":", " ").split())

    return Content(
        {name: value for name, value in content.tables.items() if not name.startswith(start)},
        {name: value for name, value in content.sequences.items() if not name.startswith(start)},
        tuple(line for line in content.catalog if not belongs(line.identity)),
    )


def differences(expected: Content, found: Content, *, same_major: bool) -> list[str]:
    """What differs, as phrases for an admin; empty when nothing does.

    Major versions of PostgreSQL spell definitions differently: between them only rows and names are compared.
    """
    unequal = []
    for name, table in expected.tables.items():
        other = found.tables.get(name)
        if other is None:
            unequal.append(f"table {name} is missing")
        elif other.rows != table.rows:
            unequal.append(f"table {name} has {other.rows} rows instead of {table.rows}")
        elif other.digest != table.digest:
            unequal.append(f"the rows of table {name} differ")
    unequal += [f"table {name} is not in the backup's list" for name in found.tables if name not in expected.tables]
    for name, sequence in expected.sequences.items():
        now = found.sequences.get(name)
        if now is None:
            unequal.append(f"sequence {name} is missing")
        elif sequence.only_rises and (now.value or 0) < (sequence.value or 0):
            unequal.append(f"sequence {name} stands at {now.value or 0}, before {sequence.value}")
    return unequal + _catalog_differences(expected.catalog, found.catalog, same_major)


def _catalog_differences(expected: Sequence[CatalogLine], found: Sequence[CatalogLine], same_major: bool) -> list[str]:
    def comparable(lines: Sequence[CatalogLine]) -> dict[tuple[str, str], str]:
        kept = [line for line in lines if same_major or line.kind not in ("grant", "comment")]
        return {(line.kind, line.identity): line.definition for line in kept}

    wanted, there = comparable(expected), comparable(found)
    unequal = [f"{kind} {name} is missing" for kind, name in wanted if (kind, name) not in there]
    unequal += [f"{kind} {name} was not there before" for kind, name in there if (kind, name) not in wanted]
    if same_major:
        for (kind, name), text in wanted.items():
            plain = str if kind in VERBATIM else _plain
            if (kind, name) in there and plain(there[kind, name]) != plain(text):
                unequal.append(f"{kind} {name} is defined otherwise")
    return unequal


def _plain(definition: str) -> str:
    """Without casts and parentheses: PostgreSQL spells both otherwise once it has read its own spelling back
    (IN ('A', 'B') of a varchar column, for one)."""
    return "".join(character for character in CAST.sub("", definition) if character not in "() \n")


def _fingerprint(row: tuple[object, ...] | None) -> TableFingerprint:
    if row is None:
        raise RuntimeError("an aggregate query returned no row")
    return TableFingerprint(int(str(row[0])), format(int(str(row[1])) % 2**64, "016x"))


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
