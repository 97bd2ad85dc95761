"""What every page asks every few seconds, and the watch over the health of all components: never waited for for long.

Both have connections of their own: they answer also while pages have taken all others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from src.config import Settings
from src.database_enhanced import DatabaseManager
from src.errors import HKStrategyError
from src.health.background_poll import Patience
from src.health.monitor import LIMIT_S, Watch
from src.journal import runs
from src.journal.model import RunRecord
from src.text import duration
from src.ui.reads import source

FRESH_S = 2.0
STALE_S = 10.0  # a page draws for no longer than that
PATIENT_S = 3.0  # pages that need the database anyway rather wait for a slow one


@dataclass(frozen=True)
class Pulse:
    """The state of the database, as cheaply as it can be asked.

    `version` is "1.0", "2.0", "3.0" or None. `token` differs after any change. `at` is the server's clock, and `now`
    the same without a time zone, as the times in the tables are. `story` differs after any event of a run. `problem`:
    why there is no answer.
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
    story: tuple[object, ...] = ()

    @property
    def shown(self) -> tuple[object, ...]:
        """What a page draws: when this changes, it is drawn again."""
        run = self.run and (self.run.run_id, self.run.state)
        return (self.version, self.warning, self.token, self.sample, run, self.problem)


class _Heart:
    """Of one database, shared by all sessions of this process."""

    def __init__(self, settings: Settings) -> None:
        self.manager = DatabaseManager(settings=settings)
        self._notes: object = None
        self._run: RunRecord | None = None
        self._alive: bool | None = None
        self.patience = Patience(self._beat, name="pulse", limit_s=LIMIT_S)
        self.watch = Watch(
            source.database_url, self.manager.cache_status, settings.backup_dir, source.pool_status, limit_s=LIMIT_S
        )

    def notice(self, alive: bool) -> None:
        """What was seen before the database went, or came back, is not shown any more."""
        before, self._alive = self._alive, alive
        if before is not None and before is not alive:
            self.watch.forget(what_is_asked_now=False)

    def _beat(self) -> Pulse:
        url = source.database_url()
        signs = self.manager.signs()
        if signs.runs != self._notes:
            # Only then: the story of a run is much more to read.
            self._run = runs.current_run(url)
            self._notes = signs.runs
        state = signs.state
        return Pulse(
            version=None if state.version is None else str(state.version),
            multi_portfolio=state.multi_portfolio,
            warning=state.warning,
            token=signs.token,
            now=signs.at.replace(tzinfo=None),
            at=signs.at,
            sample=signs.sample,
            run=self._run,
            story=signs.runs,
        )


@lru_cache(maxsize=4)
def _heart(settings: Settings) -> _Heart:
    return _Heart(settings)


def pulse(*, patient: bool = False) -> Pulse:
    """Never raises for a database that is down, and does not wait for it: `problem` says so."""
    try:
        heart = _heart(source.settings())
    except HKStrategyError as error:
        return _lifeless(str(error))
    answer = heart.patience.ask(FRESH_S, limit_s=PATIENT_S if patient else LIMIT_S)
    heart.notice(answer.value is not None and answer.overdue_s is None)
    if answer.overdue_s is not None:
        return _lifeless(f"PostgreSQL has not answered for {duration(answer.overdue_s)}.")
    if answer.value is None:
        return _lifeless(str(answer.problem))
    return answer.value


def known() -> Pulse:
    """The answer that the page was drawn with, or a newer one: without waiting, where there is one."""
    latest = _heart(source.settings()).patience.latest(STALE_S)
    return pulse(patient=True) if latest is None else latest


def _lifeless(problem: str) -> Pulse:
    here = datetime.now(UTC)
    return Pulse(None, False, None, "", here.replace(tzinfo=None), here, False, None, problem)


def watcher() -> DatabaseManager:
    """For what System Status asks: it does not wait for connections that pages have taken."""
    return _heart(source.settings()).manager


def watch() -> Watch:
    """Over the health of all components; raises ConfigurationError for settings that make no sense."""
    return _heart(source.settings()).watch


def forget() -> None:
    """After this process wrote or started something."""
    try:
        heart = _heart(source.settings())
    except HKStrategyError:
        return  # nothing is remembered of settings that make no sense
    heart.patience.forget()
    heart.watch.forget()
