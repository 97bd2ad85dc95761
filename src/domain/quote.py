"""What is known about the price of a symbol: now, at past closes, and as it was recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True)
class Quote:
    """`price` and `previous_close` in HKD per share; `as_of` and `previous_at` are aware. None: not known.

    `previous_close` is the last price recorded before the Hong Kong day of the trading session that `price` is of, and
    `previous_at` is when that was; whether that was the session directly before is for price_age to judge.
    """

    symbol: str
    price: Decimal | None = None
    as_of: datetime | None = None
    previous_close: Decimal | None = None
    previous_at: datetime | None = None


@dataclass(frozen=True)
class PriceAge:
    """The price of a symbol that has a position, and the last one recorded. HKD per share; None: not known.

    `as_of` and `history_as_of` by the server's clock, without a zone; `age`: since `as_of`.
    """

    symbol: str
    price: Decimal | None
    as_of: datetime | None
    age: timedelta | None
    history_price: Decimal | None
    history_as_of: datetime | None


@dataclass(frozen=True)
class RecordedPrice:
    """One row of the price history. HKD per share, `volume` in shares; `at` by the server's clock, without a zone."""

    at: datetime
    price: Decimal | None
    volume: int | None
    high: Decimal | None
    low: Decimal | None
    open_price: Decimal | None
    close_price: Decimal | None


@dataclass(frozen=True)
class Closes:
    """The last price of each day with one, of one symbol. `days`: Hong Kong days, counted from the day asked for
    (below 0: before it), in no order; `prices`: floats (HKD), since they are for charts and statistics.
    """

    days: Sequence[int]
    prices: Sequence[float]


@dataclass(frozen=True)
class HoldingsAndCloses:
    """What portfolios hold now (quantities not 0, by portfolio id and symbol), and the closes of those symbols."""

    quantities: Mapping[str, Mapping[str, int]]
    closes: Mapping[str, Closes]
