"""Rights that are missing before a command and in its midst: what is named is what helps, and it is named at once."""

from typing import cast

import pytest

from src.config import Settings
from src.errors import RunPaused
from src.journal.model import Event, Phase
from src.migration import engine
from src.migration.findings import Finding
from src.migration.model import Options
from tests.conftest import MakeDatabase, Servers
from tests.support.cli_process import ROWS, Cli, execute
from tests.support.databases import database_name, lasting_role

ROLE = "hk_other_owner"
GIVE_AWAY = f"""
ALTER SCHEMA hk_migration OWNER TO {ROLE};
DO $$ DECLARE one text; BEGIN FOR one IN
    SELECT 'TABLE ' || oid::regclass FROM pg_class
     WHERE relnamespace = 'hk_migration'::regnamespace AND relkind = 'r'
    UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
     WHERE pronamespace = 'hk_migration'::regnamespace
    LOOP EXECUTE 'ALTER ' || one || ' OWNER TO {ROLE}'; END LOOP; END $$
"""
UNFINISHED = (
    "INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files) "
    "VALUES ('{phase}', '1.0', '2.0', 'x', '{{}}', '[]', '{{}}')"
)


@pytest.fixture
def other(servers: Servers) -> str:
    """A role of few rights that can log in."""
    return lasting_role(servers[18], ROLE)


def by_superuser(servers: Servers, url: str) -> str:
    return servers[18].replace("/postgres?", f"/{database_name(url)}?")


def as_role(url: str, role: str) -> str:
    return f"postgresql://{role}:x@{url.rpartition('@')[2]}"


def paused(url: str, settings: Settings, at: str, state: str, statement: str, superuser: str) -> str:
    """Phase 1, in which a superuser runs a statement at that step; what it says as it pauses."""

    def interfere(event: Event) -> None:
        if event.kind == "step" and event.step == at and event.detail.get("state") == state:
            execute(superuser, statement)

    with pytest.raises(RunPaused) as raised:
        engine.run(url, Phase.PHASE1, Options(backup=False, legacy_roles=("trader",)), settings, interfere)
    return str(raised.value)


def refusals(url: str) -> tuple[Finding, ...]:
    return engine.lacking_rights(url)


@pytest.mark.parametrize("owner", ["postgres", ROLE])
def test_an_owner_that_changes_in_the_midst_of_a_phase_is_named_as_before_it(
    make_database: MakeDatabase, servers: Servers, settings: Settings, other: str, owner: str
) -> None:
    url = make_database("v1", rows=ROWS)
    superuser = by_superuser(servers, url)
    execute(superuser, "CREATE TABLE public.audit_log (id integer)")
    said = paused(
        url, settings, "measure", "done", f"ALTER TABLE public.portfolio_positions OWNER TO {owner}", superuser
    )
    statement = "ALTER TABLE public.portfolio_positions OWNER TO trader"
    assert "owns portfolio_positions" in said and statement in said
    assert "GRANT SELECT" not in said, "the owner has every right on its table"
    assert "audit_log" not in said, "no phase uses it"
    (finding,) = refusals(url)
    assert finding.text in said, "resume says the same"
    execute(superuser, statement)
    assert engine.resume(url, Options(backup=False), settings, lambda event: None).state == "done"


def test_the_right_on_a_compatibility_view_is_named(
    make_database: MakeDatabase, servers: Servers, settings: Settings
) -> None:
    url = make_database("v1", rows=ROWS)
    superuser = by_superuser(servers, url)
    execute(superuser, "CREATE TABLE public.audit_log (id integer)")
    said = paused(url, settings, "prove", "started", "REVOKE ALL ON trader.portfolio_positions FROM trader", superuser)
    statement = "GRANT SELECT, UPDATE ON trader.portfolio_positions TO trader"
    assert statement in said and said.count("GRANT") == 1
    execute(superuser, statement)
    assert engine.resume(url, Options(backup=False), settings, lambda event: None).state == "done"


