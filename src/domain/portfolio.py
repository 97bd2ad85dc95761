"""Portfolios and positions as plain values, and what a user may put into them."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from src.errors import InvalidInput

DEFAULT_PORTFOLIO = "DEFAULT"
MILL = Decimal("0.001")
MAX_QUANTITY = 2**31 - 1
MAX_PRICE = Decimal(10**7)
MAX_VALUE = Decimal(10**10)
_PORTFOLIO_ID = re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII)


@dataclass(frozen=True)
class Position:
    """Shares of one symbol in one portfolio. `avg_cost` and `price` in HKD per share.

    `price` is None where none is known. Quantity 0 is a watched symbol, below 0 a short one.
    """

    symbol: str
    quantity: int
    avg_cost: Decimal
    price: Decimal | None
    portfolio_id: str = DEFAULT_PORTFOLIO
    company_name: str | None = None
    sector: str | None = None
    last_updated: datetime | None = None


def check_portfolio_id(text: str) -> str:
    """The id, trimmed; InvalidInput when it is no id."""
    trimmed = text.strip() if isinstance(text, str) else ""
    if _PORTFOLIO_ID.fullmatch(trimmed) is None:
        raise InvalidInput(
            f"{text!r} cannot be a portfolio id: use 1 to 50 letters (A to Z), digits, - and _, for instance TECH_2."
        )
    return trimmed


def check_text(text: str | None, what: str, limit: int, *, required: bool = False) -> str | None:
    """A trimmed text that fits into its column; None for nothing, unless it is required."""
    trimmed = "" if text is None else text.strip() if isinstance(text, str) else None
    if trimmed is None or "\x00" in trimmed or len(trimmed) > limit:
        raise InvalidInput(f"{what} must be a text of at most {limit} characters.")
    if not trimmed and required:
        raise InvalidInput(f"{what} must not be empty.")
    return trimmed or None


def check_quantity(value: object) -> int:
    """A whole number of shares that fits into the database; below 0 is a short position."""
    number = _decimal(value, "Quantity")
    if number != number.to_integral_value():
        raise InvalidInput(f"Quantity is {value}; it must be a whole number of shares.")
    if abs(number) > MAX_QUANTITY:
        raise InvalidInput(f"Quantity is {value}; the database holds at most {MAX_QUANTITY:,} shares per position.")
    return int(number)


def check_avg_cost(value: object) -> Decimal:
    """HKD per share, three decimals: 0 or more."""
    number = _decimal(value, "Average cost")
    if number < 0:
        raise InvalidInput(f"Average cost is {value}; it cannot be below 0.")
    return _mills(number, "Average cost")


def check_price(value: object) -> Decimal:
    """HKD per share, three decimals, above 0 (a price that is not known is left out, not 0)."""
    number = _decimal(value, "Price")
    rounded = _mills(number, "Price")
    if rounded <= 0:
        raise InvalidInput(f"Price is {value}; it must be at least 0.001 HKD.")
    return rounded


def check_value(quantity: int, per_share: Decimal | None, what: str) -> None:
    """Raises InvalidInput for a value of ten thousand million HKD or more, which the database cannot hold."""
    if per_share is not None and abs(quantity * per_share) >= MAX_VALUE:
        raise InvalidInput(
            f"{quantity:,} shares at a {what} of {per_share} HKD are worth more than the database can hold "
            f"(HKD {MAX_VALUE:,.0f} per position)."
        )


def check_number(value: object, what: str, limit: Decimal, places: Decimal) -> Decimal:
    """A number of 0 or more, below `limit`, rounded to `places`."""
    number = _decimal(value, what)
    if number < 0 or number >= limit:
        raise InvalidInput(f"{what} is {value}; it must be from 0 to below {limit}.")
    rounded = number.quantize(places, ROUND_HALF_UP)
    if rounded >= limit:
        raise InvalidInput(f"{what} is {value}; it must be from 0 to below {limit}.")
    return rounded


def _mills(number: Decimal, what: str) -> Decimal:
    if number >= MAX_PRICE - MILL:
        raise InvalidInput(f"{what} is {number}; it must be below {MAX_PRICE:,} HKD per share.")
    return number.quantize(MILL, ROUND_HALF_UP)


def _decimal(value: object, what: str) -> Decimal:
    try:
        # By way of text: a float such as 38.1 means 38.1, not the nearest binary fraction.
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite():
        raise InvalidInput(f"{what} is {value!r}; it must be a number.")
    return number
