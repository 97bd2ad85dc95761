"""What a survey has seen of a database before it judges: tables, columns, roles, and what is asked for."""

from dataclasses import dataclass

from src.journal.model import Phase, RunRecord
from src.migration.model import Options
from src.postgres.read_only_setting import ReadOnlySetting
from src.postgres.readonly import ReadOnlyTransaction
from src.schema.own_schema import Record
from src.schema.own_schema_gaps import Gaps
from src.schema.versions import PORTFOLIO_COLUMNS, SchemaState, SchemaVersion

V1_TABLES = ("portfolio_positions", "trading_signals", "price_history")
OPTIONAL_TABLES = ("portfolio_analyses", "portfolio_value_history")
OUR_TABLES = (*V1_TABLES, *OPTIONAL_TABLES, "portfolios")
VIEWED_TABLES = (*V1_TABLES, *OPTIONAL_TABLES)
HOLDINGS = "portfolio_holdings"


@dataclass(frozen=True)
class Relation:
    """A relation of schema public. `kind` as in pg_class.relkind."""

    name: str
    kind: str
    owner: str
    owned: bool
    readable: bool
    row_security: bool
    partitioned: bool
    inherits: bool


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
    `own_records`: of schema hk_migration; `own_gaps`: of what runs write there, `change_gaps`: of what is written with
    each save. `unfinished`: the run that has not ended, where it can be read.
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
    syncs_legacy: bool
    path_in_options: bool
    read_only: ReadOnlySetting | None
    own_records: tuple[Record, ...]
    own_gaps: Gaps
    change_gaps: Gaps
    unfinished: RunRecord | None

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
