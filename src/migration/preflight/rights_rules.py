"""Rights that the role of a phase lacks: before it, and in its midst. All of them are named at once."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.preflight.facts import OPTIONAL_TABLES, OUR_TABLES, V1_TABLES, VIEWED_TABLES, Facts, Server
from src.migration.preflight.rules import EVERY_PHASE, refusal
from src.migration.steps import load_steps
from src.postgres.failures import READ, READ_AND_WRITE, rights_wanted
from src.postgres.readonly import ReadOnlyTransaction
from src.schema import own_schema
from src.schema.own_schema_gaps import made_by

OUR_VIEWS = ("portfolio_summary", "portfolio_performance")
OUR_FUNCTIONS = (
    "check_migration_status",
    "validate_portfolio_integrity",
    "hk_share_price",
    "hk_sync_legacy_symbol",
    "hk_default_portfolio",
    "hk_rollback_fence",
)
OWN_SCHEMA = "schema hk_migration"
_ADDED = ("SELECT", "INSERT")
_CHANGED = ("SELECT", "INSERT", "UPDATE")
# What the steps and the journal of a run do with the tables of hk_migration: in every phase, and in those that use the
# archive.
_OF_A_RUN = {"run": _ADDED, "event": _ADDED, "own_write": _ADDED, "proof_position": _CHANGED, "archive": READ}
_OF_THE_ARCHIVE = {
    "mark": ("SELECT", "INSERT", "DELETE"),
    "archive": _CHANGED,
    "archived_portfolio": _ADDED,
    "archived_position": _CHANGED,
    "archived_signal": _CHANGED,
    "archived_merge": _CHANGED,
    "archived_price": ("SELECT", "INSERT", "DELETE"),
}

NO_CREATE_ON_DATABASE = refusal(
    "no-create-on-database",
    EVERY_PHASE,
    "Role {role} lacks the right CREATE on database {database}. It is needed to make or rename schemas: {schemas}.",
    "Let the database's owner run",
    sql="GRANT CREATE ON DATABASE {database:sql} TO {role:sql}",
)
NO_CREATE_IN_PUBLIC = refusal(
    "no-create-in-public",
    EVERY_PHASE,
    "Role {role} lacks the right CREATE on schema public.",
    "Let the schema's owner run",
    sql="GRANT CREATE ON SCHEMA public TO {role:sql}",
)
NOT_OWNER = refusal(
    "not-owner",
    EVERY_PHASE,
    "Role {owner} owns {objects}, and {role} is no member of it.",
    "Only an owner may change them. Connect as {owner}, or let an administrator of the server run",
    sql=("GRANT {owner:sql} TO {role:sql}", "or {statements}"),
)
OWNED_BY_SUPERUSER = refusal(
    "owned-by-superuser",
    EVERY_PHASE,
    "Role {owner}, a superuser, owns {objects}.",
    "Only an owner may change them, and a member of {owner} would have every right on the server. Let {owner} make "
    "{role} the owner",
    sql="{statements}",
)
NO_RIGHTS = refusal(
    "no-rights",
    EVERY_PHASE,
    "Role {role} lacks rights on {objects}.",
    "Let their owner run",
    sql="{statements}",
)
RIGHTS = frozenset(
    rule.code for rule in (NO_CREATE_ON_DATABASE, NO_CREATE_IN_PUBLIC, NOT_OWNER, OWNED_BY_SUPERUSER, NO_RIGHTS)
)


@dataclass(frozen=True)
class Need:
    """What a phase needs rights for.

    `roles`: for whose schemas it makes compatibility views. `multi`: the views and functions of v2 are there, and ours.
    `dumped`: a backup is made first, which reads everything. `upgraded`: the tables of hk_migration that are changed
    before it begins.
    """

    phases: frozenset[Phase]
    roles: tuple[str, ...]
    multi: bool
    dumped: bool
    upgraded: tuple[str, ...] = ()

    @property
    def makes_views(self) -> bool:
        return not self.phases.isdisjoint((Phase.PHASE1, Phase.ROLLBACK_V2))

    @property
    def retires(self) -> bool:
        """Whether the schemas of the compatibility views go, and what clients made there moves to public."""
        return not self.phases.isdisjoint((Phase.PHASE2, Phase.ROLLBACK_V1))

    @property
    def own_rights(self) -> Mapping[str, tuple[str, ...]]:
        """On the tables of hk_migration."""
        archives = not self.phases.isdisjoint((Phase.PHASE1, Phase.ROLLBACK_V1))
        rights = _OF_A_RUN | (_OF_THE_ARCHIVE if archives else {})
        return rights | ({"*": READ} if self.dumped else {})


def rights_findings(facts: Facts) -> Iterator[Finding]:
    """Rights that our role lacks for what is asked for, or may come next."""
    made = facts.unfinished is not None and facts.unfinished.backup is not None
    need = Need(
        phases=facts.phases,
        roles=facts.roles,
        multi=facts.state.multi_portfolio,
        dumped=facts.options.backup and not made,
        upgraded=_upgraded(facts),
    )
    yield from missing_rights(facts.transaction, facts.server, need)


def _upgraded(facts: Facts) -> tuple[str, ...]:
    """The tables of hk_migration that have to be changed before a run begins."""
    part = own_schema.Part.JOURNAL
    version = next(record.version for record in facts.own_records if record.part is part)
    if version is None or (version >= own_schema.newest(part) and not facts.own_gaps.remade):
        return ()
    return tuple(table for file in own_schema.files_of(part, own_schema.newest(part)) for table in made_by(file))


def missing_rights(transaction: ReadOnlyTransaction, server: Server, need: Need) -> Iterator[Finding]:
    """Every right that our role lacks. Reads catalogs only; names of others are shown as the search_path has them."""
    missing = _schemas_to_make(transaction, server, need)
    if missing and not server.may_create_schemas:
        yield NO_CREATE_ON_DATABASE(role=server.role, database=server.database, schemas=missing)
    if not server.may_create_in_public:
        yield NO_CREATE_IN_PUBLIC(role=server.role)
    owners = tuple(_ownership_findings(transaction, server.role, need))
    yield from owners
    grants = list(_grants(transaction, server, need, owners))
    if grants:
        objects = dict.fromkeys(name for _, names in grants for name in names)
        statements = "; ".join(statement.rstrip(";") for statement, _ in grants)
        yield NO_RIGHTS(role=server.role, objects=list(objects), statements=statements)


def _ownership_findings(transaction: ReadOnlyTransaction, role: str, need: Need) -> Iterator[Finding]:
    """One finding for each role that owns something which a phase changes."""
    values = {
        "tables": [*OUR_TABLES, *(OUR_VIEWS if need.multi else ())],
        "functions": list(OUR_FUNCTIONS if need.multi else ()),
        "own_tables": list(need.upgraded),
        "retires": need.retires,
    }
    found: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for owner, superuser, name, statement in transaction.rows("migration.preflight.survey.not_owned", values):
        found.setdefault((owner, superuser), []).append((name, statement))
    for (owner, superuser), owned in found.items():
        rule = OWNED_BY_SUPERUSER if superuser else NOT_OWNER
        yield rule(
            owner=owner,
            objects=[name for name, _ in owned],
            role=role,
            statements="; ".join(statement for _, statement in owned),
        )


def _schemas_to_make(transaction: ReadOnlyTransaction, server: Server, need: Need) -> list[str]:
    """Those that are renamed with them: that takes the same right."""
    missing = [] if server.has_own_schema else ["hk_migration"]
    if need.makes_views:
        values = {"roles": list(need.roles), "tables": list(VIEWED_TABLES)}
        there = {row[0] for row in transaction.rows("migration.preflight.survey.role_schemas", values)}
        missing += [role for role in need.roles if role not in there]
    if need.retires:
        missing += [row[0] for row in transaction.rows("migration.preflight.survey.v1_schemas")]
    return list(dict.fromkeys(missing))


def _grants(
    transaction: ReadOnlyTransaction, server: Server, need: Need, owners: tuple[Finding, ...]
) -> Iterator[tuple[str, list[str]]]:
    """Each GRANT, and what it is on. Not of what the owner has to give away anyhow: that gives every right on it."""
    by_owner = {str(one.facts["owner"]): _names(one.facts["objects"]) for one in owners}
    elsewhere = {name for names in by_owner.values() for name in names}
    seen = (*OPTIONAL_TABLES, *(OUR_VIEWS if need.multi else ()))
    locks = _locks(transaction, need, elsewhere)
    used = {"public": dict.fromkeys(seen, READ) | dict.fromkeys((*V1_TABLES, "portfolios"), READ_AND_WRITE)}
    used |= {schema: dict.fromkeys(VIEWED_TABLES, READ) for schema in need.roles if need.makes_views}
    of_own_schema = next((owner for owner, names in by_owner.items() if OWN_SCHEMA in names), None)
    on_own_schema = () if of_own_schema else ("USAGE", "CREATE")
    own = {table: rights for table, rights in need.own_rights.items() if f"hk_migration.{table}" not in elsewhere}
    wanted = [rights_wanted("hk_migration", own, on_own_schema, sequences=need.dumped, without_owner=of_own_schema)]
    for schema in dict.fromkeys((*used, *locks.schemas)):
        rights = {
            name: tuple(dict.fromkeys((*used.get(schema, {}).get(name, ()), *locks.rights(schema, name))))
            for name in (*used.get(schema, {}), *(name for of, name in locks.ours if of == schema))
            if _shown(schema, name) not in elsewhere
        }
        on_schema = locks.schemas.get(schema, ("USAGE",) if schema == "public" else ())
        wanted.append(rights_wanted(schema, rights, on_schema, sequences=need.dumped and schema == "public"))
    for values in wanted:
        for statement, names in transaction.rows("postgres.failures.missing_grants", values):
            yield str(statement), [str(name).removeprefix("public.") for name in names]
    yield from locks.of_others
    if of_own_schema is None:
        for statement, name in transaction.rows("migration.preflight.survey.not_executable"):
            if name not in elsewhere:
                yield str(statement), [str(name)]


@dataclass(frozen=True)
class _Locks:
    """What a phase locks. `schemas`: where it is, and the rights that a phase needs on that schema. `ours`: (schema,
    name) on which our role lacks the right that LOCK TABLE needs. `of_others`: each GRANT to the owner of a view, on
    what that reads."""

    schemas: Mapping[str, tuple[str, ...]]
    ours: frozenset[tuple[str, str]]
    of_others: tuple[tuple[str, list[str]], ...]

    def rights(self, schema: str, name: str) -> tuple[str, ...]:
        return ("UPDATE",) if (schema, name) in self.ours else ()


def _locks(transaction: ReadOnlyTransaction, need: Need, elsewhere: Container[str]) -> _Locks:
    """What the steps of these phases lock as the database is now, and the rights on it that are missing."""
    tables = {table for phase in need.phases for step in load_steps(phase) for table in step.locks}
    targets = transaction.rows("migration.run.runner.lock_targets", {"tables": sorted(tables)})
    values = {"schemas": [schema for schema, _ in targets], "names": [name for _, name in targets]}
    ours: set[tuple[str, str]] = set()
    of_others = []
    for to_us, schema, name, statement, through in transaction.rows("migration.preflight.lock_rights.lacking", values):
        if to_us:
            ours.add((schema, name))
        elif through not in elsewhere:
            of_others.append((str(statement), [_shown(schema, name)]))
    replaced = {row[0] for row in transaction.rows("migration.preflight.lock_rights.schemas_of_v1_views")} - {"public"}
    schemas = sorted({str(schema) for schema, _ in targets})
    on_schemas = {schema: ("USAGE", "CREATE") if schema in replaced else ("USAGE",) for schema in schemas}
    return _Locks(on_schemas, frozenset(ours), tuple(of_others))


def _shown(schema: str, name: str) -> str:
    return f"{schema}.{name}".removeprefix("public.")


def _names(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
