"""Curves over time and the statistics of their returns. Floats, for charts and statistics; money stays in valuation.

Returns are daily and simple. Annual figures take 252 trading sessions a year, a convention: the Hong Kong exchange has
243 to 248. Statistics of fewer than MIN_RETURNS returns, and those that are not defined (no variation, say), are None.
Formulas: the usual ones, as empyrical-reloaded has them, which the tests compare with.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

SESSIONS_A_YEAR = 252
MIN_RETURNS = 20
BASE = 100.0
# Below this (per day) a series does not vary: what is left is the rounding of floats.
_STILL = 1e-12


@dataclass(frozen=True)
class ValueCurve:
    """What the given quantities were worth at past prices: current holdings held constant.

    `values`: HKD by date (float; DatetimeIndex without zone, midnight of the Hong Kong day), empty when no held symbol
    has a close at or before the start. `left_out`: held symbols that have none. `covered`: the share (0 to 1) of the
    holdings' size at their last closes that the curve follows; None where that is not known, because a symbol that is
    left out has no close at all, or because nothing is held.
    """

    values: pd.Series
    left_out: tuple[str, ...]
    covered: float | None


def value_curve(holdings: Mapping[str, int], closes: pd.DataFrame, start: date) -> ValueCurve:
    """The value curve of holdings: from `start` on, a value (HKD) for each date that `closes` has.

    A missing close is the one before it.

    `holdings`: shares by symbol, below 0 short. `closes`: HKD, a column per symbol, dates as index, in any order; 0 and
    NaN are no close.
    """
    held = {symbol: quantity for symbol, quantity in holdings.items() if quantity != 0}
    filled = _by_day(closes).reindex(columns=list(held)).astype(float)
    filled = filled.where(filled > 0).ffill()
    first = pd.Timestamp(start)
    begun = filled.loc[:first].iloc[-1:].notna().any()
    followed = [symbol for symbol in held if bool(begun.get(symbol, False))]
    left_out = tuple(sorted(held.keys() - set(followed)))
    quantities = pd.Series(held, dtype=float)
    values = filled.loc[first:, followed].mul(quantities[followed], axis="columns").sum(axis="columns")
    last = filled.iloc[-1:].mul(quantities, axis="columns").abs().sum(axis="index", min_count=1)
    return ValueCurve(values if followed else values.iloc[:0], left_out, _covered(last, followed))


def rebased(values: pd.DataFrame) -> pd.DataFrame:
    """Each column divided by its value on the first common day, times 100; earlier days are left out.

    The first common day is the first on which every column has a value above 0. Without one the result is empty.
    """
    common = values[(values > 0).all(axis="columns")] if len(values.columns) else values.iloc[:0]
    if common.empty:
        return values.iloc[:0].astype(float)
    first = common.index[0]
    return values.loc[first:].astype(float).div(common.loc[first].astype(float), axis="columns") * BASE


def returns(values: pd.Series) -> pd.Series:
    """Daily simple returns (0.01 is 1 %), one fewer than there are values; days without a value are left out."""
    known = values.dropna().astype(float)
    return (known / known.shift(1) - 1).iloc[1:]


def total_return(daily: pd.Series) -> float | None:
    """The return over the whole period, ∏(1 + r) − 1, of however few returns; None of none."""
    return float((1 + daily).prod() - 1) if len(daily) else None


def max_drawdown(daily: pd.Series) -> float | None:
    """The deepest fall from a peak, 0 or below (−0.2 is 20 % down); the start counts as a peak. None of no returns."""
    if not len(daily):
        return None
    worth = np.concatenate([[1.0], (1 + daily.to_numpy(dtype=float)).cumprod()])
    return float((worth / np.maximum.accumulate(worth) - 1).min())


def drawdowns(values: pd.Series) -> pd.Series:
    """The drawdown by day, how far below the highest value so far: V ÷ max V − 1, 0 or below."""
    known = values.dropna().astype(float)
    return known / known.cummax() - 1


def annual_return(daily: pd.Series) -> float | None:
    """The return per year of 252 trading sessions: (1 + total return)^(252 ÷ n) − 1."""
    whole = total_return(daily)
    if whole is None or len(daily) < MIN_RETURNS or whole <= -1:
        return None
    return _finite((1 + whole) ** (SESSIONS_A_YEAR / len(daily)) - 1)


def volatility(daily: pd.Series) -> float | None:
    """Annual volatility: the standard deviation of the returns (n − 1) × √252."""
    if len(daily) < MIN_RETURNS:
        return None
    return _finite(float(daily.std(ddof=1)) * math.sqrt(SESSIONS_A_YEAR))


def sharpe(daily: pd.Series, risk_free: float = 0.0) -> float | None:
    """Sharpe ratio: mean excess return ÷ its standard deviation (n − 1) × √252. `risk_free`: ratio a year."""
    excess = daily - _per_day(risk_free)
    spread = float(excess.std(ddof=1)) if len(daily) >= MIN_RETURNS else 0.0
    return _finite(float(excess.mean()) / spread * math.sqrt(SESSIONS_A_YEAR)) if spread > _STILL else None


def sortino(daily: pd.Series, risk_free: float = 0.0) -> float | None:
    """Sortino ratio: mean excess return × √252 ÷ √(Σ min(excess, 0)² ÷ n), n all days. `risk_free`: ratio a year."""
    if len(daily) < MIN_RETURNS:
        return None
    excess = daily.to_numpy(dtype=float) - _per_day(risk_free)
    downside = math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2)))
    return _finite(float(excess.mean()) * math.sqrt(SESSIONS_A_YEAR) / downside) if downside > _STILL else None


def correlation(one: pd.Series, other: pd.Series) -> float | None:
    """Pearson's correlation of the daily returns on the days that both have: −1 to 1."""
    both = _together(one, other)
    if both is None:
        return None
    spreads = both.std(ddof=1)
    if float(spreads.min()) <= _STILL:
        return None
    found = float(both.cov().iloc[0, 1]) / float(spreads.iloc[0]) / float(spreads.iloc[1])
    return max(-1.0, min(1.0, found))


