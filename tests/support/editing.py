"""Positions as rows and edits, for tests that save them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit, PositionValues
from src.domain.portfolio import Position


def rows_of(manager: DatabaseManager, portfolio_id: str = "DEFAULT") -> dict[str, PositionValues]:
    """What a portfolio holds, as an editor sees it."""
    found = {}
    for row in manager.get_portfolio_positions(portfolio_id).to_dict("records"):
        name, sector = (None if pd.isna(row[key]) else row[key] for key in ("company_name", "sector"))
        found[row["symbol"]] = PositionValues(row["quantity"], row["avg_cost"], name, sector, row["current_price"])
    return found


def positions_of(manager: DatabaseManager, portfolio_id: str) -> list[Position]:
    """The same as positions."""
    return [
        Position(symbol, row.quantity, row.avg_cost, row.price, portfolio_id, row.company_name, row.sector)
        for symbol, row in rows_of(manager, portfolio_id).items()
    ]


def make_changed_copy(manager: DatabaseManager) -> None:
    """TRY, a copy of the sample's DEFAULT: half of the HSBC shares, more Tencent at another cost, no JD.com, CLP."""
    manager.copy_portfolio("DEFAULT", "TRY", "A try")
    manager.change_position("TRY", "0005.HK", quantity=6728)
    manager.change_position("TRY", "0700.HK", quantity=4000, avg_cost="319.10")
    manager.remove_position("TRY", "9618.HK")
    manager.add_position("TRY", "0002.HK", 500, "61.25", "CLP", "Utilities")
    manager.update_position_price("0002.HK", "64.05")


def edit_of(manager: DatabaseManager, symbol: str, portfolio_id: str = "DEFAULT", **wanted: Any) -> Edit:
    """A change of what the portfolio holds now."""
    before = rows_of(manager, portfolio_id)[symbol]
    return Edit(symbol, before, replace(before, **wanted))


def removal_of(manager: DatabaseManager, symbol: str, portfolio_id: str = "DEFAULT") -> Edit:
    return Edit(symbol, rows_of(manager, portfolio_id)[symbol], None)


def new(symbol: str, quantity: int = 100, avg_cost: str = "10", price: str | None = None) -> Edit:
    return Edit(
        symbol, None, PositionValues(quantity, Decimal(avg_cost), price=None if price is None else Decimal(price))
    )
