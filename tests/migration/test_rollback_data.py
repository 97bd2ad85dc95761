"""Rollback to v1 loses nothing: what becomes of positions, signals and prices, and how phase 1 brings them back."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2.extras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.cli.text import plan_lines
from src.journal.model import Keep, Phase, RunOutcome
from src.migration import engine
from src.migration.model import Options
from tests.conftest import MakeDatabase
from tests.support.dumps import data_dump, difference
from tests.support.migration_env import MigrationEnv, migration_env, session

D = Decimal
Holding = tuple[int, Decimal]
POSITION = "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price) VALUES %s"
# portfolio, symbol, quantity, average cost, price
ROWS = [
    ("DEFAULT", "0001.HK", 100, D("10.000"), D("30.000")),
    ("A", "0001.HK", 300, D("20.000"), D("30.000")),
    ("DEFAULT", "0002.HK", 0, D("5.000"), D("6.000")),  # nobody holds any: the plain mean
    ("A", "0002.HK", 0, D("6.000"), D("6.000")),
    ("B", "0002.HK", 0, D("7.000"), D("6.000")),
    ("DEFAULT", "0003.HK", 100, D("10.000"), D("11.000")),  # long and short
    ("A", "0003.HK", -100, D("12.000"), D("11.000")),
    ("A", "0004.HK", 10, D("1.000"), D("2.000")),  # only others hold it
    ("B", "0004.HK", 20, D("2.000"), D("2.000")),
    ("B", "0005.HK", 7, D("3.333"), None),  # one other alone, no price known
    ("DEFAULT", "0006.HK", 3, D("1.000"), D("1.000")),  # DEFAULT alone
    ("DEFAULT", "0007.HK", 1, D("0.001"), D("1.000")),  # a mean that three decimals cannot hold
    ("A", "0007.HK", 2, D("0.002"), D("1.000")),
]


@pytest.fixture
def v2(make_database: MakeDatabase, tmp_path: Path) -> MigrationEnv:
    """A v2 database with DEFAULT, A (a copy of it, changed since) and B, and nothing in them."""
    it = migration_env(make_database("v2"), tmp_path, rows="")
    it.rows(
        "INSERT INTO public.portfolios (portfolio_id, name, description, strategy, copied_from, copied_at) VALUES "
        "('A', 'Portfolio A', 'What if', 'Tech', 'DEFAULT', '2025-06-01 12:00'), ('B', 'B', NULL, NULL, NULL, NULL)"
    )
    return it


@pytest.fixture
def held(v2: MigrationEnv) -> MigrationEnv:
    fill(v2, ROWS)
    return v2


def fill(it: MigrationEnv, rows: list[tuple[str, str, int, Decimal, Decimal | None]]) -> None:
    with session(it.url, "hk_strategy test") as conn, conn.cursor() as cur:
        psycopg2.extras.execute_values(cur, POSITION, rows)


def back(it: MigrationEnv, keep: Keep = Keep.MERGE) -> RunOutcome:
    outcome = it.run(Phase.ROLLBACK_V1, keep=keep)
    assert outcome.state == "done"
    assert [row for row in outcome.proof if row.equal is False] == []
    return outcome


def forth(it: MigrationEnv, **choices: Any) -> RunOutcome:
    outcome = it.run(Phase.PHASE1, **choices)
    assert outcome.state == "done"
    assert [row for row in outcome.proof if row.equal is False] == []
    return outcome


def merged(it: MigrationEnv) -> dict[str, Holding]:
    """symbol → quantity, average cost, as a v1 client sees them."""
    return {s: (q, c) for s, q, c in it.v1("SELECT symbol, quantity, avg_cost FROM portfolio_positions")}


def holdings(it: MigrationEnv) -> dict[tuple[str, str], Holding]:
    found = it.rows("SELECT portfolio_id, symbol, quantity, avg_cost FROM public.portfolio_positions")
    return {(p, s): (q, c) for p, s, q, c in found}


def test_quantities_are_summed_and_costs_weighted(held: MigrationEnv) -> None:
    back(held)
    assert merged(held) == {
        "0001.HK": (400, D("17.500")),
        "0002.HK": (0, D("6.000")),
        "0003.HK": (0, D("11.000")),
        "0004.HK": (30, D("1.667")),
        "0005.HK": (7, D("3.333")),
        "0006.HK": (3, D("1.000")),
        "0007.HK": (3, D("0.002")),
    }
    prices = dict(held.v1("SELECT symbol, current_price FROM portfolio_positions"))
    assert (prices["0004.HK"], prices["0005.HK"]) == (D("2.000"), None)


def test_the_preview_says_what_the_merge_then_does(held: MigrationEnv) -> None:
    """Each symbol that others hold, with cost before and after: also where long and short cancel out."""
    plan = engine.make_plan(held.url, Phase.ROLLBACK_V1, Options(backup=False), held.settings)
    foreseen = {m.symbol: (m.quantity, m.avg_cost) for m in plan.merged}
    back(held)
    after = merged(held)
    assert foreseen == {symbol: after[symbol] for symbol in foreseen}
    assert set(foreseen) >= {"0001.HK", "0002.HK", "0003.HK", "0004.HK", "0007.HK"}
    cancelled = next(m for m in plan.merged if m.symbol == "0003.HK")
    assert (cancelled.cost_before, cancelled.cost_after) == (D(-200), D(0))


@pytest.mark.parametrize("keep", list(Keep))
def test_the_plan_names_the_portfolios_that_leave(held: MigrationEnv, keep: Keep) -> None:
    before = held.rows("SELECT portfolio_id FROM public.portfolios WHERE portfolio_id <> 'DEFAULT' ORDER BY 1")
    options = Options(backup=False, keep=keep)
    plan = engine.make_plan(held.url, Phase.ROLLBACK_V1, options, held.settings)
    names = [name for (name,) in before]
    assert names and list(plan.archived_portfolios) == names
    assert f"Portfolios archived, and gone from the live tables: {', '.join(names)}" in plan_lines(plan, options)
    assert bool(plan.merged) is (keep is Keep.MERGE)


def test_the_proof_says_that_a_cost_basis_is_only_in_the_archive(held: MigrationEnv) -> None:
    outcome = back(held)
    cost = next(row for row in outcome.proof if row.subject == "Merged symbols, cost, HKD")
    assert cost.equal is None
    assert "1 long in one portfolio and short in another" in cost.note and "archive" in cost.note
    assert forth(held).state == "done"
    assert holdings(held)["A", "0003.HK"] == (-100, D("12.000"))


def test_nothing_goes_missing_where_names_and_sectors_differ(v2: MigrationEnv) -> None:
    v2.rows(
        "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, company_name, sector) "
        "VALUES "
        "('DEFAULT', '0001.HK', 1000, 1, 'One', 'Tech'), ('A', '0001.HK', 2000, 1, 'One Ltd', 'Technology'), "
        "('B', '0001.HK', 1000, 1, NULL, NULL), "
        "('DEFAULT', '0002.HK', 1, 1, NULL, NULL), ('A', '0002.HK', 1, 1, 'Two', 'Energy')"
    )
    back(v2)
    assert v2.v1("SELECT symbol, quantity, company_name, sector FROM portfolio_positions ORDER BY symbol") == [
        ("0001.HK", 4000, "One", "Tech"),
        ("0002.HK", 2, "Two", "Energy"),
    ]


SIGNALS = """
INSERT INTO public.trading_signals (portfolio_id, symbol, signal_type, price) VALUES
    ('DEFAULT', '0001.HK', 'A', 1), ('A', '0001.HK', 'B', 2), ('B', '0005.HK', 'C', 3);
