"""The state of all components of the system at once: for System Status, `check`, /healthz and /metrics alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from src.backup.folders import noted, read_all, with_chosen
from src.backup.reading import Stored
from src.cache import CacheStatus
from src.config import Settings
from src.domain.quote import Quote
from src.health import feed, judgements
from src.health.background_poll import Answer, BackgroundPoll
from src.health.model import Component
from src.health.probes import (
    JournalProbe,
    ServerProbe,
    StructureProbe,
    probe_journal,
    probe_prices,
    probe_server,
    probe_structure,
)
from src.market import calendar
from src.postgres.pool import PoolStatus

LIMIT_S = 0.7
TERMINAL_LIMIT_S = 6.0  # longer than an attempt to connect and the one that asks why it failed
PRICES_S = 60.0
BACKUPS_S = 10.0  # each has a manifest to read
FOLDERS_S = 0.25  # what the list of backups may take where another component has taken all the time
STRUCTURE_S = 30.0  # reading the whole catalog and all tables' sizes is not for every few seconds


@dataclass(frozen=True)
class Seen:
    """All components at one time. `pool`: None where there is no dashboard whose connections they would be."""

    server: Answer[ServerProbe]
    own: Answer[JournalProbe]
    structure: Answer[StructureProbe]
    prices: Answer[dict[str, Quote]]
    cache: Answer[CacheStatus]
    backups: Answer[Stored]
    pool: PoolStatus | None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def components(self) -> tuple[Component, ...]:
        """In the order in which they are shown."""
        answers = judgements.is_up(self.server)
        found = [
            judgements.database(self.server),
            judgements.cache(self.cache),
            judgements.schema(self.server, self.own, self.structure),
            judgements.data(self.own, answers=answers),
            feed.feed(self.prices, calendar.sessions(self.at), self.at, answers=answers),
            judgements.backups(self.server, self.own, self.structure, self.backups),
            judgements.run(self.own, answers=answers),
        ]
        if self.pool is not None:
            found.insert(1, judgements.pool(self.pool))
        return tuple(found)

    @property
    def serves(self) -> bool:
        """Whether the dashboard can do its work: PostgreSQL answers, and its schema is known."""
        server = self.server.value
        return server is not None and judgements.is_up(self.server) and server.schema.version is not None


class Monitor:
    """Probes the components when asked, and not more often than need be, however many ask. Safe for several threads.

    `url` may take its time, and may raise HKStrategyError. No read takes longer than `limit_s` (seconds), whatever
    does not answer: that is then a part of the result.
    """

    def __init__(
        self,
        url: Callable[[], str],
        cache: Callable[[], CacheStatus],
        backup_dir: Path,
        pool: Callable[[], PoolStatus] | None = None,
        *,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._pool = pool
        self._limit_s = limit_s
        self._server = BackgroundPoll(lambda: probe_server(url()), name="health: server", limit_s=limit_s)
        self._own = BackgroundPoll(lambda: probe_journal(url()), name="health: journal", limit_s=limit_s)
        self._structure = BackgroundPoll(
            lambda: probe_structure(url(), backup_dir), name="health: structure", limit_s=limit_s
        )
        self._prices = BackgroundPoll(
            lambda: probe_prices(url(), calendar.sessions(datetime.now(UTC)).latest.opens),
            name="health: prices",
            limit_s=limit_s,
        )
        self._cache = BackgroundPoll(cache, name="health: cache", limit_s=limit_s)
        self._backups = BackgroundPoll(self._list_backups, name="health: backups", limit_s=limit_s)
        self._structure_of: object = None
        self._backup_dir = backup_dir
        self._chosen_folders: tuple[Path, ...] = ()

    def refresh(self, fresh_s: float) -> None:
        """Start the probes whose last result is older than `fresh_s` (seconds), and do not wait."""
        for one in (self._server, self._own, self._cache):
            one.refresh(fresh_s)
        self._prices.refresh(max(fresh_s, PRICES_S))

    def read(self, fresh_s: float = 0.0) -> Seen:
        """The results, at most `fresh_s` seconds old where the components answer in time."""
        begun = time.monotonic()
        deadline = begun + self._limit_s
        self.refresh(fresh_s)

        def since_begun() -> float:
            """What was answered during this read is fresh, however long another component takes."""
            return fresh_s + time.monotonic() - begun

        server, own = self._server.get(fresh_s, deadline), self._own.get(since_begun(), deadline)
        moved = _version_and_step(server, own)
        if moved != self._structure_of:
            self._structure.forget()
            self._structure_of = moved
        structure = self._structure.get(max(fresh_s, STRUCTURE_S), deadline)
        prices = self._prices.get(max(since_begun(), PRICES_S), deadline)
        journal = own.value
        known = journal is not None and "backup_folders" not in journal.locked
        chosen = journal.backup_folders if journal is not None and known else self._chosen_folders
        if chosen != self._chosen_folders:
            self._chosen_folders = chosen
            self._backups.forget()
        self._backups.refresh(max(fresh_s, BACKUPS_S))
        cache = self._cache.get(since_begun(), deadline)
        # Begun only now, since its folders are recorded in the database: a silent one has taken all the time.
        folders_until = max(deadline, time.monotonic() + FOLDERS_S)
        backups = self._backups.get(max(since_begun(), BACKUPS_S), folders_until)
        return Seen(server, own, structure, prices, cache, backups, None if self._pool is None else self._pool())

    def _list_backups(self) -> Stored:
        on_disk = noted(self._backup_dir).places
        return read_all(with_chosen(self._backup_dir, [*self._chosen_folders, *on_disk]))

    def forget(self, *, running_too: bool = True) -> None:
        """Something was changed: probe anew. Without `running_too` a probe that has begun still counts."""
        for one in (self._server, self._own, self._structure, self._prices, self._cache, self._backups):
            one.forget(running_too=running_too)


def inspect_once(settings: Settings, url: Callable[[], str], cache: Callable[[], CacheStatus]) -> tuple[Component, ...]:
    """For somebody at a terminal, who has a few seconds: a slow answer is better than none."""
    return Monitor(url, cache, settings.backup_dir, limit_s=TERMINAL_LIMIT_S).read().components


def _version_and_step(server: Answer[ServerProbe], own: Answer[JournalProbe]) -> object:
    """What a schema's structure depends on, in normal operation."""
    run = own.value.run if own.value is not None else None
    schema = server.value.schema if server.value is not None else None
    return (schema, run and (run.run_id, run.state, run.steps_done))
