"""Quotes, the overview and value curves, held against a recomputation from the rows that were put there."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from src.database_enhanced import DatabaseManager
from src.domain.analytics.return_statistics import value_curve
from src.domain.portfolio import Position
from src.domain.price_age import TradingSession, TradingSessions, day_change, price_change
from src.domain.quote import Quote
from src.domain.valuation import total
from src.errors import PortfolioNotFound
from tests.conftest import MakeDatabase
from tests.support.databases import SCHEMAS, Database, ManagerOf, execute

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
SYMBOLS = ("0001.HK", "0005.HK", "0700.HK", "0857.HK", "9988.HK")
CENT = Decimal("0.01")


def session_of(day: date) -> TradingSession:
    opens = datetime(day.year, day.month, day.day, 9, 30, tzinfo=HONG_KONG)
    return TradingSession(day, opens, opens + timedelta(hours=6, minutes=30))


# The week before was full; the latest session is a Monday's.
DAYS = [date(2026, 1, day) for day in (5, 6, 7, 8, 9, 12)]
SESSIONS = TradingSessions(session_of(DAYS[-1]), session_of(DAYS[-2]), tuple(map(session_of, DAYS)))


@dataclass
class World:
    """What is put into a database. Times are Hong Kong's, naive."""

    prices: dict[str, Decimal | None] = field(default_factory=dict)
    updated: dict[str, datetime] = field(default_factory=dict)
    history: dict[str, list[tuple[datetime, Decimal]]] = field(default_factory=dict)
    held: dict[str, dict[str, tuple[int, Decimal]]] = field(default_factory=dict)

    def quote(self, symbol: str) -> Quote:
        """Worked out from the rules, not from the SQL."""
        price = self.prices.get(symbol) or None
        if price is None or not any(symbol in positions for positions in self.held.values()):
            return Quote(symbol)
        rows = sorted(row for row in self.history.get(symbol, []) if row[1])
        as_of = rows[-1][0] if rows and rows[-1][1] == price else self.updated[symbol]
        own_day = min(as_of.date(), SESSIONS.latest.day)
        before = [row for row in rows if row[0].date() < own_day]
        at, close = before[-1] if before else (None, None)
        return Quote(
            symbol, price, as_of.replace(tzinfo=HONG_KONG), close, None if at is None else at.replace(tzinfo=HONG_KONG)
        )

    def positions(self, portfolio_id: str) -> list[Position]:
        return [
            Position(symbol, quantity, cost, self.prices[symbol])
            for symbol, (quantity, cost) in self.held[portfolio_id].items()
        ]

    def figures(self, portfolio_id: str) -> dict[str, Any]:
        positions = self.positions(portfolio_id)
        totals = total(positions)
        held = [(p, self.quote(p.symbol)) for p in positions if p.quantity and p.price]
        fresh = [p for p, quote in held if quote.as_of and quote.as_of >= SESSIONS.latest.opens]
        changes = [(p, day_change(quote, p.quantity, SESSIONS)) for p, quote in held]
        known = [(p, change) for p, change in changes if change is not None]
        times = [quote.as_of for _, quote in held if quote.as_of]
        return {
            "total_market_value": totals.market_value,
            "total_unrealized_pnl": totals.unrealized_pnl,
            "total_cost": totals.cost_basis,
            "priced_cost": totals.priced_cost,
            "total_positions": totals.position_count,
            "active_positions": totals.held_count,
            "priced_positions": totals.priced_count,
            "day_change": sum(change for _, change in known) if known else None,
            "day_change_value": sum(worth(p) for p, _ in known),
            "day_change_size": sum(abs(worth(p)) for p, _ in known),
            "fresh_value": sum(worth(p) for p in fresh),
            "fresh_size": sum(abs(worth(p)) for p in fresh),
            "value_size": sum(abs(worth(p)) for p, _ in held),
            "oldest_price_at": pd.Timestamp(min(times)).tz_convert("UTC") if times else pd.NaT,
        }


