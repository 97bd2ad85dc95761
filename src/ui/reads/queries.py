"""What pages read, remembered for moments. The one place in the dashboard that caches.

Every cached read has a ttl and takes the database's token (data version) among its arguments, so that what
another process writes or migrates is seen at the next rerun.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from src.backup import api as backup
from src.database_enhanced import DatabaseManager
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.domain.price_age import TradingSessions
from src.domain.quote import Quote
from src.domain.revisions import Lineage, Revision
from src.domain.valuation import Valuation, Valued, value
from src.health.model import Component
from src.journal import activity as activities
from src.journal import runs
from src.journal.model import Client, Event, Keep, Phase, RunRecord
from src.market import calendar
from src.migration import engine
from src.migration.model import Options, Plan
from src.migration.preflight import blockers
from src.portfolios import rows
from src.ui.comparison import performance
from src.ui.comparison.performance import OverTime
from src.ui.reads.live_state import Pulse, pulse, watch, watcher
from src.ui.reads.live_state import forget as forget_pulse
from src.ui.reads.source import database_url, manager, settings
from src.ui.reads.valued import Side
from src.ui.widgets import charts
from src.ui.widgets.preferences import Palette

__all__ = ["Pulse", "database_url", "manager", "pulse", "settings", "watch"]

# Somewhat less than the second in which a page asks again.
WATCH_S = 0.8
HEALTH_S = 5.0
Pictures = tuple[go.Figure | None, go.Figure | None]


@st.cache_resource(ttl=10, max_entries=5, show_spinner=False)
def _overview(
    _manager: DatabaseManager, url: str, token: str, latest: datetime, _sessions: TradingSessions
) -> tuple[PortfolioEntry, ...]:
    return tuple(rows.entry(row) for row in _manager.get_overview(_sessions).to_dict("records"))


def moved_on(seen: Pulse) -> bool:
    """Whether the schema, or the run, is by now another than in `seen`: what refers to it is out of date."""
    state = watcher().schema_state(force_refresh=True)
    version = None if state.version is None else str(state.version)
    _current_run.clear(database_url())
    run = current_run()
    here = (version, run and run.run_id)
    if here == (seen.version, seen.run and seen.run.run_id):
        return False
    known = pulse()
    if here != (known.version, known.run and known.run.run_id):
        # The first session to notice reads anew for all of them.
        forget()
    return True


def overview(pulse_now: Pulse) -> tuple[PortfolioEntry, ...]:
    """All portfolios with their figures, those of the day included."""
    seen = sessions()
    return _overview(manager(), database_url(), pulse_now.token, seen.latest.opens, seen)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _curves(_manager: DatabaseManager, url: str, token: str, ids: tuple[str, ...], since: date) -> pd.DataFrame:
    return _manager.get_value_curves(ids, since)


def curves(pulse_now: Pulse, portfolio_ids: Iterable[str]) -> pd.DataFrame:
    """What today's holdings were worth in each recent session: dates × portfolio ids, floats."""
    since = sessions().recent[0].day
    return _curves(manager(), database_url(), pulse_now.token, tuple(sorted(portfolio_ids)), since)


@st.cache_resource(ttl=10, max_entries=100, show_spinner=False)
def _valuation(_manager: DatabaseManager, url: str, token: str, portfolio_id: str) -> Valuation:
    return value(rows.positions(_manager.get_portfolio_positions(portfolio_id)))


def valuation(token: str, portfolio_id: str) -> Valuation:
    """A portfolio's positions with their figures."""
    return _valuation(manager(), database_url(), token, portfolio_id)


@st.cache_resource(ttl=10, max_entries=30, show_spinner=False)
def _valuations(_manager: DatabaseManager, url: str, token: str, ids: tuple[str, ...]) -> dict[str, Valuation]:
    found: dict[str, list[Position]] = {one: [] for one in ids}
    for position in rows.positions(_manager.get_positions_of(ids)):
        found[position.portfolio_id].append(position)
    return {one: value(positions) for one, positions in found.items()}


def valuations(token: str, portfolio_ids: Iterable[str]) -> Mapping[str, Valuation]:
    """Of several portfolios, from one snapshot, by id."""
    return _valuations(manager(), database_url(), token, tuple(portfolio_ids))


@st.cache_resource(ttl=10, max_entries=30, show_spinner=False)
def _over_time(
    _manager: DatabaseManager, url: str, token: str, ids: tuple[str, ...], since: date, _sides: Sequence[Side]
) -> OverTime:
    symbols = performance.symbols_of(_sides)
    return performance.over_time(_sides, _manager.get_closes(sorted(symbols), since), since)


