"""Which schema a live database has, and what can be done with it.

`detect` reads catalogs in one statement: it opens no user table, so it waits for no lock, needs no right on the
tables and works on a standby. Code asks for a capability by name (`require`), and never compares versions.
"""

from dataclasses import dataclass
from enum import StrEnum

import psycopg2

from src.errors import Action, CapabilityMissing, NextStep
from src.postgres.connection import Connection, Cursor
from src.postgres.errors import translate
from src.postgres.queries import query
from src.text import listed


class SchemaVersion(StrEnum):
    V1 = "1.0"
    V2 = "2.0"
    V3 = "3.0"


@dataclass(frozen=True)
class SchemaState:
    """What the catalogs say. `version` is None for an empty database and for one that is none of the three.

    `empty`: none of the tables is there. `elsewhere`: those that stand in a schema of the search_path
    that is not public, as SQL writes them.
    `backward_compatible`: v1 clients can work with it.
    `has_constraints`: portfolio ids are foreign keys to `portfolios`.
    """

    version: SchemaVersion | None
    multi_portfolio: bool = False
    portfolio_isolation: bool = False
    backward_compatible: bool = False
    has_constraints: bool = False
    portfolio_id_required: bool = False
    warning: str | None = None
    empty: bool = False
    elsewhere: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As `check` prints it."""
        if self.version is None:
            return "empty" if self.empty else "not recognised"
        kind = "single-portfolio" if self.version is SchemaVersion.V1 else "multi-portfolio"
        return f"{kind} (v{self.version})"

    def flags(self) -> dict[str, bool | str]:
        """The dict that DatabaseManager.detect_schema_version promises: `warning` only where there is one."""
        found: dict[str, bool | str] = {
            "multi_portfolio": self.multi_portfolio,
            "portfolio_isolation": self.portfolio_isolation,
            "backward_compatible": self.backward_compatible,
            "has_constraints": self.has_constraints,
            "portfolio_id_required": self.portfolio_id_required,
        }
        if self.warning is not None:
            found["warning"] = self.warning
        return found


@dataclass(frozen=True)
class Capability:
    """Something that a schema can or cannot do: `what` begins the sentence that explains a no."""

    name: str
    what: str
    multi_portfolio: bool


READ_POSITIONS = Capability("read_positions", "Reading positions", False)
UPDATE_PRICES = Capability("update_prices", "Updating prices", False)
RECORD_SIGNALS = Capability("record_signals", "Recording a trading signal", False)
CREATE_PORTFOLIO = Capability("create_portfolio", "Creating a portfolio", True)
COPY_PORTFOLIO = Capability("copy_portfolio", "Copying a portfolio", True)
EDIT_PORTFOLIO = Capability("edit_portfolio", "Changing, archiving or deleting a portfolio", True)
EDIT_POSITIONS = Capability("edit_positions", "Editing positions", True)
CHANGE_POSITIONS = Capability("change_positions", "Changing positions", False)
ADD_POSITIONS = Capability("add_positions", "Adding or removing a position", True)
CAPABILITIES = (
    READ_POSITIONS,
    UPDATE_PRICES,
    RECORD_SIGNALS,
    CREATE_PORTFOLIO,
    COPY_PORTFOLIO,
    EDIT_PORTFOLIO,
    EDIT_POSITIONS,
    CHANGE_POSITIONS,
    ADD_POSITIONS,
)


def why_not(state: SchemaState, capability: Capability) -> CapabilityMissing | None:
    """Why this database cannot do it, and what would change that; None when it can."""
    if state.empty:
        return CapabilityMissing(f"{capability.what} needs tables; this database is empty.", NextStep(Action.INIT))
    if state.version is None:
        return CapabilityMissing(f"{capability.what} is not possible: {state.warning}", NextStep(Action.CHECK))
    if capability.multi_portfolio and not state.multi_portfolio:
        return CapabilityMissing(
            f"{capability.what} needs schema v2; this database is v1. Phase 1 makes it v2.", NextStep(Action.PHASE1)
        )
    return None


def require(state: SchemaState, capability: Capability) -> None:
    """Raise CapabilityMissing, with the reason, unless the schema can do it."""
    reason = why_not(state, capability)
    if reason is not None:
        raise reason


def features(state: SchemaState) -> dict[str, bool | str]:
    """What the schema is like, and each capability by its name: whether it has it."""
    flags = {key: found for key, found in state.flags().items() if key != "warning"}
    return flags | {capability.name: why_not(state, capability) is None for capability in CAPABILITIES}


@dataclass(frozen=True)
class _Catalog:
    """The row of queries/schema.sql."""

    tables: frozenset[str]
    columns: frozenset[str]
    required_columns: frozenset[str]
    unique_symbol: bool
    unique_portfolio_symbol: bool
    unique_portfolio: bool
    unique_legacy_symbol: bool
    invalid_indexes: tuple[str, ...]
    portfolio_foreign_keys: frozenset[str]
    compatibility_views: bool
    on_search_path: tuple[str, ...]


BASE_TABLES = frozenset({"portfolio_positions", "trading_signals", "price_history"})
PORTFOLIO_COLUMNS = (
    "portfolio_id",
    "name",
    "description",
    "created_at",
    "updated_at",
    "strategy",
    "copied_from",
    "copied_at",
    "archived_at",
)
_MULTI_COLUMNS = frozenset(
    {"portfolio_positions.portfolio_id", "trading_signals.portfolio_id"}
    | {f"portfolios.{column}" for column in PORTFOLIO_COLUMNS}
)
_PORTFOLIO_IDS = frozenset({"portfolio_positions.portfolio_id", "trading_signals.portfolio_id"})
_LEGACY = "portfolio_positions.legacy_symbol"


def detect(conn: Connection) -> SchemaState:
    """The schema of the database that `conn` is connected to. Leaves an open transaction open.

    Raises DatabaseUnavailable when the server is gone; never guesses a version.
    """
    try:
        with conn.cursor() as cursor:
            return detect_with(cursor)
    except psycopg2.Error as error:
        raise translate(error) from error


def detect_with(cursor: Cursor) -> SchemaState:
    """`detect`, for who deals with PostgreSQL's own errors."""
    cursor.execute(query("schema.versions.detect"))
    row = cursor.fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    return _judge(
        _Catalog(
            tables=frozenset(row[0]),
            columns=frozenset(row[1]),
            required_columns=frozenset(row[2]),
            unique_symbol=row[3],
            unique_portfolio_symbol=row[4],
            unique_portfolio=row[5],
            unique_legacy_symbol=row[6],
            invalid_indexes=tuple(row[7]),
            portfolio_foreign_keys=frozenset(row[8]),
            compatibility_views=row[9],
            on_search_path=tuple(row[10]),
        )
    )


