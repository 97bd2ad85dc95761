"""What stands in the way around the tables: the server, rights, roles and their search_path, schemas, sessions."""

from collections.abc import Iterator

from src.journal.model import Client, Phase
from src.migration.model import Finding
from src.migration.preflight.facts import OUR_TABLES, Scene, info, refusal, warning
from src.text import listed, plural, quoted

OLDEST_SERVER = 140000
VIEWED_TABLES = tuple(table for table in OUR_TABLES if table != "portfolios")
_RESERVED = ("hk_migration", "public", "information_schema")
_SCOPES = {
    1: "ALTER ROLE {role} IN DATABASE {database} SET search_path",
    2: "ALTER ROLE {role} SET search_path",
    3: "ALTER DATABASE {database} SET search_path",
    4: "ALTER ROLE ALL SET search_path",
}


def server_findings(scene: Scene) -> Iterator[Finding]:
    """A server on which nothing can be changed, or that is too old."""
    server = scene.server
    if server.standby:
        yield refusal(
            "This server is a read-only standby.",
            "Changes go to the primary: set DATABASE_URL to it, and run this again.",
        )
    elif server.read_only:
        yield refusal(
            f"Transactions of role {server.role} in database {server.database} are read-only "
            "(default_transaction_read_only is on).",
            f"Find who set it, and take it back: ALTER DATABASE {quoted(server.database)} RESET "
            f"default_transaction_read_only (or ALTER ROLE {quoted(server.role)}, or the server's configuration).",
        )
    if server.version < OLDEST_SERVER:
        yield refusal(
            f"This server is PostgreSQL {server.version // 10000}; 14 is the oldest that this works with.",
            "Upgrade the server first.",
        )


def rights_findings(scene: Scene) -> Iterator[Finding]:
    """Rights that our role lacks, each by name."""
    server = scene.server
    if not server.owns_own_schema:
        yield refusal(
            f"Schema hk_migration, which holds the history, belongs to another role than {server.role}.",
            f"Connect as its owner, or let a superuser run: ALTER SCHEMA hk_migration OWNER TO {quoted(server.role)}.",
        )
    missing = _schemas_to_make(scene)
    if missing and not server.may_create_schemas:
        yield refusal(
            f"Role {server.role} lacks the right CREATE on database {server.database}; it is needed to make "
            f"{'schema' if len(missing) == 1 else 'schemas'} {listed(missing)}.",
            "Let the database's owner run: GRANT CREATE ON DATABASE "
            f"{quoted(server.database)} TO {quoted(server.role)}.",
        )
    if not server.may_create_in_public:
        yield refusal(
            f"Role {server.role} lacks the right CREATE on schema public.",
            f"Let the schema's owner run: GRANT CREATE ON SCHEMA public TO {quoted(server.role)}.",
        )
    for table in OUR_TABLES:
        relation = scene.relations.get(table)
        if relation is not None and not relation.owned:
            yield refusal(
                f"Table {table} belongs to role {relation.owner}, and {server.role} is no member of it.",
                f"Only an owner may change a table: connect as {relation.owner}, or let it run: "
                f"GRANT {quoted(relation.owner)} TO {quoted(server.role)}.",
            )
        elif relation is not None and relation.usable_sequence is False:
            yield refusal(
                f"Role {server.role} may not use the sequence that numbers the rows of {table}.",
                f"Let its owner run: GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted(server.role)}.",
            )


def _schemas_to_make(scene: Scene) -> list[str]:
    missing = [] if scene.server.has_own_schema else ["hk_migration"]
    if scene.wants(Phase.PHASE1, Phase.ROLLBACK_V2):
        values = {"roles": list(scene.roles), "tables": list(VIEWED_TABLES)}
        there = {row[0] for row in scene.look.rows("migration.preflight.survey.role_schemas", values)}
        missing += [role for role in scene.roles if role not in there]
    return missing


def role_findings(scene: Scene) -> Iterator[Finding]:
    """Roles whose sessions would not find the compatibility views. Concerns what builds them."""
    if not scene.wants(Phase.PHASE1, Phase.ROLLBACK_V2):
        return
    default = None if scene.path_in_options else scene.look.row("migration.preflight.survey.default_path")[0]
    settings: dict[str, list[tuple[int | None, str | None, str | None]]] = {}
    exists: dict[str, bool] = {}
    for role, there, scope, name, value in scene.look.rows(
        "migration.preflight.survey.role_paths", {"roles": list(scene.roles)}
    ):
        exists[role] = there
        settings.setdefault(role, []).append((scope, name, value))
    for role in scene.roles:
        if not exists[role]:
            yield refusal(f"There is no role {role} on this server.", "Correct --legacy-role.")
        elif role.startswith("pg_") or role in _RESERVED:
            yield refusal(
                f"No schema for v1 compatibility can be named {role}: PostgreSQL or this project reserves that name.",
                "Let v1's clients connect as another role, or name their roles with --legacy-role.",
            )
        else:
            yield from _path_findings(scene, role, settings[role], default)