def worth(position: Position) -> Decimal:
    assert position.price is not None
    return (position.price * position.quantity).quantize(CENT, ROUND_HALF_UP)


PRICE = st.integers(1, 999_999).map(lambda mills: Decimal(mills).scaleb(-3))
QUANTITY = st.one_of(st.just(0), st.just(13428), st.just(1), st.integers(-50_000, 50_000))
COST = st.one_of(st.just(Decimal(0)), PRICE)
# From before the week to after the latest session, at hours on both sides of midnight and of the opening.
MOMENT = st.builds(
    lambda day, hour, minute: datetime(2026, 1, 2) + timedelta(days=day, hours=hour, minutes=minute),
    st.integers(0, 11), st.sampled_from((0, 8, 9, 15, 16, 23)), st.sampled_from((0, 29, 30, 31, 59)),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn, portfolio_ids: tuple[str, ...]) -> World:
    world = World()
    for symbol in SYMBOLS:
        world.prices[symbol] = draw(st.one_of(st.none(), st.just(Decimal(0)), PRICE, PRICE, PRICE))
        world.updated[symbol] = draw(MOMENT)
        moments = draw(st.lists(MOMENT, max_size=5, unique=True))
        own = world.prices[symbol] or Decimal(1)
        world.history[symbol] = [
            (moment, draw(st.one_of(st.just(own), PRICE, st.just(own + Decimal("0.001"))))) for moment in moments
        ]
    for portfolio_id in portfolio_ids:
        symbols = draw(st.lists(st.sampled_from(SYMBOLS), unique=True))
        world.held[portfolio_id] = {symbol: (draw(QUANTITY), draw(COST)) for symbol in symbols}
    return world


def put(url: str, world: World, schema: str) -> None:
    """Everything that was there goes. In the server's own zone, as the tables have it."""
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("SELECT current_setting('TimeZone')")
        zone = ZoneInfo(cursor.fetchone()[0])

        def local(moment: datetime) -> datetime:
            return moment.replace(tzinfo=HONG_KONG).astimezone(zone).replace(tzinfo=None)

        cursor.execute("DELETE FROM public.price_history; DELETE FROM public.portfolio_positions")
        rows = [
            (owner, symbol, quantity, cost, world.prices[symbol], local(world.updated[symbol]))
            for owner, positions in world.held.items()
            for symbol, (quantity, cost) in positions.items()
        ]
        columns = "symbol, quantity, avg_cost, current_price, last_updated"
        if schema == "v1":
            rows = [row[1:] for row in rows]  # type: ignore[misc]
        else:
            columns = f"portfolio_id, {columns}"
            cursor.execute("DELETE FROM public.portfolios WHERE portfolio_id <> 'DEFAULT'")
            others = [(owner,) * 2 for owner in world.held if owner != "DEFAULT"]
            execute_values(cursor, "INSERT INTO public.portfolios (portfolio_id, name) VALUES %s", others)
        execute_values(cursor, f"INSERT INTO public.portfolio_positions ({columns}) VALUES %s", rows) if rows else None
        held = {symbol for positions in world.held.values() for symbol in positions}
        prices = [
            (symbol, local(moment), price)
            for symbol, history in world.history.items()
            for moment, price in history
            if schema != "v1" or symbol in held
        ]
        if prices:
            execute_values(cursor, "INSERT INTO public.price_history (symbol, timestamp, price) VALUES %s", prices)
    conn.close()


@dataclass
class Case:
    schema: str
    url: str
    manager: DatabaseManager
    portfolio_ids: tuple[str, ...]


