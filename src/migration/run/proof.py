"""Proof that a phase changed only what it must: counts, sums and fingerprints before and after.

Clients write meanwhile, so each changed row is attributed to the run or to a client. A second comparison uses a single
snapshot: the figures of a v1 client's views against those of the new schema's views.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from psycopg2 import sql

from src.domain.portfolio import DEFAULT_PORTFOLIO
from src.journal.model import Phase, ProofRow, ProofSubject
from src.postgres.connection import Connection
from src.postgres.queries import query
from src.text import money, plural


@dataclass(frozen=True)
class PortfolioFigures:
    """Totals of one portfolio. `positions`: how many. `cost`, `value`, `pnl` (unrealized) in HKD."""

    positions: int
    cost: Decimal
    value: Decimal
    pnl: Decimal


NO_POSITIONS = PortfolioFigures(0, Decimal(0), Decimal(0), Decimal(0))


@dataclass(frozen=True)
class Measurement:
    """The database at one moment. `tables`: rows and an order-independent fingerprint (or sum) per table."""

    tables: dict[str, tuple[int, str]]
    portfolios: dict[str, PortfolioFigures]

    def as_json(self) -> dict[str, Any]:
        return {
            "tables": {name: list(entry) for name, entry in self.tables.items()},
            "portfolios": {name: {k: str(v) for k, v in asdict(f).items()} for name, f in self.portfolios.items()},
        }

    @staticmethod
    def from_json(data: object) -> "Measurement | None":
        """None where it is not what `as_json` gives: whatever JSON another program has left there."""
        if not isinstance(data, Mapping):
            return None
        try:
            return Measurement(
                tables={str(name): (int(rows), str(digest)) for name, (rows, digest) in data["tables"].items()},
                portfolios={
                    str(name): PortfolioFigures(
                        int(f["positions"]), Decimal(f["cost"]), Decimal(f["value"]), Decimal(f["pnl"])
                    )
                    for name, f in data["portfolios"].items()
                },
            )
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
            return None

    @property
    def total(self) -> PortfolioFigures:
        parts = list(self.portfolios.values())
        return PortfolioFigures(
            sum(p.positions for p in parts),
            sum((p.cost for p in parts), Decimal(0)),
            sum((p.value for p in parts), Decimal(0)),
            sum((p.pnl for p in parts), Decimal(0)),
        )


@dataclass(frozen=True)
class PositionChanges:
    """How many positions differ from before the run.

    `by_clients`: clients changed them. `by_the_run`: the run added or removed them, as its phase must. `wrongly`: the
    run changed them, and must not.
    """

    by_clients: int
    by_the_run: int
    wrongly: int


def measure(conn: Connection, run_id: int | None = None) -> Measurement:
    """Measure from one snapshot. With `run_id`, store each position's fingerprint too, for `changed_positions`."""
    with conn.cursor() as cur:
        cur.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cur.execute("SET LOCAL datestyle = 'ISO, YMD'")
        cur.execute("SET LOCAL extra_float_digits = 1")
        # Parallel workers would read millions of rows faster, and slow clients down.
        cur.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        several = _has_portfolio_id(conn)
        cur.execute(query("migration.run.proof.tables"))
        tables = {str(name): (int(rows), str(digest)) for name, rows, digest in cur.fetchall()}
        cur.execute(
            sql.SQL(query("migration.run.proof.portfolios")).format(
                portfolio=sql.SQL("portfolio_id") if several else sql.Literal("DEFAULT")
            )
        )
        portfolios = {str(row[0]): PortfolioFigures(int(row[1]), row[2], row[3], row[4]) for row in cur.fetchall()}
        if run_id is not None:
            cur.execute(query("migration.run.proof.note_positions"), {"run_id": run_id})
        cur.execute("COMMIT")
    return Measurement(tables, portfolios)


def changed_positions(conn: Connection, run_id: int) -> PositionChanges:
    """Positions changed, added or deleted since the run began, by their v1 columns, with the stored fingerprints."""
    with conn.cursor() as cur:
        cur.execute(query("migration.run.proof.changed_positions"), {"run_id": run_id})
        row = cur.fetchone()
    return PositionChanges(*map(int, row)) if row else PositionChanges(0, 0, 0)


