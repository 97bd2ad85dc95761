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
from src.diagnostics.model import Check, Result, Subject, failed, impossible, passed
from src.errors import Action, HKStrategyError, NextStep
from src.postgres.failures import READ_AND_WRITE
from src.postgres.queries import query
from src.schema.versions import SchemaVersion

_ADVICE = ("See the catalog checks above.", NextStep(Action.CHECK))


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
            query("diagnostics.client_statements.v1_upsert"),
            (True,),
        ),
        Probe(
            "INSERT … ON CONFLICT (symbol) DO NOTHING",
            query("diagnostics.client_statements.v1_insert_or_nothing"),
            0,
        ),
        Probe(
            "the same upsert again changes the row that is there",
            query("diagnostics.client_statements.v1_upsert_again"),
            (True,),
        ),
        Probe(
            "UPDATE … SET current_price … WHERE symbol",
            query("diagnostics.client_statements.v1_update"),
            1,
        ),
        Probe(
            "SELECT of columns",
            query("diagnostics.client_statements.v1_select"),
            (True, 200, 2600, 600),
        ),
        Probe(
            "INSERT INTO trading_signals",
            query("diagnostics.client_statements.v1_insert_signal"),
            1,
        ),
        Probe(
            "INSERT INTO price_history",
            query("diagnostics.client_statements.v1_insert_price"),
            1,
        ),
        Probe(
            "SELECT of signals with their positions",
            query("diagnostics.client_statements.v1_join"),
            (1,),
        ),
        Probe("DELETE … WHERE symbol", query("diagnostics.client_statements.v1_delete"), 1),
        Probe(
            "the signals follow their position",
            query("diagnostics.client_statements.v1_count_signals"),
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
    schemas = [str(row[0]) for row in subject.rows(query("diagnostics.client_statements.v1_schemas"), VIEW_COMMENT)]
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
            yield impossible(name, error, subject.conn, READ_AND_WRITE)
            raise ProbesEnded from error
        if got != probe.wanted:
            yield failed(name, f"gave {got} instead of {probe.wanted}", *_ADVICE)
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
        return failed(f"{who}: SELECT *, prepared", f"shows {', '.join(ours)}", *_ADVICE)
    return passed(f"{who}: SELECT *, prepared", "works")


def probe_isolation(subject: Subject) -> Iterator[Result]:
    """Two portfolios with the same symbol: apart in all but the price."""
    if not subject.state.multi_portfolio:
        return
    values = {**_values(), "portfolio": f"~{uuid.uuid4().hex[:20]}"}
    has_id = subject.value(query("diagnostics.client_statements.has_portfolio_ids"))
    with subject.conn.cursor() as cursor:
        cursor.execute(
            query("diagnostics.client_statements.insert_portfolio")
            if has_id
            else query("diagnostics.client_statements.insert_portfolio_without_id"),
            values,
        )
        cursor.execute(query("diagnostics.client_statements.insert_positions"), values)
        cursor.execute(query("diagnostics.client_statements.insert_signals"), values)
    yield passed("isolation: two portfolios hold the same symbol", "works")
    yield _isolated_change(subject, values)
    yield _shared_price(subject, values)
    yield _isolated_delete(subject, values)


def _isolated_change(subject: Subject, values: dict[str, object]) -> Result:
    name = "isolation: a change of one position leaves the other alone"
    with subject.conn.cursor() as cursor:
        cursor.execute(query("diagnostics.client_statements.change_quantity"), values)
    quantity = subject.value(query("diagnostics.client_statements.quantity"), values["id"])
    return passed(name, "works") if quantity == 100 else failed(name, f"it became {quantity}", *_ADVICE)


def _shared_price(subject: Subject, values: dict[str, object]) -> Result:
    name = "a price reaches the symbol in every portfolio"
    with subject.conn.cursor() as cursor:
        cursor.execute(query("diagnostics.client_statements.change_price"), values)
    price = subject.value(query("diagnostics.client_statements.price"), values["other"])
    if price != 15:
        return failed(name, f"the other portfolio's price stayed {price}", *_ADVICE)
    return passed(name, "works")


def _isolated_delete(subject: Subject, values: dict[str, object]) -> Result:
    name = "isolation: a deleted position takes its own signals, not the other's"
    with subject.conn.cursor() as cursor:
        cursor.execute(query("diagnostics.client_statements.delete_position"), values)
    left = subject.rows(query("diagnostics.client_statements.signals"), values["symbol"])
    if left != [(values["other"],)]:
        return failed(name, f"{len(left)} signals are left, 1 should be", *_ADVICE)
    return passed(name, "works")


PROBES: tuple[tuple[str, Check], ...] = (
    ("v1 client's statements", probe_v1_clients),
    ("isolation", probe_isolation),
)
