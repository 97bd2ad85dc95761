"""The exchange's rules on one day, as values: what a trade costs, which prices are taken, how many shares are a lot.

Facts, so never in code: src/market/facts.py reads them from its tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

# "other": warrants, bull/bear contracts and debt, whose rules are not kept here.
InstrumentKind = Literal["equity", "etf", "reit", "other"]


@dataclass(frozen=True)
class Fee:
    """A fee per side of a trade. `rate` is a ratio of the consideration; `minimum` and `maximum` in HKD, None: none."""

    rate: Decimal
    minimum: Decimal | None = None
    maximum: Decimal | None = None


@dataclass(frozen=True)
class Rates:
    """What the government, the regulators and the exchange take per side; brokerage is not in it."""

    stamp_duty: Fee
    sfc_levy: Fee
    afrc_levy: Fee
    trading_fee: Fee
    settlement_fee: Fee


@dataclass(frozen=True)
class Band:
    """Prices above the band before, up to `up_to` (HKD, included), are multiples of `tick` (HKD).

    `announced`: a smaller tick that the exchange has announced for this band without a date that is known here. A price
    on it may be valid already.
    """

    up_to: Decimal
    tick: Decimal
    announced: Decimal | None = None


Ticks = tuple[Band, ...]


@dataclass(frozen=True)
class Instruments:
    """The codes from `first` to `last`, both included, are of `kind`."""

    kind: InstrumentKind
    first: int
    last: int


@dataclass(frozen=True)
class ExchangeRules:
    """The rules of one day.

    `rates` and `ticks` have no entry for kinds whose rules are not kept; `lots`: shares, by symbol.
    """

    rates: Mapping[InstrumentKind, Rates]
    ticks: Mapping[InstrumentKind, Ticks]
    lots: Mapping[str, int]
    instruments: tuple[Instruments, ...]

    def kind(self, symbol: str) -> InstrumentKind:
        """The kind of instrument of a symbol (0700.HK).

        A code that no table names is an equity; an index is "other".
        """
        code = symbol.removesuffix(".HK")
        if not (code.isascii() and code.isdigit()):
            return "other"
        number = int(code)
        return next((one.kind for one in self.instruments if one.first <= number <= one.last), "equity")

    def rates_of(self, symbol: str) -> Rates | None:
        """The rates for the symbol's kind of instrument; None for a kind whose costs are not kept."""
        return self.rates.get(self.kind(symbol))

    def ticks_of(self, symbol: str) -> Ticks:
        """The symbol's bands by price, ascending; empty for a kind of instrument whose ticks are not kept."""
        return self.ticks.get(self.kind(symbol), ())

    def lot(self, symbol: str) -> int | None:
        """Shares per board lot; None where it is not known (lots differ by stock)."""
        return self.lots.get(symbol)


def band(price: Decimal, ticks: Ticks) -> Band | None:
    """The band that `price` (HKD) is in; None beyond the table, and for a price that is not above 0."""
    if price <= 0:
        return None
    return next((one for one in ticks if price <= one.up_to), None)


def tick(price: Decimal, ticks: Ticks) -> Decimal | None:
    """The step of prices around `price`, HKD; None where it is not known."""
    found = band(price, ticks)
    return None if found is None else found.tick


def on_tick(price: Decimal, ticks: Ticks) -> bool | None:
    """Whether the exchange takes the price. None: not known (no table, or only the announced tick allows it)."""
    found = band(price, ticks)
    if found is None:
        return None
    if price % found.tick == 0:
        return True
    return None if found.announced is not None and price % found.announced == 0 else False


def price_at_or_above(amount: Decimal, ticks: Ticks) -> Decimal | None:
    """The lowest valid price that is not below `amount`; None beyond the table."""
    wanted = max(amount, Decimal(0))
    # Not above 0: the first valid price is one tick.
    found = ticks[0] if ticks and wanted == 0 else band(wanted, ticks)
    if found is None:
        return None
    return max((wanted / found.tick).to_integral_value(ROUND_CEILING), Decimal(1)) * found.tick


def price_at_or_below(amount: Decimal, ticks: Ticks) -> Decimal | None:
    """The highest valid price that is not above `amount`; None beyond the table, and below the first tick."""
    found = band(amount, ticks)
    if found is None:
        return None
    return (amount / found.tick).to_integral_value(ROUND_FLOOR) * found.tick or None
