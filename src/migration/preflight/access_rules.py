"""What stands in the way around the tables: the server, roles and their search_path, schemas, sessions."""

from collections.abc import Iterator

from src.journal.model import Client, ClientState, Phase
from src.migration.findings import Choice, Finding
from src.migration.preflight.facts import VIEWED_TABLES, Facts
from src.migration.preflight.rules import BUILDS_VIEWS, EVERY_PHASE, info, refusal, warning
from src.text import literal, quoted

OLDEST_SERVER = 140000
_RESERVED = ("hk_migration", "public", "information_schema")
_SCOPES = {
    1: "ALTER ROLE {role} IN DATABASE {database} SET search_path",
    2: "ALTER ROLE {role} SET search_path",
    3: "ALTER DATABASE {database} SET search_path",
    4: "ALTER ROLE ALL SET search_path",
}


STANDBY = refusal(
    "standby",
    EVERY_PHASE,
    "This server is a read-only standby.",
    "Changes go to the primary: set DATABASE_URL to it, and run this again.",
)
READ_ONLY = refusal(
    "read-only",
    EVERY_PHASE,
    "Transactions of role {role} in database {database} are read-only (default_transaction_read_only is on).",
    "It is set by {place}. Let who may do so take it back",
    sql="{statement}",
)
READ_ONLY_SESSION = refusal(
    "read-only-session",
    EVERY_PHASE,
    "Transactions of role {role} in database {database} are read-only (default_transaction_read_only is on).",
    "It is set by {place}. Take it out there.",
)
SERVER_TOO_OLD = refusal(
    "server-too-old",
    EVERY_PHASE,
    "This server is PostgreSQL {version}; {oldest} is the oldest that this works with.",
    "Upgrade the server first.",
)
NO_SUCH_ROLE = refusal(
    "no-such-role",
    BUILDS_VIEWS,
    "There is no role {role} on this server.",
    "",
    choices=(Choice.LEGACY_ROLES,),
)
RESERVED_ROLE = refusal(
    "reserved-role",
    BUILDS_VIEWS,
    "No schema for v1 compatibility can be named {role}: PostgreSQL or this project reserves that name.",
    "Let v1's clients connect as another role, or leave {role} out if it is no v1 client.",
    choices=(Choice.LEGACY_ROLES,),
)
ROLE_SWITCHES = refusal(
    "role-switches",
    BUILDS_VIEWS,
    "Sessions of role {role} act as role {switched} (ALTER ROLE {role:sql} SET role).",
    "Their views must be in a schema named {switched}: add {switched} to the v1 roles.",
    value="{switched}",
    choices=(Choice.LEGACY_ROLES,),
)
ROLE_HIDDEN_PATH = refusal(
    "role-hidden-path",
    BUILDS_VIEWS,
    "Sessions of role {role} would not find the compatibility views: their search_path is {path}, without "
    '"$user" at its beginning.',
    "It is set by {source}. Let a superuser or the role itself run",
    sql='ALTER ROLE {role:sql} IN DATABASE {database:sql} SET search_path = "$user", public',
    then="Then let its clients reconnect. If {role} is no v1 client, leave it out.",
    choices=(Choice.LEGACY_ROLES,),
)
ROLE_SCHEMA_TAKEN = refusal(
    "role-schema-taken",
    BUILDS_VIEWS,
    "Schema {role}, where v1's clients of role {role} would find their views, already has {relations} of its own.",
    "Those clients use that schema's relations today, not those of public. Rename or move them; or leave role {role} "
    "out if it is no v1 client.",
    choices=(Choice.LEGACY_ROLES,),
)
ROLE_SCHEMA_OWNER = refusal(
    "role-schema-owner",
    BUILDS_VIEWS,
    "Schema {schema}, which must hold the views for v1's clients, does not belong to {role}.",
    "Let its owner run",
    sql="ALTER SCHEMA {schema:sql} OWNER TO {role:sql}",
)
ROLE_SCHEMA_THERE = info(
    "role-schema-there",
    BUILDS_VIEWS,
    "Schema {schema} is there already: the compatibility views go into it, all else in it stays.",
)
LONG_TRANSACTION = warning(
    "long-transaction",
    EVERY_PHASE,
    "A transaction of role {role} has been open for {seconds} s ({session}, {application}, {state}).",
    "Index builds wait until it ends. Let its owner finish it, or end it",
    sql="{end}",
)
V1_CLIENTS_CONNECTED = info(
    "v1-clients-connected",
    (Phase.PHASE2,),
    "{number:v1 client} connected: {clients}.",
    "Phase 2 is refused while they are.",
)
V1_CLIENTS_WORKING = refusal(
    "v1-clients-working",
    (Phase.PHASE2,),
    "{number:v1 client} connected, and phase 2 takes their compatibility layer away: {clients}.",
    "Stop them first.",
    choices=(Choice.FORCE,),
)
V1_CLIENTS_CUT_OFF = warning(
    "v1-clients-cut-off",
    (Phase.PHASE2,),
    "{number:v1 client} will be cut off: {clients}.",
    "You insisted on it.",
)


