"""What a user wants to store, checked before the database sees it. Raises InvalidInput, in the user's words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from src.domain import symbols
from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import (
    MAX_PRICE,
    MILL,
    check_avg_cost,
    check_number,
    check_portfolio_id,
    check_price,
    check_quantity,
    check_text,
    check_value,
)
from src.domain.signal import SignalValues
from src.domain.valuation import known_price
from src.errors import InvalidInput

# None, and what pandas and numpy call missing.
_NOT_KNOWN = {"nan", "<na>", "nat"}
_COLUMNS = ("quantity", "avg_cost", "company_name", "sector")
_INDICATORS = {
    "volume": (Decimal(2**31), Decimal(1)),
    "rsi": (Decimal(1000), Decimal("0.01")),
    "ma_5": (MAX_PRICE, MILL),
    "ma_20": (MAX_PRICE, MILL),
    "ma_50": (MAX_PRICE, MILL),
    "bollinger_upper": (MAX_PRICE, MILL),
    "bollinger_lower": (MAX_PRICE, MILL),
}


def identity(portfolio_id: str, name: str, description: str) -> tuple[str, str, str]:
    """A new portfolio's id, name and description."""
    return (
        check_portfolio_id(portfolio_id),
        check_text(name, "The name", 200, required=True) or "",
        check_text(description, "The description", 10_000) or "",
    )


def author(by: str | None) -> str | None:
    """Who is named in the change history; None when nobody is. At most 100 characters."""
    return check_text(by, "Your name", 100)


def position(quantity: object, avg_cost: object, company_name: str | None, sector: str | None) -> dict[str, Any]:
    """A position's checked values, of what is not None; an empty text clears."""
    found: dict[str, Any] = {}
    if quantity is not None:
        found["quantity"] = check_quantity(quantity)
    if avg_cost is not None:
        found["avg_cost"] = check_avg_cost(avg_cost)
    if company_name is not None:
        found["company_name"] = check_text(company_name, "The company's name", 200)
    if sector is not None:
        found["sector"] = check_text(sector, "The sector", 50)
    return found


def expected(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values that a change is based on, as the database holds them."""
    unknown = sorted((given or {}).keys() - set(_COLUMNS))
    if unknown:
        raise InvalidInput(f"expected knows {', '.join(_COLUMNS)}; not {', '.join(unknown)}.")
    found = dict(given or {})
    if found.get("quantity") is not None:
        found["quantity"] = check_quantity(found["quantity"])
    if found.get("avg_cost") is not None:
        found["avg_cost"] = check_avg_cost(found["avg_cost"])
    return found


def signal(signal_type: str, strength: object, price: object, indicators: Mapping[str, object]) -> SignalValues:
    """A trading signal, checked; an indicator that is missing, None or NaN is None: not known."""
    if signal_type not in ("A", "B", "C", "D"):
        raise InvalidInput(f"Signal type is {signal_type!r}; it must be A, B, C or D.")
    unknown = sorted(indicators.keys() - _INDICATORS.keys())
    if unknown:
        raise InvalidInput(f"Unknown indicator {', '.join(unknown)}; there are {', '.join(_INDICATORS)}.")
    checked_strength = check_number(strength, "Strength", Decimal(10), Decimal("0.01"))
    checked_price = check_price(price)
    found: dict[str, Decimal | None] = {}
    for name, (limit, places) in _INDICATORS.items():
        given = indicators.get(name)
        missing = given is None or str(given).lower() in _NOT_KNOWN
        found[name] = None if missing else check_number(given, name, limit, places)
    return SignalValues(signal_type=signal_type, strength=checked_strength, price=checked_price, **found)


def edits(given: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits of positions, checked and without those that change nothing; the symbols of new positions normalised."""
    found: dict[str, Edit] = {}
    for edit in given:
        before, after = _seen(edit.before), _wanted(edit.symbol, edit.after)
        if before is None and after is None:
            raise InvalidInput(f"The edit of {edit.symbol} says neither what was there nor what shall be.")
        symbol = symbols.spellings(edit.symbol)[-1] if before is not None else _new_symbol(edit.symbol)
        if symbol in found:
            raise InvalidInput(f"{symbol} is there twice: a portfolio has one position per symbol.")
        found[symbol] = Edit(symbol, before, after)
    return tuple(edit for edit in found.values() if edit.before != edit.after)


def _new_symbol(text: str) -> str:
    normal = symbols.normalise_symbol(text)
    if symbols.is_index(normal):
        raise InvalidInput(f"{normal} is an index: it has prices, but cannot be held.")
    return normal


def _seen(row: PositionValues | None) -> PositionValues | None:
    """Not checked: v1 clients may have stored what a user may not."""
    if row is None:
        return None
    return replace(
        row,
        company_name=row.company_name or None,
        sector=row.sector or None,
        price=known_price(row.price),
    )


def _wanted(symbol: str, row: PositionValues | None) -> PositionValues | None:
    if row is None:
        return None
    try:
        wanted = PositionValues(
            check_quantity(row.quantity),
            check_avg_cost(row.avg_cost),
            check_text(row.company_name, "The company's name", 200),
            check_text(row.sector, "The sector", 50),
            None if row.price is None else check_price(row.price),
        )
        check_value(wanted.quantity, wanted.avg_cost, "cost")
        check_value(wanted.quantity, wanted.price, "price")
    except InvalidInput as error:
        raise InvalidInput(f"{symbol}: {error}") from None
    return wanted
