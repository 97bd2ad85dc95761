"""Rights in schema hk_migration, and on the database, that are gone before a phase or in its midst: all are named."""

import pytest

from src.config import Settings
from src.errors import RunPaused
from src.journal.model import Event, Phase
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase, Servers
from tests.support.cli_process import ROWS, Cli, execute
from tests.support.databases import database_name

# Who owns a table has every right on it: it is taken from that role here.
TAKEN = {
    "run": ("REVOKE INSERT ON hk_migration.run FROM trader", "GRANT INSERT ON hk_migration.run TO trader"),
    "event": ("REVOKE ALL ON hk_migration.event FROM trader", "GRANT SELECT, INSERT ON hk_migration.event TO trader"),
    "sequence": (
        "REVOKE USAGE ON SEQUENCE hk_migration.event_event_id_seq FROM trader",
        "GRANT USAGE ON SEQUENCE hk_migration.event_event_id_seq TO trader",
    ),
    "proof": (
        "REVOKE UPDATE ON hk_migration.proof_position FROM trader",
        "GRANT UPDATE ON hk_migration.proof_position TO trader",
    ),
    "schema": (
        "REVOKE CREATE ON SCHEMA hk_migration FROM trader",
        "GRANT CREATE ON SCHEMA hk_migration TO trader",
    ),
    "function": (
        "REVOKE EXECUTE ON FUNCTION hk_migration.note_own_writes(bigint, text) FROM PUBLIC, trader",
        "GRANT EXECUTE ON FUNCTION hk_migration.note_own_writes(run bigint, step_name text) TO trader",
    ),
    "positions": (
        "REVOKE UPDATE, DELETE ON public.portfolio_positions FROM trader",
        "GRANT UPDATE, DELETE ON public.portfolio_positions TO trader",
    ),
}
STARTS = {
    "phase1": ("v1", "phase1 --yes --no-backup"),
    "phase2": ("v2", "phase2 --yes --no-backup"),
    "rollback to v1": ("v2", "rollback --to v1 --yes --no-backup"),
    "rollback to v2": ("v3", "rollback --to v2 --yes --no-backup"),
}


def made(make_database: MakeDatabase, schema: str) -> str:
    """With the project's own schema, and rows."""
    if schema == "v3":
        return make_database("v3", sample=True)
    return make_database(schema, sample=True) if schema == "v1" else make_database(schema, rows=ROWS)


def counts(url: str) -> tuple[object, ...]:
    return tuple(execute(url, f"SELECT count(*) FROM hk_migration.{table}") for table in ("run", "event"))


@pytest.mark.parametrize("taken", TAKEN)
def test_a_right_that_a_phase_needs_is_asked_for_before_it(make_database: MakeDatabase, cli: Cli, taken: str) -> None:
    url = made(make_database, "v1")
    revoke, grant = TAKEN[taken]
    execute(url, revoke)
    planned = cli(url, "plan", "phase1", "--no-backup")
    assert planned.exit_code == 3 and grant in planned.all, planned.all
    said = cli(url, "phase1", "--yes", "--no-backup")
    assert said.exit_code == 3, said.all
    assert grant in said.err and "nothing was touched" in said.err
    checked = cli(url, "check")
    assert checked.exit_code == 0
    assert "✗ Role trader lacks rights on " in checked.out and grant in checked.out
    assert "run_migration.py phase1" not in checked.out.split("Recommended:")[1]
    execute(url, f"{grant};")
    assert cli(url, "phase1", "--yes", "--no-backup").exit_code == 0


@pytest.mark.parametrize("start", STARTS)
def test_every_phase_asks_for_them(make_database: MakeDatabase, cli: Cli, start: str) -> None:
    schema, command = STARTS[start]
    url = made(make_database, schema)
    for revoke, _ in (TAKEN["run"], TAKEN["event"]):
        execute(url, revoke)
    said = cli(url, *command.split())
    assert said.exit_code == 3, said.all
    for _, grant in (TAKEN["run"], TAKEN["event"]):
        assert grant in said.err, said.all
    for _, grant in (TAKEN["run"], TAKEN["event"]):
        execute(url, f"{grant};")
    assert cli(url, *command.split()).exit_code == 0


