"""Why a connection could not be opened is told by its SQLSTATE, whatever language the server speaks."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from src.embedded.api import PrivateServer
from src.errors import DatabaseUnavailable
from src.postgres.connection import connect
from src.postgres.errors import WORDS, Reason, advice, reason_of_code
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import database_name
from tests.support.health_cases import black_hole


def failure_of(url: str) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as told:
        connect(url, within_s=2)
    return told.value


def alter(servers: Servers, statement: str, name: str) -> None:
    conn = psycopg2.connect(servers[18])
    conn.autocommit = True
    conn.cursor().execute(sql.SQL(statement).format(sql.Identifier(name)))
    conn.close()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda url: url.replace("s3cret", "wrong"), Reason.AUTHENTICATION_FAILED),
        (lambda url: url.replace("trader:", "nobody:"), Reason.AUTHENTICATION_FAILED),
        (lambda url: url.replace("/test_", "/gone_"), Reason.UNKNOWN_DATABASE),
        (lambda url: f"postgresql://trader@{url.rpartition('@')[2]}", Reason.NOT_AUTHENTICATED),
        (lambda url: "postgresql://trader:s3cret@127.0.0.1:1/hk", Reason.AWAY),
        (lambda url: "host=/nowhere/at/all user=trader", Reason.AWAY),
        (lambda url: "postgresql://trader:s3cret@no-such-host.invalid/hk", Reason.UNKNOWN_HOST),
    ],
)
def test_what_is_wrong_with_an_address(
    make_database: MakeDatabase, spoil: Callable[[str], str], reason: Reason, pg_version: int
) -> None:
    failure = failure_of(spoil(make_database("v1", version=pg_version)))
    assert failure.reason == reason
    assert failure.advice == advice(reason)
    assert str(failure).startswith(WORDS[reason][0])
    assert "s3cret" not in str(failure)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("ALTER DATABASE {} CONNECTION LIMIT 0", Reason.TOO_MANY_CONNECTIONS),
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", Reason.CLOSED_DATABASE),
        ("REVOKE CONNECT ON DATABASE {} FROM PUBLIC, trader", Reason.NOT_ALLOWED),
    ],
)
def test_a_database_that_lets_nobody_in(
    make_database: MakeDatabase, servers: Servers, statement: str, reason: Reason
) -> None:
    url = make_database("v1")
    alter(servers, statement, database_name(url))
    assert failure_of(url).reason == reason


def test_a_role_that_pg_hba_does_not_admit(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path / "server")
    url = server.start()
    try:
        rules = next((tmp_path / "server").rglob("pg_hba.conf"))
        rules.write_text(f"local all nobody reject\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")
        conn = psycopg2.connect(url)
        conn.cursor().execute("SELECT pg_reload_conf()")
        conn.close()
        refused = url.replace("postgres@", "nobody@")
        assert failure_of(refused).reason == Reason.LOGIN_REFUSED
        assert "pg_hba.conf" in failure_of(refused).advice
    finally:
        server.stop()


def test_a_server_that_never_answers_and_a_port_that_is_no_server() -> None:
    with black_hole() as url:
        assert failure_of(url).reason == Reason.SILENT
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert failure_of(url).reason == Reason.NO_SESSION


def test_the_text_of_every_host_is_kept_and_the_one_that_answered_decides(make_database: MakeDatabase) -> None:
    url = make_database("v1").replace("/test_", "/gone_")
    host = url.partition("host=")[2]
    url = f"{url.partition('?')[0]}?host=127.0.0.1,{host}&port=1,5432"
    failure = failure_of(url)
    assert failure.reason == Reason.UNKNOWN_DATABASE
    assert "Connection refused" in str(failure) and "gone_" in str(failure)
    assert "Is the server running" not in str(failure)


@pytest.mark.parametrize(
    ("sqlstate", "text", "reason"),
    [
        ("53300", "tut mir leid, schon zu viele Verbindungen", Reason.TOO_MANY_CONNECTIONS),
        ("57P03", "das Datenbanksystem startet", Reason.STARTING_OR_STOPPING),
        ("28P01", "Passwort-Authentifizierung für Benutzer »trader« fehlgeschlagen", Reason.AUTHENTICATION_FAILED),
        ("28000", "kein pg_hba.conf-Eintrag für Host »127.0.0.1«", Reason.LOGIN_REFUSED),
        ("3D000", "Datenbank »hk« existiert nicht", Reason.UNKNOWN_DATABASE),
        ("53100", "kein Speicherplatz", Reason.DISK_FULL),
    ],
)
def test_a_server_of_another_language_gets_the_same_advice(sqlstate: str, text: str, reason: Reason) -> None:
    with answering(error_response("FATAL", sqlstate, text)) as url:
        failure = failure_of(url)
    assert failure.reason == reason
    assert failure.advice == advice(reason)
    assert text in str(failure)


def error_response(severity: str, sqlstate: str, text: str) -> bytes:
    """As the protocol has it: a letter and a text for each field."""
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": text}
    body = b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The URL of a server that answers every session with this."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(5)

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    client.recv(8192)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        port = listening.getsockname()[1]
        yield f"postgresql://trader:s3cret@127.0.0.1:{port}/hk?sslmode=disable&gssencmode=disable"
        listening.shutdown(socket.SHUT_RDWR)


def test_every_reason_has_a_sentence_and_a_next_step() -> None:
    assert set(WORDS) == set(Reason)
    assert all(sentence and not sentence.endswith(".") and step.endswith(".") for sentence, step in WORDS.values())
    assert reason_of_code("28999") is Reason.LOGIN_REFUSED
    assert reason_of_code("ZZ999") is Reason.OTHER
