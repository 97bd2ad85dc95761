"""The process of the old application. Talks with control.py by lines of JSON: settings and commands come on
standard input, what happened goes to standard output, the report last."""

import gc
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from tests.support.load.client import V1Client
from tests.support.load.ledger import Ledger
from tests.support.load.report import Failure, window
from tests.support.load.session import DRIVER_ERRORS, STYLES, StatementFailed

MAX_FAILURES_SHOWN = 2000


def _say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Application:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.pause_s = float(settings["pause_s"])
        self.reconnect_s = float(settings["reconnect_s"])
        self.hanging_after_s = float(settings["hanging_after_s"])
        self.kinds: list[str] = []
        self.begin = time.monotonic()
        self.stopping = threading.Event()
        self.bursts = 0
        count = int(settings["connections"])
        self.clients = [
            V1Client(n, int(settings["load"]), STYLES[n % len(STYLES)], settings["url"], self.kinds)
            for n in range(count)
        ]
        for number, client in enumerate(self.clients):
            client.take(settings["symbols"][number::count])
        self.orders: list[queue.SimpleQueue[Callable[[], None]]] = [queue.SimpleQueue() for _ in self.clients]
        self.threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def _work(self, number: int) -> None:
        client = self.clients[number]
        # The connections come and go at different times, not all at once.
        due = time.monotonic() + self.reconnect_s * (number + 1) / len(self.clients)
        while not self.stopping.is_set():
            try:
                self.orders[number].get_nowait()()
            except queue.Empty:
                client.one()
            if time.monotonic() >= due:
                due += self.reconnect_s
                with suppress(StatementFailed):  # on record, and the session has opened again by itself
                    client.session.reconnect()
            time.sleep(self.pause_s)

    def burst(self, rounds: int) -> int:
        """All connections upsert `rounds` brand-new symbols at the same instants. Returns how many tries failed."""
        self.bursts += 1
        before = self.failures()
        barrier = threading.Barrier(len(self.clients))
        done = threading.Semaphore(0)

        def order(client: V1Client) -> Callable[[], None]:
            def work() -> None:
                client.burst(rounds, self.bursts, barrier)
                done.release()

            return work

        for client, orders in zip(self.clients, self.orders, strict=True):
            orders.put(order(client))
        for _ in self.clients:
            done.acquire()
        return self.failures() - before

    def failures(self) -> int:
        return sum(len(client.session.record.failures) for client in self.clients)

    def count(self, kind: str) -> int:
        """How many statements of `kind` have been answered."""
        if kind not in self.kinds:
            return 0
        number = self.kinds.index(kind)
        return sum(client.session.record.kind.count(number) for client in self.clients)

    def stop(self) -> None:
        self.stopping.set()
        deadline = time.monotonic() + self.hanging_after_s
        for thread, client in zip(self.threads, self.clients, strict=True):
            thread.join(max(0.1, deadline - time.monotonic()))
            busy = client.session.busy
            if thread.is_alive() and busy is not None:
                text = f"still waiting for its answer after {time.monotonic() - busy[0]:.0f} s"
                client.session.record.failures.append(Failure(busy[0], client.session.style.name, busy[1], "", text))

    def report(self, marks: list[tuple[str, float]]) -> dict[str, Any]:
        records = [client.session.record for client in self.clients]
        ledger = Ledger()
        for client in self.clients:
            ledger.add(client.ledger)
        failures = sorted((f for record in records for f in record.failures), key=lambda f: f.at)
        end = time.monotonic()
        spans = [("all", self.begin, end)]
        ends = [at for _, at in marks[1:]] + [end]
        spans += [(name, at, until) for (name, at), until in zip(marks, ends, strict=False)]
        timings = [record.timings() for record in records]
        counts: dict[str, int] = dict.fromkeys(self.kinds, 0)
        for record in records:
            for number in record.kind:
                counts[self.kinds[number]] += 1
        return {
            "statements": sum(counts.values()),
            "reconnects": sum(record.reconnects for record in records),
            "failures": [asdict(f) for f in failures[:MAX_FAILURES_SHOWN]],
            "failure_count": len(failures),
            "wrong": [text for record in records for text in record.wrong],
            "windows": [
                asdict(window(name, a, b, timings, self.kinds, sum(a <= f.at <= b for f in failures)))
                for name, a, b in spans
            ],
            "kinds": counts,
            "ledger": asdict(ledger),
        }


def main() -> int:
    gc.disable()  # no pauses of the measuring process among the measurements
    sys.setswitchinterval(0.001)
    settings = json.loads(sys.stdin.readline())
    try:
        application = Application(settings)
    except DRIVER_ERRORS as error:
        _say(event="failed", message=" ".join(str(error).split()))
        return 1
    _say(event="ready")
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "burst":
                _say(event="burst", failures=application.burst(command["rounds"]))
            case "merged":
                for client in application.clients:
                    client.merged.set()
                _say(event="merged")
            case "failures":
                _say(event="failures", count=application.failures())
            case "statements":
                _say(event="statements", count=application.count(command["kind"]))
            case "stop":
                application.stop()
                _say(event="report", report=application.report(command["marks"]))
                return 0
    return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # without waiting for threads that hang in a statement
