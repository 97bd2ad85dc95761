"""A backup as a download for an admin, with a record of whether all of it was sent."""

import secrets
from collections.abc import Generator
from urllib.parse import quote

from anyio import CancelScope, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from src.auth import web
from src.backup.api import BackupTarball, find_in
from src.errors import HKStrategyError
from src.journal.model import AuditOutcome
from src.ui.access import current_user
from src.ui.access.current_user import Forbidden
from src.ui.reads import queries
from src.ui.system_status import actions
from src.ui.widgets import format as fmt

SUFFIX = ".tar"


def path_of(name: str) -> str:
    """Where the backup of that name is fetched from."""
    return f"/backups/{quote(name, safe='')}{SUFFIX}"


class Download(StreamingResponse):
    """Sends the tarball, and records in the audit whether all of it was sent."""

    def __init__(self, tarball: BackupTarball, asked: actions.Asked) -> None:
        self._asked = asked
        self._length = tarball.length
        self._sent = 0
        self._content = self._counted(tarball)
        super().__init__(self._content, media_type="application/x-tar", headers=headers_of(tarball))

    def _counted(self, tarball: BackupTarball) -> Generator[bytes, None, None]:
        for chunk in tarball.chunks():
            yield chunk
            self._sent += len(chunk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and record how it ended."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._end)

    def _end(self) -> None:
        self._content.close()
        whole = self._sent == self._length
        message = f"Sent, {fmt.size(self._sent)}."
        if not whole:
            message = f"{fmt.size(self._sent)} of {fmt.size(self._length)} were sent: the browser went away."
        self._asked.record(AuditOutcome.DONE if whole else AuditOutcome.FAILED, message=message, bytes=self._sent)


def headers_of(tarball: BackupTarball) -> dict[str, str]:
    """The HTTP headers of a tarball."""
    return {
        "Content-Length": str(tarball.length),
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(tarball.name, safe='')}",
        "Content-Encoding": "identity",  # or it would be packed once more on its way, and its length not be known
        "Cache-Control": "no-store",
    }


def answer(request: Request) -> Response:
    """The response to GET /backups/NAME.tar."""
    name = str(request.path_params["name"])
    address = current_user.named(web.address_of(request.scope, queries.settings().trusted_proxy))
    try:
        with actions.asked_by(request.scope["user"], address, "download", backup=name.removesuffix(SUFFIX)) as asked:
            if not name.endswith(SUFFIX):
                return PlainTextResponse("There is nothing here.\n", 404)
            tarball = BackupTarball(find_in(queries.backup_folders(), name.removesuffix(SUFFIX)))
            if request.method == "HEAD":
                return Response(media_type="application/x-tar", headers=headers_of(tarball))
            asked.detail["task"] = secrets.token_hex(8)
            asked.record(AuditOutcome.STARTED)
            return Download(tarball, asked)
    except Forbidden as error:
        return PlainTextResponse(f"{error}\n", 403)
    except HKStrategyError as error:
        return PlainTextResponse(f"{error}\n", 404)
