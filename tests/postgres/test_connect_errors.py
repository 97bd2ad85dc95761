"""Why a connection could not be opened is reported by its SQLSTATE, whatever language the server speaks."""

import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql

from src.embedded.api import PrivateServer
from src.errors import ConfigurationError, DatabaseUnavailable
from src.postgres.connection import connect
from src.postgres.errors import WORDS, Reason, advice, reason_of_code
from tests.conftest import MakeDatabase, Servers
from tests.support.databases import database_name
from tests.support.health_cases import black_hole


def failure_of(url: str, timeout_s: int = 60) -> DatabaseUnavailable:
    """Within a minute, however slow the machine; a server that never answers takes all of `timeout_s`."""
    with pytest.raises(DatabaseUnavailable) as reported:
        connect(url, within_s=timeout_s)
    return reported.value


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
    assert is_plain(failure)
    assert failure.advice == advice(reason)
    assert str(failure).startswith(WORDS[reason][0])
    assert "s3cret" not in str(failure)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("ALTER DATABASE {} CONNECTION LIMIT 0", Reason.TOO_MANY_CONNECTIONS),
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", Reason.CLOSED_DATABASE),
        ("REVOKE CONNECT ON DATABASE {} FROM PUBLIC, trader", Reason.NO_CONNECT_RIGHT),
        ("DROP DATABASE {} WITH (FORCE)", Reason.UNKNOWN_DATABASE),
    ],
)
def test_a_database_that_lets_nobody_in(
    make_database: MakeDatabase, servers: Servers, statement: str, reason: Reason
) -> None:
    url = make_database("v1")
    alter(servers, statement, database_name(url))
    failure = failure_of(url)
    assert failure.reason == reason
    assert is_plain(failure)
    if reason is Reason.NO_CONNECT_RIGHT:
        assert f'GRANT CONNECT ON DATABASE "{database_name(url)}" TO "trader";' in failure.advice
        assert "check" not in failure.advice


@pytest.mark.parametrize(
    "setting",
    [
        "options=-c%20nosuch%3D1",
        "options=-c%20work_mem%3Dbanana",
        "options=-c%20shared_buffers%3D1",
        "options=-x",
        "options=-c%20log_statement%3Dall",
        "options=-c%20role%3Dpostgres",
        "options=-c%20role%3Dgone",
        "options=-c%20local_preload_libraries%3Dnosuch",
        "client_encoding=banana",
        "replication=database",
    ],
)
def test_a_setting_of_the_session_that_the_server_refuses(make_database: MakeDatabase, setting: str) -> None:
    failure = failure_of(f"{make_database('v1')}&{setting}")
    assert failure.reason == Reason.WRONG_SETTING
    assert "Correct the setting" in failure.advice and "DATABASE_URL" in failure.advice
    assert is_plain(failure)


