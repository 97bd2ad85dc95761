"""Closes, and what holdings were worth at them, as DataFrames of floats: for charts and statistics."""

from collections.abc import Mapping
from datetime import date
from itertools import chain

import numpy as np
import pandas as pd

from src.domain.quote import Closes, HoldingsAndCloses


def closes_frame(since: date, found: Mapping[str, Closes]) -> pd.DataFrame:
    """A float column (HKD) per symbol, NaN where a day has no close; DatetimeIndex[us] without zone, ascending.

    Also without any column, or any day. `since`: the day that the closes' days are counted from.
    """
    numbers = np.unique(np.fromiter(chain.from_iterable(one.days for one in found.values()), dtype=int))
    cells = np.full((len(numbers), len(found)), np.nan)
    for place, one in enumerate(found.values()):
        cells[np.searchsorted(numbers, np.asarray(one.days, dtype=int)), place] = np.asarray(one.prices, dtype=float)
    index = pd.DatetimeIndex(np.datetime64(since, "D") + numbers.astype("timedelta64[D]"), dtype="datetime64[us]")
    return pd.DataFrame(cells, index=index, columns=list(found))


def value_curves_frame(since: date, found: HoldingsAndCloses) -> pd.DataFrame:
    """As src.domain.analytics.return_statistics.value_curve has it of each portfolio, in one multiplication.

    A float column (HKD) per portfolio, NaN throughout where no holding has a close at or before `since`.
    """
    first = pd.Timestamp(since)
    filled = closes_frame(since, found.closes).ffill()
    begun = filled.loc[:first].iloc[-1:].notna().any()
    followed = [str(symbol) for symbol in filled.columns if begun.get(symbol, False)]
    quantities = pd.DataFrame(
        {one: dict(held) for one, held in found.quantities.items()},
        index=followed, columns=list(found.quantities), dtype=float,
    )  # fmt: skip
    shown = filled.loc[first:, followed]
    worth = shown.to_numpy(dtype=float) @ quantities.fillna(0.0).to_numpy(dtype=float)
    known = quantities.notna().to_numpy().any(axis=0)
    return pd.DataFrame(np.where(known, worth, np.nan), index=shown.index, columns=list(found.quantities))
