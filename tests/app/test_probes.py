"""/healthz and /metrics: what they answer, in health and out of it."""

import json
import re
from pathlib import Path

import pytest
from starlette.requests import Request

from src.backup import make
from src.journal.model import Phase
from src.ui.process import endpoints
from src.ui.reads import live_state, queries
from tests.app.conftest import MakeAt, execute
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import database_name
from tests.support.health_cases import all_taken, black_hole

REQUEST = Request({"type": "http", "method": "GET", "path": "/healthz", "headers": []})
# https://prometheus.io/docs/instrumenting/exposition_formats/
LINE = re.compile(r'^(hk_[a-z0-9_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$')


def health() -> tuple[int, dict[str, object]]:
    answer = endpoints.healthz(REQUEST)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, json.loads(bytes(answer.body))


def figures() -> dict[str, float]:
    """By name and labels; each line must be as Prometheus reads it, and each name have a help and a type."""
    text = bytes(endpoints.answer_metrics(REQUEST).body).decode()
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.match(line)
            assert match, line
            assert f"# HELP {match[1]} " in text and f"# TYPE {match[1]} " in text
            found[f"{match[1]}{match[2] or ''}"] = float(match[3])
    return found


def test_a_database_that_is_well(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    settings_env.setenv("DATABASE_URL", url)
    status, said = health()
    assert (status, said["status"]) == (200, "ok")
    assert set(said) == {"status", "components"}
    assert set(said["components"].values()) == {"healthy"}  # type: ignore[attr-defined]
    for secret in (database_name(url), "trader", "127.0.0.1", str(tmp_path), "18."):
        assert secret not in json.dumps(said)
    found = figures()
    assert found["hk_up"] == found["hk_postgres_up"] == found["hk_cache_up"] == found["hk_sample_data"] == 1
    assert found["hk_schema_version"] == 1
    assert found["hk_schema_differences"] == 0
    assert 0 < found["hk_postgres_latency_seconds"] < 60
    assert found["hk_pool_size"] == 10
    assert found["hk_prices_symbols"] == 12
    assert found["hk_prices_newest_timestamp_seconds"] > 1.7e9
    assert found["hk_backup_disk_free_bytes"] > found["hk_backup_disk_needed_bytes"] > 0
    assert not [name for name in found if name.startswith(("hk_run_", "hk_backup_verified"))], "there is none yet"


def test_the_last_run_and_drift_are_counted(sample_at: MakeAt, settings_env: pytest.MonkeyPatch) -> None:
    url = sample_at("v2")
    settings_env.setenv("DATABASE_URL", url)
    execute(url, "DROP INDEX public.idx_signals_created")
    found = figures()
    assert found["hk_schema_version"] == 2
    assert found["hk_schema_differences"] == 1
    assert found[f'hk_run_state{{phase="{Phase.PHASE1}",state="done"}}'] == 1
    assert found[f'hk_run_state{{phase="{Phase.PHASE1}",state="interrupted"}}'] == 0
    assert found["hk_run_duration_seconds"] > 0
    assert found["hk_run_longest_stall_seconds"] > 0
    assert found["hk_run_steps_done"] == found["hk_run_steps"] > 5
    assert found['hk_component_state{component="schema",state="degraded"}'] == 1


def test_a_database_that_lets_nobody_in_is_503(
    make_database: MakeDatabase, servers: Servers, settings_env: pytest.MonkeyPatch
) -> None:
    url = make_database("v3")
    settings_env.setenv("DATABASE_URL", url)
    assert health()[0] == 200
    execute(servers[18], f"ALTER DATABASE {database_name(url)} ALLOW_CONNECTIONS false")
    queries.forget()
    status, said = health()
    assert (status, said["status"]) == (503, "unavailable")
    assert said["components"]["database"] == "down"  # type: ignore[index]
    found = figures()
    assert found["hk_up"] == found["hk_postgres_up"] == 0
    assert "hk_schema_version" not in found, "what is not known is not reported as a figure"
    assert found["hk_cache_up"] == 1


def test_an_empty_database_is_503_since_nothing_can_be_shown(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("DATABASE_URL", make_database(None))
    status, said = health()
    assert status == 503
    assert said["components"]["database"] == "healthy"  # type: ignore[index]


def test_a_server_that_never_answers_is_503_and_not_waited_for(settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setattr(live_state, "LIMIT_S", 0.2)
    with black_hole() as url:
        settings_env.setenv("DATABASE_URL", url)
        status, said = health()
        assert figures()["hk_up"] == 0
    assert status == 503
    assert said["components"]["database"] == "down"  # type: ignore[index]


def test_without_a_cache_all_goes_on(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    settings_env.setenv("DATABASE_URL", make_database("v3"))
    status, said = health()
    assert status == 200
    assert said["components"]["redis"] == "down"  # type: ignore[index]
    assert figures()["hk_cache_up"] == 0


def test_taken_connections_and_a_full_disk_are_reported_and_no_reason_to_turn_anybody_away(
    make_database: MakeDatabase, settings_env: pytest.MonkeyPatch
) -> None:
    settings_env.setenv("DATABASE_URL", make_database("v3"))
    settings_env.setattr(make, "free_bytes", lambda folder: 1000)
    with all_taken(queries.manager()):
        status, said = health()
        found = figures()
    assert status == 200
    assert said["components"]["pool"] == said["components"]["backups"] == "degraded"  # type: ignore[index]
    assert found["hk_pool_in_use"] == found["hk_pool_size"] == 10
    assert found["hk_backup_disk_free_bytes"] == 1000


def test_many_requests_cost_what_one_costs(make_database: MakeDatabase, settings_env: pytest.MonkeyPatch) -> None:
    """However often a load balancer asks, no connection is opened for each request."""
    url = make_database("v3")
    settings_env.setenv("DATABASE_URL", url)
    settings_env.setattr(endpoints, "FRESH_S", 600.0)
    health()
    settings_env.setattr("src.health.probes.connect", lambda *_, **__: pytest.fail("a connection was opened"))
    for _ in range(20):
        assert health()[0] == 200
