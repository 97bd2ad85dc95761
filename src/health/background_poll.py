"""Asking what may be slow, or never answer, without waiting for it longer than one has time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from src.errors import HKStrategyError

T = TypeVar("T")
# A connection whose other end is gone may keep one waiting for a quarter of an hour: after so many seconds it is tried
# anew beside it, the next time after twice as many, so that not many are left hanging.
GIVE_UP_S = 10.0
GIVE_UP_AT_MOST_S = 300.0


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What is known now. All times in seconds.

    `value`: the last one, as long as nothing else was answered since; None: there is none. `age_s`: how old it is.
    `problem`: what was answered instead. `silent_s`: for how long there has been no answer; None: it came in time.
    """

    value: T | None = None
    age_s: float = 0.0
    problem: HKStrategyError | None = None
    silent_s: float | None = None


class _Try(Generic[T]):
    """One attempt, in a thread that nobody has to wait for, not even the end of the process."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self.started = time.monotonic()
        self.ended: float | None = None
        self.value: T | None = None
        self.error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:  # noqa: BLE001  it belongs to whoever asked, in another thread
            self.error = error
        self.ended = time.monotonic()
        self._done.set()

    def wait(self, seconds: float) -> bool:
        return self._done.wait(max(seconds, 0.0))


class BackgroundPoll(Generic[T]):
    """`work`, done at most once at a time, and waited for no longer than `limit_s`. Safe for several threads.

    What it did not answer in time it may answer to who asks later. A HKStrategyError is an answer; any other error is
    raised where it was asked.
    """

    def __init__(self, work: Callable[[], T], *, name: str, limit_s: float) -> None:
        self._work = work
        self._name = name
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._now: _Try[T] | None = None
        self._last: _Try[T] | None = None
        self._silent_since: float | None = None
        self._give_up_s = GIVE_UP_S

    def refresh(self, fresh_s: float) -> None:
        """Let it be asked, where what is known is older than `fresh_s`; without waiting."""
        self._current(fresh_s)

    def get(self, fresh_s: float, deadline: float | None = None, *, limit_s: float | None = None) -> Answer[T]:
        """What is known, at most `fresh_s` old. Waits until `deadline` (of time.monotonic), `limit_s` at most."""
        current = self._current(fresh_s)
        until = current.started + (self.limit_s if limit_s is None else limit_s)
        in_time = current.wait((until if deadline is None else min(until, deadline)) - time.monotonic())
        with self._lock:
            if in_time:
                self._settle()
                known = current
            else:
                known = self._last or current
            silent_since = current.started if self._silent_since is None else self._silent_since
        return _answer(known, None if in_time else time.monotonic() - silent_since)

    def latest(self, fresh_s: float) -> T | None:
        """The last value, where it is at most `fresh_s` old and no problem came since; neither asks nor waits."""
        with self._lock:
            self._settle()
            last = self._last
        if last is None or last.ended is None or time.monotonic() - last.ended > fresh_s:
            return None
        return last.value

    def forget(self, *, running_too: bool = True) -> None:
        """What is known is out of date, and so is what is being asked, unless `running_too` is False."""
        with self._lock:
            self._settle()
            self._last = None
            if running_too:
                self._now = None
                self._silent_since = None

    def _current(self, fresh_s: float) -> _Try[T]:
        with self._lock:
            self._settle()
            if self._now is not None and time.monotonic() - self._now.started < self._give_up_s:
                return self._now
            if self._now is not None:
                self._now, self._give_up_s = None, min(2 * self._give_up_s, GIVE_UP_AT_MOST_S)
            last = self._last
            if last is not None and last.ended is not None and time.monotonic() - last.ended < fresh_s:
                return last
            self._now = _Try(self._work, self._name)
            if self._silent_since is None:
                self._silent_since = self._now.started
            return self._now

    def _settle(self) -> None:
        """With the lock held."""
        if self._now is not None and self._now.ended is not None:
            self._last, self._now = self._now, None
            self._silent_since, self._give_up_s = None, GIVE_UP_S


def _answer(known: _Try[T], silent_s: float | None) -> Answer[T]:
    if known.ended is None:
        return Answer(silent_s=silent_s)
    if known.error is None:
        return Answer(known.value, time.monotonic() - known.ended, None, silent_s)
    if isinstance(known.error, HKStrategyError):
        return Answer(None, 0.0, known.error, silent_s)
    raise known.error
