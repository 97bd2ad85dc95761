"""The portfolios in the database: every read and every write, values in and values out."""

from collections.abc import Sequence
from datetime import date, datetime

from src.domain.overview import Portfolio, PortfolioEntry
from src.domain.portfolio import Position
from src.domain.price_age import TradingSessions
from src.domain.quote import Closes, HoldingsAndCloses, PriceAge, Quote, RecordedPrice
from src.domain.revisions import Lineage, Revision
from src.domain.signal import Signal
from src.domain.symbols import spellings
from src.errors import InvalidInput
from src.portfolios import lineage, markers, portfolios, positions, prices, quotes, revisions, signals
from src.portfolios.markers import ChangeMarkers
from src.portfolios.writes import Writes
from src.postgres.pool import POOL_SIZE, LeasedConnection, PoolStatus
from src.schema.versions import SchemaState


class Store(Writes):
    """What is in the database, on every schema version; on v1 all belongs to DEFAULT.

    The database is opened when it is first needed. Safe to share between threads. Every method raises
    DatabaseUnavailable when the database is down, and CapabilityMissing where the schema has no positions to read.
    """

    # Portfolios and positions

    def portfolios(self) -> tuple[Portfolio, ...]:
        """All portfolios with their figures, DEFAULT first, archived ones too. On v1: DEFAULT, "Legacy Portfolio"."""
        return self._db.read(portfolios.list_all)

    def overview(self, sessions: TradingSessions) -> tuple[PortfolioEntry, ...]:
        """As `portfolios`, and what moved in the latest of `sessions`, of one snapshot in one statement.

        The day change of a position is (price − previous close) × quantity, to the cent, where its price is of the
        latest trading session and its previous close of the one directly before.
        """
        return self._db.read(lambda cur, state: quotes.overview(cur, state, sessions))

    def positions(self, portfolio_id: str | None = None) -> tuple[Position, ...]:
        """By market value descending (unpriced last), of all portfolios when None. Raises PortfolioNotFound."""
        return self._db.read(lambda cur, state: positions.list_all(cur, state, portfolio_id))

    def positions_of(self, portfolio_ids: Sequence[str]) -> tuple[Position, ...]:
        """As `positions`, of several portfolios, of one snapshot in one statement. Raises PortfolioNotFound."""
        return self._db.read(lambda cur, state: positions.list_several(cur, state, tuple(portfolio_ids)))

    # The market

    def quotes(self, latest_opens: datetime, symbols: Sequence[str] | None = None) -> dict[str, Quote]:
        """What is known about the prices of `symbols` (all that have a position when None), by symbol as given.

        `latest_opens`: when the latest trading session opened, aware. The previous close is the last recorded price
        before the Hong Kong day of the price's own session; a price that came after the latest session opened, on a
        Sunday say, is of that session. A symbol without a position has the last price of its history.
        """
        return self._db.read(lambda cur, _: quotes.quotes(cur, latest_opens, symbols))

    def closes(self, symbols: Sequence[str], since: date) -> dict[str, Closes]:
        """The last recorded price of each Hong Kong day from `since` on, and of the last day with one before it."""
        return self._db.read(lambda cur, _: quotes.closes(cur, symbols, since))

    def holdings_and_closes(self, portfolio_ids: Sequence[str], since: date) -> HoldingsAndCloses:
        """What portfolios hold now, and the closes of that from `since` on. Raises PortfolioNotFound."""
        return self._db.read(lambda cur, state: quotes.holdings_and_closes(cur, state, portfolio_ids, since))

    def price_ages(self) -> tuple[PriceAge, ...]:
        """Of every symbol with a position, by symbol: its price, how old that is, and the last recorded one."""
        return self._db.read(prices.ages)

    def price_history(self, symbol: str, since: datetime | None = None) -> tuple[RecordedPrice, ...]:
        """Recorded prices of a symbol or index, oldest first. `since` by the server's clock, without a zone."""
        names = spellings(symbol)
        return self._db.read(lambda cur, _: prices.history(cur, names, since))

    def signals(self, limit: int = 50, portfolio_id: str | None = None) -> tuple[Signal, ...]:
        """The newest signals first, of all portfolios when `portfolio_id` is None. Raises PortfolioNotFound."""
        check_limit(limit, 1_000_000)
        return self._db.read(lambda cur, state: signals.list_all(cur, state, limit, portfolio_id))

    # Revisions and copies

    def revisions(self, portfolio_id: str | None = None, limit: int = 50) -> tuple[Revision, ...]:
        """The change history, newest first, of all portfolios when `portfolio_id` is None. Also of deleted ones."""
        check_limit(limit, 10_000)
        return self._db.read(lambda cur, state: revisions.history(cur, state, portfolio_id, limit))

    def lineage(self, portfolio_id: str) -> Lineage | None:
        """What a copy was taken from, and when; None for a portfolio that is no copy. Raises PortfolioNotFound."""
        return self._db.read(lambda cur, state: lineage.get(cur, state, portfolio_id))

    # The database

    def schema_state(self, force_refresh: bool = False) -> SchemaState:
        """Which schema version the database has, at most two seconds old. Raises DatabaseUnavailable."""
        return self._db.schema(refresh=force_refresh)

    def change_markers(self) -> ChangeMarkers:
        """What differs when something in the database does, the schema and the history of runs included. Cheap."""
        return self._db.read(markers.change_markers, needs=None)

    def other_sessions(self) -> tuple[int, ...]:
        """The pids of other programs' database sessions in this database. Cheap."""
        return self._db.read(markers.others, needs=None)

    def server_time(self) -> datetime:
        """The server's clock, aware, in its own zone: without the zone it is as the times in the tables are."""
        return self._db.read(markers.clock, needs=None)

    def is_sample_data(self) -> bool:
        """Whether the data was generated as a sample, and not removed since."""
        return self._db.read(markers.is_sample, needs=None)

    def get_connection(self) -> LeasedConnection:
        """A psycopg2 connection of the pool, with and without `with`; `close()` gives it back.

        Names without a schema mean the tables in public on every version, never v1's compatibility views.
        """
        return self._db.lease()

    def pool_status(self) -> PoolStatus:
        """How busy the connections of this process are. Contacts nothing."""
        return self._opened.pool_status() if self._opened is not None else PoolStatus(POOL_SIZE)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()


def check_limit(limit: object, most: int) -> None:
    """How many newest rows are asked for. Raises InvalidInput for what is no whole number from 1 to `most`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= most:
        raise InvalidInput(f"limit is {limit!r}; it must be a whole number from 1 to {most}.")
