"""Every write that the database acknowledged to the old application, and whether it is there."""

from dataclasses import dataclass, field
from decimal import Decimal

import psycopg2
from psycopg2.extensions import connection as Connection

from tests.support.load.v1 import COLUMNS, FIRST_TOKEN


@dataclass
class Holding:
    """What the application last wrote to a position. None: it does not know (another connection may have written)."""

    id: int | None
    quantity: int | None
    avg_cost: str | None
    price: str | None


@dataclass
class Ledger:
    """`holdings`: symbol to its last state, None after an acknowledged DELETE. `shared`: symbols that several
    connections upserted and nobody deleted. `signals` and `prices`: token to (symbol, price). `gone`: tokens of
    signals whose position was deleted. `unsure`: symbols whose last write was cut off with the connection."""

    holdings: dict[str, Holding | None] = field(default_factory=dict)
    shared: dict[str, None] = field(default_factory=dict)
    signals: dict[int, tuple[str, str]] = field(default_factory=dict)
    gone: dict[int, str] = field(default_factory=dict)
    prices: dict[int, tuple[str, str]] = field(default_factory=dict)
    analyses: dict[int, str] = field(default_factory=dict)
    unsure: dict[str, None] = field(default_factory=dict)

    def add(self, other: "Ledger") -> None:
        self.holdings |= other.holdings
        self.shared |= other.shared
        self.signals |= other.signals
        self.gone |= other.gone
        self.prices |= other.prices
        self.analyses |= other.analyses
        self.unsure |= other.unsure

    @property
    def writes(self) -> int:
        return sum(len(part) for part in (self.holdings, self.shared, self.signals, self.gone, self.prices))


_POSITIONS = "SELECT symbol, id, quantity, avg_cost, current_price FROM public.portfolio_positions"
_SIGNALS = "SELECT volume, symbol, price FROM public.trading_signals WHERE volume >= %s"
_PRICES = "SELECT volume, symbol, price FROM public.price_history WHERE volume >= %s"
_ONLY_DEFAULT = " {} portfolio_id = 'DEFAULT'"
_HAS_PORTFOLIO = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'portfolio_id'
                  AND attnum > 0 AND NOT attisdropped)
"""
_STRAY_TABLES = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relname = ANY(%s) AND n.nspname NOT IN ('public', 'hk_migration')
 ORDER BY 1
"""
_PRICE_DIFFERS = """
SELECT a.symbol, a.portfolio_id, a.current_price, b.portfolio_id, b.current_price
  FROM public.portfolio_positions a JOIN public.portfolio_positions b ON b.symbol = a.symbol AND b.id > a.id
 WHERE a.current_price IS DISTINCT FROM b.current_price ORDER BY a.symbol LIMIT 10
"""
_DOUBLE = "SELECT volume, count(*) FROM public.trading_signals WHERE volume >= %s GROUP BY volume HAVING count(*) > 1"


def verify(url: str, ledger: Ledger, *, merged: bool = False) -> list[str]:
    """Look every acknowledged write up in the database's own tables, whatever its schema version.

    Returns what is missing or otherwise than acknowledged, in words; [] when all is there. `merged`: a rollback
    has merged other portfolios into the positions, so quantities may differ and deleted symbols be back.
    """
    conn = psycopg2.connect(url, application_name="ledger check")
    try:
        found = _positions(conn, ledger, merged) + _signals(conn, ledger, merged)
        found += _prices(conn, ledger) + _analyses(conn, ledger)
        strays = _rows(conn, _STRAY_TABLES, list(COLUMNS))
        found += [f"a table of version 1 outside of public: {name}" for (name,) in strays]
        if _has_portfolio(conn, "public.portfolio_positions"):
            found += [f"prices of one symbol differ between portfolios: {row}" for row in _rows(conn, _PRICE_DIFFERS)]
        return found
    finally:
        conn.close()


def _rows(conn: Connection, sql: str, *params: object) -> list[tuple[object, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def _has_portfolio(conn: Connection, table: str) -> bool:
    return bool(_rows(conn, _HAS_PORTFOLIO, table)[0][0])


def _positions(conn: Connection, ledger: Ledger, merged: bool) -> list[str]:
    only = _ONLY_DEFAULT.format("WHERE") if _has_portfolio(conn, "public.portfolio_positions") else ""
    there = {str(row[0]): row[1:] for row in _rows(conn, _POSITIONS + only)}
    found = [f"position {s} was acknowledged and is not there" for s in ledger.shared if s not in there]
    for symbol, holding in ledger.holdings.items():
        if symbol in ledger.unsure:
            continue
        row = there.get(symbol)
        if holding is None:
            if row is not None and not merged:
                found.append(f"position {symbol} was deleted and is there")
        elif row is None:
            found.append(f"position {symbol} was acknowledged and is not there")
        else:
            found += _differences(symbol, holding, row, merged)
    return found


def _differences(symbol: str, holding: Holding, row: tuple[object, ...], merged: bool) -> list[str]:
    pairs: list[tuple[str, object, object]] = [("id", holding.id, row[0])]
    if not merged:
        pairs += [("quantity", holding.quantity, row[1]), ("avg_cost", _number(holding.avg_cost), row[2])]
    pairs.append(("current_price", _number(holding.price), row[3]))
    return [
        f"position {symbol}: {name} acknowledged {wanted}, is {actual}"
        for name, wanted, actual in pairs
        if wanted is not None and wanted != actual
    ]


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _signals(conn: Connection, ledger: Ledger, merged: bool) -> list[str]:
    only = _ONLY_DEFAULT.format("AND") if _has_portfolio(conn, "public.trading_signals") else ""
    there = {int(str(row[0])): row[1:] for row in _rows(conn, _SIGNALS + only, FIRST_TOKEN)}
    found = _missing("signal", ledger.signals, there, ledger)
    if not merged:
        found += [f"signal {t} of deleted position {s} is still there" for t, s in ledger.gone.items() if t in there]
        double = _DOUBLE.replace("WHERE", "WHERE portfolio_id = 'DEFAULT' AND") if only else _DOUBLE
        doubled = _rows(conn, double, FIRST_TOKEN)
        found += [f"signal {token} is there {count} times" for token, count in doubled]
    return found


def _prices(conn: Connection, ledger: Ledger) -> list[str]:
    there = {int(str(row[0])): row[1:] for row in _rows(conn, _PRICES, FIRST_TOKEN)}
    return _missing("price", ledger.prices, there, ledger)


def _analyses(conn: Connection, ledger: Ledger) -> list[str]:
    if not ledger.analyses:
        return []
    there = {row[0]: row[1] for row in _rows(conn, "SELECT id, name FROM public.portfolio_analyses")}
    return [
        f"analysis {number} ({name}) was acknowledged and is not there"
        for number, name in ledger.analyses.items()
        if there.get(number) != name
    ]


def _missing(
    what: str, wanted: dict[int, tuple[str, str]], there: dict[int, tuple[object, ...]], ledger: Ledger
) -> list[str]:
    found = []
    for token, (symbol, price) in wanted.items():
        if symbol in ledger.unsure:
            continue
        row = there.get(token)
        if row is None:
            found.append(f"{what} {token} of {symbol} was acknowledged and is not there")
        elif (row[0], row[1]) != (symbol, Decimal(price)):
            found.append(f"{what} {token} was acknowledged as {symbol} at {price}, is {row[0]} at {row[1]}")
    return found