def test_the_owner_of_a_compatibility_view_is_named(
    make_database: MakeDatabase, servers: Servers, settings: Settings
) -> None:
    url = make_database("v1", rows=ROWS)
    superuser = by_superuser(servers, url)
    said = paused(
        url, settings, "prove", "started", "ALTER VIEW trader.portfolio_positions OWNER TO postgres", superuser
    )
    statement = "ALTER VIEW trader.portfolio_positions OWNER TO trader"
    assert statement in said and "GRANT" not in said
    execute(superuser, statement)
    assert engine.resume(url, Options(backup=False), settings, lambda event: None).state == "done"


@pytest.mark.parametrize("command", ["plan phase2", "phase2 --yes --no-backup", "resume --yes", "check"])
def test_an_own_schema_of_another_owner_is_named_with_what_helps(
    make_database: MakeDatabase, servers: Servers, cli: Cli, other: str, command: str
) -> None:
    url = make_database("v2", rows=ROWS)
    execute(by_superuser(servers, url), GIVE_AWAY)
    said = cli(url, *command.split())
    assert f"Role {other} owns schema hk_migration" in said.all
    assert "ALTER SCHEMA hk_migration OWNER TO trader" in said.all
    assert said.exit_code == (0 if command == "check" else 3)
    if not command.startswith("resume"):
        assert "✗" in said.all
    (finding,) = refusals(url)
    execute(by_superuser(servers, url), finding.statements[1].removeprefix("or "))
    assert cli(url, "plan", "phase2").exit_code == 0


def test_check_names_resume_where_the_owner_of_the_own_schema_is_lost_in_the_midst(
    make_database: MakeDatabase, servers: Servers, cli: Cli, settings: Settings, other: str
) -> None:
    """Whether there is a run may not be read then."""
    url = make_database("v1", rows=ROWS)
    paused(url, settings, "measure", "done", GIVE_AWAY, by_superuser(servers, url))
    recommended = cli(url, "check").out.split("Recommended:")[1]
    assert "until then phase1 (or resume, where a run has not ended) is refused" in recommended


def test_a_function_of_another_owner_is_named_too(make_database: MakeDatabase, servers: Servers, cli: Cli) -> None:
    url = make_database("v2", rows=ROWS)
    superuser = by_superuser(servers, url)
    execute(superuser, "ALTER FUNCTION hk_migration.has_column(text, text) OWNER TO postgres")
    said = cli(url, "phase2", "--yes", "--no-backup")
    statement = "ALTER FUNCTION hk_migration.has_column(tbl text, col text) OWNER TO trader"
    assert said.exit_code == 3 and statement in said.all
    execute(superuser, statement)
    assert cli(url, "plan", "phase2").exit_code == 0


@pytest.mark.parametrize(("schema", "phase"), [("v1", "phase1"), ("v2", "phase2")])
def test_beside_a_run_that_did_not_end_only_its_end_is_recommended(
    make_database: MakeDatabase, cli: Cli, schema: str, phase: str
) -> None:
    url = make_database(schema, sample=True)
    execute(url, UNFINISHED.format(phase=phase))
    said = cli(url, "check")
    recommended = said.out.split("Recommended:")[1]
    assert said.exit_code == 0
    assert "run_migration.py resume" in recommended and "run_migration.py rollback" in recommended
    assert f"run_migration.py {phase}" not in recommended


def test_remove_sample_and_prune_name_the_grants(make_database: MakeDatabase, cli: Cli, other: str) -> None:
    url = make_database("v1", sample=True)
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {other}")
    for command in (("remove-sample", "--yes"), ("prune", "--keep", "1", "--yes"), ("history",)):
        said = cli(as_role(url, other), *command)
        assert said.exit_code == 3, said.all
        assert f"GRANT USAGE ON SCHEMA hk_migration TO {other};" in said.all, command
    execute(url, f"GRANT USAGE ON SCHEMA hk_migration TO {other}; "
                 f"GRANT SELECT ON ALL TABLES IN SCHEMA hk_migration TO {other}")  # fmt: skip
    said = cli(as_role(url, other), "remove-sample", "--yes")
    assert said.exit_code == 3, said.all
    assert "GRANT INSERT, UPDATE, DELETE ON public.portfolio_positions" in said.all


