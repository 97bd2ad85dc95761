"""The positions of several portfolios in one statement."""

import pytest

from src.errors import PortfolioNotFound
from tests.support.databases import SCHEMAS, Database, ManagerOf, execute


@pytest.mark.parametrize("schema", SCHEMAS)
def test_of_one_portfolio_they_are_its_positions(database: Database, manager_of: ManagerOf, schema: str) -> None:
    manager = manager_of(database(schema, 18))
    assert manager.get_positions_of(["DEFAULT"]).equals(manager.get_portfolio_positions("DEFAULT"))
    assert manager.get_positions_of([]).empty
    with pytest.raises(PortfolioNotFound, match="NOPE"):
        manager.get_positions_of(["DEFAULT", "NOPE"])


def test_of_several_they_are_those_and_no_others(database: Database, manager_of: ManagerOf) -> None:
    url = database("v3", 18)
    manager = manager_of(url)
    for name in ("A", "B"):
        manager.copy_portfolio("DEFAULT", name, name)
    execute(url, "DELETE FROM public.portfolio_positions WHERE portfolio_id = 'A' AND symbol <> '0700.HK'")
    frame = manager.get_positions_of(["A", "B"])
    assert frame[frame["portfolio_id"] == "A"]["symbol"].to_list() == ["0700.HK"]
    expected = manager.get_portfolio_positions("B")
    assert frame[frame["portfolio_id"] == "B"].reset_index(drop=True).equals(expected)
    assert set(frame["portfolio_id"]) == {"A", "B"}