def test_schemas_that_an_administrator_has_made_are_enough(
    make_database: MakeDatabase, servers: Servers, cli: Cli
) -> None:
    url = make_database("v1", rows=ROWS)
    name = database_name(url)
    execute(
        servers[18].replace("/postgres?", f"/{name}?"),
        "CREATE SCHEMA hk_migration AUTHORIZATION trader; CREATE SCHEMA trader AUTHORIZATION trader; "
        f"REVOKE CREATE ON DATABASE {name} FROM trader",
    )
    assert cli(url, "plan", "phase1", "--no-backup").exit_code == 0
    for command in ("phase1", "rollback --to v1", "phase1", "phase2", "rollback --to v2"):
        said = cli(url, *command.split(), "--yes", "--no-backup")
        assert said.exit_code == 0, said.all


def interrupted(url: str, phase: Phase, settings: Settings, statement: str, superuser: str, *, at: str) -> str:
    """A phase in which a statement is executed as it begins that step; what it says as it pauses."""

    def interfere(event: Event) -> None:
        if event.kind == "step" and event.step == at and event.detail.get("state") == "started":
            execute(superuser, statement)

    options = Options(backup=False, legacy_roles=("trader",))
    with pytest.raises(RunPaused) as raised:
        engine.run(url, phase, options, settings, interfere)
    return str(raised.value)


def test_after_a_loss_in_the_midst_resume_and_undo_name_all_that_is_missing(
    make_database: MakeDatabase, servers: Servers, cli: Cli, settings: Settings
) -> None:
    url = made(make_database, "v1")
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    gone = "REVOKE ALL ON hk_migration.event, hk_migration.own_write FROM trader"
    grants = (
        "GRANT SELECT, INSERT ON hk_migration.event TO trader",
        "GRANT SELECT, INSERT ON hk_migration.own_write TO trader",
    )
    said = interrupted(url, Phase.PHASE1, settings, gone, superuser, at="prove")
    assert all(grant in said for grant in grants), said
    for command in ("resume --yes", "rollback --to v1 --yes --no-backup"):
        refused = cli(url, *command.split())
        assert refused.exit_code == 3, refused.all
        assert all(grant in refused.err for grant in grants), refused.all
    checked = cli(url, "check").out
    assert all(grant in checked.split("Noticed:")[1] for grant in grants)
    assert "hk_migration.run" not in checked.split("Noticed:")[1], "nothing is missing there"
    assert "Settle what is marked ✗ above first" in checked.split("Recommended:")[1]
    execute(url, "; ".join(grants))
    assert cli(url, "resume", "--yes").exit_code == 0


def test_the_right_to_insert_alone_is_missed_by_resume(
    make_database: MakeDatabase, servers: Servers, cli: Cli, settings: Settings
) -> None:
    url = made(make_database, "v1")
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    gone = "REVOKE INSERT ON hk_migration.event FROM trader"
    interrupted(url, Phase.PHASE1, settings, gone, superuser, at="prove")
    said = cli(url, "resume", "--yes")
    assert said.exit_code == 3, said.all
    assert "GRANT INSERT ON hk_migration.event TO trader" in said.err
    checked = cli(url, "check").out
    assert "✗ Role trader lacks rights on hk_migration.event." in checked
    assert "until then resume is refused" in checked.split("Recommended:")[1]


def test_a_pause_names_the_grant_too(
    make_database: MakeDatabase, servers: Servers, cli: Cli, settings: Settings
) -> None:
    url = made(make_database, "v1")
    said = []

    def ask(event: Event) -> None:
        if event.kind == "step" and event.step == "measure" and event.detail.get("state") == "done":
            execute(url, "REVOKE INSERT ON hk_migration.event FROM trader")
            said.append(cli(url, "pause"))
            execute(url, "GRANT INSERT ON hk_migration.event TO trader")

    engine.run(url, Phase.PHASE1, Options(backup=False, legacy_roles=("trader",)), settings, ask)
    assert "GRANT INSERT ON hk_migration.event TO trader" in said[0].all, said[0].all