def own_writes(conn: Connection, run_id: int) -> tuple[ProofRow, dict[str, int]]:
    """Whether each step wrote only to tables that it may write; and by how many rows the run changed each table.

    The counts are by table, negative where the run removed rows.
    """
    with conn.cursor() as cur:
        cur.execute(query("migration.run.proof.own_writes"), {"run_id": run_id})
        found = cur.fetchall()
    wrong = [(step, table, int(rows)) for step, table, rows, _ in found if rows]
    moved: dict[str, int] = {}
    for _, table, _, added in found:
        moved[table] = moved.get(table, 0) + int(added)
    count = sum(rows for _, _, rows in wrong)
    note = "; ".join(f"step {step} wrote {plural(rows, 'row')} of {table}" for step, table, rows in wrong)
    return ProofRow("Rows written by steps that must not", "0", f"{count:,}", count == 0, note), moved


def one_snapshot(conn: Connection, role: str) -> list[ProofRow]:
    """DEFAULT as `role`'s v1 clients see it, and as the view portfolio_summary has it, from the same snapshot."""
    with conn.cursor() as cur:
        cur.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cur.execute(
            sql.SQL(query("migration.run.proof.seen_by_v1")).format(view=sql.Identifier(role, "portfolio_positions"))
        )
        seen = cur.fetchone()
        cur.execute(query("migration.run.proof.summary_of_default"))
        held = cur.fetchone()
        cur.execute("COMMIT")
    subjects = ("positions", "cost, HKD", "market value, HKD", "unrealized P&L, HKD")
    return [
        ProofRow(f"DEFAULT, {subject}: v1's view and portfolio_summary", _show(a), _show(b), a == b, "one snapshot")
        for subject, a, b in zip(subjects, seen or (None,) * 4, held or (None,) * 4, strict=True)
    ]


def compare(
    before: Measurement,
    after: Measurement,
    *,
    changed: PositionChanges,
    reshaped: bool,
    archives: bool = False,
    moved: Mapping[str, int] | None = None,
) -> list[ProofRow]:
    """Before against after. A difference is accepted only where clients wrote, or where the phase says it must be.

    `changed`: from `changed_positions`. `moved`: from `own_writes`. `reshaped`: the run merged portfolios, or restored
    archived ones; then the totals of all portfolios are compared, and `archive_rows` proves each symbol. `archives`: it
    puts portfolios other than DEFAULT into the archive.
    """
    by_clients = f"clients changed {plural(changed.by_clients, 'position')} meanwhile" if changed.by_clients else ""
    rows = [_compare_rows(changed, by_clients)] + [
        _compare_table(name, before.tables[name], after.tables[name], moved=(moved or {}).get(name, 0))
        if name != "portfolio_positions"
        else _compare_positions(
            name, before.tables[name], after.tables[name], changed, reshaped, (moved or {}).get(name, 0)
        )
        for name in before.tables
        if name in after.tables
    ]
    if reshaped:
        why = "; ".join(filter(None, ("an average cost holds three decimals, see the symbols below", by_clients)))
        return rows + _compare_figures("All portfolios", before.total, after.total, certain=False, why=why)
    certain = changed.by_clients == 0
    for name, figures in before.portfolios.items():
        if archives and name != DEFAULT_PORTFOLIO and name not in after.portfolios:
            count = str(figures.positions)
            rows.append(
                ProofRow(f"{name}, positions", count, "archived", True, "in the archive", ProofSubject.PORTFOLIO)
            )
        else:
            left = after.portfolios.get(name, NO_POSITIONS)
            rows += _compare_figures(name, figures, left, certain=certain, why=by_clients)
    rows += [
        ProofRow(
            f"{name}, market value, HKD",
            "–",
            _show(figures.value),
            True,
            "restored or imported",
            ProofSubject.PORTFOLIO,
        )
        for name, figures in after.portfolios.items()
        if name not in before.portfolios
    ]
    return rows


