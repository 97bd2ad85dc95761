"""What the trades that lead from a parent to its copy would cost, and what the exchange would object to."""

from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from src.domain.analytics.trading import Costs, Trade, WhatIf, break_even, what_if
from src.domain.exchange_rules import ExchangeRules
from src.domain.portfolio import Position
from src.domain.valuation import known_price
from src.market import facts
from src.market.calendar import HONG_KONG
from src.text import plural
from src.ui.lineage.pair import Pair
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Figure

PAGE_ROWS = 50
WHY_COSTS = (
    "Stamp duty, SFC and AFRC levies, trading fee and settlement fee of these trades at current prices, each rounded "
    "as the exchange rounds it. Brokerage is not in it: that is between you and your broker."
)
COLUMNS = (
    Column("Symbol", "title"),
    Column("Trade"),
    Column("Price", "number", "The current price, HKD."),
    Column("Consideration", "number", "Price × shares traded, HKD to the cent."),
    Column("Costs", "number", WHY_COSTS),
    Column(
        "Break-even",
        "number",
        "The first price that the exchange takes at which closing the copy's position gives back what it cost, after "
        "the costs of closing it (brokerage not counted).",
    ),
    Column("Warnings", "wide"),
)


def trades(pair: Pair) -> WhatIf:
    """By the rules of today, Hong Kong time."""
    return what_if(pair.parent_now, pair.now, _rules())


def figure(found: WhatIf) -> Figure:
    """The headline: what these trades cost in all."""
    note = plural(len(found.trades), "trade")
    if found.trades and found.cash is not None:
        note += f", {fmt.money(found.cash, signed=True)} cash after costs"
    if found.unknown:
        note += f", {len(found.unknown)} of them with unknown costs"
    return Figure("Costs of the trades", fmt.money(found.costs), note, unit="HKD", why=WHY_COSTS)


def show(found: WhatIf, pair: Pair) -> None:
    """The table; nothing where both hold the same quantities."""
    if not found.trades:
        return
    st.markdown(f"**The trades that would make {fmt.plain(pair.parent.title)} hold what the copy holds**")
    count = plural(len(found.trades), "trade")
    shown = found.trades[components.page(len(found.trades), PAGE_ROWS, count, "trades_page")]
    held = {one.symbol: one for one in pair.now}
    drawn = [_row(one, held.get(one.symbol)) for one in shown]
    amount = sum((one.consideration for one in found.trades if one.consideration is not None), Decimal(0))
    total = (
        f"All\u00a0{count}".replace(" ", "\u00a0"),
        "",
        "",
        fmt.money(amount),
        fmt.money(found.costs),
        "",
        "",
    )
    st.html(
        markup.table(COLUMNS, drawn, caption="Trades from parent to copy; HKD", total=total) + markup.legend(COLUMNS)
    )


def _rules() -> ExchangeRules:
    return facts.rules(datetime.now(UTC).astimezone(HONG_KONG).date())


def _row(trade: Trade, held: Position | None) -> tuple[Cell | str, ...]:
    unknown = "no price" if trade.price is None else ""
    return (
        Cell(trade.symbol, note=trade.company_name or ""),
        f"{trade.side.capitalize()}\u00a0{fmt.count(trade.quantity)}",
        Cell(fmt.price(trade.price), "" if trade.price else "warn", note=unknown),
        fmt.money(trade.consideration),
        Cell(fmt.money(trade.costs.total if trade.costs else None), why=_cost_text(trade.costs)),
        _break_even(held),
        Cell(" ".join(trade.warnings), "warn"),
    )


def _break_even(held: Position | None) -> Cell:
    """Of the copy's position; with how far the price has to go to get there."""
    if held is None or held.quantity == 0:
        return Cell(fmt.MISSING, "muted", note="nothing held then")
    rules = _rules()
    rates = rules.rates_of(held.symbol)
    found = None if rates is None else break_even(held.quantity, held.avg_cost, rates, rules.ticks_of(held.symbol))
    price = known_price(held.price)
    if found is None or price is None:
        return Cell(fmt.price(found))
    return Cell(fmt.price(found), note=f"{fmt.percent(found / price - 1, signed=True)} from here")


def _cost_text(costs: Costs | None) -> str:
    if costs is None:
        return ""
    parts = (
        ("Stamp duty", costs.stamp_duty),
        ("SFC levy", costs.sfc_levy),
        ("AFRC levy", costs.afrc_levy),
        ("trading fee", costs.trading_fee),
        ("settlement", costs.settlement_fee),
    )
    return ", ".join(f"{name} {fmt.money(amount)}" for name, amount in parts)
