"""The columns and dtypes of the DataFrames that DatabaseManager promises, the same however many rows there are."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

MONEY = "object"
TEXT = "str"
WHOLE = "int64"
TIME = "datetime64[us]"
MOMENT = "datetime64[us, UTC]"
AGE = "timedelta64[us]"

POSITIONS = {
    "symbol": TEXT,
    "company_name": TEXT,
    "quantity": WHOLE,
    "avg_cost": MONEY,
    "current_price": MONEY,
    "market_value": MONEY,
    "unrealized_pnl": MONEY,
    "sector": TEXT,
    "last_updated": TIME,
    "portfolio_id": TEXT,
}
PORTFOLIOS = {
    "portfolio_id": TEXT,
    "name": TEXT,
    "description": TEXT,
    "created_at": TIME,
    "updated_at": TIME,
    "total_positions": WHOLE,
    "active_positions": WHOLE,
    "total_market_value": MONEY,
    "total_cost": MONEY,
    "total_unrealized_pnl": MONEY,
    "priced_positions": WHOLE,
    "priced_cost": MONEY,
    "cost_size": MONEY,
    "priced_size": MONEY,
    "strategy": TEXT,
    "copied_from": TEXT,
    "copied_at": TIME,
    "archived_at": TIME,
}
OVERVIEW = {
    **PORTFOLIOS,
    "day_change": MONEY,
    "day_change_value": MONEY,
    "day_change_size": MONEY,
    "fresh_value": MONEY,
    "value_size": MONEY,
    "fresh_size": MONEY,
    "oldest_price_at": MOMENT,
}
SIGNALS = {
    "id": WHOLE,
    "symbol": TEXT,
    "signal_type": TEXT,
    "signal_strength": MONEY,
    "price": MONEY,
    "volume": MONEY,
    "rsi": MONEY,
    "ma_5": MONEY,
    "ma_20": MONEY,
    "ma_50": MONEY,
    "bollinger_upper": MONEY,
    "bollinger_lower": MONEY,
    "created_at": TIME,
    "portfolio_id": TEXT,
}
PRICE_AGES = {
    "symbol": TEXT,
    "price": MONEY,
    "as_of": TIME,
    "age": AGE,
    "history_price": MONEY,
    "history_as_of": TIME,
}
PRICE_HISTORY = {
    "timestamp": TIME,
    "price": MONEY,
    "volume": MONEY,
    "high": MONEY,
    "low": MONEY,
    "open_price": MONEY,
    "close_price": MONEY,
}


def frame(rows: Sequence[Sequence[Any]], columns: dict[str, str]) -> pd.DataFrame:
    """A DataFrame; Decimals stay Decimals (dtype object, None where missing)."""
    by_column: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    series = {
        name: pd.Series(list(values), dtype=dtype)
        for (name, dtype), values in zip(columns.items(), by_column, strict=True)
    }
    return pd.DataFrame(series, columns=list(columns))
