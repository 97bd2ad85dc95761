"""What moved today, and how much of what is held that is known of. Pure; HKD.

A sum of day changes is of those positions alone whose change is known, and says what they are worth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from src.domain.price_age import TradingSessions, age_in_sessions, day_change
from src.domain.quote import Quote
from src.domain.valuation import ZERO, Valued


@dataclass(frozen=True)
class Move:
    """One position's price: its `age` in trading sessions (0: of the latest), and the day change of the position, HKD.

    None: not known.
    """

    age: int | None
    change: Decimal | None
    quote: Quote


@dataclass(frozen=True)
class Day:
    """The latest trading session, of held positions with a price. HKD.

    `change` and `covered_value`: day change and market value of those whose day change is known; None where there is
    none. `fresh_value`: market value of those priced in the latest trading session. Sizes are market values with short
    positions counted by their size: `covered_size` of those whose day change is known, `fresh_size` of those priced in
    the latest trading session, `priced_size` of all. `oldest_at`: the oldest price's time, aware.
    """

    change: Decimal | None
    covered_value: Decimal | None
    covered_size: Decimal
    fresh_value: Decimal
    fresh_size: Decimal
    priced_size: Decimal
    oldest_at: datetime | None

    @property
    def ratio(self) -> Decimal | None:
        """The day change over what the same positions were worth at the previous close (0.05 is 5 %)."""
        if self.change is None or self.covered_value is None:
            return None
        before = self.covered_value - self.change
        return self.change / abs(before) if before else None

    @property
    def covered_share(self) -> Decimal | None:
        """The part, by size, of what is priced whose day change is known; None where nothing is priced."""
        return self.covered_size / self.priced_size if self.priced_size else None

    @property
    def fresh_share(self) -> Decimal | None:
        """The part, by size, of what is priced that was priced in the latest trading session; None where nothing is."""
        return self.fresh_size / self.priced_size if self.priced_size else None


def move(item: Valued, quote: Quote | None, sessions: TradingSessions) -> Move:
    """The move of a position by `quote`. One of another price than the position's is not used: not known then."""
    held = item.position
    if quote is None or held.price is None or quote.price != held.price:
        return Move(None, None, Quote(held.symbol, held.price))
    return Move(age_in_sessions(quote.as_of, sessions), day_change(quote, held.quantity, sessions), quote)


def moves(items: Iterable[Valued], quotes: Mapping[str, Quote], sessions: TradingSessions) -> dict[str, Move]:
    """The move of each position of one portfolio, by symbol."""
    return {item.position.symbol: move(item, quotes.get(item.position.symbol), sessions) for item in items}


def day(items: Sequence[Valued], moved: Mapping[str, Move]) -> Day:
    """The day of one portfolio. `moved` by symbol, as `moves` gives it."""
    held = [
        (item.market_value, moved[item.position.symbol])
        for item in items
        if item.position.quantity and item.market_value is not None
    ]
    known = [(worth, one.change) for worth, one in held if one.change is not None]
    times = [one.quote.as_of for _, one in held if one.quote.as_of is not None]
    return Day(
        change=sum((change for _, change in known), ZERO) if known else None,
        covered_value=sum((worth for worth, _ in known), ZERO) if known else None,
        covered_size=sum((abs(worth) for worth, _ in known), ZERO),
        fresh_value=sum((worth for worth, one in held if one.age == 0), ZERO),
        fresh_size=sum((abs(worth) for worth, one in held if one.age == 0), ZERO),
        priced_size=sum((abs(worth) for worth, _ in held), ZERO),
        oldest_at=min(times, default=None),
    )


def combined(parts: Iterable[Day]) -> Day:
    """The sums of several portfolios' days. HKD."""
    given = tuple(parts)
    known = [part for part in given if part.change is not None]
    return Day(
        change=sum((part.change or ZERO for part in known), ZERO) if known else None,
        covered_value=sum((part.covered_value or ZERO for part in known), ZERO) if known else None,
        covered_size=sum((part.covered_size for part in given), ZERO),
        fresh_value=sum((part.fresh_value for part in given), ZERO),
        fresh_size=sum((part.fresh_size for part in given), ZERO),
        priced_size=sum((part.priced_size for part in given), ZERO),
        oldest_at=min((part.oldest_at for part in given if part.oldest_at is not None), default=None),
    )
