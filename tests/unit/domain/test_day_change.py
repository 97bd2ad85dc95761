"""What moved today, and how much of what is held that is known of."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from src.domain.day_change import Day, combined, day, moves
from src.domain.portfolio import Position
from src.domain.price_age import TradingSession, TradingSessions
from src.domain.quote import Quote
from src.domain.valuation import value

HONG_KONG = timezone(timedelta(hours=8))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HONG_KONG)


def session(text: str) -> TradingSession:
    return TradingSession(date.fromisoformat(text), at(f"{text}T09:30"), at(f"{text}T16:00"))


RECENT = (session("2026-11-19"), session("2026-11-20"), session("2026-11-23"))
SESSIONS = TradingSessions(RECENT[2], RECENT[1], RECENT)
TODAY, FRIDAY, THURSDAY = at("2026-11-23T11:00"), at("2026-11-20T16:00"), at("2026-11-19T16:00")


def held(symbol: str, quantity: int, price: str | None) -> Position:
    return Position(symbol, quantity, Decimal(1), None if price is None else Decimal(price))


def quote(symbol: str, price: str, as_of: datetime | None, before: str | None, before_at: datetime | None) -> Quote:
    return Quote(symbol, Decimal(price), as_of, None if before is None else Decimal(before), before_at)


QUOTES = {
    "A": quote("A", "11", TODAY, "10", FRIDAY),
    "B": quote("B", "50", TODAY, None, None),
    "C": quote("C", "20", FRIDAY, "19", THURSDAY),
    "S": quote("S", "30", TODAY, "33", FRIDAY),
}


def of(*positions: Position) -> Day:
    items = value(positions).positions
    return day(items, moves(items, QUOTES, SESSIONS))


def test_only_what_is_known_is_added_up_and_said_how_much_that_is() -> None:
    found = of(held("A", 100, "11"), held("B", 10, "50"), held("C", 25, "20"), held("N", 9, None), held("S", 0, "30"))
    assert (found.change, found.covered_value) == (Decimal(100), Decimal(1100))
    assert found.ratio == Decimal("0.1")
    assert (found.covered_size, found.fresh_size, found.priced_size) == (1100, 1600, 2100)
    assert found.fresh_share == Decimal(1600) / 2100
    assert found.oldest_at == FRIDAY


def test_a_short_position_gains_by_a_fall_and_counts_by_its_size() -> None:
    found = of(held("A", 100, "11"), held("S", -100, "30"))
    assert found.change == Decimal(400)
    assert (found.covered_value, found.covered_size, found.covered_share) == (Decimal(-1900), Decimal(4100), 1)
    assert found.ratio == Decimal(400) / 2300


def test_nothing_known_is_not_nothing_moved() -> None:
    assert of(held("B", 10, "50")).change is None
    assert of(held("N", 10, None)) == of() == combined([])
    assert of().fresh_share is None


def test_a_quote_of_another_price_says_nothing_about_a_position() -> None:
    items = value([held("A", 100, "10.5")]).positions
    found = moves(items, QUOTES, SESSIONS)["A"]
    assert (found.age, found.change) == (None, None)
    assert moves(items, {}, SESSIONS)["A"].age is None


POSITIONS = st.lists(
    st.builds(held, st.sampled_from("ABCSN"), st.integers(-500, 500), st.just(None)), unique_by=lambda one: one.symbol
).map(
    lambda rows: [
        held(row.symbol, row.quantity, str(QUOTES[row.symbol].price) if row.symbol in QUOTES else None) for row in rows
    ]
)


@given(POSITIONS, POSITIONS)
def test_portfolios_together_are_the_sum_of_their_parts(left: list[Position], right: list[Position]) -> None:
    both = combined([of(*left), of(*right)])
    changes = [part.change for part in (of(*left), of(*right)) if part.change is not None]
    assert both.change == (sum(changes) if changes else None)
    assert 0 <= both.covered_size <= both.fresh_size <= both.priced_size
    assert (both.change is None) == (both.covered_value is None)
