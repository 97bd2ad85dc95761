"""The right that LOCK TABLE needs on all that a phase locks: it is asked for before the phase, and in its midst."""

import pytest

from src.config import Settings
from src.errors import RunPaused
from src.journal.model import Event, Phase
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase, Servers
from tests.support.cli_process import ROWS, Cli, execute
from tests.support.databases import database_name, lasting_role

ROLE = "hk_reports"
STARTS = {
    "phase2": ("v2", "phase2", "trader.price_history", "GRANT UPDATE ON trader.price_history TO trader"),
    "rollback to v1": (
        "v2",
        "rollback --to v1",
        "trader.price_history",
        "GRANT UPDATE ON trader.price_history TO trader",
    ),
    "rollback to v2": (
        "v3",
        "rollback --to v2",
        "public.portfolio_summary",
        "GRANT SELECT, UPDATE ON public.portfolio_summary TO trader",
    ),
    "a table": (
        "v2",
        "phase2",
        "public.portfolio_analyses",
        "GRANT SELECT, UPDATE ON public.portfolio_analyses TO trader",
    ),
}
PHASES = {
    "phase1": ("v1", Phase.PHASE1, "switch", "trader.price_history"),
    "phase2": ("v2", Phase.PHASE2, "contract", "trader.portfolio_positions"),
    "rollback to v1": ("v2", Phase.ROLLBACK_V1, "switch", "trader.price_history"),
    "rollback to v2": ("v3", Phase.ROLLBACK_V2, "switch", "trader.portfolio_positions"),
}


def made(make_database: MakeDatabase, schema: str) -> str:
    return make_database("v3", sample=True) if schema == "v3" else make_database(schema, rows=ROWS)


@pytest.mark.parametrize("start", STARTS)
def test_it_is_asked_for_before_a_phase(make_database: MakeDatabase, cli: Cli, start: str) -> None:
    schema, command, revoked, grant = STARTS[start]
    url = made(make_database, schema)
    execute(url, f"REVOKE ALL ON {revoked} FROM trader")
    planned = cli(url, "plan", *command.split())
    assert planned.exit_code == 3, planned.all
    assert f"lacks rights on {revoked.removeprefix('public.')}" in planned.all and f"{grant};" in planned.all
    said = cli(url, *command.split(), "--yes", "--no-backup")
    assert said.exit_code == 3 and f"{grant};" in said.err and "nothing was touched" in said.err, said.all
    assert f"{grant};" in cli(url, "check").out
    execute(url, grant)
    assert cli(url, *command.split(), "--yes", "--no-backup").exit_code == 0


@pytest.mark.parametrize("start", PHASES)
def test_in_the_midst_of_a_phase_all_is_named_at_once(
    make_database: MakeDatabase, settings: Settings, cli: Cli, start: str
) -> None:
    schema, phase, step, view = PHASES[start]
    url = made(make_database, schema)

    def interfere(event: Event) -> None:
        if event.kind == "step" and event.step == step and event.detail.get("state") == "started":
            execute(url, f"REVOKE ALL ON {view} FROM trader")

    with pytest.raises(RunPaused) as raised:
        engine.run(url, phase, Options(backup=False, legacy_roles=("trader",)), settings, interfere)
    made_views = phase in (Phase.PHASE1, Phase.ROLLBACK_V2)
    grant = f"GRANT {'SELECT, ' if made_views else ''}UPDATE ON {view} TO trader"
    assert f"{grant};" in str(raised.value)
    refused = cli(url, "resume", "--yes")
    assert refused.exit_code == 3 and f"{grant};" in refused.err, refused.all
    execute(url, grant)
    assert cli(url, "resume", "--yes").exit_code == 0


@pytest.mark.parametrize("kept", ["UPDATE", "DELETE", "TRUNCATE"])
def test_one_of_the_rights_that_allow_the_lock_is_enough(make_database: MakeDatabase, cli: Cli, kept: str) -> None:
    url = make_database("v2", rows=ROWS)
    execute(url, f"REVOKE ALL ON trader.price_history FROM trader; GRANT {kept} ON trader.price_history TO trader")
    said = cli(url, "phase2", "--yes", "--no-backup")
    assert said.exit_code == 0, said.all


def test_the_rights_on_the_schema_of_a_view_are_asked_for(make_database: MakeDatabase, cli: Cli) -> None:
    url = make_database("v2", rows=ROWS)
    execute(url, "REVOKE ALL ON SCHEMA trader FROM trader")
    said = cli(url, "phase2", "--yes", "--no-backup")
    grant = "GRANT CREATE, USAGE ON SCHEMA trader TO trader"
    assert said.exit_code == 3 and f"{grant};" in said.err, said.all
    execute(url, grant)
    assert cli(url, "phase2", "--yes", "--no-backup").exit_code == 0


def test_a_view_of_another_role_needs_it_on_the_view_and_below(
    make_database: MakeDatabase, servers: Servers, cli: Cli
) -> None:
    """PostgreSQL asks its owner for the right on the tables below."""
    role = lasting_role(servers[18], ROLE)
    url = make_database("v2", rows=ROWS)
    superuser = servers[18].replace("/postgres?", f"/{database_name(url)}?")
    execute(
        superuser,
        f"CREATE SCHEMA reports AUTHORIZATION {role}; GRANT USAGE ON SCHEMA public TO {role}; "
        f"GRANT SELECT ON public.price_history TO {role}; "
        f"SET ROLE {role}; CREATE VIEW reports.last_price AS SELECT symbol, price FROM public.price_history",
    )
    said = cli(url, "phase2", "--yes", "--no-backup")
    grants = (
        "GRANT USAGE ON SCHEMA reports TO trader",
        "GRANT UPDATE ON reports.last_price TO trader",
        f"GRANT UPDATE ON public.price_history TO {role}",
    )
    assert said.exit_code == 3 and all(grant in said.err for grant in grants), said.all
    execute(superuser, "; ".join(grants))
    assert cli(url, "phase2", "--yes", "--no-backup").exit_code == 0
