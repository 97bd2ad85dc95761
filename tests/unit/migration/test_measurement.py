"""The measurement before a run, as the journal keeps it: what is no such thing is none, and no error."""

from decimal import Decimal

import pytest

from src.migration.run.proof import Measurement, PortfolioFigures

WHOLE = Measurement(
    {"portfolio_positions": (3, "1f")}, {"DEFAULT": PortfolioFigures(3, Decimal("1.50"), Decimal(2), Decimal("0.50"))}
)


def test_it_comes_back_as_it_was() -> None:
    assert Measurement.from_json(WHOLE.as_json()) == WHOLE


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "x",
        [],
        {},
        {"tables": {}},
        {"tables": [], "portfolios": {}},
        {"tables": {"portfolio_positions": 3}, "portfolios": {}},
        {"tables": {"portfolio_positions": ["many", "1f"]}, "portfolios": {}},
        {"tables": {}, "portfolios": {"DEFAULT": "x"}},
        {"tables": {}, "portfolios": {"DEFAULT": {"positions": 1, "cost": "x", "value": "2", "pnl": "1"}}},
        {"tables": {}, "portfolios": {"DEFAULT": {"positions": 1, "cost": None, "value": "2", "pnl": "1"}}},
        {"tables": {}, "portfolios": {"DEFAULT": {"positions": 1}}},
    ],
)
def test_broken_json_is_no_measurement(broken: object) -> None:
    assert Measurement.from_json(broken) is None
