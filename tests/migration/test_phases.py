"""Each phase: start, rollback, start again, complete, with the whole database compared in between."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2.errors
import pytest
from psycopg2.extensions import parse_dsn

from src.journal import runs
from src.journal.model import Keep, Phase, RunOutcome
from src.migration import engine
from tests.conftest import TRADER_PASSWORD, MakeDatabase, Servers
from tests.support.dumps import difference, schema_dump, whole_dump
from tests.support.migration_env import OTHER_PORTFOLIOS, MigrationEnv, migration_env, session, v1_clients_work

MakeEnv = Callable[..., MigrationEnv]


@pytest.fixture
def make_lab(make_database: MakeDatabase, tmp_path: Path) -> MakeEnv:
    return lambda version=18: migration_env(make_database("v1", version=version), tmp_path, version)


def done(outcome: RunOutcome) -> None:
    assert outcome.state == "done"
    assert [row for row in outcome.proof if row.equal is False] == []
    assert outcome.proof


def test_phase_1_and_back_and_again(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    v1 = whole_dump(it.url, pg_version)

    done(it.run(Phase.PHASE1))
    v2 = whole_dump(it.url, pg_version)
    assert engine.inspect(it.url).version == "2.0"
    v1_clients_work(it)

    done(it.run(Phase.ROLLBACK_V1))
    assert difference(v1, whole_dump(it.url, pg_version)) == ""
    v1_clients_work(it)

    done(it.run(Phase.PHASE1))
    assert difference(v2, whole_dump(it.url, pg_version)) == ""
    again = it.run(Phase.PHASE1)
    assert again.state == "nothing"
    assert "already" in again.message
    assert difference(v2, whole_dump(it.url, pg_version)) == ""


def test_phase_2_and_back_and_again(make_lab: MakeEnv, pg_version: int) -> None:
    it = make_lab(pg_version)
    done(it.run(Phase.PHASE1))
    it.rows(OTHER_PORTFOLIOS)
    v2 = whole_dump(it.url, pg_version)

    done(it.run(Phase.PHASE2))
    v3 = whole_dump(it.url, pg_version)
    assert engine.inspect(it.url).version == "3.0"

    done(it.run(Phase.ROLLBACK_V2))
    assert difference(v2, whole_dump(it.url, pg_version)) == ""
    v1_clients_work(it)

    done(it.run(Phase.PHASE2))
    assert difference(v3, whole_dump(it.url, pg_version)) == ""
    assert it.run(Phase.PHASE2).state == "nothing"


def test_all_the_way_back_with_portfolios_and_again(make_lab: MakeEnv, pg_version: int) -> None:
    """v3 with several portfolios to v1 in one command, and up again: as if nothing had happened."""
    it = make_lab(pg_version)
    v1 = schema_dump(it.url, pg_version)
    done(it.run(Phase.PHASE1))
    it.rows(OTHER_PORTFOLIOS)
    v2 = whole_dump(it.url, pg_version)
    done(it.run(Phase.PHASE2))
    v3 = whole_dump(it.url, pg_version)

    done(it.run(Phase.ROLLBACK_V1))
    assert difference(v1, schema_dump(it.url, pg_version)) == ""
    v1_clients_work(it)

    done(it.run(Phase.PHASE1))
    assert difference(v2, whole_dump(it.url, pg_version)) == ""
    done(it.run(Phase.PHASE2))
    assert difference(v3, whole_dump(it.url, pg_version)) == ""
    assert [record.state for record in runs.fetch_runs(it.url)] == ["done"] * 6


def test_a_fresh_v3_database_equals_a_migrated_one(
    make_lab: MakeEnv, make_database: MakeDatabase, pg_version: int
) -> None:
    it = make_lab(pg_version)
    done(it.run(Phase.PHASE1))
    done(it.run(Phase.PHASE2))
    fresh = make_database("v3", version=pg_version)
    assert difference(schema_dump(fresh, pg_version), schema_dump(it.url, pg_version)) == ""
    # And the other way: a fresh one goes back to the v1 of init.sql.
    v1 = schema_dump(make_database("v1", version=pg_version), pg_version)
    other = MigrationEnv(fresh, it.settings, pg_version)
    done(other.run(Phase.ROLLBACK_V1))
    assert difference(v1, schema_dump(fresh, pg_version)) == ""


def test_an_older_v1_without_the_analyses(make_lab: MakeEnv) -> None:
    it = make_lab()
    it.v1("DROP TABLE portfolio_value_history, portfolio_analyses")
    v1 = whole_dump(it.url)
    for phase in (Phase.PHASE1, Phase.PHASE2, Phase.ROLLBACK_V1):
        done(it.run(phase))
    assert difference(v1, whole_dump(it.url)) == ""


@pytest.fixture
def feed(servers: Servers) -> Iterator[str]:
    """A second role of v1's. Asked for before the databases, and so dropped after them."""
    role = f"feed_{os.getpid()}"
    with session(servers[18], "test") as conn, conn.cursor() as cur:
        cur.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", (TRADER_PASSWORD,))
        yield role
        cur.execute(f"DROP ROLE {role}")


