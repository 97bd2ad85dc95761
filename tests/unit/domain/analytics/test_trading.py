from dataclasses import replace
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.domain.analytics.trading import Costs, break_even, lot_warning, tick_warning, trade_costs, what_if
from src.domain.exchange_rules import Fee, Ticks, on_tick, price_at_or_above, price_at_or_below
from src.domain.portfolio import Position
from src.errors import InvalidInput
from src.market.facts import rules
from tests.unit.domain.drawn_portfolios import PRICED_MARKET, PRICES, portfolios

RULES = rules(date(2026, 11, 24))
EQUITY, EQUITY_TICKS = RULES.rates["equity"], RULES.ticks["equity"]
ETF_TICKS = RULES.ticks["etf"]
STEP = Decimal("0.001")


def test_a_hundred_thousand_dollars_of_ordinary_shares_cost_112_70() -> None:
    costs = trade_costs(1000, Decimal(100), EQUITY)
    assert costs == Costs(Decimal(100), Decimal("2.70"), Decimal("0.15"), Decimal("5.65"), Decimal("4.20"))
    assert costs.total == Decimal("112.70")
    assert trade_costs(-1000, Decimal(100), EQUITY) == costs


def test_funds_and_reits_pay_no_stamp_duty() -> None:
    for kind in ("etf", "reit"):
        assert trade_costs(1000, Decimal(100), RULES.rates[kind]).total == Decimal("12.70")  # type: ignore[index]


def test_stamp_duty_is_rounded_up_to_the_dollar_and_the_rest_to_the_cent() -> None:
    costs = trade_costs(100, Decimal("10.01"), EQUITY)
    assert costs == Costs(Decimal(2), Decimal("0.03"), Decimal("0.00"), Decimal("0.06"), Decimal("0.04"))
    assert trade_costs(100, Decimal("10.00"), EQUITY).stamp_duty == 1
    assert trade_costs(0, Decimal(10), EQUITY).total == 0


def test_a_fee_with_a_floor_and_a_ceiling() -> None:
    old = replace(EQUITY, settlement_fee=Fee(Decimal("0.00002"), Decimal(2), Decimal(100)))
    assert trade_costs(100, Decimal(10), old).settlement_fee == 2
    assert trade_costs(100_000, Decimal(10), old).settlement_fee == 20
    assert trade_costs(1_000_000, Decimal(10), old).settlement_fee == 100
    assert trade_costs(0, Decimal(10), old).settlement_fee == 0


@pytest.mark.parametrize("price", ["0", "-1"])
def test_costs_need_a_price(price: str) -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        trade_costs(100, Decimal(price), EQUITY)


