"""The live state of the database, which every page polls, and the monitor of all components.

No page waits long for them, and both have connections of their own: they answer also while pages have taken all others.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.errors import HKStrategyError, PrerequisiteError
from src.health.background_poll import BackgroundPoll
from src.health.monitor import LIMIT_S, Monitor
from src.journal import runs
from src.journal.model import RunRecord
from src.text import duration
from src.ui.reads import source

FRESH_S = 2.0
STALE_S = 10.0  # drawing a page takes no longer than that
WAIT_S = 3.0  # pages that need the database anyway rather wait for a slow one


@dataclass(frozen=True)
class LiveState:
    """The state of the database, as cheaply as it can be asked.

    `version` is "1.0", "2.0", "3.0" or None. `token` differs after any change of the data, `run_token` after any event
    of a run. `at` is the server's clock, aware; `now` is the same without a time zone, as the times in the tables are.
    `problem`: why there is no answer.
    """

    version: str | None
    multi_portfolio: bool
    warning: str | None
    token: str
    now: datetime
    at: datetime
    sample: bool
    run: RunRecord | None
    problem: str | None = None
    run_token: tuple[object, ...] = ()

    @property
    def shown(self) -> tuple[object, ...]:
        """What a page draws: when this changes, it is drawn again."""
        run = self.run and (self.run.run_id, self.run.state)
        return (self.version, self.warning, self.token, self.sample, run, self.problem)


class _Poller:
    """Of one database, shared by all sessions of this process."""

    def __init__(self, settings: Settings) -> None:
        self.manager = DatabaseManager(settings=settings)
        self._run_token: object = None
        self._run: RunRecord | None = None
        self._available: bool | None = None
        self.poll = BackgroundPoll(self._read, name="live state", limit_s=LIMIT_S)
        self.monitor = Monitor(
            source.database_url, self.manager.cache_status, settings.backup_dir, source.pool_status, limit_s=LIMIT_S
        )

    def note(self, available: bool) -> None:
        """What was known before the database went away, or came back, is not shown any more."""
        before, self._available = self._available, available
        if before is not None and before is not available:
            self.monitor.forget(running_too=False)

    def _read(self) -> LiveState:
        url = source.database_url()
        markers = self.manager.change_markers()
        if markers.runs != self._run_token:
            # Only then: the record of a run is much more to read.
            self._run = None
            with suppress(PrerequisiteError):  # System Status says what is wrong with the history; the data is shown
                self._run = runs.fetch_current_run(url)
            self._run_token = markers.runs
        state = markers.state
        return LiveState(
            version=None if state.version is None else str(state.version),
            multi_portfolio=state.multi_portfolio,
            warning=state.warning,
            token=markers.token,
            now=markers.at.replace(tzinfo=None),
            at=markers.at,
            sample=markers.sample,
            run=self._run,
            run_token=markers.runs,
        )


@lru_cache(maxsize=4)
def _poller(settings: Settings) -> _Poller:
    return _Poller(settings)


def live_state(*, wait: bool = False) -> LiveState:
    """At most FRESH_S old. Never raises for a database that is down, nor waits for it: `problem` says so.

    `wait`: wait for a slow database up to WAIT_S.
    """
    try:
        poller = _poller(source.settings())
    except HKStrategyError as error:
        return _unavailable(str(error))
    answer = poller.poll.get(FRESH_S, limit_s=WAIT_S if wait else LIMIT_S)
    poller.note(answer.value is not None and answer.silent_s is None)
    if answer.silent_s is not None:
        return _unavailable(f"PostgreSQL has not answered for {duration(answer.silent_s)}.")
    if answer.value is None:
        return _unavailable(str(answer.problem))
    return answer.value


def known() -> LiveState:
    """What the page was drawn with, or newer: without waiting, where it is at most STALE_S old."""
    latest = _poller(source.settings()).poll.latest(STALE_S)
    return live_state(wait=True) if latest is None else latest


def _unavailable(problem: str) -> LiveState:
    here = datetime.now(UTC)
    return LiveState(None, False, None, "", here.replace(tzinfo=None), here, False, None, problem)


def second_manager() -> DatabaseManager:
    """For what System Status asks: it does not wait for connections that pages have taken."""
    return _poller(source.settings()).manager


def monitor() -> Monitor:
    """The monitor of all components. Raises ConfigurationError for settings that make no sense."""
    return _poller(source.settings()).monitor


def forget() -> None:
    """After this process wrote or started something."""
    try:
        poller = _poller(source.settings())
    except HKStrategyError:
        return  # nothing is remembered of settings that make no sense
    poller.poll.forget()
    poller.monitor.forget()
