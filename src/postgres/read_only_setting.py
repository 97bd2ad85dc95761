"""Where default_transaction_read_only is set, and what takes it back there. Reads pg_settings only."""

import os
from dataclasses import dataclass

from psycopg2.extensions import parse_dsn

from src.postgres.connection import Connection
from src.postgres.queries import query
from src.text import quoted

NAME = "default_transaction_read_only"


@dataclass(frozen=True)
class ReadOnlySetting:
    """`place`: where it is set, for an admin. `statement`: takes it back; "" where no statement does."""

    place: str
    statement: str = ""

    @property
    def advice(self) -> str:
        """The next step, in one text."""
        taken_back = f"Let who may do so run: {self.statement};" if self.statement else "Take it out there."
        return f"{NAME} is on, set by {self.place}. {taken_back}"


def read_only_setting(conn: Connection) -> ReadOnlySetting | None:
    """None where it is off, or the server is a standby: there the setting is not the reason. Raises psycopg2.Error."""
    with conn.cursor() as cursor:
        cursor.execute(query("postgres.read_only_setting.source"))
        row = cursor.fetchone()
    if row is None or row[0] or not row[1]:
        return None
    _, _, source, file, database, role = row
    return _of_source(source, file, quoted(database), quoted(role)) or ReadOnlySetting(_sent(conn, source))


def _of_source(source: str, file: str | None, database: str, role: str) -> ReadOnlySetting | None:
    """Of what the server keeps. Its words: config_enum of pg_settings.source, the same in every language."""
    match source:
        case "database":
            return ReadOnlySetting(f"the database {database}", f"ALTER DATABASE {database} RESET {NAME}")
        case "user":
            return ReadOnlySetting(f"the role {role}", f"ALTER ROLE {role} RESET {NAME}")
        case "database user":
            statement = f"ALTER ROLE {role} IN DATABASE {database} RESET {NAME}"
            return ReadOnlySetting(f"the role {role} in the database {database}", statement)
        case "global":
            return ReadOnlySetting("ALTER ROLE ALL", f"ALTER ROLE ALL RESET {NAME}")
        case "configuration file":
            place = f"the server's configuration{f' ({file})' if file else ''}"
            return ReadOnlySetting(place, f"ALTER SYSTEM SET {NAME} = off; SELECT pg_reload_conf()")
        case "command line":
            return ReadOnlySetting("the command line that the server was started with")
    return None


def _sent(conn: Connection, source: str) -> str:
    """Where a client's session gets it from when it connects."""
    if source == "client" and NAME in parse_dsn(conn.dsn).get("options", ""):
        return "options in DATABASE_URL, in .env"
    if source == "client" and NAME in os.environ.get("PGOPTIONS", ""):
        return "PGOPTIONS, in the environment"
    return f"what the session is opened with: a service file or a connection pooler, say (source: {source})"
