"""Each state of health, provoked on real servers, says in words of its own what is wrong and what to do next."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.backup import make
from src.cli.text import component_advice
from src.embedded.api import PrivateServer
from src.embedded.lifetime import ServerKind, Spec, Use
from src.errors import DatabaseUnavailable
from src.health import judgements, monitor
from src.health.background_poll import BackgroundPoll
from src.health.model import Component, State
from src.health.probes import probe_server
from src.health.server import server
from src.journal.model import Phase
from src.postgres.errors import Reason, advice
from src.postgres.pool import Pool
from src.ui.system_status import health_view
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import Database, ManagerOf, Migrate, database_name, execute
from tests.support.health_cases import TIMEOUT_S, all_taken, black_hole, monitor_of, note_run, of, read

GB = 2**30


def both_faces(component: Component) -> tuple[str, str]:
    """The advice as `check` prints it, and as its card on System Status has it."""
    return component_advice(component), health_view.advice(component)


@pytest.mark.parametrize("schema", ["v1", "v2", "v3"])
def test_a_database_as_it_should_be(
    database: Database, cache_url: str, tmp_path: Path, schema: str, pg_version: int
) -> None:
    seen = read(database(schema, pg_version), tmp_path, cache=cache_url)
    states = {component.key: component.state for component in seen.components}
    assert states.pop("backups") is State.DEGRADED, "there is none, and these are no sample data"
    assert set(states.values()) == {State.HEALTHY}
    assert "every table, column, index and rule is as it should be" in of(seen, "schema").lines
    assert "Real data" in of(seen, "data").message
    assert "No backup of this database has been verified yet" in of(seen, "backups").message
    typed, shown = both_faces(of(seen, "backups"))
    assert typed == "Type: python run_migration.py backup."
    assert shown == "Use Make a backup below."
    assert seen.serves


def test_the_sample_is_said_to_be_one(make_database: MakeDatabase, tmp_path: Path) -> None:
    seen = read(make_database("v1", sample=True), tmp_path)
    assert "Sample data" in of(seen, "data").message
    assert of(seen, "prices").state is State.HEALTHY
    assert "symbols have one of the latest session" in of(seen, "prices").message
    typed, shown = both_faces(of(seen, "data"))
    assert "run_migration.py remove-sample" in typed
    assert "Use Remove the sample data at the end of this page" in shown
    assert of(seen, "backups").state is State.HEALTHY, "nobody misses a sample"


def test_an_empty_database_is_no_fault_of_the_server(make_database: MakeDatabase, tmp_path: Path) -> None:
    seen = read(make_database(None), tmp_path)
    assert of(seen, "database").state is State.HEALTHY
    assert of(seen, "schema").state is State.DEGRADED
    assert all("run_migration.py init" in text for text in both_faces(of(seen, "schema")))
    assert not seen.serves


def test_a_stopped_server_and_one_in_standby(tmp_path: Path) -> None:
    directory = tmp_path / "server"
    private = PrivateServer(directory)
    url = private.start()
    assert of(read(url, tmp_path), "database").state is State.HEALTHY
    private.stop()
    seen = read(url, tmp_path)
    down = of(seen, "database")
    assert down.state is State.DOWN
    assert "does not answer" in down.message and "No such file or directory" in down.message
    assert down.advice == advice(Reason.AWAY)
    assert of(seen, "schema").message == "It cannot be read while PostgreSQL does not answer."
    assert not seen.serves
    backups = of(seen, "backups")
    assert (backups.state, backups.known) == (State.DEGRADED, False)
    assert "There is no verified backup in the folder." in backups.message
    assert "not known while PostgreSQL does not answer" in backups.message

    (next(directory.rglob("postgresql.conf")).parent / "standby.signal").touch()
    url = private.start()
    try:
        standby = of(read(url, tmp_path), "database")
    finally:
        private.stop()
    assert standby.state is State.DEGRADED
    assert "read-only standby" in standby.message
    assert "the primary" in standby.advice


def test_a_server_that_never_answers_is_not_waited_for(
    tmp_path: Path, cache_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "FOLDERS_S", TIMEOUT_S)
    with black_hole() as url:
        seen = read(url, tmp_path, cache=cache_url, limit_s=3.0)
        down = of(seen, "database")
    assert seen.server.silent_s is not None, "it was not waited for until the attempt gave up"
    assert down.state is State.DOWN
    assert "has not answered for" in down.message
    assert "firewall" in down.advice
    assert not seen.serves
    assert of(seen, "redis").state is State.HEALTHY, "it answered meanwhile"
    assert "folder for backups does not answer" not in str(of(seen, "backups"))
    assert "s3cret" not in str(seen.components)


def test_a_server_that_falls_silent_is_slow_at_first_and_then_down(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = [make_database("v1")]
    poll = BackgroundPoll(lambda: probe_server(address[0]), name="test", limit_s=TIMEOUT_S)
    assert judgements.database(poll.get(0)).state is State.HEALTHY
    with black_hole() as silent:
        address[0], poll.limit_s = silent, 0.2
        late = poll.get(0)
    slow = judgements.database(late)
    assert slow.state is State.DEGRADED
    assert "has not answered for" in slow.message and "ago" in slow.message
    assert "overloaded" in slow.advice
    monkeypatch.setattr(judgements, "LATE_S", 0.0)
    assert judgements.database(late).state is State.DOWN


@pytest.mark.parametrize(
    ("spoil", "said", "help_"),
    [
        (lambda url: url.replace("s3cret", "wrong"), "password authentication failed", "role and its password"),
        (lambda url: url.replace("/test_", "/gone_"), "does not exist", "Correct the database's name"),
        (lambda url: url.replace("trader:", "nobody:"), "password authentication failed", "role and its password"),
    ],
)
def test_a_refusal_says_what_to_correct(
    make_database: MakeDatabase, tmp_path: Path, spoil: Callable[[str], str], said: str, help_: str
) -> None:
    down = of(read(spoil(make_database("v1")), tmp_path), "database")
    assert down.state is State.DOWN
    assert said in down.message
    assert help_ in down.advice
    assert "s3cret" not in down.message


def test_a_server_without_connections_left_says_so(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v1")
    limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(sql.Identifier(database_name(url)))
    with psycopg2.connect(servers[18]) as conn, conn.cursor() as cursor:
        cursor.execute(limit)
    conn.close()
    down = of(read(url, tmp_path), "database")
    assert down.state is State.DOWN
    assert "too many connections" in down.message
    assert "max_connections" in down.advice


def test_a_stopped_cache_costs_nothing_but_speed(make_database: MakeDatabase, tmp_path: Path) -> None:
    use = Use(Spec(ServerKind.VALKEY, str(tmp_path / "valkey"), idle_timeout_s=0.0))
    url = use.join()
    healthy = of(read(make_database("v1"), tmp_path, cache=url), "redis")
    assert healthy.state is State.HEALTHY
    use.stop()
    seen = read(make_database("v1"), tmp_path, cache=url)
    down = of(seen, "redis")
    assert down.state is State.DOWN
    assert "does not answer" in down.message
    assert "only slower" in down.advice
    assert seen.serves


DRIFT = {
    "missing index": (
        "DROP INDEX public.idx_signals_created",
        "missing: index idx_signals_created on trading_signals",
    ),
    "missing column": (
        "ALTER TABLE public.portfolio_positions DROP COLUMN sector",
        "missing: column portfolio_positions.sector",
    ),
    "different column": (
        "ALTER TABLE public.trading_signals ALTER COLUMN price TYPE numeric(14,4)",
        "different: column trading_signals.price is “numeric(14,4) not null”, should be “numeric(10,3) not null”",
    ),
    "constraint not validated": (
        "ALTER TABLE public.price_history DROP CONSTRAINT price_history_symbol_fkey;"
        "ALTER TABLE public.price_history ADD CONSTRAINT price_history_symbol_fkey FOREIGN KEY (symbol) "
        "REFERENCES public.portfolio_positions(symbol) ON DELETE CASCADE NOT VALID",
        "not validated: constraint price_history_symbol_fkey on price_history",
    ),
}


@pytest.mark.parametrize("name", DRIFT)
def test_drift_is_named(database: Database, tmp_path: Path, name: str) -> None:
    statement, line = DRIFT[name]
    url = database("v1", 18)
    execute(url, statement)
    schema = of(read(url, tmp_path), "schema")
    assert schema.state is State.DEGRADED
    assert "single-portfolio (v1.0)" in schema.message
    assert "1 difference from what it should be (drift)." in schema.message
    assert line in schema.lines
    assert line in schema.details["differences"]
    assert "migrations/" in schema.advice


def test_a_disabled_trigger_is_drift(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v3")
    ((table, trigger),) = execute(
        url,
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
        "WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace LIMIT 1",
    )
    execute(url, f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    assert f"disabled: trigger {trigger} on {table}" in of(read(url, tmp_path), "schema").lines


BREAKS = (
    "DROP INDEX public.idx_signals_created",
    "ALTER TABLE public.portfolio_value_history DROP CONSTRAINT portfolio_value_history_analysis_id_fkey",
    "ALTER TABLE public.portfolio_positions DROP CONSTRAINT portfolio_positions_pkey",
    "ALTER TABLE public.trading_signals DROP CONSTRAINT trading_signals_signal_type_check",
    "ALTER TABLE public.portfolios DISABLE TRIGGER USER",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.idx_price_symbol_time'::regclass",
)


def test_the_statements_that_it_shows_put_right_what_they_are_for(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    url = make_database("v3")
    for statement in BREAKS:
        execute(servers[18].replace("/postgres?", f"/{database_name(url)}?"), statement)
    schema = of(read(url, tmp_path), "schema")
    assert schema.state is State.DEGRADED
    to_type = [line.removeprefix("to put right: ") for line in schema.lines if line.startswith("to put right: ")]
    assert to_type == schema.details["repairs"]
    conn = psycopg2.connect(url)
    conn.autocommit = True
    for statement in to_type:
        conn.cursor().execute(statement)
    conn.close()
    healed = of(read(url, tmp_path), "schema")
    assert (healed.state, healed.details["differences"]) == (State.HEALTHY, [])


def test_where_columns_are_missing_no_statement_pretends_to_put_it_right(database: Database, tmp_path: Path) -> None:
    url = database("v1", 18)
    execute(url, "ALTER TABLE public.trading_signals DROP COLUMN rsi; DROP INDEX public.idx_signals_created")
    schema = of(read(url, tmp_path), "schema")
    assert "missing: column trading_signals.rsi" in schema.lines
    assert schema.details["repairs"] == []


def test_what_belongs_to_others_is_named_and_no_fault(database: Database, tmp_path: Path) -> None:
    url = database("v1", 18)
    execute(url, "CREATE TABLE public.notes (id int PRIMARY KEY, text text)")
    schema = of(read(url, tmp_path), "schema")
    assert schema.state is State.HEALTHY
    assert [line for line in schema.lines if "notes" in line] == ["extra, and left alone: table notes"]


def test_what_a_run_left_half_done_is_not_called_drift(database: Database, tmp_path: Path) -> None:
    url = database("v1", 18)
    execute(url, "ALTER TABLE public.portfolio_positions ADD COLUMN portfolio_id varchar(50)")
    note_run(url, Phase.PHASE1, state="paused")
    seen = read(url, tmp_path)
    schema, run = of(seen, "schema"), of(seen, "run")
    assert schema.state is run.state is State.DEGRADED
    assert "drift" not in schema.message
    assert "phase1 is paused: what differs from single-portfolio (v1.0) may belong to it" in schema.message
    assert run.message == "phase1 (run 1) is paused with 0 of 1 steps done: a test."
    for part in (schema, run):
        typed, shown = both_faces(part)
        assert "run_migration.py resume" in typed and "rollback --to v1" in typed
        assert "Below, Resume goes on with it" in shown and "run_migration" not in shown


def test_a_killed_run_is_interrupted_and_says_how_to_go_on(database: Database, tmp_path: Path) -> None:
    url = database("v1", 18)
    note_run(url, Phase.PHASE1, state=None)
    run = of(read(url, tmp_path), "run")
    assert run.state is State.DEGRADED
    assert "phase1 (run 1) is interrupted with 0 of 1 steps done." in run.message
    assert "run_migration.py resume" in component_advice(run)


def test_a_finished_run_shows_its_stall(database: Database, migrate: Migrate, tmp_path: Path) -> None:
    url = database("v1", 18)
    migrate(url, Phase.PHASE1)
    run = of(read(url, tmp_path), "run")
    assert run.state is State.HEALTHY
    assert "phase1 (run 1) is done, just now; it took" in run.message
    assert "longest stall of a client" in run.lines[0]


def test_the_structure_is_read_again_as_soon_as_the_schema_is_another(
    database: Database, migrate: Migrate, tmp_path: Path
) -> None:
    url = database("v1", 18)
    monitor = monitor_of(lambda: url, tmp_path)
    assert "v1.0" in of(monitor.read(0), "schema").message
    migrate(url, Phase.PHASE1)
    schema = of(monitor.read(0), "schema")
    assert schema.state is State.HEALTHY
    assert "v2.0" in schema.message
    assert not [line for line in schema.lines if "missing" in line or "different" in line]


@pytest.mark.parametrize(
    ("free", "state", "said"),
    [
        (500 * GB, State.HEALTHY, ""),
        (0.2 * GB, State.DEGRADED, "The disk for backups is nearly full"),
        (0.01 * GB, State.DEGRADED, "A backup and its verification may need"),
    ],
)
def test_the_disk_for_backups(
    make_database: MakeDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: float,
    state: State,
    said: str,
) -> None:
    monkeypatch.setattr(make, "free_bytes", lambda folder: int(free))
    backups = of(read(make_database("v1", sample=True), tmp_path), "backups")
    assert backups.state is state
    assert said in backups.message
    assert ("HK_STRATEGY_BACKUPS" in backups.advice or "Settle this first" in backups.advice) == bool(said)


def test_a_folder_for_backups_that_cannot_be_used_names_the_setting(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    backups = of(read(make_database("v1", sample=True), tmp_path / "file" / "backups"), "backups")
    assert backups.state is State.DEGRADED
    assert f"{tmp_path / 'file'} is not a folder that this program may write to" in backups.message
    for said in both_faces(backups):
        assert "in HK_STRATEGY_BACKUPS, in .env" in said


def test_a_pool_without_a_free_connection_says_who_waits(
    make_database: MakeDatabase, manager_of: ManagerOf, tmp_path: Path
) -> None:
    url = make_database("v1")
    manager = manager_of(url)
    manager.schema_state()
    pool = of(read(url, tmp_path, pool=manager.pool_status()), "pool")
    assert (pool.state, pool.message) == (State.HEALTHY, "This dashboard uses 0 of its 10.")
    with all_taken(manager):
        waiting = threading.Thread(target=manager.server_time)
        waiting.start()
        while not manager.pool_status().waiting:
            time.sleep(0.01)
        seen = read(url, tmp_path, pool=manager.pool_status())
    waiting.join()
    pool = of(seen, "pool")
    assert pool.state is State.DEGRADED
    assert "All 10 connections of this dashboard are in use. 1 request waits for one." in pool.message
    assert "hk_strategy" in pool.advice
    assert of(seen, "database").state is State.HEALTHY, "the server is well, and is asked past the pool"


def test_who_waited_in_vain_is_remembered(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1")
    pool = Pool(url, size=1, wait_s=0.01)
    conn = pool.take()
    with pytest.raises(DatabaseUnavailable):
        pool.take()
    pool.give_back(conn)
    found = of(read(url, tmp_path, pool=pool.status()), "pool")
    pool.close()
    assert found.state is State.DEGRADED
    assert "waited for a connection in vain" in found.message
    assert "waited in vain since the start: 1" in found.lines


def test_a_long_transaction_and_few_connections_are_said(make_database: MakeDatabase, tmp_path: Path) -> None:
    details = probe_server(make_database("v1")).details
    assert details["longest_transaction_s"] is None
    busy = server({**details, "longest_transaction_s": 75.0, "connections": 190, "max_connections": 200})
    assert busy.state is State.DEGRADED
    assert "190 of 200 connections are in use." in busy.message
    assert "A transaction has been open for 75 s." in busy.message