def _judge(found: _Catalog) -> SchemaState:
    if not found.tables and found.on_search_path:
        tables = listed(found.on_search_path)
        warning = f"The tables are in another schema than public, where this program works: {tables}."
        return SchemaState(version=None, warning=warning, elsewhere=found.on_search_path)
    if not found.tables:
        return SchemaState(version=None, empty=True, warning="This database is empty: none of the tables is there.")
    missing = sorted(BASE_TABLES - found.tables)
    if missing:
        return _unrecognised(f"of the tables, {listed(missing)} {_is(missing)} missing")
    if found.unique_symbol:
        return _judge_v1(found)
    if not found.unique_portfolio_symbol:
        return _unrecognised("positions are unique neither by symbol nor by portfolio and symbol")
    missing = sorted(_MULTI_COLUMNS - found.columns)
    if missing:
        return _unrecognised(
            f"positions are unique by portfolio and symbol, but {listed(missing)} {_is(missing)} missing"
        )
    if not found.unique_portfolio:
        return _unrecognised("portfolios.portfolio_id is not unique")
    return _judge_multi(found)


def _judge_v1(found: _Catalog) -> SchemaState:
    parts = [f"column {name}" for name in sorted((_PORTFOLIO_IDS | {_LEGACY}) & found.columns)]
    if "portfolios" in found.tables:
        parts.insert(0, "table portfolios")
    parts += [f"invalid index {name}" for name in found.invalid_indexes]
    warning = None
    if parts:
        warning = (
            f"Parts of the multi-portfolio schema are there already ({listed(parts)}): a phase is under way, was "
            f"interrupted, or someone made them by hand."
        )
    return SchemaState(version=SchemaVersion.V1, backward_compatible=True, warning=warning)


def _judge_multi(found: _Catalog) -> SchemaState:
    legacy = _LEGACY in found.columns
    required = found.required_columns >= _PORTFOLIO_IDS
    keyed = found.portfolio_foreign_keys >= {"portfolio_positions", "trading_signals"}
    complete = required and keyed and not legacy
    odd = [f"index {name} is invalid" for name in found.invalid_indexes]
    if not complete:
        odd += _odd_v2(found, legacy)
    return SchemaState(
        version=SchemaVersion.V3 if complete else SchemaVersion.V2,
        multi_portfolio=True,
        portfolio_isolation=True,
        backward_compatible=legacy and found.unique_legacy_symbol and found.compatibility_views,
        has_constraints=keyed,
        portfolio_id_required=required,
        warning=f"This v{3 if complete else 2} database has odd parts: {'; '.join(odd)}." if odd else None,
    )


def _odd_v2(found: _Catalog, legacy: bool) -> list[str]:
    odd = []
    if not legacy:
        odd.append("portfolio_positions.legacy_symbol is missing, so v1 clients cannot work")
    elif not found.unique_legacy_symbol:
        odd.append("portfolio_positions.legacy_symbol is not unique, so v1 clients cannot upsert")
    if legacy and not found.compatibility_views:
        odd.append("no role has the compatibility views, so v1 clients see every portfolio")
    already = sorted(found.required_columns & _PORTFOLIO_IDS)
    odd += [f"{name} is NOT NULL already" for name in already]
    odd += [f"{name} has a foreign key to portfolios already" for name in sorted(found.portfolio_foreign_keys)]
    return odd


def _unrecognised(reason: str) -> SchemaState:
    return SchemaState(version=None, warning=f"This database is neither v1, v2 nor v3: {reason}.")


def _is(items: list[str]) -> str:
    return "is" if len(items) == 1 else "are"