def test_an_audit_that_cannot_be_written_names_the_grant(make_database: MakeDatabase, cli: Cli, other: str) -> None:
    url = make_database("v1", sample=True)
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {other}; "
                 f"GRANT USAGE ON SCHEMA hk_migration TO {other}; "
                 f"GRANT SELECT ON ALL TABLES IN SCHEMA hk_migration TO {other}")  # fmt: skip
    cli(as_role(url, other), "remove-sample", "--yes")
    logs = " ".join(path.read_text() for path in cli.logs())
    assert "The audit cannot be written. " in logs
    assert f"GRANT INSERT ON hk_migration.audit TO {other};" in logs


def test_backups_in_folders_that_are_not_known_are_said(make_database: MakeDatabase, cli: Cli, other: str) -> None:
    url = make_database("v2")
    execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {other}")
    assert "could not be looked up" not in cli(url, "backups").all
    for command in (("backups",), ("verify", "20260101T000000Z-x-v2"), ("check",)):
        said = cli(as_role(url, other), *command)
        assert "in other folders, which were chosen for single ones, could not be looked up" in said.all, command
        assert f"GRANT USAGE ON SCHEMA hk_migration TO {other};" in said.all
    (record, _) = cli(as_role(url, other), "backups", "--json").records
    (note,) = cast(list[str], record["notes"])
    assert "GRANT USAGE" in note


@pytest.mark.parametrize("arguments", ["init --schema v1 --sample", "init --schema v3"])
def test_init_names_every_grant_at_once(
    make_database: MakeDatabase, servers: Servers, cli: Cli, other: str, arguments: str
) -> None:
    url = make_database(None)
    said = cli(as_role(url, other), *arguments.split())
    assert said.exit_code == 3, said.all
    grants = [f"GRANT USAGE, CREATE ON SCHEMA public TO {other};", f"GRANT CREATE ON SCHEMA public TO {other};"]
    assert any(grant in said.err for grant in grants)
    database = f"GRANT CREATE ON DATABASE {database_name(url)} TO {other};"
    assert database in said.err
    execute(by_superuser(servers, url), f"{grants[0]} {database}")
    assert cli(as_role(url, other), *arguments.split()).exit_code == 0


def test_remove_sample_names_every_grant_at_once(
    make_database: MakeDatabase, servers: Servers, cli: Cli, other: str
) -> None:
    url = make_database("v1", sample=True)
    superuser = by_superuser(servers, url)
    execute(superuser, f"REVOKE TEMPORARY ON DATABASE {database_name(url)} FROM PUBLIC")
    said = cli(as_role(url, other), "remove-sample", "--yes")
    assert said.exit_code == 3, said.all
    assert f"GRANT TEMPORARY ON DATABASE {database_name(url)} TO {other};" in said.err
    execute(superuser, said.err.partition("Let the owner run: ")[2].partition("\n")[0])
    again = cli(as_role(url, other), "remove-sample", "--yes")
    assert again.exit_code == 0, again.all


def test_a_restore_in_place_names_owner_and_grant_before_anything_is_done(
    make_database: MakeDatabase, servers: Servers, cli: Cli, other: str
) -> None:
    url = make_database("v1", rows=ROWS)
    superuser = by_superuser(servers, url)
    assert cli(url, "backup").exit_code == 0
    (name,) = (path.name for path in (cli.folder / "backups").iterdir() if path.is_dir())
    for schema in ("public", "hk_migration"):
        execute(
            superuser,
            f"GRANT USAGE ON SCHEMA {schema} TO {other}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {other}; "
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {other}",
        )
    said = cli(as_role(url, other), "restore", name, "--yes")
    assert said.exit_code == 3, said.all
    assert (
        "The role trader owns portfolio_analyses, portfolio_positions, portfolio_value_history and 2 more" in said.err
    )
    assert f"GRANT trader TO {other};" in said.err
    assert f"GRANT CREATE ON SCHEMA public TO {other};" in said.err
    assert "must be owner" not in said.all
    assert len([path for path in (cli.folder / "backups").iterdir() if path.is_dir()]) == 1, "no other backup was made"
