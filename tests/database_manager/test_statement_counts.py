"""How many statements a call sends does not depend on how much there is: no N + 1."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit
from src.market.calendar import sessions
from tests.support.databases import MULTI, Database, ManagerOf, execute
from tests.support.editing import rows_of
from tests.support.statements import counted

SESSIONS = sessions(datetime(2026, 1, 12, 8, tzinfo=UTC))
MANY = """
INSERT INTO public.portfolios (portfolio_id, name, copied_from, copied_at)
SELECT 'P' || i, 'Portfolio ' || i, 'DEFAULT', now() FROM generate_series(1, 40) i;
INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price)
SELECT p.portfolio_id, lpad(s::text, 4, '0') || '.HK', s, 10, 20
  FROM public.portfolios p, generate_series(101, 160) s
"""


@pytest.fixture(params=MULTI)
def url(request: pytest.FixtureRequest, database: Database) -> str:
    return database(request.param, 18)


@pytest.fixture
def manager(manager_of: ManagerOf, url: str) -> DatabaseManager:
    return manager_of(url)


def held(manager: DatabaseManager) -> list[str]:
    return list(rows_of(manager))


READS: list[tuple[str, int, Callable[[DatabaseManager], object]]] = [
    ("get_portfolios", 1, lambda m: m.get_portfolios()),
    ("get_overview", 1, lambda m: m.get_overview(SESSIONS)),
    ("get_quotes", 1, lambda m: m.get_quotes(SESSIONS.latest.opens)),
    ("get_closes", 1, lambda m: m.get_closes(["0005.HK", "0700.HK"], date(2026, 1, 1))),
    ("get_portfolio_positions", 2, lambda m: m.get_portfolio_positions("DEFAULT")),
    ("get_positions_of", 2, lambda m: m.get_positions_of(list(m_ids(m)))),
    ("get_value_curves", 2, lambda m: m.get_value_curves(list(m_ids(m)), date(2026, 1, 1))),
    ("get_lineage", 4, lambda m: m.get_lineage("TRY")),
    ("revisions", 4, lambda m: m.revisions()),
]
_ids: dict[int, list[str]] = {}


def m_ids(manager: DatabaseManager) -> list[str]:
    return _ids[id(manager)]


def counts(manager: DatabaseManager) -> dict[str, int]:
    _ids[id(manager)] = list(manager.get_portfolios()["portfolio_id"])
    found = {}
    for name, _, read in READS:
        with counted() as sent:
            read(manager)
        found[name] = len(sent)
    return found


def test_reading_little_and_much_takes_the_same_statements(manager: DatabaseManager, url: str) -> None:
    manager.copy_portfolio("DEFAULT", "TRY", "Try")
    for quantity in (1, 2):
        saved = manager.save_positions("TRY", [changed(manager, "0700.HK", quantity)])
    manager.undo_revision(saved.revision_id)
    expected = {name: number for name, number, _ in READS}
    assert counts(manager) == expected
    execute(url, MANY)
    for quantity in range(10, 30):
        manager.save_positions("TRY", [changed(manager, s, quantity) for s in ("0005.HK", "0700.HK")])
    assert counts(manager) == expected


def changed(manager: DatabaseManager, symbol: str, quantity: int, portfolio_id: str = "TRY") -> Edit:
    row = rows_of(manager, portfolio_id)[symbol]
    return Edit(symbol, row, replace(row, quantity=quantity))


def test_saving_little_and_much_takes_the_same_statements(manager: DatabaseManager, url: str) -> None:
    execute(url, MANY)
    manager.save_positions("DEFAULT", [changed(manager, "0700.HK", 1, "DEFAULT")])
    sent_by = []
    for portfolio_id, number in (("P1", 1), ("P2", 20)):
        rows = rows_of(manager, portfolio_id)
        symbols = sorted(rows)
        edits = [Edit(s, rows[s], replace(rows[s], quantity=5)) for s in symbols[:number]]
        edits += [Edit(s, rows[s], replace(rows[s], price=Decimal(25 + number))) for s in symbols[20 : 20 + number]]
        edits += [Edit(s, rows[s], None) for s in symbols[40 : 40 + number]]
        edits += [Edit(f"{9000 + n}.HK", None, replace(rows[symbols[0]], price=None)) for n in range(number)]
        with counted() as sent:
            save = manager.save_positions(portfolio_id, edits)
        with counted() as undone:
            manager.undo_revision(save.revision_id)
        assert len(save.rows) == 4 * number
        sent_by.append((len(sent), len(undone)))
    assert sent_by[0] == sent_by[1]
    assert sent_by[0] <= (18, 30)


def test_copying_takes_the_same_statements_however_many_positions(manager: DatabaseManager, url: str) -> None:
    manager.copy_portfolio("DEFAULT", "FIRST", "x")
    with counted() as few:
        manager.copy_portfolio("DEFAULT", "FEW", "x")
    execute(url, MANY)
    with counted() as many:
        manager.copy_portfolio("DEFAULT", "MANY", "x")
    assert len(few) == len(many) <= 12
