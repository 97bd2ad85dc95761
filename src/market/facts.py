"""The exchange's rules on a given day, from the tables in facts/: each row with the day it took effect and its source.

A change of rates, ticks or lots is a new row, never an edited one: what was right on an earlier day stays right. The
first row of a kind may begin later than the fact did: before it nothing is known here.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import get_args

from src.domain.exchange_rules import Band, ExchangeRules, Fee, InstrumentKind, Instruments, Rates, Ticks
from src.errors import InvalidInput

TABLES = Path(__file__).parent / "facts"
FEES = ("stamp_duty", "sfc_levy", "afrc_levy", "trading_fee", "settlement_fee")
# REITs are quoted in the steps of equities, funds in their own.
TICKS_AS: Mapping[InstrumentKind, InstrumentKind] = {"equity": "equity", "reit": "equity", "etf": "etf"}

FactsRow = Mapping[str, str]


@lru_cache(maxsize=8)
def rules(on: date) -> ExchangeRules:
    """The rules in force on `on`, a day in Hong Kong. Raises InvalidInput for a day before the tables begin."""
    kinds: tuple[InstrumentKind, ...] = ("equity", "etf", "reit")
    lots = _newest(_read("lots"), on, lambda row: (row["symbol"],))
    return ExchangeRules(
        rates={kind: _rates(kind, on) for kind in kinds},
        ticks={kind: _ticks(TICKS_AS[kind], on) for kind in kinds},
        lots={row["symbol"]: int(row["lot"]) for row in lots},
        instruments=tuple(
            Instruments(_kind(row["kind"]), int(row["first_code"]), int(row["last_code"]))
            for row in _read("instruments")
        ),
    )


def _rates(kind: InstrumentKind, on: date) -> Rates:
    rows = [row for row in _read("fees") if row["kind"] in (kind, "all")]
    found = {row["fee"]: row for row in _newest(rows, on, lambda row: (row["fee"],))}
    missing = [name for name in FEES if name not in found]
    if missing:
        raise InvalidInput(f"The costs of a trade on {on} are not known: no {', '.join(missing)} for that day.")
    return Rates(**{name: _fee(found[name]) for name in FEES})


def _fee(row: FactsRow) -> Fee:
    return Fee(Decimal(row["rate"]), _optional(row["minimum"]), _optional(row["maximum"]))


def _ticks(kind: InstrumentKind, on: date) -> Ticks:
    tables = [row for row in _read("ticks") if row["kind"] == kind]
    days = [row["effective_from"] for row in tables if date.fromisoformat(row["effective_from"]) <= on]
    if not days:
        raise InvalidInput(f"Which prices the exchange took on {on} is not known.")
    # A table of ticks takes effect as a whole.
    rows = [row for row in tables if row["effective_from"] == max(days)]
    bands = (Band(Decimal(row["up_to"]), Decimal(row["tick"]), _optional(row["announced"])) for row in rows)
    return tuple(sorted(bands, key=lambda one: one.up_to))


def _newest(rows: Iterable[FactsRow], on: date, key: Callable[[FactsRow], tuple[str, ...]]) -> list[FactsRow]:
    """Of the rows in force on `on`, the newest of each key."""
    found: dict[tuple[str, ...], FactsRow] = {}
    for row in sorted(rows, key=lambda row: row["effective_from"]):
        if date.fromisoformat(row["effective_from"]) <= on:
            found[key(row)] = row
    return list(found.values())


def _kind(text: str) -> InstrumentKind:
    return next(kind for kind in get_args(InstrumentKind) if kind == text)


def _optional(text: str) -> Decimal | None:
    return Decimal(text) if text else None


@lru_cache(maxsize=8)
def _read(table: str) -> tuple[FactsRow, ...]:
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
