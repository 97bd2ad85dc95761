"""What it would take to make a change real: trades, their costs, and what the exchange would object to.

HKD throughout, Decimal throughout. Costs are those of government, regulators and exchange, per side; brokerage is a
matter between trader and broker, and not in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from enum import StrEnum

from src.domain.edits import by_symbol
from src.domain.exchange_rules import (
    ExchangeRules,
    Fee,
    Rates,
    Ticks,
    on_tick,
    price_at_or_above,
    price_at_or_below,
    tick,
)
from src.domain.portfolio import MILL, Position
from src.domain.valuation import CENT, ZERO, cost_basis, known_price
from src.errors import InvalidInput
from src.text import plural


class TradeSide(StrEnum):
    """Whether shares are bought or sold."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True)
class Costs:
    """The costs of one side of one trade. HKD: stamp duty in whole dollars, the others to the cent."""

    stamp_duty: Decimal
    sfc_levy: Decimal
    afrc_levy: Decimal
    trading_fee: Decimal
    settlement_fee: Decimal

    @property
    def total(self) -> Decimal:
        """HKD, to the cent."""
        return self.stamp_duty + self.sfc_levy + self.afrc_levy + self.trading_fee + self.settlement_fee


@dataclass(frozen=True)
class Trade:
    """`quantity` shares (above 0) at `price` (HKD). None: not known, without a price or without rules.

    `consideration` is price × quantity to the cent. `warnings`: what the exchange would object to, in sentences.
    """

    symbol: str
    company_name: str | None
    side: TradeSide
    quantity: int
    price: Decimal | None
    consideration: Decimal | None
    costs: Costs | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class WhatIf:
    """`trades` by symbol. `costs` and `cash` are HKD, over the trades whose costs are known; `unknown`: the others.

    `cash` is what comes in (above 0) or goes out (below 0) by the trades, after their costs. Both None when there are
    trades and the costs of none are known.
    """

    trades: tuple[Trade, ...]
    costs: Decimal | None
    cash: Decimal | None
    unknown: tuple[str, ...]


def trade_costs(quantity: int, price: Decimal, rates: Rates) -> Costs:
    """The costs of buying or selling `quantity` shares (its sign does not matter) at `price`; the two cost the same.

    The rates and their sources: src/market/facts/fees.csv. Raises InvalidInput for a price that is not above 0.
    """
    if price <= 0:
        raise InvalidInput(f"The price is {price}; the costs of a trade need one above 0.")
    amount = abs(quantity) * price
    return Costs(
        stamp_duty=_charge(rates.stamp_duty, amount).to_integral_value(ROUND_CEILING),
        sfc_levy=_to_cent(_charge(rates.sfc_levy, amount)),
        afrc_levy=_to_cent(_charge(rates.afrc_levy, amount)),
        trading_fee=_to_cent(_charge(rates.trading_fee, amount)),
        settlement_fee=_to_cent(_charge(rates.settlement_fee, amount)),
    )


def break_even(quantity: int, avg_cost: Decimal, rates: Rates, ticks: Ticks) -> Decimal | None:
    """The valid price, HKD, at which closing the position gives back its cost basis after the costs of closing it.

    Long: the lowest such price. Short (quantity below 0): the highest at which buying back takes no more than the sale
    brought. None for quantity 0, and where no valid price does it.
    """
    if quantity == 0:
        return None
    price = _first_candidate(quantity, avg_cost, ticks)
    # Costs only ever add a few ticks: the walk is short.
    while price is not None and not _gives_back(quantity, avg_cost, price, rates):
        price = _next_candidate(quantity, price, ticks)
    return price


def tick_warning(price: Decimal, ticks: Ticks) -> str | None:
    """That `price` is between two ticks; None for a valid price, and where the ticks are not known."""
    if on_tick(price, ticks) is not False:
        return None
    below, above = price_at_or_below(price, ticks), price_at_or_above(price, ticks)
    choice = " or ".join(f"{_plain(one)}" for one in (below, above) if one is not None)
    return (
        f"The exchange does not take HKD {_plain(price)}: prices there go in steps of {_plain(tick(price, ticks))}. "
        f"Nearest: {choice}."
    )