def test_create_on_the_database_lost_in_a_rollback_to_v2_is_named(
    make_database: MakeDatabase, servers: Servers, cli: Cli, settings: Settings
) -> None:
    url = made(make_database, "v3")
    name = database_name(url)
    superuser = servers[18].replace("/postgres?", f"/{name}?")
    gone = f'ALTER DATABASE "{name}" OWNER TO postgres; REVOKE CREATE ON DATABASE "{name}" FROM trader'
    grant = f"GRANT CREATE ON DATABASE {name} TO trader"
    said = interrupted(url, Phase.ROLLBACK_V2, settings, gone, superuser, at="measure")
    assert grant in said.replace('"', ""), said
    refused = cli(url, "resume", "--yes")
    assert refused.exit_code == 3 and grant in refused.err.replace('"', ""), refused.all
    checked = cli(url, "check").out
    assert "✗ Role trader lacks the right CREATE on database" in checked
    assert grant in checked.replace('"', "")
    assert "until then resume is refused" in checked.split("Recommended:")[1]
    # pg_database_owner owns public, and the database has another owner now.
    execute(superuser, f'GRANT CREATE ON DATABASE "{name}" TO trader; GRANT CREATE ON SCHEMA public TO trader')
    assert cli(url, "resume", "--yes").exit_code == 0


def test_what_another_role_owns_is_named_with_every_right_that_is_missing(
    make_database: MakeDatabase, servers: Servers, cli: Cli
) -> None:
    url = made(make_database, "v1")
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    execute(
        superuser, "ALTER TABLE hk_migration.event OWNER TO postgres; ALTER TABLE hk_migration.run OWNER TO postgres"
    )
    execute(superuser, "GRANT SELECT ON hk_migration.event, hk_migration.run TO trader")
    said = cli(url, "phase1", "--yes", "--no-backup")
    assert said.exit_code == 3
    for grant in (
        "GRANT INSERT ON hk_migration.event TO trader",
        "GRANT INSERT ON hk_migration.run TO trader",
        "GRANT USAGE ON SEQUENCE hk_migration.event_event_id_seq TO trader",
        "GRANT USAGE ON SEQUENCE hk_migration.run_run_id_seq TO trader",
    ):
        assert grant in said.err, said.all
        execute(superuser, grant)
    assert cli(url, "phase1", "--yes", "--no-backup").exit_code == 0


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_grant_names_only_what_is_missing(make_database: MakeDatabase, cli: Cli, servers: Servers, left: int) -> None:
    """All tables of a schema at once only where the role may read none of them."""
    url = made(make_database, "v2")
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    role = f"hk_reads_{left}"
    execute(superuser, f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'x'")
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT USAGE ON SCHEMA hk_migration TO {role}")
    readable = ("mark", "run", "event")[:left]
    for table in readable:
        execute(url, f"GRANT SELECT ON hk_migration.{table} TO {role}")
    said = cli(f"postgresql://{role}:x@{url.rpartition('@')[2]}", "check", "--json").records[0]
    grants = " ".join(str(one) for one in said["missing_grants"])
    assert ("GRANT SELECT ON ALL TABLES IN SCHEMA hk_migration" in grants) is (left == 0)
    assert not any(f"hk_migration.{table}," in grants or f"hk_migration.{table} " in grants for table in readable)
    assert left == 0 or "hk_migration.own_write" in grants
    execute(url, grants)
    again = cli(f"postgresql://{role}:x@{url.rpartition('@')[2]}", "check", "--json").records[0]
    assert again["missing_grants"] == []
    execute(superuser, f"DROP OWNED BY {role}; DROP ROLE {role}")
