"""Positions as hypothesis draws them: shorts, watch rows, no price, no cost, ticks of 0.001 HKD."""

from decimal import Decimal

from hypothesis import strategies as st

from src.domain.portfolio import Position

SYMBOLS = ("0005.HK", "0700.HK", "3690.HK", "9988.HK", "80700.HK")
PRICES = st.decimals(min_value=Decimal("0.001"), max_value=9_999, places=3)
COSTS = st.one_of(st.just(Decimal(0)), st.decimals(min_value=0, max_value=9_999, places=3))
LONG = st.one_of(st.sampled_from([0, 1, 100, 13_428]), st.integers(0, 2_000_000))
QUANTITIES = st.one_of(LONG, st.integers(-2_000_000, -1))
MARKET = st.fixed_dictionaries({symbol: st.one_of(st.none(), PRICES) for symbol in SYMBOLS})
PRICED_MARKET = st.fixed_dictionaries(dict.fromkeys(SYMBOLS, PRICES))


@st.composite
def portfolios(
    draw: st.DrawFn, market: dict[str, Decimal | None], quantities: st.SearchStrategy[int] = QUANTITIES
) -> list[Position]:
    """At most one position per symbol, at the market's prices."""
    symbols = draw(st.lists(st.sampled_from(SYMBOLS), unique=True))
    return [
        Position(
            symbol,
            draw(quantities),
            draw(COSTS),
            market[symbol],
            company_name=draw(st.sampled_from([None, "", "One", "Two"])),
            sector=draw(st.sampled_from([None, "", "Tech", "REIT"])),
        )
        for symbol in symbols
    ]