@given(st.integers(1, 5_000_000), PRICES)
def test_costs_are_the_rates_of_the_consideration(quantity: int, price: Decimal) -> None:
    amount = quantity * price
    costs = trade_costs(quantity, price, EQUITY)
    assert costs.stamp_duty == (amount / 1000).to_integral_value(ROUND_CEILING)
    for charged, percent in (
        (costs.sfc_levy, "0.0027"),
        (costs.afrc_levy, "0.00015"),
        (costs.trading_fee, "0.00565"),
        (costs.settlement_fee, "0.0042"),
    ):
        assert charged == (amount * Decimal(percent) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


@given(st.decimals(min_value=Decimal("0.001"), max_value=9_990, places=3), st.sampled_from([EQUITY_TICKS, ETF_TICKS]))
def test_the_nearest_valid_prices_are_valid_and_nothing_valid_lies_between(price: Decimal, table: Ticks) -> None:
    below, above = price_at_or_below(price, table), price_at_or_above(price, table)
    assert below is not None
    assert above is not None
    assert below <= price <= above
    assert on_tick(below, table) is True
    assert on_tick(above, table) is True
    if on_tick(price, table) is True:
        assert below == price == above
    else:
        assert below < price < above
        between = [below + STEP * nth for nth in range(1, int((above - below) / STEP))]
        assert not [one for one in between if on_tick(one, table) is True]


def test_a_price_off_the_steps_is_reported_with_its_neighbours() -> None:
    assert tick_warning(Decimal("315.2"), EQUITY_TICKS) is None
    assert tick_warning(Decimal("12000"), EQUITY_TICKS) is None
    assert tick_warning(Decimal("285.5"), EQUITY_TICKS) == (
        "The exchange does not take HKD 285.50: prices there go in steps of 0.20. Nearest: 285.40 or 285.60."
    )
    assert tick_warning(Decimal("0.252"), EQUITY_TICKS) == (
        "The exchange does not take HKD 0.252: prices there go in steps of 0.005. Nearest: 0.25 or 0.255."
    )


def test_odd_lots_are_reported_and_unknown_lots_are_not() -> None:
    assert lot_warning(800, 400) is None
    assert lot_warning(13_428, None) is None
    reported = lot_warning(13_428, 400)
    assert reported is not None
    assert reported.startswith("228 of the 13,428 shares are less than a board lot of 400")
    assert (lot_warning(-50, 400) or "").startswith("50 shares are less than a board lot of 400")


def test_break_even_of_a_usual_position() -> None:
    # 100 × 321.00 = 32,100.00, less 33 + 0.87 + 0.05 + 1.81 + 1.35; at 320.80 it is 32,080 − 37.07, below 32,050.
    assert break_even(100, Decimal("320.5"), EQUITY, EQUITY_TICKS) == Decimal("321.00")
    assert break_even(-100, Decimal("320.5"), EQUITY, EQUITY_TICKS) == Decimal("320.00")
    assert break_even(0, Decimal("320.5"), EQUITY, EQUITY_TICKS) is None


def test_break_even_where_costs_are_most_of_it() -> None:
    assert break_even(1, Decimal(0), EQUITY, EQUITY_TICKS) == Decimal("1.00")
    assert break_even(-1, Decimal("0.9"), EQUITY, EQUITY_TICKS) is None
    assert break_even(100, Decimal("9995"), EQUITY, EQUITY_TICKS) is None
    assert break_even(100, Decimal(5), EQUITY, ()) is None


@given(
    st.one_of(st.integers(1, 3), st.integers(1, 2_000_000)),
    st.decimals(min_value=0, max_value=9_000, places=3),
    st.booleans(),
)
def test_break_even_gives_the_cost_back_and_one_step_worse_does_not(size: int, cost: Decimal, short: bool) -> None:
    quantity = -size if short else size

    def left(price: Decimal) -> Decimal:
        return quantity * (price - cost) - trade_costs(quantity, price, EQUITY).total

    price = break_even(quantity, cost, EQUITY, EQUITY_TICKS)
    worse: Decimal | None
    if price is None:
        assert short, "a long position always has one below the table's end"
        worse = price_at_or_below(cost, EQUITY_TICKS)
    else:
        assert on_tick(price, EQUITY_TICKS) is True
        assert left(price) >= 0
        half = STEP / 2
        worse = (
            price_at_or_above(price + half, EQUITY_TICKS) if short else price_at_or_below(price - half, EQUITY_TICKS)
        )
    # Where costs jump by a dollar a worse price can still do; then it is not past the cost itself.
    while worse is not None and (worse >= cost if not short else worse <= cost) and worse > 0:
        assert left(worse) < 0
        half = STEP / 2
        worse = (
            price_at_or_above(worse + half, EQUITY_TICKS) if short else price_at_or_below(worse - half, EQUITY_TICKS)
        )


def position(symbol: str, quantity: int, price: str | None) -> Position:
    return Position(symbol, quantity, Decimal(1), None if price is None else Decimal(price), company_name=symbol[:4])


def test_the_trades_that_lead_from_parent_to_copy() -> None:
    parent = [position("0700.HK", 1000, "100"), position("0005.HK", 400, "40"), position("0823.HK", 100, "40")]
    copy = [position("0700.HK", 2000, "100"), position("0823.HK", 100, "40"), position("3033.HK", 1000, "10")]
    found = what_if(parent, copy, RULES)
    assert [(t.symbol, t.side, t.quantity, t.consideration, t.costs and t.costs.total) for t in found.trades] == [
        ("0005.HK", "sell", 400, Decimal(16000), Decimal("18.02")),
        ("0700.HK", "buy", 1000, Decimal(100_000), Decimal("112.70")),
        ("3033.HK", "buy", 1000, Decimal(10_000), Decimal("1.28")),
    ]
    assert all(trade.warnings == () for trade in found.trades)
    assert found.costs == Decimal("132.00")
    assert found.cash == Decimal(16_000 - 100_000 - 10_000) - Decimal("132.00")
    assert found.unknown == ()
    assert what_if(copy, copy, RULES).trades == ()
    assert what_if(copy, copy, RULES).costs == 0


def test_a_trade_without_a_price_or_of_an_unknown_kind_has_no_costs_and_is_named() -> None:
    copy = [position("0700.HK", 150, None), position("12345.HK", 10_000, "0.1"), position("0388.HK", 100, "285.5")]
    found = what_if([], copy, RULES)
    by_symbol = {trade.symbol: trade for trade in found.trades}
    assert by_symbol["0700.HK"].costs is None
    assert by_symbol["0700.HK"].consideration is None
    assert by_symbol["0700.HK"].warnings[0].startswith("50 of the 150 shares")
    assert by_symbol["12345.HK"].costs is None
    assert "not known here" in by_symbol["12345.HK"].warnings[0]
    assert "does not take HKD 285.50" in by_symbol["0388.HK"].warnings[0]
    assert found.unknown == ("0700.HK", "12345.HK")
    assert found.costs == by_symbol["0388.HK"].costs.total  # type: ignore[union-attr]
    nothing = what_if([], copy[:1], RULES)
    assert (nothing.costs, nothing.cash) == (None, None)
    assert what_if([], copy[:1], RULES, {"0700.HK": Decimal(100)}).trades[0].price == 100


@given(st.data())
def test_the_trades_turn_the_parents_quantities_into_the_copys(data: st.DataObject) -> None:
    market = data.draw(PRICED_MARKET)
    parent, copy = data.draw(portfolios(market)), data.draw(portfolios(market))
    held = {one.symbol: one.quantity for one in parent}
    found = what_if(parent, copy, RULES)
    for trade in found.trades:
        assert trade.quantity > 0
        signed = trade.quantity if trade.side == "buy" else -trade.quantity
        held[trade.symbol] = held.get(trade.symbol, 0) + signed
    assert {s: q for s, q in held.items() if q} == {one.symbol: one.quantity for one in copy if one.quantity}
    assert found.costs == sum((trade.costs.total for trade in found.trades if trade.costs), Decimal(0))
