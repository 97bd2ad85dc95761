"""Checks of the rows: nothing orphaned, nothing computed wrongly, the views equal to the tables."""

from collections.abc import Iterator

from psycopg2 import sql

from src.diagnostics.model import Check, Result, Subject, failed, passed
from src.errors import Action, NextStep
from src.postgres.queries import query
from src.text import plural

INTEGRITY_FAULTS = ("price_differs", "unknown_portfolio")


def check_portfolio_ids(subject: Subject) -> Iterator[Result]:
    """No row without a portfolio, none whose portfolio or position is not there."""
    if not subject.state.multi_portfolio:
        orphans = subject.value(query("diagnostics.data.orphans_v1"))
        yield _none_wrong("signals belong to positions", orphans, "signals without their position")
        return
    for table in ("portfolio_positions", "trading_signals"):
        without, unknown = _count_portfolio_ids(subject, table)
        yield _none_wrong(f"{table} have a portfolio", without, "rows whose portfolio_id is NULL")
        yield _none_wrong(f"{table} belong to known portfolios", unknown, "rows of a portfolio that is not there")
    orphans = subject.value(query("diagnostics.data.orphans"))
    yield _none_wrong("signals belong to positions", orphans, "signals without their position")


def _count_portfolio_ids(subject: Subject, table: str) -> tuple[object, object]:
    statement = sql.SQL(query("diagnostics.data.portfolio_ids")).format(tbl=sql.Identifier("public", table))
    row = subject.rows(statement)[0]
    return row[0], row[1]


def _none_wrong(name: str, count: object, what: str) -> Result:
    if count:
        return failed(name, f"{count} {what}", "A DBA should inspect those rows.", NextStep(Action.CHECK))
    return passed(name, f"no {what}")


def check_generated_columns(subject: Subject) -> Iterator[Result]:
    wrong, rows = subject.rows(query("diagnostics.data.computed"))[0]
    assert isinstance(rows, int), "a count"
    name = "market value and P&L are computed right"
    if wrong:
        yield failed(name, f"{wrong} of {rows} positions differ", "The columns were replaced: see the catalog.")
    else:
        yield passed(name, f"{plural(rows, 'position')}, each recomputed")


def check_legacy_symbol(subject: Subject) -> Iterator[Result]:
    """On v2: v1 clients see DEFAULT's symbols, all of them, and no other's."""
    if not subject.state.backward_compatible or not subject.state.multi_portfolio:
        return
    wrong = subject.value(query("diagnostics.data.legacy_symbols"))
    yield _none_wrong("legacy_symbol is in step with symbol", wrong, "positions that v1 clients would see wrongly")


def check_totals(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    yield _no_portfolio(
        "portfolio_summary agrees with the positions", subject.rows(query("diagnostics.data.totals_differ"))
    )
    if subject.state.portfolio_id_required:
        yield _no_portfolio(
            "portfolio_performance agrees with portfolio_summary",
            subject.rows(query("diagnostics.data.performance_differs")),
        )


def _no_portfolio(name: str, rows: list[tuple[object, ...]]) -> Result:
    if rows:
        wrong = ", ".join(str(row[0]) for row in rows)
        return failed(name, f"not for {wrong}", "Make the view again from migrations/.")
    return passed(name, "for every portfolio")


def check_functions(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    rows = subject.rows(query("diagnostics.data.status_differs"))
    if rows:
        yield failed("check_migration_status()", f"wrong for {rows[0][0]}", "Make it again from migrations/.")
    else:
        yield passed("check_migration_status()", "agrees with the tables")
    if not subject.state.portfolio_id_required:
        return
    found = subject.rows(query("diagnostics.data.integrity"))
    faults = [f"{row[0]} in {row[1]}: {row[2]}" for row in found if row[0] in INTEGRITY_FAULTS]
    notes = [f"{row[0]} in {row[1]}: {row[2]}" for row in found if row[0] not in INTEGRITY_FAULTS]
    if faults:
        yield failed("validate_portfolio_integrity()", "; ".join(faults), "Update the price of those symbols once.")
    else:
        yield passed("validate_portfolio_integrity()", "; ".join(notes) or "no issue")


def check_shared_prices(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    rows = subject.rows(query("diagnostics.data.prices_differ"))
    name = "a symbol has one price in all portfolios"
    if rows:
        symbols = ", ".join(str(row[0]) for row in rows)
        yield failed(name, f"not {symbols}", "Update the price of those symbols once; it then reaches all portfolios.")
    else:
        yield passed(name, "for every symbol")


DATA_CHECKS: tuple[tuple[str, Check], ...] = (
    ("portfolio ids", check_portfolio_ids),
    ("generated columns", check_generated_columns),
    ("legacy_symbol", check_legacy_symbol),
    ("totals", check_totals),
    ("functions", check_functions),
    ("shared prices", check_shared_prices),
)
