"""What is known about the price of a symbol."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Quote:
    """`price` and `previous_close` in HKD per share; `as_of` and `previous_at` are aware. None: not known.

    `previous_close` is the last price recorded before the Hong Kong day of the session that `price` is of, and
    `previous_at` is when that was; whether that was the session directly before is for freshness to judge.
    """

    symbol: str
    price: Decimal | None = None
    as_of: datetime | None = None
    previous_close: Decimal | None = None
    previous_at: datetime | None = None
