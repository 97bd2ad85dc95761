"""What pages read of the database, each read remembered for as long as its decorator says.

The derived figures of one page are cached beside that page, by the same decorator.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache

import pandas as pd

from src.backup import api as backup
from src.domain.overview import PortfolioEntry
from src.domain.portfolio import Position
from src.domain.price_age import TradingSessions
from src.domain.quote import Quote
from src.domain.revisions import Lineage, Revision
from src.domain.signal import Signal
from src.domain.valuation import Valuation, value
from src.health.model import Component
from src.journal import activity as activities
from src.journal import runs
from src.journal.model import Client, Event, Phase, RunRecord
from src.market import calendar
from src.migration import engine
from src.migration.model import Options, Plan
from src.migration.preflight import blocking_sessions
from src.ui.reads.cached import EVENTS, Source, cached, forget, nothing, schema_and_run
from src.ui.reads.live_state import LiveState, known, live_state, monitor, second_manager
from src.ui.reads.source import database_url, manager, settings

__all__ = ["LiveState", "database_url", "forget", "known", "live_state", "manager", "monitor", "settings"]

# Somewhat less than the second in which a page asks again.
WATCH_S = 0.8
HEALTH_S = 5.0
MOST_REVISIONS = 200
MOST_RUNS = 50
BUSY = "Working out what this would do…"


# Portfolios: seen at once when the data changes; the ttl is for prices written past the counters of changes.


@cached(ttl=10, most=5, keys={TradingSessions: lambda of: of.latest.opens})
def overview(source: Source, sessions: TradingSessions) -> tuple[PortfolioEntry, ...]:
    """All portfolios with their figures, those of the day included."""
    return source.manager.overview(sessions)


@cached(ttl=60, most=50)
def curves(source: Source, portfolio_ids: frozenset[str], since: date) -> pd.DataFrame:
    """What today's holdings were worth in each session since then: dates × portfolio ids, floats (HKD)."""
    return source.manager.get_value_curves(sorted(portfolio_ids), since)


@cached(ttl=10, most=100)
def valuation(source: Source, portfolio_id: str) -> Valuation:
    """A portfolio's positions with their figures. Raises PortfolioNotFound."""
    return value(source.manager.positions(portfolio_id))


@cached(ttl=10, most=30)
def valuations(source: Source, portfolio_ids: tuple[str, ...]) -> Mapping[str, Valuation]:
    """Of several portfolios, from one snapshot, by id. Raises PortfolioNotFound."""
    found: dict[str, list[Position]] = {one: [] for one in portfolio_ids}
    for position in source.manager.positions_of(portfolio_ids):
        found[position.portfolio_id].append(position)
    return {one: value(positions) for one, positions in found.items()}


@cached(ttl=10, most=100)
def lineage(source: Source, portfolio_id: str) -> Lineage | None:
    """What a copy was taken from, and when; None for a portfolio that is no copy."""
    return source.manager.lineage(portfolio_id)


@cached(ttl=10, most=100)
def quotes(source: Source, latest_opens: datetime, symbols: frozenset[str]) -> Mapping[str, Quote]:
    """Price, its time and the close before, by symbol."""
    return source.manager.quotes(latest_opens, sorted(symbols)) if symbols else {}


@cached(ttl=10, most=100)
def signals(source: Source, portfolio_id: str, most: int) -> tuple[Signal, ...]:
    """The newest of a portfolio, at most `most`."""
    return source.manager.signals(most, portfolio_id)


@cached(ttl=10, most=50)
def revisions(source: Source, portfolio_id: str) -> tuple[Revision, ...]:
    """Who changed what in a portfolio: the newest MOST_REVISIONS, newest first."""
    return source.manager.revisions(portfolio_id, MOST_REVISIONS)


# System Status: seen at once when the schema or the run changes, else when the ttl is over.


@cached(ttl=3, most=20, follows=schema_and_run, spinner=BUSY)
def plan(source: Source, phase: Phase, options: Options) -> Plan:
    """What a phase would do, with an admin's choices."""
    return engine.make_plan(source.url, phase, options, settings())


@cached(ttl=10, most=5, follows=schema_and_run)
def inspection(source: Source) -> engine.Inspection:
    """What `check` reports of the schema, with its findings."""
    return engine.inspect(source.url)


@cached(ttl=3, most=5, follows=EVENTS)
def history(source: Source) -> tuple[RunRecord, ...]:
    """The newest MOST_RUNS runs, newest first."""
    return tuple(runs.fetch_runs(source.url, MOST_RUNS))


