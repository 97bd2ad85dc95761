"""From rows of the database to values."""

from datetime import datetime
from decimal import Decimal

from src.portfolios import rows

NAN = Decimal("NaN")
AT = datetime(2026, 1, 6, 16)
PORTFOLIO = (
    *("TRY", "Try", None, AT, AT, 3, 2, NAN, NAN, Decimal("-1.50"), 2, Decimal(5), Decimal(7), Decimal(6)),
    *("Growth", "DEFAULT", AT, None),
)


def test_a_position_whose_price_is_no_number_has_none() -> None:
    found = rows.position(("0700.HK", "", 3100, NAN, NAN, None, AT, None))
    assert found.price is None
    assert found.avg_cost == 0
    assert found.portfolio_id == "DEFAULT", "v1 clients see rows without a portfolio as theirs"
    assert (found.company_name, found.sector) == ("", None), "as stored"


def test_the_figures_of_a_portfolio() -> None:
    found = rows.portfolio(PORTFOLIO)
    assert (found.title, found.strategy, found.copied_from, found.copied_at) == ("Try", "Growth", "DEFAULT", AT)
    assert (found.totals.position_count, found.totals.held_count, found.totals.priced_count) == (3, 2, 2)
    assert (found.totals.market_value, found.totals.cost_basis) == (None, 0)
    assert (found.totals.cost_size, found.totals.priced_size) == (7, 6)


def test_where_no_day_change_is_known_nothing_is_covered() -> None:
    unknown = rows.entry((*PORTFOLIO, None, Decimal(0), Decimal(0), Decimal(4), Decimal(9), Decimal(5), None)).day
    assert (unknown.change, unknown.covered_value) == (None, None)
    assert (unknown.fresh_value, unknown.priced_size, unknown.fresh_size) == (4, 9, 5)
    known = rows.entry((*PORTFOLIO, Decimal(0), Decimal(3), Decimal(3), Decimal(4), Decimal(9), Decimal(5), None)).day
    assert (known.change, known.covered_value) == (0, 3)


def test_indicators_that_are_no_numbers_are_not_known() -> None:
    signal = rows.signal((7, "0700.HK", "A", Decimal("0.80"), Decimal(314), None, NAN, *[Decimal(1)] * 5, AT, None))
    assert (signal.values.strength, signal.values.volume, signal.values.rsi) == (Decimal("0.80"), None, None)
    assert (signal.values.bollinger_lower, signal.created_at, signal.portfolio_id) == (1, AT, "DEFAULT")