def archive_rows(conn: Connection, phase: Phase, run_id: int) -> list[ProofRow]:
    """The newest archive against what was made of it: shares exactly, cost to the rounding of three decimals."""
    name = "migration.run.proof.merge" if phase is Phase.ROLLBACK_V1 else "migration.run.proof.restore"
    with conn.cursor() as cur:
        cur.execute(query(name), {"run_id": run_id})
        return [
            ProofRow(str(subject), _show(a), _show(b), equal, str(note))
            for subject, a, b, equal, note in cur.fetchall()
        ]


def _compare_rows(changed: PositionChanges, note: str) -> ProofRow:
    subject = "Positions that the run itself changed in v1's columns"
    return ProofRow(subject, "0", f"{changed.wrongly:,}", changed.wrongly == 0, note)


def _compare_positions(
    name: str, before: tuple[int, str], after: tuple[int, str], changed: PositionChanges, reshaped: bool, moved: int
) -> ProofRow:
    """Every row was compared. Where no client changed one, a difference is the run's, as it must be or wrongly."""
    difference = after[0] - before[0]
    result: bool | None
    if before == after:
        result, note = True, "fingerprints equal"
    elif changed.by_clients or changed.wrongly:
        result, note = None, _clients_wrote(difference - moved)
    elif changed.by_the_run or reshaped:
        result, note = difference == moved, _moved(moved)
    else:
        result, note = False, "no client changed a row, yet the fingerprints differ"
    return _table_row(name, before, after, result, note)


def _compare_table(name: str, before: tuple[int, str], after: tuple[int, str], *, moved: int) -> ProofRow:
    difference = after[0] - before[0]
    result: bool | None
    if before == after:
        result, note = True, "fingerprints equal"
    elif moved and difference == moved:
        result, note = True, _moved(moved)
    else:
        result, note = None, _clients_wrote(difference - moved)
    return _table_row(name, before, after, result, note)


def _table_row(name: str, before: tuple[int, str], after: tuple[int, str], result: bool | None, note: str) -> ProofRow:
    difference = after[0] - before[0]
    return ProofRow(
        f"{name}, rows", f"{before[0]:,}", f"{after[0]:,}", result, note, ProofSubject.TABLE,
        _signed(f"{difference:+,}"), (before[1], after[1]), name,
    )  # fmt: skip


def _signed(text: str) -> str:
    """A difference of zero has no sign."""
    return text if any(digit in text for digit in "123456789") else text.lstrip("+-")


def _moved(rows: int) -> str:
    """Why the run changed a table's count by `rows`."""
    if not rows:
        return "archived, merged or restored row by row"
    return f"{plural(abs(rows), 'row')} {'restored or imported' if rows > 0 else 'archived or merged'}"


def _clients_wrote(rows: int) -> str:
    return f"clients wrote to it: {rows:+,} {'row' if abs(rows) == 1 else 'rows'}" if rows else "clients wrote to it"


def _compare_figures(
    name: str, before: PortfolioFigures, after: PortfolioFigures, *, certain: bool, why: str
) -> list[ProofRow]:
    """`certain`: no client changed a position, so a difference is the run's. `why`: what explains one otherwise."""
    rows = []
    result: bool | None
    for label, a, b in (
        ("cost, HKD", before.cost, after.cost),
        ("market value, HKD", before.value, after.value),
        ("unrealized P&L, HKD", before.pnl, after.pnl),
    ):
        if a == b:
            result, note = True, ""
        elif certain:
            result, note = False, "differs, though no client changed a position"
        else:
            result, note = None, why
        difference = _signed(f"{b - a:+,.2f}")
        rows.append(ProofRow(f"{name}, {label}", _show(a), _show(b), result, note, ProofSubject.PORTFOLIO, difference))
    return rows


def _has_portfolio_id(conn: Connection) -> bool:
    with conn.cursor() as cur:
        cur.execute(query("migration.run.proof.has_portfolio_id"))
        row = cur.fetchone()
    return bool(row and row[0])


def _show(value: object) -> str:
    return money(value) if isinstance(value, Decimal) else str(value)
