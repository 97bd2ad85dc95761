"""Which client programs make a backup, how they get their credentials, and what is left of them when all goes wrong."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from psycopg2.extensions import parse_dsn

from src.backup import dump_tools, verify
from src.backup.api import list_backups, make_backup, verify_backup
from src.backup.dump_tools import Target, candidate_directories, failure, find_tools
from src.config import PROJECT_ROOT
from src.embedded.api import bin_dir
from src.errors import BackupError, ConfigurationError, DatabaseUnavailable, PrerequisiteError
from tests.conftest import TRADER_PASSWORD, VERSIONS, MakeDatabase, Servers
from tests.support.backups import administer, execute, make, make_clerk_database, quiet, value
from tests.support.backups import verify as verify_made

__all__ = ["make_clerk_database"]

ENCODED = quote(TRADER_PASSWORD, safe="")


def parts(url: str) -> tuple[str, str]:
    """The database's name and the socket's directory of a test's URL."""
    name, _, host = url.split("@/", 1)[1].partition("?host=")
    return name, host


def stand_in(folder: Path, script: str) -> Path:
    """A directory with the real programs, but for pg_dump: `script` runs before it. "$@" are its arguments."""
    folder.mkdir()
    real = bin_dir(18)
    (folder / "pg_restore").symlink_to(real / "pg_restore")
    (folder / "pg_isready").symlink_to(real / "pg_isready")
    text = (
        f'#!/bin/sh\ncase "$1" in --version) exec {real}/pg_dump --version;; esac\n{script}\nexec {real}/pg_dump "$@"\n'
    )
    (folder / "pg_dump").write_text(text)
    (folder / "pg_dump").chmod(0o755)
    return folder


def use_only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setattr(dump_tools, "candidate_directories", lambda: list(folders))