INSERT INTO public.price_history (symbol, price) VALUES ('0001.HK', 30), ('^HSI', 20000), ('^HSI', 20100);
"""


def signals(it: MigrationEnv) -> list[tuple[str, str, int]]:
    found = it.rows("SELECT portfolio_id, symbol, price FROM public.trading_signals ORDER BY price")
    return [(p, s, int(price)) for p, s, price in found]


def test_signals_stay_under_their_symbol_and_index_prices_in_the_archive(held: MigrationEnv) -> None:
    held.rows(SIGNALS)
    before = data_dump(held.url)
    back(held)
    assert held.v1("SELECT symbol, price FROM trading_signals ORDER BY price") == [
        ("0001.HK", 1), ("0001.HK", 2), ("0005.HK", 3),
    ]  # fmt: skip
    assert held.v1("SELECT DISTINCT symbol FROM price_history") == [("0001.HK",)]
    forth(held)
    assert difference(before, data_dump(held.url)) == ""


def test_keep_default_archives_the_others_and_merges_nothing(held: MigrationEnv) -> None:
    held.rows(SIGNALS)
    before = data_dump(held.url)
    own = {symbol: holding for (portfolio, symbol), holding in holdings(held).items() if portfolio == "DEFAULT"}
    back(held, Keep.DEFAULT)
    assert merged(held) == own
    assert held.v1("SELECT symbol, price FROM trading_signals") == [("0001.HK", 1)]
    forth(held)
    assert difference(before, data_dump(held.url)) == ""


@pytest.mark.parametrize("keep", list(Keep))
def test_what_v1_clients_changed_meanwhile_stays(held: MigrationEnv, keep: Keep) -> None:
    """The others' portfolios are as they were; DEFAULT is what it was, plus what v1 clients did since."""
    held.rows(SIGNALS)
    before = holdings(held)
    back(held, keep)
    held.v1("UPDATE portfolio_positions SET quantity = quantity + 50 WHERE symbol = '0001.HK'")
    held.v1("UPDATE portfolio_positions SET current_price = 33 WHERE symbol = '0001.HK'")
    held.v1("UPDATE portfolio_positions SET avg_cost = 1.5 WHERE symbol = '0006.HK'")
    held.v1("DELETE FROM portfolio_positions WHERE symbol = '0007.HK'")
    held.v1("INSERT INTO portfolio_positions (symbol, quantity, avg_cost) VALUES ('0099.HK', 9, 9)")
    held.v1("INSERT INTO trading_signals (symbol, signal_type, price) VALUES ('0001.HK', 'D', 4)")
    forth(held)
    expected = before | {
        ("DEFAULT", "0001.HK"): (150, D("10.000")),
        ("DEFAULT", "0006.HK"): (3, D("1.500")),
        ("DEFAULT", "0099.HK"): (9, D("9.000")),
    }
    del expected["DEFAULT", "0007.HK"]
    assert holdings(held) == expected
    prices = held.rows("SELECT current_price FROM public.portfolio_positions WHERE symbol = '0001.HK'")
    assert prices == [(33,), (33,)]
    assert signals(held) == [
        ("DEFAULT", "0001.HK", 1), ("A", "0001.HK", 2), ("B", "0005.HK", 3), ("DEFAULT", "0001.HK", 4),
    ]  # fmt: skip


