"""/healthz for a load balancer, /metrics for Prometheus, /backups/NAME.tar for an admin.

The authentication middleware decides who may ask.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from streamlit.runtime import Runtime, exists
from streamlit.runtime.stats import Stat

from src.errors import HKStrategyError
from src.health import metrics
from src.health.monitor import Seen

FRESH_S = 2.0
NO_STORE = {"Cache-Control": "no-store"}
SESSIONS, LOOKUPS = "active_sessions", "cache_lookups"


def _read() -> Seen:
    from src.ui.reads import live_state  # only now: what Streamlit is to remember needs its server to be running

    return live_state.monitor().read(FRESH_S)


def healthz(_request: Request) -> Response:
    """200 while the dashboard can do its work, else 503; the states of the components, and nothing more."""
    try:
        seen = _read()
    except HKStrategyError:
        return JSONResponse({"status": "unavailable", "components": {}}, 503, NO_STORE)
    parts = {part.key: part.state.value for part in seen.components}
    status = "ok" if seen.serves else "unavailable"
    return JSONResponse({"status": status, "components": parts}, 200 if seen.serves else 503, NO_STORE)


def answer_metrics(_request: Request) -> Response:
    """The metrics in Prometheus' text format; 503 where the settings make no sense."""
    try:
        found = metrics.text(_read(), _pages())
    except HKStrategyError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return Response(found, media_type=metrics.CONTENT_TYPE, headers=NO_STORE)


def _pages() -> metrics.Pages:
    if not exists():
        return metrics.Pages()
    stats: Mapping[str, Sequence[Stat]] = Runtime.instance().stats_mgr.get_stats([SESSIONS, LOOKUPS])
    sessions = [int(getattr(stat, "value", 0)) for stat in stats.get(SESSIONS, ())]
    lookups: Counter[str] = Counter({"hit": 0, "miss": 0})
    for stat in stats.get(LOOKUPS, ()):
        lookups[(getattr(stat, "labels", None) or {}).get("result", "other")] += int(getattr(stat, "value", 0))
    return metrics.Pages(sum(sessions) if sessions else None, lookups)


async def download(request: Request) -> Response:
    """The response to GET /backups/NAME.tar."""
    from src.ui.system_status.backups.download import answer  # only now: see _read

    return await to_thread.run_sync(answer, request)


# For `st.App(routes=…)`. Each is answered in a thread: nobody waits for it.
ROUTES: list[BaseRoute] = [
    Route("/healthz", healthz),
    Route("/metrics", answer_metrics),
    Route("/backups/{name:path}", download, methods=["GET"]),
]