def beta(daily: pd.Series, benchmark: pd.Series) -> float | None:
    """Beta: covariance with the benchmark ÷ the benchmark's variance, on the days that both have."""
    both = _together(daily, benchmark)
    if both is None or float(both.iloc[:, 1].std(ddof=1)) <= _STILL:
        return None
    return _finite(float(both.cov().iloc[0, 1]) / float(both.iloc[:, 1].var(ddof=1)))


def alpha(daily: pd.Series, benchmark: pd.Series, risk_free: float = 0.0) -> float | None:
    """Annual alpha (Jensen): (1 + mean(r − rf − β (b − rf)))^252 − 1, on the days that both have.

    `risk_free`: ratio a year.
    """
    both, slope = _together(daily, benchmark), beta(daily, benchmark)
    if both is None or slope is None:
        return None
    excess = both - _per_day(risk_free)
    mean = float((excess.iloc[:, 0] - slope * excess.iloc[:, 1]).mean())
    return _finite((1 + mean) ** SESSIONS_A_YEAR - 1) if mean > -1 else None


def _per_day(annual: float) -> float:
    return float((1 + annual) ** (1 / SESSIONS_A_YEAR) - 1)


def _together(one: pd.Series, other: pd.Series) -> pd.DataFrame | None:
    both = pd.concat([one, other], axis="columns", join="inner").dropna().astype(float)
    return both if len(both) >= MIN_RETURNS else None


def _by_day(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.DatetimeIndex(frame.index), axis="index").sort_index()


def _covered(last: pd.Series, followed: list[str]) -> float | None:
    """`last`: the size of each held symbol at its last close, NaN where it has none."""
    whole = float(last.sum())
    if bool(last.isna().any()) or whole == 0:
        return None
    return float(last[followed].sum()) / whole


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