def _path_findings(
    scene: Scene, role: str, settings: list[tuple[int | None, str | None, str | None]], default: str | None
) -> Iterator[Finding]:
    switched = next((value for _, name, value in settings if name == "role"), None)
    if switched and switched != "none" and switched not in scene.roles:
        yield refusal(
            f"Sessions of role {role} act as role {switched} (ALTER ROLE {quoted(role)} SET role).",
            f"Their views must be in a schema named {switched}: add --legacy-role {switched}.",
        )
    scope, path = next(((scope, value) for scope, name, value in settings if name == "search_path"), (None, default))
    if path is None or _leads_to_views(path, role):
        return
    source = _SCOPES[scope] if scope is not None else "the server's configuration: search_path"
    source = source.format(role=quoted(role), database=quoted(scene.server.database))
    yield refusal(
        f"Sessions of role {role} would not find the compatibility views: their search_path is {path or 'empty'}, "
        'without "$user" at its beginning.',
        f"It is set by {source}. Run: ALTER ROLE {quoted(role)} IN DATABASE {quoted(scene.server.database)} "
        f'SET search_path = "$user", public; and let its clients reconnect. If {role} is no v1 client, leave it out: '
        "name the roles that are with --legacy-role.",
    )


def _leads_to_views(path: str, role: str) -> bool:
    """Whether unqualified names are looked up in the role's own schema before public."""
    for part in path.split(","):
        name = part.strip().strip('"')
        if name in ("$user", role):
            return True
        if name == "public":
            return False
    return False


def schema_findings(scene: Scene) -> Iterator[Finding]:
    """Schemas that are there already under the name that the compatibility views need."""
    if not scene.wants(Phase.PHASE1, Phase.ROLLBACK_V2):
        return
    values = {"roles": list(scene.roles), "tables": list(VIEWED_TABLES)}
    for name, ours, owned, taken in scene.look.rows("migration.preflight.survey.role_schemas", values):
        if taken:
            yield refusal(
                f"Schema {name}, where v1's clients of role {name} would find their views, already has "
                f"{listed(taken)} of its own.",
                "Those clients use that schema's relations today, not those of public. Rename or move them, or leave "
                f"role {name} out with --legacy-role.",
            )
        elif not owned:
            yield refusal(
                f"Schema {name}, which must hold the views for v1's clients, does not belong to {scene.server.role}.",
                f"Let its owner run: ALTER SCHEMA {quoted(name)} OWNER TO {quoted(scene.server.role)}.",
            )
        elif not ours:
            yield info(f"Schema {name} is there already: the compatibility views go into it, all else in it stays.")


def session_findings(scene: Scene, clients: tuple[Client, ...], old: tuple[Client, ...]) -> Iterator[Finding]:
    """Sessions that phase 2 would cut off, and transactions that make index builds wait."""
    for client in old:
        who = f"process {client.pid}" if client.pid else "no process"
        gid = client.application_name.removeprefix("prepared transaction ")
        end = f"SELECT pg_terminate_backend({client.pid})" if client.pid else f"ROLLBACK PREPARED '{gid}'"
        yield warning(
            f"A transaction of role {client.role or 'unknown'} has been open for {client.transaction_s or 0:.0f} s "
            f"({who}, {client.application_name or 'no application_name'}, {client.state}).",
            f"Index builds wait until it ends. Let its owner finish it, or end it: {end}.",
        )
    if not clients or Phase.PHASE2 not in scene.phases:
        return
    who = listed([_described(client) for client in clients])
    number = plural(len(clients), "v1 client")
    if scene.asked is not Phase.PHASE2:
        yield info(f"{number} connected: {who}.", "Phase 2 is refused while they are.")
    elif not scene.options.force:
        yield refusal(
            f"{number} connected, and phase 2 takes their compatibility layer away: {who}.",
            "Stop them first, or insist with --force.",
        )
    else:
        yield warning(f"{number} will be cut off: {who}.", "You asked for it with --force.")


def _described(client: Client) -> str:
    age = "active now" if client.state == "active" else f"last statement {client.idle_s:.0f} s ago"
    if client.state == "not visible":
        age = "activity not visible to this role"
    return f"{client.role} ({client.application_name or 'no application_name'}, {client.address}, {age})"