def over_time(pulse_now: Pulse, sides: Sequence[Side], period: str) -> OverTime:
    """What today's holdings of `sides` were worth in the period (1Y), and what that says about risk."""
    since = performance.start_of(period, pulse_now.at.astimezone(calendar.HONG_KONG).date())
    ids = tuple(one.portfolio_id for one in sides)
    return _over_time(manager(), database_url(), pulse_now.token, ids, since, sides)


@st.cache_data(ttl=10, max_entries=100, show_spinner=False)
def _lineage(_manager: DatabaseManager, url: str, token: str, portfolio_id: str) -> Lineage | None:
    return _manager.get_lineage(portfolio_id)


def lineage(token: str, portfolio_id: str) -> Lineage | None:
    """What a copy was taken from, and when; None for a portfolio that is no copy."""
    return _lineage(manager(), database_url(), token, portfolio_id)


@st.cache_resource(ttl=10, max_entries=100, show_spinner=False)
def _pictures(url: str, token: str, portfolio_id: str, palette: Palette, _items: Sequence[Valued]) -> Pictures:
    return charts.allocation(_items), charts.profit_and_loss(_items, palette)


def pictures(token: str, portfolio_id: str, palette: Palette, items: Sequence[Valued]) -> Pictures:
    """Allocation and P&L of `items`, the positions of that portfolio; None where there is nothing to draw."""
    return _pictures(database_url(), token, portfolio_id, palette, items)


def sessions() -> TradingSessions:
    """The exchange's sessions up to now, by the database server's clock."""
    return calendar.sessions(pulse().at)


@st.cache_resource(ttl=10, max_entries=100, show_spinner=False)
def _quotes(
    _manager: DatabaseManager, url: str, token: str, latest_opens: datetime, symbols: tuple[str, ...]
) -> dict[str, Quote]:
    return _manager.get_quotes(latest_opens, symbols)


def quotes(token: str, latest_opens: datetime, symbols: Iterable[str]) -> Mapping[str, Quote]:
    """Price, its time and the close before, by symbol. Not to be changed: all sessions of the browser share it."""
    wanted = tuple(sorted(set(symbols)))
    return _quotes(manager(), database_url(), token, latest_opens, wanted) if wanted else {}


@st.cache_data(ttl=10, max_entries=100, show_spinner=False)
def _signals(_manager: DatabaseManager, url: str, token: str, portfolio_id: str, most: int) -> pd.DataFrame:
    return _manager.get_trading_signals(most, portfolio_id)


def signals(token: str, portfolio_id: str, most: int) -> pd.DataFrame:
    """The newest of a portfolio, at most `most`."""
    return _signals(manager(), database_url(), token, portfolio_id, most)


@st.cache_data(ttl=10, max_entries=50, show_spinner=False)
def _saves(_manager: DatabaseManager, url: str, token: str, portfolio_id: str) -> tuple[Revision, ...]:
    return _manager.get_saves(portfolio_id, 200)


def saves(token: str, portfolio_id: str) -> tuple[Revision, ...]:
    """Who changed what in a portfolio: the newest 200, newest first."""
    return _saves(manager(), database_url(), token, portfolio_id)


def health() -> tuple[Component, ...]:
    """Of all components, in the order in which they are shown. Never waits for long, nor raises for what is down."""
    return watch().look(HEALTH_S).components


@st.cache_data(ttl=3, max_entries=20, show_spinner="Looking at what this would do…")
def _plan(url: str, version: str | None, phase: Phase, keep: Keep, force: bool, run: object) -> Plan:
    return engine.make_plan(url, phase, Options(keep=keep, force=force, backup_dir=settings().backup_dir), settings())


def plan(pulse_now: Pulse, phase: Phase, keep: Keep, force: bool, *, anew: bool = False) -> Plan:
    """What a phase would do. Looked at again when the schema, or the run, is another, and when asked for `anew`."""
    run = pulse_now.run and (pulse_now.run.run_id, pulse_now.run.state)
    if anew:
        _plan.clear(database_url(), pulse_now.version, phase, keep, force, run)
    return _plan(database_url(), pulse_now.version, phase, keep, force, run)


@st.cache_data(ttl=3, show_spinner=False)
def _other_sessions(_manager: DatabaseManager, url: str) -> tuple[int, ...]:
    return _manager.other_sessions()


def other_sessions() -> tuple[int, ...]:
    """The process numbers of other programs' sessions in the database."""
    return _other_sessions(watcher(), database_url())


@st.cache_data(ttl=10, show_spinner=False)
def _inspection(url: str, version: str | None) -> engine.Inspection:
    return engine.inspect(url)


