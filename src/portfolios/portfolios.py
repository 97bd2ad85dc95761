"""Portfolios in the database. Each function is work for one transaction: see transactions.py."""

from typing import Any

from src.domain.overview import Portfolio
from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.errors import Conflict, InvalidInput, PortfolioExists, PortfolioNotFound
from src.portfolios import rows
from src.postgres.connection import Cursor
from src.postgres.queries import query, rows_of
from src.schema.versions import SchemaState


def list_all(cursor: Cursor, state: SchemaState) -> tuple[Portfolio, ...]:
    """DEFAULT first, archived ones too."""
    cursor.execute(query("portfolios.portfolios.list" if state.multi_portfolio else "portfolios.portfolios.list_v1"))
    return tuple(map(rows.portfolio, rows_of(cursor)))


def existing(cursor: Cursor, state: SchemaState) -> list[str]:
    """The ids of all portfolios, archived ones too."""
    if not state.multi_portfolio:
        return [DEFAULT_PORTFOLIO]
    cursor.execute(query("portfolios.portfolios.ids"))
    return [row[0] for row in cursor.fetchall()]


def check_exists(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """Raises PortfolioNotFound."""
    known = existing(cursor, state)
    if portfolio_id not in known:
        raise not_found(portfolio_id, known)


def not_found(portfolio_id: str, known: list[str]) -> PortfolioNotFound:
    """The error to raise; it names up to 20 of the portfolios that there are."""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return PortfolioNotFound(f"There is no portfolio {portfolio_id!r}. There are: {shown or 'none'}.")


def lock_for_edit(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """One editor of a portfolio at a time; also says that it was changed (`updated_at`)."""
    cursor.execute(query("portfolios.portfolios.lock_for_edit"), {"portfolio_id": portfolio_id})
    if cursor.fetchone() is None:
        raise not_found(portfolio_id, existing(cursor, state))
    cursor.execute(query("portfolios.portfolios.touch"), {"portfolio_id": portfolio_id})


def create(
    cursor: Cursor,
    portfolio_id: str,
    name: str,
    description: str,
    *,
    strategy: str | None = None,
    copied_from: str | None = None,
) -> None:
    """An empty portfolio. Raises PortfolioExists, also for an id that differs in upper and lower case only."""
    cursor.execute(query("portfolios.portfolios.same_id"), {"portfolio_id": portfolio_id})
    same = cursor.fetchone()
    if same is None:
        values = {
            "portfolio_id": portfolio_id,
            "name": name,
            "description": description,
            "strategy": strategy,
            "copied_from": copied_from,
        }
        cursor.execute(query("portfolios.portfolios.insert"), values)
        if cursor.fetchone() is not None:
            return
    taken = portfolio_id if same is None else same[0]
    raise PortfolioExists(f"There is a portfolio {taken!r} already. Choose another id.")


def copy(
    cursor: Cursor,
    state: SchemaState,
    source_id: str,
    portfolio_id: str,
    name: str,
    description: str,
    strategy: str | None,
) -> int:
    """Copy a portfolio's positions, prices included, into a new portfolio; how many there are.

    All rows of the source's symbols are locked first, in every portfolio, so that a price update comes either before
    the copy or after it, and reaches the copy too.
    """
    cursor.execute(query("portfolios.portfolios.lock_for_copy"), {"portfolio_id": source_id})
    source = cursor.fetchone()
    if source is None:
        raise not_found(source_id, existing(cursor, state))
    create(cursor, portfolio_id, name, description, strategy=strategy or source[0], copied_from=source_id)
    cursor.execute(query("portfolios.positions.lock_for_copy"), {"source": source_id})
    ids = [row[0] for row in cursor.fetchall() if row[1] == source_id]
    cursor.execute(query("portfolios.positions.copy"), {"portfolio_id": portfolio_id, "source": source_id, "ids": ids})
    copied = int(cursor.rowcount)
    cursor.execute(query("portfolios.positions.count"), {"portfolio_id": portfolio_id})
    counted = cursor.fetchone()
    if counted is None or not copied == counted[0] == len(ids):
        raise Conflict(
            f"Portfolio {source_id!r} has {len(ids)} positions, but the copy got {copied}. "
            "Nothing was copied; try again."
        )
    return copied


def rename(
    cursor: Cursor, state: SchemaState, portfolio_id: str, name: str, description: str | None, strategy: str | None
) -> None:
    """None: stays as it is. Raises PortfolioNotFound."""
    values = {"portfolio_id": portfolio_id, "name": name, "description": description, "strategy": strategy}
    _update(cursor, state, "portfolios.portfolios.rename", values)


def archive(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """Raises InvalidInput for DEFAULT, and PortfolioNotFound."""
    if portfolio_id == DEFAULT_PORTFOLIO:
        raise InvalidInput("DEFAULT is the portfolio of the single-portfolio application; it cannot be archived.")
    _update(cursor, state, "portfolios.portfolios.archive", {"portfolio_id": portfolio_id})


def restore(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """An archived portfolio is archived no longer. Raises PortfolioNotFound."""
    _update(cursor, state, "portfolios.portfolios.restore", {"portfolio_id": portfolio_id})


def delete(cursor: Cursor, state: SchemaState, portfolio_id: str) -> None:
    """For good, with its positions and signals."""
    if portfolio_id == DEFAULT_PORTFOLIO:
        raise InvalidInput("DEFAULT is the portfolio of the single-portfolio application; it cannot be deleted.")
    key = {"portfolio_id": portfolio_id}
    cursor.execute(query("portfolios.portfolios.lock_for_delete"), key)
    if cursor.fetchone() is None:
        raise not_found(portfolio_id, existing(cursor, state))
    cursor.execute(query("portfolios.positions.lock_portfolio"), key)
    cursor.execute(query("portfolios.portfolios.delete_positions"), key)
    cursor.execute(query("portfolios.portfolios.delete_signals"), key)
    cursor.execute(query("portfolios.portfolios.delete"), key)


def _update(cursor: Cursor, state: SchemaState, statement: str, values: dict[str, Any]) -> None:
    cursor.execute(query(statement), values)
    if cursor.rowcount == 0:
        raise not_found(values["portfolio_id"], existing(cursor, state))
