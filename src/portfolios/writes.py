"""Every change of portfolios, positions, prices and signals: checked, done in one transaction, and recorded."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from src.domain import symbols, validation
from src.domain.edits import Edit
from src.domain.portfolio import Position, check_price, check_text, check_value
from src.domain.revisions import Revision
from src.errors import InvalidInput
from src.portfolios import lineage, own_tables, portfolios, positions, revisions, signals
from src.portfolios.edits import Changed
from src.portfolios.transactions import Database, Work
from src.postgres.connection import Cursor
from src.schema.versions import (
    CHANGE_POSITIONS,
    COPY_PORTFOLIO,
    CREATE_PORTFOLIO,
    EDIT_PORTFOLIO,
    EDIT_POSITIONS,
    RECORD_SIGNALS,
    UPDATE_PRICES,
    Capability,
    SchemaState,
)

T = TypeVar("T")


class Writes:
    """What can be changed. Every method raises InvalidInput for what cannot be stored, CapabilityMissing where the
    schema has no place for it, Conflict where others hold the rows, and DatabaseUnavailable; nothing is changed then.

    `by`: who is named in the change history; None: this machine's user.
    """

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._opening = threading.Lock()
        self._opened: Database | None = None

    @property
    def _db(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = self._open_database()
            return self._opened

    # Portfolios

    def create_portfolio(
        self,
        portfolio_id: str,
        name: str,
        description: str = "",
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> bool:
        """An empty portfolio. Raises PortfolioExists. True."""
        new_id, new_name, text = validation.identity(portfolio_id, name, description)
        theme = check_text(strategy, "The strategy", 100)
        self._record(
            new_id, "create", by, new_name, CREATE_PORTFOLIO,
            lambda cur, state: portfolios.create(cur, new_id, new_name, text, strategy=theme),
        )  # fmt: skip
        return True

    def copy_portfolio(
        self,
        source_id: str,
        portfolio_id: str,
        name: str,
        description: str = "",
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> int:
        """A new portfolio with the positions and prices of `source_id`, which it remembers; how many positions.

        Its strategy is the source's when not given. All or nothing. Raises PortfolioNotFound and PortfolioExists.
        """
        new_id, new_name, text = validation.identity(portfolio_id, name, description)
        theme = check_text(strategy, "The strategy", 100)

        def work(cur: Cursor, state: SchemaState) -> int:
            copied = portfolios.copy(cur, state, source_id, new_id, new_name, text, theme)
            lineage.keep_base(cur, new_id, new_id)
            return copied

        return self._record(new_id, "copy", by, f"from {source_id}", COPY_PORTFOLIO, work)

    def rename_portfolio(
        self,
        portfolio_id: str,
        name: str,
        description: str | None = None,
        strategy: str | None = None,
        *,
        by: str | None = None,
    ) -> bool:
        """New name; description and strategy stay when None, and go when empty. Raises PortfolioNotFound. True."""
        new_name = check_text(name, "The name", 200, required=True) or ""
        text = None if description is None else check_text(description, "The description", 10_000) or ""
        theme = None if strategy is None else check_text(strategy, "The strategy", 100) or ""
        self._record(
            portfolio_id, "rename", by, new_name, EDIT_PORTFOLIO,
            lambda cur, state: portfolios.rename(cur, state, portfolio_id, new_name, text, theme),
        )  # fmt: skip
        return True

    def archive_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """Out of the lists; nothing is deleted. DEFAULT cannot be archived. Raises PortfolioNotFound. True."""
        self._change(portfolio_id, "archive", by, portfolios.archive)
        return True

    def restore_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """An archived portfolio back into the lists. Raises PortfolioNotFound. True."""
        self._change(portfolio_id, "restore", by, portfolios.restore)
        return True

    def delete_portfolio(self, portfolio_id: str, *, by: str | None = None) -> bool:
        """For good, with its positions and signals. DEFAULT cannot be deleted. Raises PortfolioNotFound. True."""
        self._change(portfolio_id, "delete", by, portfolios.delete)
        return True

    # Positions one by one, prices, signals

    def add_position(
        self,
        portfolio_id: str,
        symbol: str,
        quantity: object,
        avg_cost: object,
        company_name: str | None = None,
        sector: str | None = None,
        *,
        by: str | None = None,
    ) -> str:
        """A new position, priced as the market last was (not at all when no price is known); its symbol, normalised.

        `quantity` in shares, `avg_cost` in HKD per share. Name and sector, where not given, are those of the same
        symbol in another portfolio. Raises PortfolioNotFound.
        """
        normal = symbols.normalise_symbol(symbol)
        if symbols.is_index(normal):
            raise InvalidInput(f"{normal} is an index: it has prices, but cannot be held.")
        values = validation.position(quantity, avg_cost, company_name, sector)
        values.setdefault("company_name", None)
        values.setdefault("sector", None)
        if not values.keys() >= {"quantity", "avg_cost"}:
            raise InvalidInput("A new position needs a quantity and an average cost.")
        check_value(values["quantity"], values["avg_cost"], "cost")
        self._edit(portfolio_id, by, lambda cur, state: positions.add(cur, state, portfolio_id, normal, values))
        return normal

    def change_position(
        self,
        portfolio_id: str,
        symbol: str,
        *,
        quantity: object = None,
        avg_cost: object = None,
        company_name: str | None = None,
        sector: str | None = None,
        expected: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> bool:
        """Change what is given; an empty company_name or sector clears it. Raises PositionNotFound. True.

        `expected`: the values of some of those columns that the change is based on; Conflict when they changed.
        """
        changes = validation.position(quantity, avg_cost, company_name, sector)
        if not changes:
            raise InvalidInput("Nothing to change was given.")
        before = validation.expected(expected)
        names = symbols.spellings(symbol)
        self._edit(
            portfolio_id, by, lambda cur, state: positions.change(cur, state, portfolio_id, names, changes, before)
        )
        return True

    def remove_position(
        self,
        portfolio_id: str,
        symbol: str,
        *,
        expected: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> bool:
        """Remove a position, and its signals in that portfolio. `expected` as in change_position.

        Raises PositionNotFound. True.
        """
        before = validation.expected(expected)
        names = symbols.spellings(symbol)
        self._edit(portfolio_id, by, lambda cur, state: positions.remove(cur, state, portfolio_id, names, before))
        return True

    def update_position_price(self, symbol: str, new_price: object) -> bool:
        """The new price (HKD per share) for the symbol in every portfolio. Raises PositionNotFound. True."""
        price = check_price(new_price)
        names = symbols.spellings(symbol)
        self._db.write(lambda cur, state: positions.update_price(cur, names, price), UPDATE_PRICES)
        return True

    def insert_trading_signal(
        self,
        symbol: str,
        signal_type: str,
        signal_strength: object,
        price: object,
        portfolio_id: str | None = None,
        **indicators: object,
    ) -> bool:
        """Record a signal (type A, B, C or D; strength 0 to 9.99) for a symbol that the portfolio holds or watches.

        `price` in HKD per share. Indicators: volume, rsi, ma_5, ma_20, ma_50, bollinger_upper, bollinger_lower; None
        and NaN are "not known". Raises PortfolioNotFound and PositionNotFound. True.
        """
        values = validation.signal(signal_type, signal_strength, price, indicators)
        names = symbols.spellings(symbol)
        self._db.write(lambda cur, state: signals.insert(cur, state, portfolio_id, names, values), RECORD_SIGNALS)
        return True

    # Many positions at once, undo, and copies

    def save_positions(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        by: str | None = None,
        kind: str = "edit",
        note: str = "",
        digest: str | None = None,
    ) -> Revision:
        """All edits of a portfolio's positions, or none; the revision that they made. `kind`: edit, or import.

        What an edit says that was there must be there: quantity, average cost, name, sector, and the price where the
        edit changes it; else SaveConflict, with every clash. A changed price is the new one of the symbol in every
        portfolio. A new position without a price, name or sector gets those that are known of its symbol. On v1
        positions can be changed; new and removed ones raise CapabilityMissing. `digest`: SHA-256 of an imported file.
        """
        if kind not in ("edit", "import"):
            raise InvalidInput(f"A save is an edit or an import, not {kind!r}.")
        checked, who = validation.edits(edits), _author(by)
        if not checked:
            raise InvalidInput("There is nothing to save: no position is changed.")
        text = check_text(note, "The note", 1_000) or ""
        return self._db.write(
            lambda cur, state: revisions.save(
                cur, state, portfolio_id, checked, by=who, kind=kind, note=text, digest=digest, fill_names=True
            ),
            CHANGE_POSITIONS,
        )

    def undo_revision(self, revision_id: int, *, by: str | None = None) -> Revision:
        """Take a revision back, by a revision of its own, which can be undone too.

        Removed positions come back with their signals, changed prices with their times. Raises SaveConflict where a
        position is not as the revision left it, and InvalidInput where there is nothing (more) to undo.
        """
        who = _author(by)
        return self._db.write(lambda cur, state: revisions.undo(cur, state, revision_id, by=who), CHANGE_POSITIONS)

    def apply_to_parent(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        seen: Sequence[Position] | None = None,
        by: str | None = None,
    ) -> Revision:
        """Edits of the parent of the copy `portfolio_id` that carry the copy's changes over.

        From then on both are followed from what the copy is at that moment. `seen`: the copy's positions that the edits
        were made from. Raises as save_positions does, and SaveConflict also where the copy is something else than
        `seen` (than what the edits lead to, when that is not given); PortfolioNotFound where the parent is gone.
        """
        checked, who = validation.edits(edits), _author(by)
        return self._db.write(
            lambda cur, state: lineage.apply_to_parent(cur, state, portfolio_id, checked, by=who, seen=seen),
            COPY_PORTFOLIO,
        )

    def refresh_copy(
        self,
        portfolio_id: str,
        edits: Sequence[Edit],
        *,
        seen: Sequence[Position] | None = None,
        by: str | None = None,
    ) -> Revision:
        """Edits of a copy that make it what its parent is, or bring in what that changed.

        From then on both are followed from what the parent is at that moment. `seen`: the parent's positions that the
        edits were made from; raises as apply_to_parent does.
        """
        checked, who = validation.edits(edits), _author(by)
        return self._db.write(
            lambda cur, state: lineage.refresh_copy(cur, state, portfolio_id, checked, by=who, seen=seen),
            COPY_PORTFOLIO,
        )

    def _change(
        self, portfolio_id: str, kind: str, by: str | None, work: Callable[[Cursor, SchemaState, str], None]
    ) -> None:
        self._record(portfolio_id, kind, by, "", EDIT_PORTFOLIO, lambda cur, state: work(cur, state, portfolio_id))

    def _record(self, portfolio_id: str, kind: str, by: str | None, note: str, needs: Capability, work: Work[T]) -> T:
        """Do it, and record it as a revision without positions."""
        who = _author(by)

        def recorded(cur: Cursor, state: SchemaState) -> T:
            own_tables.ensure(cur)
            result = work(cur, state)
            revisions.record(cur, portfolio_id, by=who, kind=kind, note=note)
            return result

        return self._db.write(recorded, needs)

    def _edit(self, portfolio_id: str, by: str | None, work: Callable[[Cursor, SchemaState], list[Changed]]) -> None:
        """Change positions, and record a revision; none where nothing changed."""
        who = _author(by)

        def recorded(cur: Cursor, state: SchemaState) -> None:
            revisions.lock(cur, state, portfolio_id)
            changed = work(cur, state)
            if changed:
                revisions.record(cur, portfolio_id, by=who, kind="edit", changed=changed)

        self._db.write(recorded, EDIT_POSITIONS)


def _author(by: str | None) -> str:
    return revisions.author(validation.author(by))
