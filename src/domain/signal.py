"""Trading signals: what a program that watches the market says of a symbol."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class SignalValues:
    """What a signal says. `signal_type`: A, B, C or D. `strength`: 0 to 9.99, 1 is 100 %. None: not known.

    `price`, the moving averages over 5, 20 and 50 trading sessions and the Bollinger bands in HKD per share; `volume`
    in shares; `rsi` from 0 to 100.
    """

    signal_type: str
    strength: Decimal | None
    price: Decimal | None
    volume: int | Decimal | None
    rsi: Decimal | None
    ma_5: Decimal | None
    ma_20: Decimal | None
    ma_50: Decimal | None
    bollinger_upper: Decimal | None
    bollinger_lower: Decimal | None


@dataclass(frozen=True)
class Signal:
    """One recorded signal. `created_at`: by the server's clock, without a zone."""

    signal_id: int
    symbol: str
    values: SignalValues
    created_at: datetime | None
    portfolio_id: str