SPELLINGS: dict[str, Callable[[str, str, Path], str]] = {
    "password URL-encoded": lambda name, host, _: f"postgresql://trader:{ENCODED}@/{name}?host={host}",
    "postgres://": lambda name, host, _: f"postgres://trader:{ENCODED}@/{name}?host={host}",
    "socket as host, no port": lambda name, host, _: f"postgresql://trader:{ENCODED}@{quote(host, safe='')}/{name}",
    "port": lambda name, host, _: f"postgresql://trader:{ENCODED}@/{name}?host={host}&port=5432",
    "sslmode": lambda name, host, _: f"postgresql://trader:{ENCODED}@/{name}?host={host}&sslmode=prefer",
    "options": lambda name, host, _: f"postgresql://trader:{ENCODED}@/{name}?host={host}&options=-csearch_path%3Dother",
    "keywords": lambda name, host, _: f"dbname={name} host={host} user=trader password='{TRADER_PASSWORD}'",
    "no password": lambda name, host, _: f"postgresql://postgres@/{name}?host={host}",
    "service file": lambda name, host, folder: "postgresql:///?service=hk",
    "passfile": lambda name, host, folder: f"host={host} user=trader dbname={name} passfile={folder / 'passwords'}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_way_to_write_the_url(
    make_database: MakeDatabase, tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, host = parts(make_database("v1"))
    service = tmp_path / "services.conf"
    service.write_text(f"[hk]\nhost={host}\ndbname={name}\nuser=trader\npassword={TRADER_PASSWORD}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    passwords = tmp_path / "passwords"
    passwords.write_text("*:*:*:trader:" + TRADER_PASSWORD.replace(":", "\\:") + "\n")
    passwords.chmod(0o600)
    url = SPELLINGS[spelling](name, host, tmp_path)
    made = make(url, tmp_path / "backups")
    assert made.database == name
    assert "public.portfolio_positions" in made.tables
    assert [backup.name for backup in list_backups(tmp_path / "backups")] == [made.name]


def test_the_password_is_in_no_argument(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    script = f'printf "%s\\n" "$@" > {seen}; tr "\\0" "\\n" < /proc/$PPID/cmdline >> {seen}'
    use_only(monkeypatch, stand_in(tmp_path / "bin", script))
    make(make_database("v1"), tmp_path / "backups")
    reported = seen.read_text()
    assert "--dbname=" in reported
    assert TRADER_PASSWORD not in reported
    assert ENCODED not in reported
    for path in (tmp_path / "backups").rglob("*.json"):
        assert TRADER_PASSWORD not in path.read_text()


def test_a_wrong_password_is_reported_without_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    name, host = parts(make_database("v1"))
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as refused:
        make(f"postgresql://trader:hunter2%40home@/{name}?host={host}", tmp_path / "backups")
    assert "hunter2" not in str(refused.value)
    assert not (tmp_path / "backups").exists()


def test_what_pg_dump_says_is_reported_without_the_password(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo "pg_dump: error: cannot use $PGPASSWORD here" >&2; exit 1'
    use_only(monkeypatch, stand_in(tmp_path / "bin", script))
    with pytest.raises(BackupError, match=r"cannot use \*\*\*\* here"):
        make(make_database("v1"), tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_url_that_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL cannot be read"):
        make("postgresql://trader:a%zzb@/db", tmp_path)


def test_an_older_pg_dump_is_refused_by_its_version(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_only(monkeypatch, bin_dir(16))
    with pytest.raises(PrerequisiteError, match=r"PostgreSQL 18.*too old.*16\.\d+ in .*postgresql-client-18"):
        make(make_database("v1", version=18), tmp_path / "backups")
    assert not (tmp_path / "backups").exists()


def test_without_pg_dump_it_says_what_to_install(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_only(monkeypatch)
    with pytest.raises(PrerequisiteError, match=r"no pg_dump.*postgresql-client-16.*make setup"):
        make(make_database("v1", version=16), tmp_path / "backups")


def test_programs_that_do_not_run_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for program in ("pg_dump", "pg_restore"):
        (broken / program).write_bytes(b"\x7fELF nonsense")
        (broken / program).chmod(0o755)
    use_only(monkeypatch, broken, bin_dir(18))
    assert find_tools(16).directory == bin_dir(18)


def test_the_servers_own_version_is_preferred(pg_version: int) -> None:
    assert find_tools(pg_version).major == pg_version
    assert find_tools(17).major == 18
    assert find_tools(16, at_least=18).major == 18
    assert bin_dir(16) in candidate_directories()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_backup_ends_pg_dump_and_leaves_nothing(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    started = tmp_path / "started"
    use_only(monkeypatch, stand_in(tmp_path / "bin", f"echo $$ > {started}; exec sleep 600"))

    def interrupt(message: str, done: int | None, total: int | None) -> None:
        while not (started.exists() and started.read_text().strip()):
            time.sleep(0.01)
        raise interruption

    with pytest.raises(interruption):
        make_backup(make_database("v1"), tmp_path / "backups", schema_version="1.0", on_progress=interrupt)
    assert not psutil.pid_exists(int(started.read_text()))
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_killed_backup_is_cleaned_up_once_nobody_writes_to_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    url, folder, pid_file = make_database("v1"), tmp_path / "backups", tmp_path / "pid"
    hanging = stand_in(tmp_path / "bin", f"echo $$ > {pid_file}.new && mv {pid_file}.new {pid_file}; exec sleep 600")
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from src.backup import dump_tools\nfrom src.backup.make import make_backup\n"
        "dump_tools.candidate_directories = lambda: [Path(sys.argv[1])]\n"
        "url = sys.stdin.readline().strip()\n"
        "make_backup(url, Path(sys.argv[2]), schema_version='1.0', on_progress=lambda *a: None)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(hanging), str(folder)], cwd=PROJECT_ROOT, stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(url + "\n")
    process.stdin.flush()
    while not pid_file.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = folder.iterdir()
    assert list_backups(folder) == []
    made = make(url, folder)
    assert left.exists(), "its pg_dump still writes there"
    orphan = psutil.Process(int(pid_file.read_text()))
    orphan.kill()
    orphan.wait()
    for name in ("mine.tmp-00000000", "other.tmp-11111111"):
        (folder / name).mkdir()
    (folder / "other.tmp-11111111" / ".lock").write_text("of some other program")
    again = make(url, folder)
    kept = {made.name, again.name, "mine.tmp-00000000", "other.tmp-11111111"}
    assert {path.name for path in folder.iterdir()} == kept


@pytest.mark.parametrize("version", [v for v in VERSIONS if v == 15])
def test_a_newer_private_server_serves_where_the_same_version_is_missing(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    url = make_database("v3", version=version, sample=True)
    monkeypatch.setattr(verify, "has_version", lambda wanted: wanted in (16, 18))
    assert verify_made(make(url, tmp_path), url).verified_how == "restored on a private server, PostgreSQL 16"


@pytest.mark.parametrize("version", [v for v in VERSIONS if v == 15])
def test_an_extension_that_only_the_server_has(
    make_clerk_database: Callable[..., str], servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    version: int,
) -> None:  # fmt: skip
    """Debian's 15 has extensions that the embedded 16 does not have: tried on the same server then."""
    url = make_clerk_database(version)
    role = parse_dsn(url)["user"]
    administer(servers[version], f"ALTER ROLE {role} CREATEDB")
    execute(url, "CREATE EXTENSION pg_trgm")
    execute(url, "CREATE INDEX ON public.portfolio_positions USING gin (company_name gin_trgm_ops)")
    monkeypatch.setattr(verify, "has_version", lambda wanted: wanted in (16, 18))
    made = make(url, tmp_path)
    verified = verify_backup(made, url=url, on_progress=quiet)
    assert verified.verified_how == "restored into a scratch database on the same server, PostgreSQL 15"
    scratch = "SELECT count(*) FROM pg_database WHERE starts_with(datname, 'hk_verify')"
    assert value(servers[version], scratch) == 0
    administer(servers[version], f"ALTER ROLE {role} NOCREATEDB")
    with pytest.raises(PrerequisiteError, match=rf"needs pg_trgm.*ALTER ROLE {role} CREATEDB"):
        verify_backup(made, url=url, on_progress=quiet)


def test_the_cause_is_reported_though_another_process_of_the_program_wrote_first(tmp_path: Path) -> None:
    written = tmp_path / "stderr"
    written.write_text(
        "pg_dump: error: query failed: ERROR:  could not import the requested snapshot\n"
        "DETAIL:  The source process with PID 7 is not running anymore.\n"
        "pg_dump: detail: Query was: SET TRANSACTION SNAPSHOT '1'\n"
        'pg_dump: error: query failed: ERROR:  query would be affected by row-level security policy for table "notes"\n'
    )
    with written.open("rb") as stderr:
        assert "notes" in failure("pg_dump", 1, stderr, Target("hk", 18, False, {}))