def test_a_right_that_is_missing_beside_settings_that_are_well(make_database: MakeDatabase, servers: Servers) -> None:
    url = make_database("v1")
    alter(servers, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC, trader", database_name(url))
    assert failure_of(f"{url}&options=-c%20work_mem%3D8MB").reason == Reason.NO_CONNECT_RIGHT


@pytest.mark.parametrize(
    ("sqlstate", "text", "reason"),
    [
        ("08P01", "unsupported startup parameter in options: statement_timeout", Reason.SESSION_REFUSED),
        ("08P01", "server login has been failing, try again later", Reason.SESSION_REFUSED),
        ("08006", "odyssey: failed to get remote server connection", Reason.SESSION_REFUSED),
        ("58000", "could not get connection from the pool - AllServersDown", Reason.SESSION_REFUSED),
        ("XX000", "Tenant or user not found", Reason.SESSION_REFUSED),
        ("0A000", "unsupported frontend protocol 3.9", Reason.SESSION_REFUSED),
        ("57P01", "terminating connection due to administrator command", Reason.STARTING_OR_STOPPING),
        ("57014", "canceling authentication due to timeout", Reason.CANCELLED),
        ("58P01", 'could not open file "global/pg_filenode.map"', Reason.SERVER_FAULT),
        ("P0001", "a login trigger refuses", Reason.OTHER),
        ("42P01", 'relation "logins" does not exist', Reason.OTHER),
        ("23505", "duplicate key value violates unique constraint", Reason.OTHER),
        ("25006", "cannot execute INSERT in a read-only transaction", Reason.OTHER),
    ],
)
def test_what_poolers_and_login_triggers_refuse_with(sqlstate: str, text: str, reason: Reason) -> None:
    with answering(error_response("FATAL", sqlstate, text)) as url:
        failure = failure_of(url)
    assert (failure.reason, failure.advice) == (reason, advice(reason))
    assert text in str(failure)
    assert is_plain(failure)


def is_plain(failure: DatabaseUnavailable) -> bool:
    """One sentence, one next step, no secret, no hint of libpq, and nothing about statements."""
    text = f"{failure} {failure.advice}"
    return (
        str(failure).endswith(".")
        and failure.advice.endswith((".", ";"))
        and not any(one in text for one in ("s3cret", "Is the server running", "Nothing was changed", "meanwhile"))
    )


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
        assert failure_of(url, 2).reason == Reason.SILENT
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert failure_of(url).reason == Reason.NO_SESSION


WRONG_PASSWORD = ("FATAL", "28P01", "password authentication failed")


@pytest.mark.parametrize(("timeout_s", "delay_s"), [(60, 1.0), (2, 2.3)])
def test_a_slow_refusal_is_reported_as_what_it_is(timeout_s: int, delay_s: float) -> None:
    with answering(error_response(*WRONG_PASSWORD), delay_s) as url:
        assert failure_of(url, timeout_s).reason == Reason.AUTHENTICATION_FAILED


def several(*urls: str) -> str:
    places = [urlsplit(url) for url in urls]
    hosts, ports = (",".join(str(getattr(one, key)) for one in places) for key in ("hostname", "port"))
    return f"postgresql://trader:s3cret@/hk?host={hosts}&port={ports}&sslmode=disable&gssencmode=disable"


def test_each_host_has_the_time_limit_for_itself() -> None:
    with black_hole() as silent, answering(error_response(*WRONG_PASSWORD)) as refusing:
        failure = failure_of(several(silent, refusing), 3)
        assert failure.reason == Reason.AUTHENTICATION_FAILED
        text = str(failure)
        assert f"127.0.0.1, port {urlsplit(silent).port}: {WORDS[Reason.SILENT][0]}" in text
        assert f"127.0.0.1, port {urlsplit(refusing).port}: {WORDS[Reason.AUTHENTICATION_FAILED][0]}" in text
        assert "timeout expired" in text and WRONG_PASSWORD[2] in text
        assert is_plain(failure)


def test_several_hosts_that_never_answer() -> None:
    with black_hole() as one, black_hole() as other:
        failure = failure_of(several(one, other), 2)
        assert failure.reason == Reason.SILENT
        assert str(failure).startswith(WORDS[Reason.SILENT][0])
        assert str(failure).count("timeout expired") == 2


def test_a_host_that_starts_does_not_hide_the_next() -> None:
    starting = error_response("FATAL", "57P03", "the database system is starting up")
    nowhere = "postgresql://no-such-host.invalid:5432"
    with answering(starting) as one, answering(error_response(*WRONG_PASSWORD)) as other:
        failure = failure_of(several(nowhere, one, other))
        assert failure.reason == Reason.AUTHENTICATION_FAILED
        for reason in (Reason.UNKNOWN_HOST, Reason.STARTING_OR_STOPPING, Reason.AUTHENTICATION_FAILED):
            assert WORDS[reason][0] in str(failure)
        assert failure_of(several(nowhere, one)).reason == Reason.STARTING_OR_STOPPING


def test_hosts_after_one_that_refuses_are_not_reported() -> None:
    with answering(error_response(*WRONG_PASSWORD)) as one, black_hole() as other:
        failure = failure_of(several(one, other))
        assert str(failure).startswith(WORDS[Reason.AUTHENTICATION_FAILED][0])
        assert str(urlsplit(other).port) not in str(failure)


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?sslmode=banana", "sslmode"),
        ("postgresql://trader:s3cret@127.0.0.1:99999/hk", "port"),
        ("postgresql://trader:s3cret@127.0.0.1/hk?port=0", "port"),
        ("postgresql://trader:s3cret@127.0.0.1/hk?port=abc", "port"),
        ("host=127.0.0.1 password=s3cret port=abc", "port"),
        ("postgresql://trader:s3cret@127.0.0.1,127.0.0.2/hk?port=1,2,3", "port"),
        ("postgresql://trader:s3cret@/hk?service=nosuch", "service"),
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?target_session_attrs=any-one", "target_session_attrs"),
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?sslnegotiation=direct", "sslnegotiation"),
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?keepalives=banana", "keepalives"),
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?connect_timeout=soon", "connect_timeout"),
        ("postgresql://trader:s3cret@127.0.0.1:1/hk?timezone=Asia/Hong_Kong", "timezone"),
    ],
)
def test_a_setting_that_libpq_cannot_use_is_named(url: str, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Correct {setting} in DATABASE_URL, in .env") as reported:
        connect(url, within_s=60)
    assert "s3cret" not in str(reported.value)
    assert "server" not in str(reported.value)


def test_a_setting_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "banana")
    with pytest.raises(ConfigurationError, match=r"Correct PG.* in the environment"):
        connect("postgresql://trader:s3cret@127.0.0.1:1/hk")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_root_certificate_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "root.crt"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with answering(b"S") as url:
        secure = url.replace("sslmode=disable", f"sslmode=verify-full&sslrootcert={file}")
        with pytest.raises(ConfigurationError, match=r"Correct sslrootcert in DATABASE_URL, in .env") as reported:
            connect(secure, within_s=60)
    assert str(file) in str(reported.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://trader:s3cr/et@127.0.0.1/hk",
        "postgresql://trader:s3cr@et?x=1@127.0.0.1/hk",
        "postgresql://trader:s3cr%et@127.0.0.1/hk",
        "postgresql://trader:s3cr%FF@127.0.0.1/hk",
        "trader:s3cr@et",
    ],
)
def test_nothing_of_a_url_that_cannot_be_read_is_reported(url: str) -> None:
    with pytest.raises(ConfigurationError) as reported:
        connect(url, within_s=60)
    assert "DATABASE_URL cannot be read" in str(reported.value)
    assert not any(piece in str(reported.value) for piece in ("s3cr", "et?", "et="))


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
def answering(answer: bytes, delay_s: float = 0.0) -> Iterator[str]:
    """The URL of a server that answers every session with this, after so many seconds."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(5)

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=refuse, args=(client,), daemon=True).start()

        def refuse(client: socket.socket) -> None:
            with client, suppress(OSError):
                client.recv(8192)
                time.sleep(delay_s)
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


def test_a_process_with_many_open_files_reports_the_same(make_database: MakeDatabase) -> None:
    """Files beyond the 1024th, which select() does not know."""
    url = make_database("v1").replace("s3cret", "wrong")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= 2048, "the limit of open files is too low here: raise it"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            held.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
        assert failure_of(url).reason == Reason.AUTHENTICATION_FAILED
