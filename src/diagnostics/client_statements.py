"""Statements that clients send, tried for real and rolled back.

Each uses a symbol that nobody has, and ids of its own, so that no client waits for it and no sequence moves.
"""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

from src.diagnostics.catalog import VIEW_COMMENT
from src.diagnostics.model import Check, Result, Subject, error_advice, failed, passed
from src.errors import HKStrategyError
from src.schema.versions import SchemaVersion

_ADVICE = "See the catalog checks above; `python run_migration.py check` says what to do."


@dataclass(frozen=True)
class Probe:
    """A statement of a v1 client. `wanted`: its first row, or the number of rows that it must touch."""

    name: str
    statement: str
    wanted: object


class ProbesEnded(HKStrategyError):
    """The statements after a failed one cannot be tried."""

    def __init__(self) -> None:
        super().__init__("not tried any further")


def _v1_probes() -> tuple[Probe, ...]:
    """In order: each finds what those before it left."""
    return (
        Probe(
            "INSERT … ON CONFLICT (symbol) DO UPDATE … RETURNING id",
            "INSERT INTO portfolio_positions (id, symbol, company_name, quantity, avg_cost, current_price, sector) "
            "VALUES (%(id)s, %(symbol)s, 'Diagnostics', 100, 10, 12, 'Other') "
            "ON CONFLICT (symbol) DO UPDATE SET quantity = EXCLUDED.quantity RETURNING id = %(id)s",
            (True,),
        ),
        Probe(
            "INSERT … ON CONFLICT (symbol) DO NOTHING",
            "INSERT INTO portfolio_positions (id, symbol, quantity, avg_cost) VALUES (%(other)s, %(symbol)s, 1, 1) "
            "ON CONFLICT (symbol) DO NOTHING",
            0,
        ),
        Probe(
            "the same upsert again changes the row that is there",
            "INSERT INTO portfolio_positions (id, symbol, quantity, avg_cost) VALUES (%(other)s, %(symbol)s, 200, 10) "
            "ON CONFLICT (symbol) DO UPDATE SET quantity = EXCLUDED.quantity, avg_cost = EXCLUDED.avg_cost "
            "RETURNING id = %(id)s",
            (True,),
        ),
        Probe(
            "UPDATE … SET current_price … WHERE symbol",
            "UPDATE portfolio_positions SET current_price = 13, last_updated = now() WHERE symbol = %(symbol)s",
            1,
        ),
        Probe(
            "SELECT of columns",
            "SELECT symbol = %(symbol)s, quantity, market_value, unrealized_pnl FROM portfolio_positions "
            "WHERE symbol = %(symbol)s",
            (True, 200, 2600, 600),
        ),
        Probe(
            "INSERT INTO trading_signals",
            "INSERT INTO trading_signals (id, symbol, signal_type, signal_strength, price) "
            "VALUES (%(id)s, %(symbol)s, 'A', 0.9, 13)",
            1,
        ),
        Probe(
            "INSERT INTO price_history",
            "INSERT INTO price_history (id, symbol, price, volume) VALUES (%(id)s, %(symbol)s, 13, 1000)",
            1,
        ),
        Probe(
            "SELECT of signals with their positions",
            "SELECT count(*) FROM trading_signals s JOIN portfolio_positions p ON p.symbol = s.symbol "
            "WHERE s.symbol = %(symbol)s",
            (1,),
        ),
        Probe("DELETE … WHERE symbol", "DELETE FROM portfolio_positions WHERE symbol = %(symbol)s", 1),
        Probe(
            "the signals follow their position",
            "SELECT count(*) FROM trading_signals WHERE symbol = %(symbol)s",
            (0,),
        ),
    )


def _values() -> dict[str, object]:
    """Ids below zero are no sequence's, and a symbol like this is no exchange's."""
    first = -secrets.randbelow(2_000_000_000) - 1_000
    return {"symbol": f"~{uuid.uuid4().hex[:9]}", "id": first, "other": first - 1, "third": first - 2}


def probe_v1_clients(subject: Subject) -> Iterator[Result]:
    """As a v1 client sends them: unqualified names, looked up along the search_path that its role has."""
    if subject.state.version is SchemaVersion.V1:
        yield from _try_all(subject, "v1 client", _values())
        yield _try_select_star(subject, "v1 client")
    if subject.state.version is not SchemaVersion.V2:
        return
    schemas = [
        str(row[0])
        for row in subject.rows(
            "SELECT DISTINCT n.nspname FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'v' AND pg_catalog.obj_description(c.oid, 'pg_class') = %s "
            "AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1",
            VIEW_COMMENT,
        )
    ]
    for schema in schemas:
        subject.conn.rollback()
        with subject.conn.cursor() as cursor:
            cursor.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
        who = f"v1 client as {schema}"
        yield from _try_all(subject, who, _values())
        yield _try_select_star(subject, who)