@cached(ttl=3, most=5, follows=EVENTS)
def activity(source: Source) -> activities.Activity:
    """Runs and actions, the newest first, as far as they can be read."""
    return activities.read(source.url)


@cached(ttl=3, most=5, follows=nothing)
def other_sessions(source: Source) -> tuple[int, ...]:
    """The pids of other programs' sessions in the database."""
    return second_manager().other_sessions()


@cached(ttl=WATCH_S, most=5, follows=nothing)
def current_run(source: Source) -> RunRecord | None:
    """Asked once a second by every session that watches a run, and by them all together once of the database."""
    return runs.fetch_current_run(source.url)


@cached(ttl=WATCH_S, most=5, follows=nothing)
def in_the_way(source: Source) -> tuple[Client, ...]:
    """Clients that hold a run up, or may."""
    return blocking_sessions.in_the_way(source.url)


@cached(ttl=3, most=5, follows=EVENTS)
def backups(source: Source) -> backup.Listing:
    """Of the configured folder, and of those that were chosen for single ones."""
    return backup.listing(backup_folders())


def backup_folders() -> backup.Folders:
    """Where backups of this database are: the configured folder first."""
    return backup.folders(database_url(), settings().backup_dir)


@cached(ttl=10, most=20, follows=nothing, spinner=BUSY)
def restore_preview(source: Source, name: str) -> backup.Preview:
    """What restoring the backup of that name would do."""
    folder = settings().backup_dir
    return backup.preview_restore(source.url, backup.find_in(backup_folders(), name), folder)


@cached(ttl=3, most=5)
def kept_databases(source: Source) -> tuple[backup.KeptDatabase, ...]:
    """What restores have kept aside, the newest first."""
    return backup.kept_databases(source.url)


@cached(ttl=3, most=20, follows=EVENTS)
def retention(source: Source, rule: backup.RetentionRule) -> tuple[backup.Decision, ...]:
    """What a rule would do with each backup of this database."""
    return backup.preview(source.url, settings().backup_dir, rule)


@dataclass
class _EventLog:
    """The events of one run that are known so far."""

    events: tuple[Event, ...] = ()
    last: int = 0
    asked_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


@cached(ttl=600, most=5, follows=nothing)
def _event_log(source: Source, run_id: int, started_at: datetime) -> _EventLog:
    return _EventLog()


def events(run: RunRecord) -> Sequence[Event]:
    """All of a run's events. Only the new ones are asked for, once a second for all sessions."""
    log = _event_log(run.run_id, run.started_at)
    with log.lock:
        if time.monotonic() - log.asked_at > WATCH_S:
            new = runs.fetch_events(database_url(), run.run_id, log.last)
            log.events += tuple(event for _, event in new)
            log.last = new[-1][0] if new else log.last
            log.asked_at = time.monotonic()
        return log.events


# Not cached here: what has a memory of its own.


def sessions() -> TradingSessions:
    """The exchange's sessions up to now, by the database server's clock."""
    return calendar.sessions(known().at)


def health() -> tuple[Component, ...]:
    """Of all components, in the order in which they are shown. Never waits for long, nor raises for what is down."""
    return monitor().read(HEALTH_S).components


def moved_on(seen: LiveState) -> bool:
    """Whether the schema, or the run, is by now another than in `seen`: what refers to it is out of date."""
    state = second_manager().schema_state(force_refresh=True)
    version = None if state.version is None else str(state.version)
    run = current_run.anew()
    here = (version, run and run.run_id)
    if here == (seen.version, seen.run and seen.run.run_id):
        return False
    latest = live_state()
    if here != (latest.version, latest.run and latest.run.run_id):
        # The first session to notice reads anew for all of them.
        forget()
    return True


class _LastSeen:
    """What the sessions of this process know of the run and of commands under way."""

    def __init__(self) -> None:
        self.what: object = None
        self.lock = threading.Lock()


@lru_cache(maxsize=4)
def _last_seen(url: str) -> _LastSeen:
    return _LastSeen()


def catch_up(seen: object, *, drawn: bool = False) -> None:
    """A session sees the run and the command as `seen`: where that is another than what was seen last, everything is
    read anew, once for all the sessions that see the same. `drawn`: it draws its page now; the first one of the process
    has nothing to read anew.
    """
    last = _last_seen(database_url())
    with last.lock:
        if last.what != seen:
            first, last.what = last.what is None, seen
            if not (first and drawn):
                forget()
