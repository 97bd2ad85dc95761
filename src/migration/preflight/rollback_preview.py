"""What a rollback to v1 makes of each symbol that other portfolios hold, before it happens."""

from psycopg2.extensions import connection as Connection

from src.journal.model import Keep
from src.migration.model import MergedSymbol
from src.postgres.queries import Row
from src.postgres.readonly import ReadOnlyTransaction, read_only

_MOST_SHARES = 2_147_483_647
_MOST_VALUE = 10**10


def merge_preview(conn: Connection, keep: Keep) -> tuple[MergedSymbol, ...]:
    """Every symbol that portfolios other than DEFAULT hold, as it will be; none where nothing is merged.

    Of v2 or v3. Costs and values to the cent; a value is None where the price of something held is unknown. Raises
    psycopg2.Error, while someone has the positions locked too.
    """
    if keep is not Keep.MERGE:
        return ()
    with read_only(conn) as transaction:
        rows = _preview(transaction)
    return tuple(_symbol(row) for row in rows)


def portfolios_to_archive(conn: Connection) -> tuple[str, ...]:
    """Of v2 or v3: the portfolios that a rollback to v1 takes out of the live tables, merged into DEFAULT or not.

    Raises psycopg2.Error, while someone has them locked too.
    """
    with read_only(conn) as transaction:
        rows = transaction.rows("migration.preflight.rollback_preview.others")
    return tuple(row[0] for row in rows)


def oversized_symbols(transaction: ReadOnlyTransaction) -> tuple[tuple[str, str], ...]:
    """Symbols that v1's columns could not hold once they are merged, and why."""
    found = []
    for row in transaction.unless_locked("portfolio_positions", lambda: _preview(transaction)):
        symbol, _, shares, _, _, cost, _, value = row
        if abs(shares) > _MOST_SHARES:
            found.append((symbol, f"{shares:,} shares"))
        elif value is not None and max(abs(value), abs(value - cost)) >= _MOST_VALUE:
            found.append((symbol, f"market value or P&L of HKD {max(abs(value), abs(value - cost)):,}"))
    return tuple(found)


def _preview(transaction: ReadOnlyTransaction) -> list[Row]:
    placeholders: list[str] = []
    if transaction.row("migration.preflight.rollback_preview.has_archive")[0]:
        placeholders = [row[0] for row in transaction.rows("migration.preflight.rollback_preview.placeholders")]
    return transaction.rows("migration.preflight.rollback_preview.preview", {"placeholders": placeholders})


def _symbol(row: Row) -> MergedSymbol:
    symbol, portfolios, shares, avg_cost, cost_before, cost_after, value_before, value_after = row
    return MergedSymbol(
        symbol=symbol,
        portfolios=tuple(portfolios),
        quantity=int(shares),
        avg_cost=avg_cost,
        cost_before=cost_before,
        cost_after=cost_after,
        value_before=value_before,
        value_after=value_after,
    )