def test_a_merged_average_that_a_v1_client_changed_is_a_purchase(held: MigrationEnv) -> None:
    """400 @ 17.5 became 500 @ 18: 100 more for 2,000. DEFAULT had 100 @ 10: now 200 for 3,000."""
    back(held)
    held.v1("UPDATE portfolio_positions SET quantity = 500, avg_cost = 18 WHERE symbol = '0001.HK'")
    forth(held)
    assert holdings(held)["DEFAULT", "0001.HK"] == (200, D("15.000"))
    assert holdings(held)["A", "0001.HK"] == (300, D("20.000"))


def test_a_symbol_that_only_others_held_and_v1_clients_bought(held: MigrationEnv) -> None:
    back(held)
    held.v1("UPDATE portfolio_positions SET quantity = quantity + 5 WHERE symbol = '0004.HK'")
    forth(held)
    found = holdings(held)
    assert found["DEFAULT", "0004.HK"][0] == 5
    assert (found["A", "0004.HK"], found["B", "0004.HK"]) == ((10, D("1.000")), (20, D("2.000")))
    assert ("DEFAULT", "0005.HK") not in found


def test_lineage_names_and_strategy_come_back(held: MigrationEnv) -> None:
    held.rows("UPDATE public.portfolios SET name = 'Main', strategy = 'Income' WHERE portfolio_id = 'DEFAULT'")
    query = "SELECT portfolio_id, name, description, strategy, copied_from, copied_at FROM public.portfolios ORDER BY 1"
    before = held.rows(query)
    back(held)
    assert held.rows("SELECT to_regclass('public.portfolios')") == [(None,)]
    forth(held)
    assert held.rows(query) == before