def _try_all(subject: Subject, who: str, values: dict[str, object]) -> Iterator[Result]:
    for probe in _v1_probes():
        name = f"{who}: {probe.name}"
        try:
            with subject.conn.cursor() as cursor:
                cursor.execute(probe.statement, values)
                got: object = cursor.rowcount if isinstance(probe.wanted, int) else cursor.fetchone()
        except psycopg2.Error as error:
            yield failed(name, (error.diag.message_primary or str(error)).strip(), error_advice(error))
            raise ProbesEnded from error
        if got != probe.wanted:
            yield failed(name, f"gave {got} instead of {probe.wanted}", _ADVICE)
        else:
            yield passed(name, "works")


def _try_select_star(subject: Subject, who: str) -> Result:
    """Prepared on the server, as some drivers do; nothing but v1's columns may come back."""
    with subject.conn.cursor() as cursor:
        cursor.execute("PREPARE hk_diagnostics AS SELECT * FROM portfolio_positions LIMIT 1")
        cursor.execute("EXECUTE hk_diagnostics")
        columns = [column.name for column in cursor.description or ()]
        cursor.execute("DEALLOCATE hk_diagnostics")
    ours = sorted({"portfolio_id", "legacy_symbol"} & set(columns))
    if ours and subject.state.version is SchemaVersion.V2:
        return failed(f"{who}: SELECT *, prepared", f"shows {', '.join(ours)}", _ADVICE)
    return passed(f"{who}: SELECT *, prepared", "works")


def probe_isolation(subject: Subject) -> Iterator[Result]:
    """Two portfolios with the same symbol: apart in all but the price."""
    if not subject.state.multi_portfolio:
        return
    values = {**_values(), "portfolio": f"~{uuid.uuid4().hex[:20]}"}
    has_id = subject.value(
        "SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = 'public.portfolios'::regclass AND attname = 'id'"
    )
    with subject.conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.portfolios (id, portfolio_id, name) VALUES (%(id)s, %(portfolio)s, 'Diagnostics')"
            if has_id
            else "INSERT INTO public.portfolios (portfolio_id, name) VALUES (%(portfolio)s, 'Diagnostics')",
            values,
        )
        cursor.execute(
            "INSERT INTO public.portfolio_positions (id, portfolio_id, symbol, quantity, avg_cost, current_price) "
            "VALUES (%(id)s, 'DEFAULT', %(symbol)s, 100, 10, 12), (%(other)s, %(portfolio)s, %(symbol)s, 50, 11, 12)",
            values,
        )
        for row_id, owner in ((values["id"], "DEFAULT"), (values["other"], values["portfolio"])):
            cursor.execute(
                "INSERT INTO public.trading_signals (id, portfolio_id, symbol, signal_type, price) "
                "VALUES (%s, %s, %s, 'B', 12)",
                (row_id, owner, values["symbol"]),
            )
    yield passed("isolation: two portfolios hold the same symbol", "works")
    yield _isolated_change(subject, values)
    yield _shared_price(subject, values)
    yield _isolated_delete(subject, values)


def _isolated_change(subject: Subject, values: dict[str, object]) -> Result:
    name = "isolation: a change of one position leaves the other alone"
    with subject.conn.cursor() as cursor:
        cursor.execute(
            "UPDATE public.portfolio_positions SET quantity = 7 WHERE portfolio_id = %(portfolio)s "
            "AND symbol = %(symbol)s",
            values,
        )
    quantity = subject.value("SELECT quantity FROM public.portfolio_positions WHERE id = %s", values["id"])
    return passed(name, "works") if quantity == 100 else failed(name, f"it became {quantity}", _ADVICE)


def _shared_price(subject: Subject, values: dict[str, object]) -> Result:
    name = "a price reaches the symbol in every portfolio"
    with subject.conn.cursor() as cursor:
        cursor.execute("UPDATE public.portfolio_positions SET current_price = 15 WHERE id = %(id)s", values)
    price = subject.value("SELECT current_price FROM public.portfolio_positions WHERE id = %s", values["other"])
    if price != 15:
        return failed(name, f"the other portfolio's price stayed {price}", _ADVICE)
    return passed(name, "works")


def _isolated_delete(subject: Subject, values: dict[str, object]) -> Result:
    name = "isolation: a deleted position takes its own signals, not the other's"
    with subject.conn.cursor() as cursor:
        cursor.execute("DELETE FROM public.portfolio_positions WHERE id = %(id)s", values)
    left = subject.rows("SELECT id FROM public.trading_signals WHERE symbol = %s", values["symbol"])
    if left != [(values["other"],)]:
        return failed(name, f"{len(left)} signals are left, 1 should be", _ADVICE)
    return passed(name, "works")


PROBES: tuple[tuple[str, Check], ...] = (
    ("v1 client's statements", probe_v1_clients),
    ("isolation", probe_isolation),
)
