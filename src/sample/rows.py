"""The usual sample: its positions, and two years of generated prices and signals. No I/O.

The same every time. Prices are walked backwards from the sample's, so that a price depends only on how many
sessions before the last one it is; only additions, multiplications and divisions are used, which give the
same result on every machine. Every price but the last is a multiple of a tick that was valid before
and after the tick sizes changed on 4 August 2025; the last one is the sample's.
"""

import itertools
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

INDEX = "^HSI"
INDEX_LEVEL = Decimal("26000.00")
SHOWN = Decimal("0.001")
# Up to this price (HKD), this tick.
TICKS = (
    (Decimal("0.25"), Decimal("0.001")),
    (Decimal("0.5"), Decimal("0.005")),
    (Decimal(10), Decimal("0.01")),
    (Decimal(20), Decimal("0.02")),
    (Decimal(50), Decimal("0.1")),
    (Decimal(100), Decimal("0.05")),
    (Decimal(200), Decimal("0.1")),
    (Decimal(500), Decimal("0.2")),
    (Decimal(1000), Decimal("0.5")),
)


@dataclass(frozen=True)
class SamplePosition:
    """`daily_volume` in shares; `swing`: daily spread of the share's own returns; `beta`: its part of the market's."""

    symbol: str
    company_name: str
    quantity: int
    avg_cost: Decimal
    price: Decimal
    sector: str
    daily_volume: int
    beta: float
    swing: float


def _position(row: str) -> SamplePosition:
    symbol, name, quantity, cost, price, sector, volume, beta, swing = (part.strip() for part in row.split("|"))
    return SamplePosition(
        symbol, name, int(quantity), Decimal(cost), Decimal(price), sector, int(volume), float(beta), float(swing)
    )


POSITIONS = tuple(
    _position(row)
    for row in """\
0005.HK | HSBC               | 13428 |  38.50 |  39.75 | Financials | 18000000 | 0.7 | 0.009
0316.HK | Orient Overseas    |   100 |  95.00 |  98.20 | Other      |   900000 | 0.8 | 0.018
0388.HK | HKEX               |   300 | 280.00 | 285.50 | Financials |  5000000 | 1.2 | 0.011
0700.HK | Tencent            |  3100 | 320.50 | 315.20 | Tech       | 20000000 | 1.3 | 0.012
0823.HK | Link REIT          |  1300 |  42.80 |  44.15 | REIT       |  7000000 | 0.5 | 0.010
0857.HK | PetroChina         |     0 |   7.50 |   7.80 | Energy     | 90000000 | 0.7 | 0.012
0939.HK | CCB                | 26700 |   5.45 |   5.52 | Financials | 99000000 | 0.6 | 0.008
1810.HK | Xiaomi             |  2000 |  12.30 |  13.45 | Tech       | 80000000 | 1.5 | 0.018
2888.HK | Standard Chartered |   348 | 145.00 | 148.20 | Financials |   700000 | 0.9 | 0.012
3690.HK | Meituan            |   340 |  95.00 |  98.50 | Tech       | 25000000 | 1.5 | 0.017
9618.HK | JD.com             |   133 | 125.00 | 130.10 | Tech       | 12000000 | 1.4 | 0.016
9988.HK | Alibaba            |  2000 | 115.00 | 118.75 | Tech       | 40000000 | 1.4 | 0.015""".splitlines()
)
SYMBOLS = tuple(position.symbol for position in POSITIONS)


@dataclass(frozen=True)
class PriceRow:
    """One trading session of one symbol. `at`: when it closed, aware. Prices in HKD, volume in shares."""

    symbol: str
    at: datetime
    open_price: Decimal
    high: Decimal
    low: Decimal
    close_price: Decimal
    volume: int


@dataclass(frozen=True)
class SignalRow:
    """One signal of the sample. `created_at`: aware; the figures in the units of src/domain/signal.py."""

    symbol: str
    signal_type: str
    signal_strength: Decimal
    price: Decimal
    volume: int
    rsi: Decimal
    ma_5: Decimal
    ma_20: Decimal
    ma_50: Decimal
    bollinger_upper: Decimal
    bollinger_lower: Decimal
    created_at: datetime


