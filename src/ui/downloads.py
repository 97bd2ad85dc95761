"""GET /backups/NAME.tar: a backup for an admin to keep elsewhere. Behind the door, which says who asks."""

from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SUFFIX = ".tar"


def path_of(name: str) -> str:
    """Where the backup of that name is fetched from."""
    return f"/backups/{quote(name, safe='')}{SUFFIX}"


async def download(request: Request) -> Response:
    from src.ui import sending  # only now: what Streamlit is to remember needs its server to be running

    return await to_thread.run_sync(sending.answer, request)


ROUTES = (Route("/backups/{name:path}", download, methods=["GET"]),)
