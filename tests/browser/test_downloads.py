"""Backups over HTTP, without a browser: for admins only, by their names only, and recorded."""

import http.client
import io
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.auth.store import Role
from src.backup.api import Backup, make_backup
from src.backup.manifest import hash_files, write_manifest
from src.journal import audit
from tests.browser.conftest import Dashboard, launch
from tests.browser.wire import ask
from tests.conftest import MakeDatabase

Place = tuple[Dashboard, Backup, str]


def quiet(message: str, done: int | None, total: int | None) -> None:
    pass


@pytest.fixture
def place(make_database: MakeDatabase, tmp_path: Path) -> Iterator[Place]:
    """A dashboard with an admin mei, a trader tom and one backup; and the database's URL."""
    url = make_database("v1", sample=True)
    made = make_backup(url, tmp_path / "backups", schema_version="1.0", on_progress=quiet)
    dashboard = launch(url, "redis://127.0.0.1:9/0", tmp_path)
    dashboard.account("mei", Role.ADMIN)
    dashboard.account("tom", Role.TRADER)
    try:
        dashboard.await_url()
        yield dashboard, made, url
    finally:
        dashboard.end()
        assert dashboard.process.stdout is not None
        dashboard.process.stdout.close()


def fetch(dashboard: Dashboard, path: str, cookie: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    host = dashboard.url.removeprefix("http://")
    link = http.client.HTTPConnection(host, timeout=60)
    link.request("GET", path, headers={"Cookie": f"{dashboard.cookie_name}={cookie}", **headers})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer, body


def ended(url: str, lines: int) -> list[tuple[str, str, str]]:
    """The audit, oldest first, once it has so many lines."""
    deadline = time.monotonic() + 60
    while len(audit.read(url)) < lines and time.monotonic() < deadline:
        time.sleep(0.05)
    return [(entry.by, entry.action, entry.outcome) for entry in reversed(audit.read(url))]


def test_an_admin_gets_all_of_it_and_nobody_else_anything(place: Place) -> None:
    dashboard, made, url = place
    mei, tom = dashboard.account("mei", Role.ADMIN), dashboard.account("tom", Role.TRADER)
    path = f"/backups/{made.name}.tar"
    assert ask(dashboard, path).status == 303
    assert ask(dashboard, path, Accept="*/*").status == 401
    refused = ask(dashboard, path, cookie=tom)
    assert refused.status == 403
    assert "Only an admin may do this" in refused.text
    assert ask(dashboard, path, cookie=tom, method="HEAD").status == 403
    assert ask(dashboard, path, cookie=mei, Host="evil.example").status == 421
    for method in ("POST", "PUT", "DELETE"):
        assert ask(dashboard, path, cookie=mei, method=method).status == 403, "without an Origin"
        assert ask(dashboard, path, cookie=mei, method=method, Origin=dashboard.url).status == 405
    head = ask(dashboard, path, cookie=mei, method="HEAD")
    answer, body = fetch(dashboard, path, mei, **{"Accept-Encoding": "gzip"})
    assert answer.status == 200
    assert len(body) == int(answer.headers["Content-Length"]) == int(head.headers["content-length"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=utf-8''{made.name}.tar"
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
    assert {name.removeprefix(f"{made.name}/") for name in found} == {*made.files, "manifest.json"}
    for name, file in found.items():
        assert file is not None
        assert file.read() == (made.path.parent / name).read_bytes()
    outcomes = ended(url, 4)
    assert outcomes == [("tom", "download", "refused")] * 2 + [
        ("mei", "download", "started"),
        ("mei", "download", "done"),
    ]
    assert made.path.exists()


def test_no_name_leads_out_of_the_folder_of_backups(place: Place, tmp_path: Path) -> None:
    dashboard, made, _url = place
    mei = dashboard.account("mei", Role.ADMIN)
    (tmp_path / "secret.tar").write_text("a password")
    outside = make_backup(_url, tmp_path / "outside", schema_version="1.0", on_progress=quiet)
    (made.path.parent / "link").symlink_to(outside.path)
    (made.path.parent / "link.tar").symlink_to(tmp_path / "secret.tar")
    for name in (
        "../secret.tar", "%2e%2e/secret.tar", "%2e%2e%2fsecret.tar", "..%5csecret.tar", "....//secret.tar", "link.tar",
        "link.tar.tar", f"../outside/{outside.name}.tar", f"%2e%2e%2foutside%2f{outside.name}.tar", "%00.tar", ".tar",
        f"./{made.name}.tar", f"{made.name}/manifest.json", f"{made.name}", f"{made.name}/../{made.name}.tar", "",
        f"{tmp_path}/secret.tar", f"//{tmp_path}/secret.tar", ".lock.tar", "x.tmp-01234567.tar", "%ff.tar",
    ):  # fmt: skip
        answer = ask(dashboard, f"/backups/{name}", cookie=mei)
        assert answer.status in (400, 404), (name, answer.status)
        assert "a password" not in answer.text
    logs = "".join(path.read_text() for path in Path(dashboard.environment["HK_STRATEGY_LOGS"]).iterdir())
    assert "Traceback" not in logs + "".join(dashboard.said)


def test_a_browser_that_goes_away_is_noted(place: Place) -> None:
    dashboard, made, url = place
    large = made.data / "large.dat"
    large.write_bytes(bytes(64 * 2**20))
    write_manifest(replace(made, files=hash_files(made.path)), made.path)
    host, port = dashboard.url.removeprefix("http://").split(":")
    link = http.client.HTTPConnection(host, int(port), timeout=60)
    cookie = dashboard.account("mei", Role.ADMIN)
    link.request("GET", f"/backups/{made.name}.tar", headers={"Cookie": f"{dashboard.cookie_name}={cookie}"})
    answer = link.getresponse()
    assert len(answer.read(1000)) == 1000
    answer.close()
    link.close()
    assert ended(url, 2) == [("mei", "download", "started"), ("mei", "download", "failed")]