def lot_warning(quantity: int, lot: int | None) -> str | None:
    """That a trade of `quantity` shares has an odd lot. None for whole lots, and where the lot is not known."""
    if lot is None or quantity % lot == 0:
        return None
    shares = abs(quantity)
    whole = shares // lot * lot
    odd = shares - whole
    rest = f"{odd:,} of the {plural(shares, 'share')}" if whole else plural(shares, "share")
    return (
        f"{rest} {'is' if odd == 1 else 'are'} less than a board lot of {lot:,}: odd lots trade on their own, usually "
        "at a worse price."
    )


def what_if(
    parent: Sequence[Position],
    copy: Sequence[Position],
    rules: ExchangeRules,
    prices: Mapping[str, Decimal | None] | None = None,
) -> WhatIf:
    """The trades that lead from the parent's quantities to the copy's, at current prices.

    The price of a symbol is the copy's, else the parent's, else that in `prices`. Raises InvalidInput when a side has a
    symbol twice.
    """
    before, after = by_symbol(parent), by_symbol(copy)
    trades = []
    for symbol in sorted(before.keys() | after.keys()):
        here = [side[symbol] for side in (after, before) if symbol in side]
        wanted = after[symbol].quantity if symbol in after else 0
        held = before[symbol].quantity if symbol in before else 0
        if wanted != held:
            known = (known_price(price) for price in (*(one.price for one in here), (prices or {}).get(symbol)))
            name = next((one.company_name for one in here if one.company_name), None)
            trades.append(_trade(symbol, name, wanted - held, next((p for p in known if p), None), rules))
    return _summed(trades)


def _trade(symbol: str, name: str | None, quantity: int, price: Decimal | None, rules: ExchangeRules) -> Trade:
    rates = rules.rates_of(symbol)
    objections = [lot_warning(quantity, rules.lot(symbol))]
    if price is not None:
        objections.append(tick_warning(price, rules.ticks_of(symbol)))
    if rates is None:
        objections.append("What a trade in this kind of instrument costs is not known here.")
    return Trade(
        symbol=symbol,
        company_name=name,
        side=TradeSide.BUY if quantity > 0 else TradeSide.SELL,
        quantity=abs(quantity),
        price=price,
        consideration=None if price is None else _to_cent(abs(quantity) * price),
        costs=None if price is None or rates is None else trade_costs(quantity, price, rates),
        warnings=tuple(one for one in objections if one is not None),
    )


def _summed(trades: Iterable[Trade]) -> WhatIf:
    given = tuple(trades)
    costs, cash, unknown = Decimal("0.00"), Decimal("0.00"), []
    for trade in given:
        if trade.costs is None or trade.consideration is None:
            unknown.append(trade.symbol)
            continue
        costs += trade.costs.total
        cash += (trade.consideration if trade.side is TradeSide.SELL else -trade.consideration) - trade.costs.total
    none = bool(given) and len(unknown) == len(given)
    return WhatIf(given, None if none else costs, None if none else cash, tuple(unknown))


def _charge(fee: Fee, amount: Decimal) -> Decimal:
    if amount == 0:
        return ZERO
    charge = amount * fee.rate
    if fee.minimum is not None:
        charge = max(charge, fee.minimum)
    return charge if fee.maximum is None else min(charge, fee.maximum)


def _gives_back(quantity: int, avg_cost: Decimal, price: Decimal, rates: Rates) -> bool:
    proceeds = quantity * price - trade_costs(quantity, price, rates).total
    return proceeds >= cost_basis(Position("", quantity, avg_cost, None))


def _first_candidate(quantity: int, avg_cost: Decimal, ticks: Ticks) -> Decimal | None:
    return price_at_or_above(avg_cost, ticks) if quantity > 0 else price_at_or_below(avg_cost, ticks)


def _next_candidate(quantity: int, price: Decimal, ticks: Ticks) -> Decimal | None:
    # Half of the smallest step that there is: never on a valid price, never past one.
    half = MILL / 2
    return price_at_or_above(price + half, ticks) if quantity > 0 else price_at_or_below(price - half, ticks)


def _to_cent(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _plain(amount: Decimal | None) -> str:
    """At least two decimals, and no more than it has: 0.005, 5.50."""
    if amount is None:
        return "?"
    return f"{amount:.2f}" if amount == amount.quantize(CENT) else f"{amount.normalize():f}"
