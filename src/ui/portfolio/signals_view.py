"""Trading signals of a portfolio's symbols, newest first."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from src.domain.signal import Signal
from src.text import plural
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


def _row(signal: Signal, now: datetime) -> Row:
    said, at = signal.values, signal.created_at
    return (
        Cell(signal.symbol),
        said.signal_type,
        fmt.percent(said.strength, decimals=0),
        fmt.price(said.price),
        fmt.MISSING if said.rsi is None else f"{said.rsi:.1f}",
        Cell(fmt.moment(at), note=fmt.age(at, now)),
    )


def show(signals: Sequence[Signal], now: datetime, most: int) -> None:
    """`most`: as many as were asked for."""
    st.subheader("Signals")
    if not signals:
        st.caption("No signals in this portfolio yet.")
        return
    count = plural(len(signals), "signal")
    newest = f"the newest {count}" if len(signals) == most else count
    shown = signals[components.page(len(signals), PAGE_ROWS, newest, "signal_page")]
    rows = [_row(signal, now) for signal in shown]
    st.html(markup.table(COLUMNS, rows, caption="Signals, newest first"))
