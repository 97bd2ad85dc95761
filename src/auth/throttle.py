"""How often somebody may try to log in: few tries per account and address, more per address over all accounts.

What a stranger does at one address never keeps an account's owner out at another.
"""

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """At most `tries` failures within `within_s` seconds."""

    tries: int
    within_s: float


PER_ACCOUNT = Limit(5, 300)
PER_ADDRESS = Limit(50, 3600)
MAX_KEYS = 20_000


class Throttle:
    """A try counts from its beginning, so that a hundred at once are no way around; a success takes it back."""

    def __init__(
        self,
        per_account: Limit = PER_ACCOUNT,
        per_address: Limit = PER_ADDRESS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = {"account": per_account, "address": per_address}
        self._now = now
        self._lock = threading.Lock()
        self._tries: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def begin(self, name: str, address: str) -> int:
        """Count a try. 0: go on; otherwise the seconds to wait, and the try is not counted."""
        now = self._now()
        with self._lock:
            recent = {key: self._recent(key, now) for key in _keys(name, address)}
            for key, tries in recent.items():
                limit = self._limits[key[0]]
                if len(tries) >= limit.tries:
                    return max(1, math.ceil(tries[0] + limit.within_s - now))
            for key, tries in recent.items():
                tries.append(now)
                self._tries[key] = tries
                self._tries.move_to_end(key)
            while len(self._tries) > MAX_KEYS:
                self._tries.popitem(last=False)
        return 0

    def succeeded(self, name: str, address: str) -> None:
        """The password was right: the account's tries from here are forgotten, and this one at the address."""
        account, place = _keys(name, address)
        with self._lock:
            self._tries.pop(account, None)
            if self._tries.get(place):
                self._tries[place].pop()

    def _recent(self, key: tuple[str, ...], now: float) -> deque[float]:
        tries = self._tries.get(key, deque())
        while tries and tries[0] <= now - self._limits[key[0]].within_s:
            tries.popleft()
        return tries


def _keys(name: str, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    place = network_of(address)
    return ("account", name.strip().lower()[:64], place), ("address", place)


def network_of(address: str) -> str:
    """Who has one IPv6 address has 2^64 of them: the network counts. An IPv4 address stands for itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