# A price feed: it may change prices, and add prices, signals and positions, and nothing else. Beside it, what others
# made of the database: a table, a view over it, a column.
OTHERS_TOO = """
CREATE TABLE others (id serial PRIMARY KEY, note text);
INSERT INTO others (note) VALUES ('kept');
CREATE VIEW others_view AS SELECT note FROM others;
ALTER TABLE portfolio_positions ADD COLUMN desk text DEFAULT 'HK';
GRANT SELECT (symbol), UPDATE (current_price), INSERT (symbol, quantity) ON portfolio_positions TO {feed};
GRANT SELECT ON price_history TO {feed};
GRANT INSERT ON price_history, trading_signals TO {feed};
GRANT USAGE ON price_history_id_seq, trading_signals_id_seq, portfolio_positions_id_seq TO {feed};
"""


def test_what_others_made_and_granted_stays(feed: str, servers: Servers, make_lab: MakeEnv) -> None:
    """A second role with few rights keeps them, and no more, in every version; tables and columns of others stay."""
    it = make_lab()
    it.v1(OTHERS_TOO.format(feed=feed))
    v1 = whole_dump(it.url)
    theirs = servers.url(18, feed, parse_dsn(it.url)["dbname"])
    roles = ("trader", feed)

    _feed_works(theirs)
    done(it.run(Phase.PHASE1, legacy_roles=roles))
    _feed_works(theirs)
    assert it.v1("SELECT DISTINCT desk FROM portfolio_positions") == [("HK",)]
    it.rows(OTHER_PORTFOLIOS)
    _feed_works(theirs)
    done(it.run(Phase.ROLLBACK_V1, legacy_roles=roles, keep=Keep.DEFAULT))
    _feed_works(theirs)
    assert difference(v1, whole_dump(it.url)) == ""

    done(it.run(Phase.PHASE1, legacy_roles=roles))
    done(it.run(Phase.PHASE2, legacy_roles=roles))
    done(it.run(Phase.ROLLBACK_V2, legacy_roles=roles))
    _feed_works(theirs)
    done(it.run(Phase.ROLLBACK_V1, legacy_roles=roles, keep=Keep.DEFAULT))
    assert difference(v1, whole_dump(it.url)) == ""


def _feed_works(url: str) -> None:
    """What the feed's rights allow it to do works, and what they do not is refused; undone at the end."""
    with session(url, "feed") as conn, conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("UPDATE portfolio_positions SET current_price = 5.5 WHERE symbol = '0001.HK'")
        assert cur.rowcount == 1
        cur.execute("INSERT INTO portfolio_positions (symbol, quantity) VALUES ('5555.HK', 1)")
        cur.execute("INSERT INTO price_history (symbol, price) VALUES ('0001.HK', 5.5)")
        cur.execute("INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0001.HK', 'A', 5.5)")
        cur.execute("SELECT count(symbol) FROM portfolio_positions")
        assert cur.fetchall() == [(13,)]
        for refused in (
            "DELETE FROM portfolio_positions",
            "UPDATE portfolio_positions SET quantity = 0",
            "SELECT avg_cost FROM portfolio_positions",
            "SELECT * FROM trading_signals",
        ):
            cur.execute("SAVEPOINT before")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cur.execute(refused)
            cur.execute("ROLLBACK TO before")
        cur.execute("ROLLBACK")