def server_findings(facts: Facts) -> Iterator[Finding]:
    """A server on which nothing can be changed, or that is too old."""
    server = facts.server
    if server.standby:
        yield STANDBY()
    elif facts.read_only is not None:
        values = {"role": server.role, "database": server.database, "place": facts.read_only.place}
        if facts.read_only.statement:
            yield READ_ONLY(**values, statement=facts.read_only.statement)
        else:
            yield READ_ONLY_SESSION(**values)
    if server.version < OLDEST_SERVER:
        yield SERVER_TOO_OLD(version=server.version // 10000, oldest=OLDEST_SERVER // 10000)


def role_findings(facts: Facts) -> Iterator[Finding]:
    """Roles whose sessions would not find the compatibility views. Concerns what builds them."""
    if not facts.wants(Phase.PHASE1, Phase.ROLLBACK_V2):
        return
    default = None if facts.path_in_options else facts.transaction.row("migration.preflight.survey.default_path")[0]
    settings: dict[str, list[tuple[int | None, str | None, str | None]]] = {}
    exists: dict[str, bool] = {}
    for role, there, scope, name, value in facts.transaction.rows(
        "migration.preflight.survey.role_paths", {"roles": list(facts.roles)}
    ):
        exists[role] = there
        settings.setdefault(role, []).append((scope, name, value))
    for role in facts.roles:
        if not exists[role]:
            yield NO_SUCH_ROLE(role=role)
        elif role.startswith("pg_") or role in _RESERVED:
            yield RESERVED_ROLE(role=role)
        else:
            yield from _path_findings(facts, role, settings[role], default)


def _path_findings(
    facts: Facts, role: str, settings: list[tuple[int | None, str | None, str | None]], default: str | None
) -> Iterator[Finding]:
    switched = next((value for _, name, value in settings if name == "role"), None)
    if switched and switched != "none" and switched not in facts.roles:
        yield ROLE_SWITCHES(role=role, switched=switched)
    scope, path = next(((scope, value) for scope, name, value in settings if name == "search_path"), (None, default))
    if path is None or _leads_to_views(path, role):
        return
    source = _SCOPES[scope] if scope is not None else "the server's configuration: search_path"
    source = source.format(role=quoted(role), database=quoted(facts.server.database))
    yield ROLE_HIDDEN_PATH(role=role, path=path or "empty", source=source, database=facts.server.database)


def _leads_to_views(path: str, role: str) -> bool:
    """Whether unqualified names are looked up in the role's own schema before public."""
    for part in path.split(","):
        name = part.strip().strip('"')
        if name in ("$user", role):
            return True
        if name == "public":
            return False
    return False


def schema_findings(facts: Facts) -> Iterator[Finding]:
    """Schemas that are there already under the name that the compatibility views need."""
    if not facts.wants(Phase.PHASE1, Phase.ROLLBACK_V2):
        return
    values = {"roles": list(facts.roles), "tables": list(VIEWED_TABLES)}
    for name, ours, owned, taken in facts.transaction.rows("migration.preflight.survey.role_schemas", values):
        if taken:
            yield ROLE_SCHEMA_TAKEN(role=name, relations=taken)
        elif not owned:
            yield ROLE_SCHEMA_OWNER(schema=name, role=facts.server.role)
        elif not ours:
            yield ROLE_SCHEMA_THERE(schema=name)


def session_findings(facts: Facts, clients: tuple[Client, ...], old: tuple[Client, ...]) -> Iterator[Finding]:
    """Sessions that phase 2 would cut off, and transactions that make index builds wait."""
    for client in old:
        session = f"pid {client.pid}" if client.pid else "no session"
        end = f"SELECT pg_terminate_backend({client.pid})"
        if client.gid is not None:
            end = f"ROLLBACK PREPARED {literal(client.gid)}"
        yield LONG_TRANSACTION(
            role=client.role or "unknown",
            seconds=round(client.transaction_s or 0),
            session=session,
            application=client.application_name or "no application_name",
            state=client.state,
            end=end,
        )
    if not clients or Phase.PHASE2 not in facts.phases:
        return
    clients_text = [_described(client) for client in clients]
    if facts.asked is not Phase.PHASE2:
        yield V1_CLIENTS_CONNECTED(number=len(clients), clients=clients_text)
    elif not facts.options.force:
        yield V1_CLIENTS_WORKING(number=len(clients), clients=clients_text)
    else:
        yield V1_CLIENTS_CUT_OFF(number=len(clients), clients=clients_text)


def _described(client: Client) -> str:
    age = "active now" if client.state == ClientState.ACTIVE else f"last statement {client.idle_s:.0f} s ago"
    if client.state == ClientState.NOT_VISIBLE:
        age = "activity not visible to this role"
    return f"{client.role} ({client.application_name or 'no application_name'}, {client.address}, {age})"
