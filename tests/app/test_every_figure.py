"""Every figure on the pages against SQL with NUMERIC, over generated portfolios.

The SQL here takes base columns only (quantity, cost, price, recorded prices), and rounds with PostgreSQL's own round().
"""

import random
from datetime import UTC, datetime
from decimal import Decimal

import psycopg2
import psycopg2.extras
import pytest

from src.domain.price_age import TradingSessions
from src.market import calendar
from src.ui.widgets import format as fmt
from tests.app.conftest import OpenPage, shown, tables
from tests.conftest import MakeDatabase

TOTALS = """
WITH held AS (
    SELECT *, coalesce(current_price, 0) <> 0 AS priced FROM public.portfolio_positions
     WHERE quantity <> 0 AND (%(id)s::text IS NULL OR portfolio_id = %(id)s)
), moved AS (
    SELECT h.*, CASE WHEN h.priced AND h.last_updated::timestamptz >= %(latest)s THEN
                (SELECT b.price FROM public.price_history b WHERE b.symbol = h.symbol AND
                    b.timestamp::timestamptz >= %(previous)s AND b.timestamp::timestamptz < %(latest)s) END AS before
      FROM held h
)
SELECT sum(round(quantity * current_price, 2)) FILTER (WHERE priced),
       sum(round(quantity * (current_price - avg_cost), 2)) FILTER (WHERE priced),
       sum(quantity * avg_cost),
       sum(round(quantity * (current_price - avg_cost), 2)) FILTER (WHERE priced)
           / nullif(sum(abs(quantity * avg_cost)) FILTER (WHERE priced), 0),
       sum(round(quantity * (current_price - before), 2)),
       count(*) FILTER (WHERE priced), count(*)
  FROM moved
"""
LINES = """
SELECT symbol, round(quantity * current_price, 2), round(quantity * (current_price - avg_cost), 2),
       round(quantity * (current_price - avg_cost), 2) / nullif(abs(avg_cost * quantity), 0),
       round(quantity * current_price, 2) / abs(sum(round(quantity * current_price, 2)) OVER ())
  FROM public.portfolio_positions
 WHERE portfolio_id = 'P1' AND quantity <> 0 AND coalesce(current_price, 0) <> 0
"""


def fill(url: str, dice: random.Random, sessions: TradingSessions, positions: int) -> None:
    """Two portfolios of the same symbols: watched ones, gifts, shorts, some without a price, some with an old one."""
    latest, previous, old = sessions.latest.opens, sessions.previous.closes, sessions.recent[-9].closes
    rows, prices = [], []
    for number in range(1, positions + 1):
        symbol = f"{number:04}.HK"
        price = dice.choice([None, Decimal(0), *[Decimal(dice.randint(1, 400_000)).scaleb(-3)] * 8])
        at = dice.choice([latest, latest, old])
        if price and dice.random() < 0.8:
            prices.append((symbol, max(price + Decimal(dice.randint(-9, 9)).scaleb(-3), Decimal("0.001")), previous))
        for portfolio_id in ("P1", "P2"):
            quantity = dice.choice([0, 1, 13_428, -200, dice.randint(1, 20_000)])
            cost = dice.choice([Decimal(0), Decimal("0.001"), Decimal(dice.randint(1, 400_000)).scaleb(-3)])
            rows.append((portfolio_id, symbol, quantity, cost, price, at))
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("INSERT INTO public.portfolios (portfolio_id, name) VALUES ('P1', 'One'), ('P2', 'Two')")
        psycopg2.extras.execute_values(
            cursor,
            "INSERT INTO public.portfolio_positions (portfolio_id, symbol, quantity, avg_cost, current_price, "
            "last_updated) VALUES %s",
            rows,
            template="(%s, %s, %s, %s, %s, %s::timestamptz)",
        )
        psycopg2.extras.execute_values(
            cursor,
            "INSERT INTO public.price_history (symbol, price, timestamp) VALUES %s",
            prices,
            template="(%s, %s, %s::timestamptz)",
        )
    conn.close()


def ask(url: str, query: str, **values: object) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        cursor.execute(query, values)
        found: list[tuple[object, ...]] = cursor.fetchall()
    conn.close()
    return found


def figure(text: str, label: str) -> str:
    """The HTML of one headline figure."""
    return text[text.index(f"<span>{label}</span>") :].split('<div class="hk-figure">')[0]


@pytest.mark.parametrize(("seed", "positions"), [(1, 7), (2, 60), (3, 2000)])
def test_the_pages_say_what_sql_says(
    make_database: MakeDatabase, open_page: OpenPage, seed: int, positions: int
) -> None:
    url, sessions = make_database("v3"), calendar.sessions(datetime.now(UTC))
    fill(url, random.Random(seed), sessions, positions)
    bounds = {"latest": sessions.latest.opens, "previous": sessions.previous.opens}
    for page, portfolio_id in (("portfolios", None), ("portfolio", "P1")):
        app = open_page(url, page, id="P1")
        text = shown(app)
        ((value, pnl, cost, ratio, change, priced, held),) = ask(url, TOTALS, id=portfolio_id, **bounds)
        assert f"<b>{fmt.money(value)}</b>" in figure(text, "Market value")
        assert f"<b>{fmt.gain(pnl)}</b>" in figure(text, "Unrealized P&amp;L")
        assert fmt.percent(ratio, signed=True) in figure(text, "Unrealized P&amp;L")
        assert f"<b>{fmt.money(cost)}</b>" in figure(text, "Cost")
        assert f"<b>{fmt.gain(change)}</b>" in figure(text, "Day change")
        expected = "all of what is held is priced" if priced == held else f"{priced:,} of {held:,} positions priced"
        assert expected in figure(text, "Market value")
    lines = {row[0]: row[1:] for row in ask(url, LINES)}
    rows = tables(app).split("<tfoot>")[0].split("<tr>")[2:]
    drawn = [row for row in rows if row.split(">")[2].split("<")[0] in lines]
    assert len(drawn) == min(len(lines), 100)
    for row in drawn:
        value, pnl, ratio, weight = lines[row.split(">")[2].split("<")[0]]
        for wanted in (fmt.money(value), fmt.percent(weight), fmt.gain(pnl), fmt.percent(ratio, signed=True)):
            assert f">{wanted}<" in row, (wanted, row)
