"""Passwords and keys are in no argument list, log, page, audit, output, backup's manifest or error."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.auth.store import Role
from src.backup.api import list_backups
from src.journal import audit
from tests.browser.conftest import PASSWORD, Dashboard, StartDashboard
from tests.browser.wire import ask, page_of
from tests.conftest import TRADER_PASSWORD, MakeDatabase

ENCODED = "s3cret%2Fp%40ss%3Aword"


@contextmanager
def argument_lists(folder: Path) -> Iterator[set[str]]:
    """Those of all processes that know of `folder` by their environment or arguments, read again and again."""
    mark = str(folder).encode()
    seen: set[str] = set()
    over = threading.Event()

    def collect() -> None:
        while not over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    arguments = path.read_bytes()
                    if mark in arguments or mark in path.with_name("environ").read_bytes():
                        seen.add(arguments.replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def texts(folder: Path) -> str:
    found = [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]
    assert found, f"nothing in {folder}"
    return "\n".join(found)


def backup_by_button(dashboard: Dashboard, cookie: str) -> str:
    """What the page said before, while and after."""
    folder = Path(dashboard.environment["HK_STRATEGY_BACKUPS"])
    with page_of(dashboard, cookie=cookie) as page:
        page.run("system_status")
        page.run("system_status", page.buttons["backup_make"])
        deadline = time.monotonic() + 120
        while not any(one.verified_at for one in list_backups(folder)) and time.monotonic() < deadline:
            time.sleep(0.2)
        page.run("system_status")
        return page.text


def test_no_secret_is_anywhere(make_database: MakeDatabase, start_dashboard: StartDashboard, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    assert ENCODED in url
    said = []
    with argument_lists(tmp_path) as seen:
        dashboard = start_dashboard(url)
        mei = dashboard.account("mei", Role.ADMIN)
        said.append(ask(dashboard, "/auth/login", form={"name": "mei", "password": "a wrong one for mei"}).text)
        said.append(ask(dashboard, "/auth/login", form={"name": "mei", "password": PASSWORD}).text)
        said.append(backup_by_button(dashboard, mei))
        folder = Path(dashboard.environment["HK_STRATEGY_BACKUPS"])
        (backup,) = list_backups(folder)
        for arguments in (
            ("verify", backup.name),
            ("restore", backup.name, "--yes"),
            ("history", "--json"),
            ("check",),
        ):
            done = dashboard.run(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
            said += [done.stdout, done.stderr]
        good = dashboard.environment["DATABASE_URL"]
        for wrong in (good.replace("host=", "host=/nowhere"), f"postgresql://trader:{ENCODED}@127.0.0.1:9/hk"):
            dashboard.environment["DATABASE_URL"] = wrong
            for command in ("backup", "check", "history"):
                failed = dashboard.run(command)
                assert failed.returncode == 1, failed.stdout + failed.stderr
                said += [failed.stdout, failed.stderr]
    assert any("pg_dump" in line for line in seen), "the argument lists of what was started have been seen"
    assert any("pg_restore" in line for line in seen)
    said += list(seen) + dashboard.said
    said += [str(entry) for entry in audit.read(url)]
    said.append(texts(Path(dashboard.environment["HK_STRATEGY_LOGS"])))
    said += [
        (one.path / name).read_text() for one in list_backups(folder) for name in ("manifest.json", "catalog.json")
    ]
    assert len(audit.read(url)) >= 6
    key = (dashboard.home / "auth" / "session.key").read_text()
    everything = "\n".join(said)
    for secret in (TRADER_PASSWORD, ENCODED, PASSWORD, "a wrong one for mei", key, mei):
        assert secret not in everything, everything[max(everything.index(secret) - 200, 0) :][:400]
