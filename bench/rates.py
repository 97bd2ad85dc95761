"""How long each step takes on a small and on a large database: what plans go by where no earlier run knows better."""

import json
import os
import platform
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from bench.live import SERVER, Bench, Sizes
from src.embedded.api import PrivateServer
from src.journal.model import Keep, Phase
from src.migration import engine
from src.migration.model import Options
from src.migration.plan.estimate import RATES, earlier_runs

SMALL = Sizes(prices=5_000, signals=1_000, positions=50)
LARGE = Sizes(prices=2_000_000, signals=200_000, positions=2_000)
WAY = (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V2, Phase.ROLLBACK_V1)


def write(*, say: Callable[[str], None]) -> None:
    """Measure, and replace the file that plans go by."""
    found: dict[str, Any] = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} processors ({platform.machine()}), PostgreSQL 18, python -m bench --rates",
    }
    for name, sizes in (("small", SMALL), ("large", LARGE)):
        say(f"{name} database")
        found[name] = _measured(sizes, say)
    RATES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _measured(sizes: Sizes, say: Callable[[str], None]) -> dict[str, Any]:
    """All phases there and back, each with its backup; nobody else is at work."""
    with tempfile.TemporaryDirectory(prefix="hk_bench_") as directory:
        home = Path(directory)
        with PrivateServer(home / "server", 18, options=SERVER) as server:
            bench = Bench(server, sizes, home)
            say("filling the database")
            bench.build_template()
            with bench.database() as url:
                for phase in WAY:
                    say(phase.value)
                    if phase is Phase.PHASE2:
                        bench.copy_portfolio(url)
                    engine.run(url, phase, Options(keep=Keep.MERGE), bench.settings, lambda event: None)
                    if phase is Phase.PHASE1:
                        tables = {size.table: size.bytes for size in engine.inspect(url).tables}
                conn = psycopg2.connect(url, application_name="hk_strategy bench")
                steps: dict[str, dict[str, float]] = {}
                for one in reversed(earlier_runs(conn)):
                    steps.setdefault(one.phase, {})[one.step] = round(one.seconds, 4)
                conn.close()
                return {"tables": tables, "steps": steps}
