"""Trading signals of a portfolio's symbols, newest first."""

from datetime import datetime

import pandas as pd
import streamlit as st

from src.portfolios.rows import moment, number, text
from src.ui.widgets import components, markup
from src.ui.widgets import format as fmt
from src.ui.widgets.markup import Cell, Column, Row

PAGE_ROWS = 20
COLUMNS = (
    Column("Symbol", "title"),
    Column("Signal"),
    Column("Strength", "number"),
    Column("Price", "number"),
    Column("RSI", "number"),
    Column("When", "number"),
)


def _row(record: dict[str, object], now: datetime) -> Row:
    at, rsi = moment(record.get("created_at")), number(record.get("rsi"))
    return (
        Cell(str(record["symbol"])),
        text(record.get("signal_type")),
        fmt.percent(number(record.get("signal_strength")), decimals=0),
        fmt.price(number(record.get("price"))),
        fmt.MISSING if rsi is None else f"{rsi:.1f}",
        Cell(fmt.moment(at), note=fmt.age(at, now)),
    )


def show(frame: pd.DataFrame, now: datetime, most: int) -> None:
    """`most`: as many as were asked for."""
    st.subheader("Signals")
    if frame.empty:
        st.caption("No signals in this portfolio yet.")
        return
    newest = f"the newest {len(frame):,} signals" if len(frame) == most else f"{len(frame):,} signals"
    shown = frame.iloc[components.page(len(frame), PAGE_ROWS, newest, "signal_page")]
    rows = [_row({str(key): value for key, value in record.items()}, now) for record in shown.to_dict("records")]
    st.html(markup.table(COLUMNS, rows, caption="Signals, newest first"))