def inspection(version: str | None) -> engine.Inspection:
    return _inspection(database_url(), version)


@st.cache_data(ttl=3, show_spinner=False)
def _history(url: str, story: object) -> list[RunRecord]:
    return runs.history(url, 50)


def history() -> list[RunRecord]:
    """Read anew after any event of a run: nothing looks again once it is over."""
    return _history(database_url(), pulse().story)


@st.cache_data(ttl=3, show_spinner=False)
def _activity(url: str) -> tuple[activities.Happening, ...]:
    return activities.read(url)


def activity() -> tuple[activities.Happening, ...]:
    """Runs and actions, the newest first."""
    return _activity(database_url())


@st.cache_data(ttl=WATCH_S, show_spinner=False)
def _current_run(url: str) -> RunRecord | None:
    return runs.current_run(url)


def current_run() -> RunRecord | None:
    """Asked once a second by every session that watches a run, and by them all together once of the database."""
    return _current_run(database_url())


@dataclass
class _Story:
    """The events of one run that are known so far."""

    events: tuple[Event, ...] = ()
    last: int = 0
    asked_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


@st.cache_resource(max_entries=5, show_spinner=False)
def _story(url: str, run_id: int, started_at: datetime) -> _Story:
    return _Story()


def events(run: RunRecord) -> Sequence[Event]:
    """All of a run's events. Only the new ones are asked for, once a second for all sessions."""
    story = _story(database_url(), run.run_id, run.started_at)
    with story.lock:
        if time.monotonic() - story.asked_at > WATCH_S:
            new = runs.events(database_url(), run.run_id, story.last)
            story.events += tuple(event for _, event in new)
            story.last = new[-1][0] if new else story.last
            story.asked_at = time.monotonic()
        return story.events


@st.cache_data(ttl=WATCH_S, show_spinner=False)
def _in_the_way(url: str) -> tuple[Client, ...]:
    return blockers.in_the_way(url)


def in_the_way() -> tuple[Client, ...]:
    """Clients that hold a run up, or may."""
    return _in_the_way(database_url())


@st.cache_data(ttl=3, show_spinner=False)
def _backups(folder: str) -> list[backup.Backup]:
    return backup.list_backups(Path(folder))


def backups() -> list[backup.Backup]:
    return _backups(str(settings().backup_dir))


@st.cache_data(ttl=10, max_entries=20, show_spinner="Looking at what this would do…")
def _restore_preview(url: str, folder: str, name: str) -> backup.Preview:
    return backup.preview_restore(url, backup.find_backup(Path(folder), name), Path(folder))


def restore_preview(name: str) -> backup.Preview:
    """What restoring the backup of that name would do."""
    return _restore_preview(database_url(), str(settings().backup_dir), name)


@st.cache_data(ttl=3, show_spinner=False)
def _kept_databases(url: str) -> tuple[backup.Kept, ...]:
    return backup.kept_databases(url)


def kept_databases() -> tuple[backup.Kept, ...]:
    """What restores have kept aside, the newest first."""
    return _kept_databases(database_url())


@st.cache_data(ttl=3, max_entries=20, show_spinner=False)
def _retention(url: str, folder: str, rule: backup.Rule) -> tuple[backup.Verdict, ...]:
    return backup.preview(url, Path(folder), rule)


def retention(rule: backup.Rule) -> tuple[backup.Verdict, ...]:
    """What a rule would do with each backup of this database."""
    return _retention(database_url(), str(settings().backup_dir), rule)


class _LastSeen:
    """What the sessions of this process know of the run and of commands under way."""

    def __init__(self) -> None:
        self.what: object = None
        self.lock = threading.Lock()


@st.cache_resource(show_spinner=False)
def _last_seen(url: str) -> _LastSeen:
    return _LastSeen()


def catch_up(seen: object, *, drawn: bool = False) -> None:
    """A session has seen that the run, or a command, is another than when its page was drawn: everything is read anew,
    once for all the sessions that see the same. `drawn`: it draws its page with that, which is news to nobody.
    """
    last = _last_seen(database_url())
    with last.lock:
        if last.what != seen:
            last.what = seen
            if not drawn:
                forget()


def forget() -> None:
    """After this process wrote or started something: everything is read anew."""
    forget_pulse()
    for cached in (
        _overview,
        _curves,
        _valuation,
        _valuations,
        _over_time,
        _lineage,
        _pictures,
        _quotes,
        _saves,
        _signals,
        _plan,
        _inspection,
        _other_sessions,
        _history,
        _activity,
        _current_run,
        _in_the_way,
        _backups,
        _restore_preview,
        _kept_databases,
        _retention,
    ):
        cached.clear()
