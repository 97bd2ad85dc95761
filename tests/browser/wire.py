"""Speaking to a dashboard without a browser: HTTP, and the messages of Streamlit's WebSocket."""

import http.client
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import Dashboard

TIMEOUT_S = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...]

    @property
    def goes_to(self) -> str | None:
        return self.headers.get("location")


def ask(
    dashboard: Dashboard, path: str, *, cookie: str = "", form: Mapping[str, str] | None = None, method: str = "",
    **headers: str | None,
) -> Answer:  # fmt: skip
    """One request, as a browser that opens a page would send it; a header of None is left out."""
    place = dashboard.url.removeprefix("http://")
    sent: dict[str, str | None] = {"Host": place, "Accept": "text/html"}
    if cookie:
        sent["Cookie"] = f"{dashboard.cookie_name}={cookie}"
    if form is not None:
        sent |= {"Origin": dashboard.url, "Content-Type": "application/x-www-form-urlencoded"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    link = http.client.HTTPConnection(place, timeout=TIMEOUT_S)
    try:
        body = None if form is None else urlencode(form)
        kept = {name: value for name, value in sent.items() if value is not None}
        link.request(method or ("GET" if form is None else "POST"), path, body, kept)
        answer = link.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        cookies = tuple(value for name, value in answer.getheaders() if name.lower() == "set-cookie")
        return Answer(answer.status, found, answer.read().decode(errors="replace"), cookies)
    finally:
        link.close()


def handshake(dashboard: Dashboard, *, cookie: str = "", host: str = "", origin: str | None = "") -> int:
    """The status that the dashboard answers a WebSocket's opening with; 101 is a connection."""
    try:
        with page_of(dashboard, cookie=cookie, host=host, origin=origin):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@dataclass
class Page:
    """What a browser's page is to the server: a WebSocket, and what came over it."""

    link: ClientConnection
    heard: list[ForwardMsg] = field(default_factory=list)

    def send(self, message: BackMsg) -> None:
        self.link.send(message.SerializeToString())

    def run(
        self, page: str, clicked: str = "", *, typed: Mapping[str, str] | None = None, ticked: Iterable[str] = (),
        fragment: str = "", query: str = "",
    ) -> None:  # fmt: skip
        """Ask for the page, with what a person did to the widgets of these ids, and hear it to its end.

        Or for a fragment of it, which is not waited for: one that is not there is answered by nothing.
        """
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.query_string = query
        states = message.rerun_script.widget_states.widgets
        if clicked:
            states.add(id=clicked, trigger_value=True)
        for widget, text in (typed or {}).items():
            states.add(id=widget, string_value=text)
        for widget in ticked:
            states.add(id=widget, bool_value=True)
        self.send(message)
        if not fragment:
            self.hear(lambda heard: heard.HasField("script_finished"))

    def hear(self, wanted: object) -> ForwardMsg:
        """Listen until a message is as `wanted`."""
        assert callable(wanted)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            message = ForwardMsg()
            message.ParseFromString(self.link.recv(timeout=TIMEOUT_S))
            self.heard.append(message)
            if wanted(message):
                return message
        raise AssertionError("it never came")

    def await_end(self) -> int:
        """Listen until the server hangs up; the code it does so with."""
        try:
            self.hear(lambda _message: False)
        except ConnectionClosed as closed:
            return int(closed.rcvd.code) if closed.rcvd is not None else 0
        raise AssertionError("the server keeps talking")

    @property
    def buttons(self) -> dict[str, str]:
        """The ids of all buttons that were drawn, by their key."""
        ids = [m.delta.new_element.button.id for m in self.heard if m.delta.new_element.HasField("button")]
        return {one.rsplit("-", 1)[1]: one for one in ids}

    def ids(self, kind: str) -> list[str]:
        """Of all widgets of that kind that were drawn."""
        drawn = [m.delta.new_element for m in self.heard if m.delta.new_element.WhichOneof("type") == kind]
        return list(dict.fromkeys(getattr(element, kind).id for element in drawn))

    @property
    def fragments(self) -> list[str]:
        return list(dict.fromkeys(m.delta.fragment_id for m in self.heard if m.delta.fragment_id))

    @property
    def session_id(self) -> str:
        return next(m.new_session.initialize.session_id for m in self.heard if m.HasField("new_session"))

    @property
    def text(self) -> str:
        return "".join(str(message) for message in self.heard)


@contextmanager
def page_of(
    dashboard: Dashboard, *, cookie: str = "", host: str = "", origin: str | None = "", resume: str = ""
) -> Iterator[Page]:
    place = dashboard.url.removeprefix("http://")
    headers = {"Cookie": f"{dashboard.cookie_name}={cookie}"} if cookie else {}
    protocols = ["streamlit", "PLACEHOLDER_AUTH_TOKEN", *([resume] if resume else [])]
    name, port = place.split(":")
    with connect(
        f"ws://{host or place}/_stcore/stream",
        sock=socket.create_connection((name, int(port)), timeout=TIMEOUT_S),
        origin=dashboard.url if origin == "" else origin,  # type: ignore[arg-type]
        additional_headers=headers,
        subprotocols=protocols,  # type: ignore[arg-type]
        user_agent_header=None,
        open_timeout=TIMEOUT_S,
        max_size=None,
    ) as link:
        yield Page(link)