def test_the_archive_can_wait(held: MigrationEnv) -> None:
    """Phase 1 without restoring leaves the merged portfolio; phase 1 again brings the others back."""
    before = holdings(held)
    back(held)
    together = merged(held)
    forth(held, restore_archive=False)
    assert {s: h for (p, s), h in holdings(held).items() if p == "DEFAULT"} == together
    assert held.rows("SELECT portfolio_id FROM public.portfolios") == [("DEFAULT",)]
    plan = engine.make_plan(held.url, Phase.PHASE1, Options(backup=False), held.settings)
    assert set(plan.archived_portfolios) >= {"A", "B"}
    forth(held)
    assert holdings(held) == before
    assert held.run(Phase.PHASE1).state == "nothing"


def test_two_archives_are_restored_one_after_the_other(held: MigrationEnv) -> None:
    """Rolled back twice, without restoring in between: phase 1 then brings back both, the newer first."""
    before = holdings(held)
    back(held)
    forth(held, restore_archive=False)
    held.rows("INSERT INTO public.portfolios (portfolio_id, name) VALUES ('C', 'C')")
    fill(held, [("C", "0001.HK", 1, D("5.000"), D("30.000"))])
    back(held)
    assert merged(held)["0001.HK"][0] == 401
    forth(held)
    assert holdings(held) == before | {("C", "0001.HK"): (1, D("5.000"))}


SYMBOLS = [f"{n:04}.HK" for n in range(1, 9)]
QUANTITY = st.one_of(st.just(0), st.integers(1, 1_000_000))
COST = st.integers(0, 5_000_000).map(lambda n: D(n) / 1000)


def portfolios(quantity: st.SearchStrategy[int]) -> st.SearchStrategy[dict[tuple[str, str], Holding]]:
    keys = st.tuples(st.sampled_from(["DEFAULT", "A", "B"]), st.sampled_from(SYMBOLS))
    return st.dictionaries(keys, st.tuples(quantity, COST), min_size=6, max_size=24)


def check(it: MigrationEnv, given_: dict[tuple[str, str], Holding], long_only: bool) -> None:
    it.rows("DELETE FROM public.portfolio_positions")
    fill(it, [(p, s, q, c, D(1)) for (p, s), (q, c) in given_.items()])
    back(it)
    after = merged(it)
    for symbol in {s for _, s in given_}:
        parts = [holding for (_, s), holding in given_.items() if s == symbol]
        total = sum(q for q, _ in parts)
        assert after[symbol][0] == total
        if long_only:
            cost = sum(q * c for q, c in parts)
            assert abs(cost - total * after[symbol][1]) <= total * D("0.0005")
    assert set(after) == {s for _, s in given_}
    forth(it)
    assert holdings(it) == given_


NO_DEADLINE = settings(
    max_examples=6, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@NO_DEADLINE
@given(given_=portfolios(QUANTITY))
def test_any_portfolios_come_back_as_they_were(v2: MigrationEnv, given_: dict[tuple[str, str], Holding]) -> None:
    check(v2, given_, long_only=True)


@NO_DEADLINE
@given(given_=portfolios(st.integers(-1000, 1000)))
def test_any_portfolios_with_shorts_come_back_as_they_were(
    v2: MigrationEnv, given_: dict[tuple[str, str], Holding]
) -> None:
    check(v2, given_, long_only=False)
