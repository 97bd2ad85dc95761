"""What a survey has seen of a database before it judges: tables, columns, roles, and what is asked for."""

from dataclasses import dataclass

from src.journal.model import Phase
from src.migration.model import Options
from src.postgres.read_only_setting import ReadOnlySetting
from src.postgres.readonly import ReadOnlyTransaction
from src.schema.versions import PORTFOLIO_COLUMNS, SchemaState, SchemaVersion

V1_TABLES = ("portfolio_positions", "trading_signals", "price_history")
OPTIONAL_TABLES = ("portfolio_analyses", "portfolio_value_history")
OUR_TABLES = (*V1_TABLES, *OPTIONAL_TABLES, "portfolios")
HOLDINGS = "portfolio_holdings"


@dataclass(frozen=True)
class Relation:
    """A relation of schema public. `kind` as in pg_class.relkind. `usable_sequence`: None where there is none."""

    name: str
    kind: str
    owner: str
    owned: bool
    readable: bool
    row_security: bool
    partitioned: bool
    inherits: bool
    usable_sequence: bool | None


@dataclass(frozen=True)
class TableColumn:
    table: str
    name: str
    type: str
    required: bool
    has_default: bool


@dataclass(frozen=True)
class Server:
    """The server, and what our role may do."""

    version: int
    standby: bool
    database: str
    role: str
    may_create_schemas: bool
    may_create_in_public: bool
    has_own_schema: bool


@dataclass(frozen=True)
class Facts:
    """Everything a judgement needs.

    `phases`: what is asked for, or what may come next where nothing is. `path_in_options`: this connection was opened
    with a search_path of its own, so it cannot read the server's. `read_only`: what makes it so; None: it is not.
    """

    transaction: ReadOnlyTransaction
    asked: Phase | None
    phases: frozenset[Phase]
    options: Options
    state: SchemaState
    server: Server
    roles: tuple[str, ...]
    relations: dict[str, Relation]
    columns: dict[tuple[str, str], TableColumn]
    own_tables: frozenset[str]
    syncs_legacy: bool
    path_in_options: bool
    read_only: ReadOnlySetting | None

    def has(self, table: str) -> bool:
        """A plain table of that name is there, and may be read."""
        relation = self.relations.get(table)
        return relation is not None and relation.kind in ("r", "p") and relation.readable

    def column(self, table: str, name: str) -> TableColumn | None:
        return self.columns.get((table, name))

    def is_v1(self) -> bool:
        return self.state.version is SchemaVersion.V1

    def wants(self, *phases: Phase) -> bool:
        return not self.phases.isdisjoint(phases)

    @property
    def begun(self) -> bool:
        """The columns and the trigger of a v2 of ours are there: a phase 1 is done, or was interrupted behind them."""
        return self.syncs_legacy and self.column("portfolio_positions", "legacy_symbol") is not None

    @property
    def has_our_portfolios(self) -> bool:
        """Table portfolios has every column that phase 1 gives it."""
        return all(self.column("portfolios", name) is not None for name in PORTFOLIO_COLUMNS)
