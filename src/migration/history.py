"""The history of runs, in the database itself: append-only, in the schema hk_migration."""

from pathlib import Path

from src.db.connection import Connection

OWN_SCHEMA_SQL = Path(__file__).parent / "sql" / "own_schema.sql"


def own_schema_exists(conn: Connection) -> bool:
    """Whether hk_migration is there. Reads the catalog only."""
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('hk_migration.event') IS NOT NULL")
        row = cur.fetchone()
    return bool(row and row[0])


def ensure_own_schema(conn: Connection) -> None:
    """Create hk_migration, or bring its helpers up to date. In the caller's transaction, if there is one."""
    with conn.cursor() as cur:
        cur.execute(OWN_SCHEMA_SQL.read_text(encoding="utf-8"))