def prices(closes: Sequence[datetime]) -> list[PriceRow]:
    """Prices of every sample symbol and of ^HSI, one per trading session; `closes`: when those ended, ascending."""
    market = _normal(random.Random("hk market"), 0.009)
    moves = [next(market) for _ in closes]
    rows = _walk(INDEX, INDEX_LEVEL, moves, closes, daily_volume=0)
    for position in POSITIONS:
        own = _normal(random.Random(f"hk {position.symbol}"), position.swing)
        returns = [position.beta * move + next(own) for move in moves]
        rows += _walk(position.symbol, position.price, returns, closes, position.daily_volume)
    return rows


def _normal(source: random.Random, spread: float) -> Iterator[float]:
    """Nearly normal numbers around a little more than 0, by adding twelve uniform ones."""
    while True:
        yield 0.0003 + spread * (sum(source.random() for _ in range(12)) - 6.0)


def _walk(
    symbol: str, last: Decimal, returns: list[float], closes: Sequence[datetime], daily_volume: int
) -> list[PriceRow]:
    """From the last trading session backwards; `returns` are of the last one, the one before it, and so on."""
    source = random.Random(f"hk day {symbol}")
    rows = []
    close, exact = last, float(last)
    for at, move in zip(reversed(closes), returns, strict=True):
        exact /= 1.0 + move
        before = on_tick(symbol, exact)
        opened = on_tick(symbol, float(before) * (1.0 + (source.random() - 0.5) * 0.006))
        high = max(opened, close, on_tick(symbol, float(max(opened, close)) * (1.0 + source.random() * 0.008)))
        low = min(opened, close, on_tick(symbol, float(min(opened, close)) * (1.0 - source.random() * 0.008)))
        volume = int(daily_volume * (0.6 + 0.5 * source.random() + 20.0 * abs(move)) / 100.0) * 100
        rows.append(PriceRow(symbol, at, opened, high, low, close, volume))
        close = before
    rows.reverse()
    return rows


def on_tick(symbol: str, price: float) -> Decimal:
    """The nearest price that the exchange would take."""
    exact = Decimal(price)
    tick = Decimal("0.01") if symbol == INDEX else next((step for limit, step in TICKS if exact <= limit), Decimal(1))
    return ((exact / tick).quantize(Decimal(1), ROUND_HALF_EVEN) * tick).quantize(SHOWN)


def signals(rows: Sequence[PriceRow]) -> list[SignalRow]:
    """A few signals of each sample symbol, with the indicators of the generated prices."""
    found = []
    for number, symbol in enumerate(SYMBOLS):
        history = [row for row in rows if row.symbol == symbol]
        for turn, sessions_ago in enumerate((number % 5, 9 + 2 * number, 45 + 7 * number)):
            if len(history) - sessions_ago >= 50:
                found.append(_signal(history[: len(history) - sessions_ago], "ABCD"[(number + turn) % 4]))
    return found


def _signal(history: Sequence[PriceRow], signal_type: str) -> SignalRow:
    closes = [row.close_price for row in history[-50:]]
    last = history[-1]
    mean, spread = statistics.mean(closes[-20:]), statistics.pstdev(closes[-20:])
    rsi = _rsi(closes[-15:])
    strength = Decimal("0.35") + abs(rsi - 50) / 100
    return SignalRow(
        symbol=last.symbol,
        signal_type=signal_type,
        signal_strength=min(strength, Decimal("0.95")).quantize(Decimal("0.01")),
        price=last.close_price,
        volume=last.volume,
        rsi=rsi,
        ma_5=statistics.mean(closes[-5:]).quantize(SHOWN),
        ma_20=mean.quantize(SHOWN),
        ma_50=statistics.mean(closes).quantize(SHOWN),
        bollinger_upper=(mean + 2 * spread).quantize(SHOWN),
        bollinger_lower=(mean - 2 * spread).quantize(SHOWN),
        created_at=last.at + timedelta(minutes=20),
    )


def _rsi(closes: Sequence[Decimal]) -> Decimal:
    """Relative strength: the share of rises among the moves, 0 to 100."""
    moves = [after - before for before, after in itertools.pairwise(closes)]
    rises = sum((move for move in moves if move > 0), Decimal(0))
    falls = sum((-move for move in moves if move < 0), Decimal(0))
    if rises + falls == 0:
        return Decimal("50.00")
    return (100 * rises / (rises + falls)).quantize(Decimal("0.01"))
