"""The decorator of every cached read, and forget(), which empties all of them.

A cached read is a function whose first argument is the Source it reads from. Callers leave that out: it is put in, and
with it, among the keys of the entry, the database's URL and what a change of must be seen at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import streamlit as st

from src.database_enhanced import DatabaseManager
from src.ui.reads import live_state, source
from src.ui.reads.live_state import LiveState

P = ParamSpec("P")
R = TypeVar("R")
# Which part of the live state an entry is of; with another one, it is read anew.
Follows = Callable[[LiveState], object]


@dataclass(frozen=True)
class Source:
    """Where a cached read reads. `state`: the part of the live state that its entry is of."""

    url: str
    state: object

    @property
    def manager(self) -> DatabaseManager:
        """The dashboard's one way to the data."""
        return source.manager()


TOKEN: Follows = attrgetter("token")
EVENTS: Follows = attrgetter("run_token")


def nothing(_: LiveState) -> None:
    """For what the live state does not cover: its ttl alone decides."""


def schema_and_run(now: LiveState) -> object:
    """The schema version, and the run that has not ended with its state."""
    return now.version, now.run and (now.run.run_id, now.run.state)


class CachedRead(Generic[P, R]):
    """A read whose values all sessions of this process share: whoever gets one must not change it."""

    def __init__(
        self,
        read: Callable[Concatenate[Source, P], R],
        ttl: float,
        most: int,
        follows: Follows,
        keys: Mapping[str | type, Callable[[Any], object]],
        spinner: str | None,
    ) -> None:
        self.name, self.ttl, self.most = f"{read.__module__}.{read.__name__}", ttl, most
        self.__doc__ = read.__doc__
        self._follows = follows
        hashed: dict[str | type, Callable[[Any], object]] = {
            Source: lambda of: (of.url, of.state),
            frozenset: sorted,
            **keys,
        }
        self._entry = st.cache_resource(ttl=ttl, max_entries=most, show_spinner=spinner or False, hash_funcs=hashed)(
            read
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What is remembered, else what is read now. Raises what the read raises."""
        found: R = self._entry(self._source(), *args, **kwargs)
        return found

    def anew(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Read now, whatever is remembered."""
        self._entry.clear(self._source(), *args, **kwargs)
        return self(*args, **kwargs)

    def forget(self) -> None:
        """Remember none of its values any more."""
        self._entry.clear()

    def _source(self) -> Source:
        state = None if self._follows is nothing else self._follows(live_state.known())
        return Source(source.database_url(), state)


registered: list[CachedRead[Any, Any]] = []


def cached(
    *,
    ttl: float,
    most: int,
    follows: Follows = TOKEN,
    keys: Mapping[str | type, Callable[[Any], object]] | None = None,
    spinner: str | None = None,
) -> Callable[[Callable[Concatenate[Source, P], R]], CachedRead[P, R]]:
    """Remember what a read returns for `ttl` seconds, for the last `most` different arguments.

    `follows`: a change of which part of the live state is seen at once; any change of the data, by default. Arguments
    whose names begin with "_" are not part of the key. `keys`: how arguments of a type become part of it, where not as
    a whole. `spinner`: what the page says meanwhile.
    """

    def decorated(read: Callable[Concatenate[Source, P], R]) -> CachedRead[P, R]:
        made = CachedRead(read, ttl, most, follows, keys or {}, spinner)
        registered.append(made)
        return made

    return decorated


def forget() -> None:
    """After this process wrote or started something: everything is read anew."""
    live_state.forget()
    for one in registered:
        one.forget()