@pytest.fixture(params=[("v1", "UTC"), ("v2", "America/New_York"), ("v3", "Asia/Hong_Kong")], ids=lambda p: p[0])
def case(request: pytest.FixtureRequest, database: Database, manager_of: ManagerOf) -> Case:
    schema, zone = request.param
    url = f"{database(schema, 18)}&options=-c%20TimeZone%3D{zone}"
    return Case(schema, url, manager_of(url), ("DEFAULT",) if schema == "v1" else ("DEFAULT", "A", "B"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_figure_is_that_of_the_rows_to_the_cent(case: Case, data: st.DataObject) -> None:
    world = data.draw(worlds(case.portfolio_ids))
    put(case.url, world, case.schema)
    held = {symbol for positions in world.held.values() for symbol in positions}
    quotes = case.manager.get_quotes(SESSIONS.latest.opens)
    assert quotes == {symbol: world.quote(symbol) for symbol in held}
    assert case.manager.get_quotes(SESSIONS.latest.opens, sorted(held)[:2]) == {
        symbol: quotes[symbol] for symbol in sorted(held)[:2]
    }
    overview = case.manager.get_overview(SESSIONS).set_index("portfolio_id")
    assert list(overview.index) == list(case.portfolio_ids)
    for portfolio_id in case.portfolio_ids:
        expected = world.figures(portfolio_id)
        found = {name: overview.loc[portfolio_id, name] for name in expected}
        assert pd.isna(found["oldest_price_at"]) == pd.isna(expected["oldest_price_at"])
        if pd.isna(found["oldest_price_at"]):
            found["oldest_price_at"] = expected["oldest_price_at"] = None
        assert found == expected
    plain = case.manager.get_portfolios().set_index("portfolio_id")
    pd.testing.assert_frame_equal(overview[list(plain.columns)], plain)


def test_two_thousand_positions_at_the_finest_tick(make_database: MakeDatabase, manager_of: ManagerOf) -> None:
    url = make_database("v3")
    execute(
        url,
        "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price, last_updated) "
        "SELECT lpad(i::text, 4, '0') || '.HK', 13428 + i * (CASE WHEN i % 7 = 0 THEN -1 ELSE 1 END), i * 0.001, "
        "       CASE WHEN i % 11 <> 0 THEN i * 0.003 + 0.001 END, '2026-01-12 08:00' FROM generate_series(1, 2000) i",
    )
    execute(
        url,
        "INSERT INTO public.price_history (symbol, price, timestamp) "
        "SELECT symbol, avg_cost + 0.001, '2026-01-09 08:00' FROM public.portfolio_positions",
    )
    row = manager_of(url).get_overview(SESSIONS).iloc[0]
    ((worth_of_all, pnl, change),) = execute(
        url,
        "SELECT sum(round(quantity * current_price, 2)), sum(round((current_price - avg_cost) * quantity, 2)), "
        "       sum(round((current_price - avg_cost - 0.001) * quantity, 2)) FROM public.portfolio_positions",
    )
    assert (row["total_market_value"], row["total_unrealized_pnl"]) == (worth_of_all, pnl)
    assert row["day_change"] == change
    assert row["day_change_value"] == row["fresh_value"] == worth_of_all
    assert (row["total_positions"], row["priced_positions"]) == (2000, 2000 - 2000 // 11)


@pytest.mark.parametrize(
    ("as_of", "previous", "known"),
    [
        ("2026-01-12 10:00", "2026-01-09 16:00", True),
        ("2026-01-12 10:00", "2026-01-10 12:00", True),  # stamped on the Saturday, of Friday's session
        ("2026-01-12 10:00", "2026-01-08 16:00", False),  # Friday's close is missing
        ("2026-01-12 09:00", "2026-01-09 16:00", False),  # before the opening: still Friday's
        ("2026-01-12 23:59", "2026-01-12 10:00", False),  # earlier on the same day is no close
    ],
)
def test_a_day_change_needs_both_sessions(
    database: Database, manager_of: ManagerOf, as_of: str, previous: str, known: bool
) -> None:
    url = f"{database('v3', 18)}&options=-c%20TimeZone%3DAsia/Hong_Kong"
    execute(url, "DELETE FROM public.price_history; DELETE FROM public.portfolio_positions")
    insert = "INSERT INTO public.portfolio_positions (symbol, quantity, avg_cost, current_price, last_updated) VALUES "
    execute(url, insert + "('0005.HK', 400, 38, 39.75, %s)", (as_of,))
    execute(url, "INSERT INTO price_history (symbol, price, timestamp) VALUES ('0005.HK', 39.5, %s)", (previous,))
    manager = manager_of(url)
    assert manager.get_overview(SESSIONS)["day_change"][0] == (Decimal("100.00") if known else None)
    change = price_change(manager.get_quotes(SESSIONS.latest.opens)["0005.HK"], SESSIONS)
    assert change == (Decimal("0.25") if known else None)


def test_an_index_and_an_unknown_symbol_have_quotes(database: Database, manager_of: ManagerOf) -> None:
    url = f"{database('v3', 18)}&options=-c%20TimeZone%3DAsia/Hong_Kong"
    execute(
        url,
        "INSERT INTO price_history (symbol, price, timestamp) VALUES ('^HSI', 26000, '2026-01-09 16:00'), "
        "('^HSI', 26100, '2026-01-12 16:00')",
    )
    quotes = manager_of(url).get_quotes(SESSIONS.latest.opens, ["^HSI", "1810.HK", "^HSI"])
    assert quotes["^HSI"] == Quote(
        "^HSI",
        Decimal(26100),
        datetime(2026, 1, 12, 8, tzinfo=UTC),
        Decimal(26000),
        datetime(2026, 1, 9, 8, tzinfo=UTC),
    )
    assert quotes["1810.HK"] == Quote("1810.HK")
    assert len(quotes) == 2
    assert manager_of(url).get_quotes(SESSIONS.latest.opens, []) == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_curves_are_those_of_the_closes(case: Case, data: st.DataObject) -> None:
    world = data.draw(worlds(case.portfolio_ids))
    since = data.draw(st.dates(date(2025, 12, 31), date(2026, 1, 14)))
    put(case.url, world, case.schema)
    held = sorted({symbol for positions in world.held.values() for symbol in positions})
    closes = case.manager.get_closes(held, since)
    assert list(closes.columns) == held
    for symbol in held:
        expected: dict[date, float] = {}
        for moment, price in sorted(world.history[symbol]):
            expected[moment.date()] = float(price)
        before = [day for day in expected if day < since]
        kept = {day: close for day, close in expected.items() if day >= since or day == max(before)}
        assert {stamp.date(): value for stamp, value in closes[symbol].dropna().items()} == kept
    curves = case.manager.get_value_curves(case.portfolio_ids, since)
    assert list(curves.columns) == list(case.portfolio_ids)
    for portfolio_id in case.portfolio_ids:
        quantities = {symbol: quantity for symbol, (quantity, _) in world.held[portfolio_id].items() if quantity}
        own = value_curve(quantities, closes, since)
        if own.values.empty:
            assert curves[portfolio_id].isna().all()
        else:
            pd.testing.assert_series_equal(
                curves[portfolio_id], own.values.reindex(curves.index), check_names=False, check_freq=False
            )


@pytest.mark.parametrize("schema", SCHEMAS)
def test_nothing_to_show_is_an_empty_frame(database: Database, manager_of: ManagerOf, schema: str) -> None:
    url = database(schema, 18)
    manager = manager_of(url)
    assert manager.get_closes([], date(2026, 1, 1)).shape == (0, 0)
    closes = manager.get_closes(["0700.HK", "8888.HK"], date(2027, 1, 1))
    assert list(closes["0700.HK"].dropna()) == [315.2], "the last one before"
    assert closes["8888.HK"].isna().all()
    assert manager.get_value_curves([], date(2026, 1, 1)).shape[1] == 0
    execute(url, "DELETE FROM public.price_history")
    assert manager.get_value_curves(["DEFAULT"], date(2026, 1, 1)).shape == (0, 1)
    with pytest.raises(PortfolioNotFound):
        manager.get_value_curves(["NOPE"], date(2026, 1, 1))
