"""What a request says about itself, and which of it is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.auth import web


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8501", "127.0.0.1"),
        ("Dash.Example.com", "dash.example.com"),
        ("dash.example.com.:443", "dash.example.com"),
        ("[::1]:8501", "::1"),
        (None, None),
        ("", None),
        ("a b", None),
        ("user@127.0.0.1", None),
        ("127.0.0.1/x", None),
        ("127.0.0.1:99999", None),
        ("127.0.0.1:", None),
        ("127.0.0.1?x", None),
        ("[::1", None),
    ],
)
def test_the_name_in_a_host_header(host: str | None, name: str | None) -> None:
    assert web.host_name(host) == name


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1:8501", True),
        ("https://dash.example.com", "dash.example.com", True),
        ("https://dash.example.com", "dash.example.com:443", True),
        ("HTTP://127.0.0.1:8501".lower(), "127.0.0.1:8501", True),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://127.0.0.1:8502", "127.0.0.1:8501", False),
        ("http://127.0.0.1", "127.0.0.1:8501", False),
        ("http://evil.example", "127.0.0.1:8501", False),
        ("http://127.0.0.1:8501.evil.example", "127.0.0.1:8501", False),
        ("http://127.0.0.1:8501@evil.example", "127.0.0.1:8501", False),
        ("http://evil.example/http://127.0.0.1:8501", "127.0.0.1:8501", False),
        ("file://", "127.0.0.1:8501", False),
        ("null", "127.0.0.1:8501", False),
        ("", "127.0.0.1:8501", False),
        (None, "127.0.0.1:8501", False),
        ("http://127.0.0.1:8501", None, False),
    ],
)
def test_only_a_page_of_this_very_place_is_of_the_same_origin(origin: str | None, host: str | None, same: bool) -> None:
    assert web.same_origin(origin, host) is same


@given(st.text(), st.text())
def test_nonsense_is_never_of_the_same_origin_and_never_an_error(origin: str, host: str) -> None:
    assert web.same_origin(origin, host) is False or origin.lower().endswith(host.lower().removesuffix("."))
    web.host_name(host)


@pytest.mark.parametrize("path", ["/", "/portfolio?id=TECH", "/system_status?action=Roll+back", "/a//b", "/ü"])
def test_a_path_of_ours_is_led_back_to(path: str) -> None:
    assert web.local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None, "", "portfolio", "http://evil.example", "//evil.example", "/\\evil.example", "\\\\evil",
        "/\t/evil.example",
        "/a\nSet-Cookie: x=1", "/auth/logout", "/a\\b", "javascript:alert(1)", " //evil.example",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere_after_the_login(path: str | None) -> None:
    assert web.local_path(path) == "/"


def scope(**headers: str) -> dict[str, object]:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"headers": raw, "client": ("192.0.2.7", 5000), "scheme": "http", "query_string": b"", "path": "/x"}


def test_who_says_to_come_from_elsewhere_is_believed_only_as_the_trusted_proxy() -> None:
    """The server has put the proxy's word into `client` and `scheme` by then, where it trusts it."""
    assert web.address_of(scope(), None) == "192.0.2.7"
    assert web.address_of(scope(x_forwarded_for="203.0.113.5"), None) == web.UNKNOWN
    assert web.address_of(scope(x_forwarded_for="203.0.113.5"), "127.0.0.1") == "192.0.2.7"
    secure = {**scope(x_forwarded_proto="https"), "scheme": "https"}
    assert not web.is_secure(secure, None)
    assert web.is_secure(secure, "127.0.0.1")
    assert not web.is_secure(scope(), "127.0.0.1")


def test_a_header_sent_twice_is_none() -> None:
    twice = scope(host="a")
    twice["headers"] = [(b"host", b"127.0.0.1"), (b"host", b"evil.example")]
    assert web.header(twice, b"host") is None


def test_headers_forbid_frames_and_foreign_scripts_and_ask_for_tls_only_where_it_is() -> None:
    plain = web.security_headers("127.0.0.1:8501", False, ("sha256-x",))
    assert "frame-ancestors 'none'" in plain["Content-Security-Policy"]
    assert "script-src 'self' 'sha256-x';" in plain["Content-Security-Policy"]
    assert "unsafe-eval" not in plain["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in plain
    assert "Strict-Transport-Security" in web.security_headers(None, True, ())
