"""Checks of the rows: nothing orphaned, nothing computed wrongly, the views equal to the tables."""

from collections.abc import Iterator

from src.diagnostics.model import Check, Result, Subject, failed, passed

INTEGRITY_FAULTS = ("price_differs", "unknown_portfolio")


def check_portfolio_ids(subject: Subject) -> Iterator[Result]:
    """No row without a portfolio, none whose portfolio or position is not there."""
    if not subject.state.multi_portfolio:
        orphans = subject.value(
            "SELECT count(*) FROM public.trading_signals t WHERE NOT EXISTS "
            "(SELECT FROM public.portfolio_positions h WHERE h.symbol = t.symbol)"
        )
        yield _none_wrong("signals belong to positions", orphans, "signals without their position")
        return
    for table in ("portfolio_positions", "trading_signals"):
        without, unknown = _count_portfolio_ids(subject, table)
        yield _none_wrong(f"{table} have a portfolio", without, "rows whose portfolio_id is NULL")
        yield _none_wrong(f"{table} belong to known portfolios", unknown, "rows of a portfolio that is not there")
    orphans = subject.value(
        "SELECT count(*) FROM public.trading_signals t WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h "
        "WHERE h.portfolio_id = t.portfolio_id AND h.symbol = t.symbol)"
    )
    yield _none_wrong("signals belong to positions", orphans, "signals without their position")


_PORTFOLIO_ID_COUNTS = {
    "portfolio_positions": (
        "SELECT count(*) FILTER (WHERE x.portfolio_id IS NULL), "
        "count(*) FILTER (WHERE p.portfolio_id IS NULL AND x.portfolio_id IS NOT NULL) "
        "FROM public.portfolio_positions x LEFT JOIN public.portfolios p USING (portfolio_id)"
    ),
    "trading_signals": (
        "SELECT count(*) FILTER (WHERE x.portfolio_id IS NULL), "
        "count(*) FILTER (WHERE p.portfolio_id IS NULL AND x.portfolio_id IS NOT NULL) "
        "FROM public.trading_signals x LEFT JOIN public.portfolios p USING (portfolio_id)"
    ),
}


def _count_portfolio_ids(subject: Subject, table: str) -> tuple[object, object]:
    row = subject.rows(_PORTFOLIO_ID_COUNTS[table])[0]
    return row[0], row[1]


def _none_wrong(name: str, count: object, what: str) -> Result:
    if count:
        return failed(name, f"{count} {what}", "See `python run_migration.py check`; a DBA should look at those rows.")
    return passed(name, f"no {what}")


def check_generated_columns(subject: Subject) -> Iterator[Result]:
    wrong, rows = subject.rows(
        "SELECT count(*) FILTER (WHERE market_value IS DISTINCT FROM (quantity * current_price)::numeric(12,2) "
        "OR unrealized_pnl IS DISTINCT FROM ((current_price - avg_cost) * quantity)::numeric(12,2)), count(*) "
        "FROM public.portfolio_positions"
    )[0]
    name = "market value and P&L are computed right"
    if wrong:
        yield failed(name, f"{wrong} of {rows} positions differ", "The columns were replaced: see the catalog.")
    else:
        yield passed(name, f"{rows} positions, each recomputed")


def check_legacy_symbol(subject: Subject) -> Iterator[Result]:
    """On v2: v1 clients see DEFAULT's symbols, all of them, and no other's."""
    if not subject.state.backward_compatible or not subject.state.multi_portfolio:
        return
    wrong = subject.value(
        "SELECT count(*) FROM public.portfolio_positions WHERE legacy_symbol IS DISTINCT FROM "
        "CASE WHEN portfolio_id = 'DEFAULT' THEN symbol END"
    )
    yield _none_wrong("legacy_symbol is in step with symbol", wrong, "positions that v1 clients would see wrongly")


_TOTALS_DIFFER = """\
SELECT coalesce(s.portfolio_id, t.portfolio_id)
  FROM public.portfolio_summary s
  FULL JOIN (SELECT p.portfolio_id, count(h.id) AS positions, coalesce(sum(h.market_value), 0) AS value,
                    coalesce(sum(h.unrealized_pnl), 0) AS pnl
               FROM public.portfolios p LEFT JOIN public.portfolio_positions h USING (portfolio_id)
              GROUP BY 1) t USING (portfolio_id)
 WHERE s.total_positions IS DISTINCT FROM t.positions OR s.total_market_value IS DISTINCT FROM t.value
    OR s.total_unrealized_pnl IS DISTINCT FROM t.pnl
"""
_PERFORMANCE_DIFFERS = """\
SELECT coalesce(s.portfolio_id, f.portfolio_id)
  FROM public.portfolio_summary s FULL JOIN public.portfolio_performance f USING (portfolio_id)
 WHERE s.total_unrealized_pnl IS DISTINCT FROM f.total_unrealized_pnl
    OR s.total_market_value IS DISTINCT FROM f.total_market_value
"""


def check_totals(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    yield _no_portfolio("portfolio_summary agrees with the positions", subject.rows(_TOTALS_DIFFER))
    if subject.state.portfolio_id_required:
        yield _no_portfolio("portfolio_performance agrees with portfolio_summary", subject.rows(_PERFORMANCE_DIFFERS))


def _no_portfolio(name: str, rows: list[tuple[object, ...]]) -> Result:
    if rows:
        wrong = ", ".join(str(row[0]) for row in rows)
        return failed(name, f"not for {wrong}", "Make the view again from migrations/.")
    return passed(name, "for every portfolio")


_STATUS_DIFFERS = """\
SELECT s.tbl_name FROM public.check_migration_status() s
  JOIN (SELECT 'portfolios' AS tbl_name, count(*) AS n FROM public.portfolios
        UNION ALL SELECT 'portfolio_positions', count(*) FROM public.portfolio_positions
        UNION ALL SELECT 'trading_signals', count(*) FROM public.trading_signals
        UNION ALL SELECT 'price_history', count(*) FROM public.price_history) t USING (tbl_name)
 WHERE s.total_rows IS DISTINCT FROM t.n
"""


def check_functions(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    rows = subject.rows(_STATUS_DIFFERS)
    if rows:
        yield failed("check_migration_status()", f"wrong for {rows[0][0]}", "Make it again from migrations/.")
    else:
        yield passed("check_migration_status()", "agrees with the tables")
    if not subject.state.portfolio_id_required:
        return
    found = subject.rows("SELECT issue_type, portfolio_id, issue_details FROM public.validate_portfolio_integrity()")
    faults = [f"{row[0]} in {row[1]}: {row[2]}" for row in found if row[0] in INTEGRITY_FAULTS]
    notes = [f"{row[0]} in {row[1]}: {row[2]}" for row in found if row[0] not in INTEGRITY_FAULTS]
    if faults:
        yield failed("validate_portfolio_integrity()", "; ".join(faults), "Update the price of those symbols once.")
    else:
        yield passed("validate_portfolio_integrity()", "; ".join(notes) or "no issue")


def check_shared_prices(subject: Subject) -> Iterator[Result]:
    if not subject.state.multi_portfolio:
        return
    rows = subject.rows(
        "SELECT symbol FROM public.portfolio_positions GROUP BY symbol "
        "HAVING count(DISTINCT coalesce(current_price, -1)) > 1 ORDER BY 1 LIMIT 10"
    )
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
