"""What was seen as Prometheus reads it: one line of text for each figure. What is not known has no line. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from src.domain.valuation import known_price
from src.health.drift import count
from src.health.judgements import is_up, newest_verified
from src.health.model import State
from src.health.monitor import Seen
from src.journal.model import RunRecord, RunState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Pages:
    """What the dashboard's own process counts. `lookups`: of what pages remember in memory, by "hit" and "miss"."""

    sessions: int | None = None
    lookups: Mapping[str, int] | None = None


Value = int | float | bool | None
Labels = Mapping[str, str]


class _MetricsText:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name: str, what: str, value: Value, kind: str = "gauge") -> None:
        self.several(name, what, [({}, value)], kind)

    def several(self, name: str, what: str, values: Iterable[tuple[Labels, Value]], kind: str = "gauge") -> None:
        known = [(labels, value) for labels, value in values if value is not None]
        if not known:
            return
        self.lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
        for labels, value in known:
            inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            number = int(value) if isinstance(value, bool) else value
            self.lines.append(f"{name}{{{inner}}} {number}" if inner else f"{name} {number}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def text(seen: Seen, pages: Pages) -> str:
    """All figures in the text format of CONTENT_TYPE; times in seconds, sizes in bytes."""
    out = _MetricsText()
    out.add("hk_up", "1 where the dashboard can do its work: PostgreSQL answers, and its schema is known.", seen.serves)
    out.several(
        "hk_component_state",
        "1 for the state that a component is in.",
        [
            ({"component": part.key, "state": state.value}, part.state is state)
            for part in seen.components
            for state in State
        ],
    )
    _postgres(out, seen)
    _pool(out, seen)
    _caches(out, seen, pages)
    _schema(out, seen)
    if seen.own.value is not None:
        own = seen.own.value
        if "sample" not in own.locked:
            out.add("hk_sample_data", "1 while the data are the generated sample.", own.sample)
        if "run" not in own.locked:
            _run(out, own.run)
    _prices(out, seen)
    _backups(out, seen)
    out.add("hk_sessions_open", "Browser sessions that are open.", pages.sessions)
    return "\n".join(out.lines) + "\n"


def _postgres(out: _MetricsText, seen: Seen) -> None:
    out.add("hk_postgres_up", "1 where PostgreSQL answers.", is_up(seen.server))
    if seen.server.value is None or not is_up(seen.server):
        return
    details = seen.server.value.details
    out.add("hk_postgres_latency_seconds", "How long one statement takes.", details["latency_ms"] / 1000)
    out.add("hk_postgres_standby", "1 for a read-only standby.", details["standby"])
    out.add("hk_postgres_database_bytes", "Size of the database.", details["size_bytes"])
    out.add("hk_postgres_connections", "Connections of all clients to the server.", details["connections"])
    out.add("hk_postgres_connections_limit", "Connections that the server allows.", details["max_connections"])
    longest = details["longest_transaction_s"]
    out.add("hk_postgres_longest_transaction_seconds", "Age of the oldest open transaction; 0: none.", longest or 0)


def _pool(out: _MetricsText, seen: Seen) -> None:
    if seen.pool is None:
        return
    out.add("hk_pool_size", "Connections that the dashboard may use.", seen.pool.size)
    out.add("hk_pool_in_use", "Connections of the dashboard in use.", seen.pool.in_use)
    out.add("hk_pool_idle", "Connections of the dashboard that are open and free.", seen.pool.idle)
    out.add("hk_pool_waiting", "Requests that wait for a connection.", seen.pool.waiting)
    out.add("hk_pool_gave_up_total", "Requests that waited for a connection in vain.", seen.pool.gave_up, "counter")


def _caches(out: _MetricsText, seen: Seen, pages: Pages) -> None:
    status = seen.cache.value if seen.cache.silent_s is None else None
    out.add("hk_cache_up", "1 where the cache answers.", status is not None and status.up)
    if status is not None and status.up:
        latency = None if status.latency_ms is None else round(status.latency_ms / 1000, 6)
        out.add("hk_cache_latency_seconds", "How long the cache takes to answer.", latency)
        out.add("hk_cache_hits_total", "Reads of all its clients that found something.", status.hits, "counter")
        out.add("hk_cache_misses_total", "Reads of all its clients that found nothing.", status.misses, "counter")
        out.add("hk_cache_keys", "Keys in the cache.", status.keys)
        out.add("hk_cache_memory_bytes", "Memory that the cache uses.", status.used_memory_bytes)
    if pages.lookups is not None:
        out.several(
            "hk_page_lookups_total",
            "How often pages found in the dashboard's own memory what they read (hit), or asked for it (miss).",
            [({"result": result}, count) for result, count in sorted(pages.lookups.items())],
            "counter",
        )


def _schema(out: _MetricsText, seen: Seen) -> None:
    if seen.server.value is None or not is_up(seen.server):
        return
    version = seen.server.value.schema.version
    out.add("hk_schema_version", "1, 2 or 3.", None if version is None else int(version[0]))
    drift = seen.structure.value.drift if seen.structure.value is not None else None
    if drift is not None:
        out.add("hk_schema_differences", "What is missing, different or invalid (drift).", count(drift))


def _run(out: _MetricsText, last: RunRecord | None) -> None:
    if last is None:
        return
    labels = {"phase": last.phase.value}
    out.several(
        "hk_run_state",
        "1 for the state of the last run.",
        [({**labels, "state": state}, state == last.state) for state in RunState],
    )
    end = last.finished_at or datetime.now(UTC)
    seconds = round((end - last.started_at).total_seconds(), 3)
    out.add("hk_run_duration_seconds", "How long the last run took, or takes since it began.", seconds)
    out.add("hk_run_started_timestamp_seconds", "When the last run began.", round(last.started_at.timestamp(), 3))
    out.add("hk_run_steps", "Steps of the last run.", last.steps_total)
    out.add("hk_run_steps_done", "Steps of the last run that are done.", last.steps_done)
    stall = None if last.longest_stall_ms is None else round(last.longest_stall_ms / 1000, 6)
    out.add("hk_run_longest_stall_seconds", "The longest that a client waited in the last run.", stall)


def _prices(out: _MetricsText, seen: Seen) -> None:
    if seen.prices.value is None:
        return
    quotes = seen.prices.value.values()
    times = [quote.as_of for quote in quotes if quote.as_of is not None and known_price(quote.price) is not None]
    out.add("hk_prices_symbols", "Symbols that positions need a price of.", len(quotes))
    newest = round(max(times).timestamp(), 3) if times else None
    out.add("hk_prices_newest_timestamp_seconds", "When the newest price was right.", newest)


def _backups(out: _MetricsText, seen: Seen) -> None:
    if seen.structure.value is not None:
        estimate = seen.structure.value.estimate
        out.add("hk_backup_disk_free_bytes", "Free disk where backups are kept.", estimate.free)
        out.add("hk_backup_disk_needed_bytes", "What a backup and its verification may need.", estimate.needed)
    if seen.backups.value is not None and seen.server.value is not None:
        newest = newest_verified(seen.backups.value.backups, str(seen.server.value.details["database"]))
        if newest is not None:
            age = round((datetime.now(UTC) - newest.created_at).total_seconds())
            out.add("hk_backup_verified_age_seconds", "Age of this database's newest verified backup.", age)
