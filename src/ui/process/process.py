"""The dashboard's process: its address, its database, its clean end. No page is drawn here."""

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import psutil
import streamlit as st

from src.auth.authenticator import Authenticator, Mode
from src.config import Settings, load_settings
from src.embedded.api import cache_url, is_embedded
from src.embedded.stop import processes_of
from src.errors import ConfigurationError, HKStrategyError, PrerequisiteError
from src.logs import start_run_log
from src.ui.access import current_user
from src.ui.access.asgi import host_names
from src.ui.access.loopback import ANY, is_loopback, url_of

GRACE_S = 10.0


def taken(address: str, port: int) -> str:
    """Who listens on `port`, as far as the system lets us see it, and what to do."""
    who = "a process of another user, which this one may not see"
    advice = "Stop it, or choose another port"
    for link in psutil.net_connections(kind="tcp"):
        if link.status == psutil.CONN_LISTEN and link.laddr and link.laddr.port == port and link.pid:
            try:
                command = " ".join(psutil.Process(link.pid).cmdline())
            except psutil.Error:
                command = "its command line cannot be read"
            who = f"pid {link.pid} ({command})"
            if link.pid in {process.pid for process in processes_of("dashboard.py")}:
                who += ", which is this HK Strategy"
                advice = f"Just open {url_of(address, port)}, or end it with `make stop`, or choose another port"
            break
    return f"Port {port} is taken by {who}. {advice}: DASHBOARD_PORT={port + 1}, in the environment or in .env."


def check_port(address: str, port: int) -> None:
    """Raise ConfigurationError where the dashboard cannot listen there, saying who does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigurationError(taken(address, port)) from None
            raise ConfigurationError(
                f"The dashboard cannot listen on {address}, port {port}: {error.strerror}. "
                "Set DASHBOARD_ADDRESS and DASHBOARD_PORT to an address of this machine and a free port."
            ) from None


def warm_up() -> None:
    """Start or join the embedded servers, and import what the first page would wait for."""
    import plotly.graph_objects  # noqa: F401  (slow to import: done before the first visitor comes)

    from src.market import calendar

    calendar.sessions(datetime.now(UTC))
    # Only now: what Streamlit is to remember needs its server to be running.
    from src.ui.reads import queries

    settings = load_settings()
    caching = threading.Thread(target=cache_url, args=(settings,), name="start of the cache")
    caching.start()
    try:
        queries.database_url()
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\nThe dashboard starts without a database; System Status says more.\n")
    caching.join()


def _warn_of_unused_settings(address: str) -> None:
    """`streamlit run dashboard.py` has its own options, and listens before it reads this project's settings."""
    settings = load_settings()
    if (address, st.get_option("server.port")) != (settings.dashboard_address, settings.dashboard_port):
        sys.stderr.write(
            "`streamlit run` does not read DASHBOARD_ADDRESS and DASHBOARD_PORT: use --server.address and "
            "--server.port, or start it with `python dashboard.py`.\n"
        )


def _warn_of_plain_http(address: str) -> None:
    if not is_loopback(address) and not st.get_option("server.sslCertFile"):
        sys.stderr.write(
            "Others on the network can read what is sent to this address, passwords too. docs/operating.md shows how "
            "to put nginx with TLS in front.\n"
        )


def _keep_a_log() -> None:
    """Who logged in, and who failed to, is in there."""
    try:
        start_run_log(load_settings().log_dir, "dashboard")
    except PrerequisiteError as error:
        sys.stderr.write(f"{error}\n")


def check_way_in(authenticator: Authenticator) -> None:
    """Raise ConfigurationError where nobody could log in: on an address that others reach, without an account."""
    if authenticator.mode is Mode.CLOSED:
        raise ConfigurationError(
            "The dashboard does not start on an address that others reach while there is no account. Add one, "
            "python -m src.accounts add NAME --role admin, or leave DASHBOARD_ADDRESS at 127.0.0.1."
        )


def _end_in_time() -> None:
    """Uvicorn waits for every client to disconnect: one that does not answer (a suspended laptop) would keep it here.

    Nothing is lost by not waiting: what pages save is saved or not, and a migration is a process of its own.
    """
    ask = signal.getsignal(signal.SIGTERM)
    if not callable(ask):
        return

    def end(kind: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_S, os._exit, (0,))
        timer.daemon = True
        timer.start()
        ask(kind, frame)

    signal.signal(signal.SIGTERM, end)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncGenerator[dict[str, Any] | None]:
    """Before the first request: the log, a way in, the database. Then the URL on the terminal."""
    address = st.get_option("server.address") or ANY
    _keep_a_log()
    _end_in_time()
    try:
        check_way_in(current_user.authenticator())
    except ConfigurationError:
        sys.tracebacklimit = 0  # what uvicorn prints of it is for whoever starts the dashboard, not for a programmer
        raise
    if is_embedded(load_settings()):
        sys.stdout.write("Starting the embedded PostgreSQL and cache; the first time this takes some seconds ...\n")
        sys.stdout.flush()
    await asyncio.to_thread(warm_up)
    _warn_of_unused_settings(address)
    _warn_of_plain_http(address)
    if current_user.authenticator().mode is Mode.TOKEN:
        current_user.authenticator().token.ensure()
    else:
        sys.stdout.write(f"HK Strategy is at {url_of(address, st.get_option('server.port'))}   (Ctrl-C ends it)\n")
        sys.stdout.flush()
    yield None


def run_options(settings: Settings) -> Mapping[str, Any]:
    """Streamlit's options beyond .streamlit/config.toml."""
    return {
        "server.address": settings.dashboard_address,
        "server.port": settings.dashboard_port,
        "server.allowedHosts": sorted(host_names(settings, settings.dashboard_address)),
    }


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _say_port(settings: Settings) -> int:
    """The exit code: not 0 where the dashboard cannot listen, which is said."""
    try:
        check_port(settings.dashboard_address, settings.dashboard_port)
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def serve(app: st.App) -> int:
    """Run the dashboard until Ctrl-C or SIGTERM. Returns the exit code."""
    try:
        settings = load_settings()
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if _say_port(settings):
        return 1
    # Uvicorn accepts X-Forwarded headers from this machine, unless it is configured whose to accept.
    os.environ["FORWARDED_ALLOW_IPS"] = settings.trusted_proxy or ""
    # Uvicorn closes the connections on a signal and then hands it on: these make that an orderly exit.
    signal.signal(signal.SIGTERM, _end)
    try:
        app.run(config=run_options(settings))
    except KeyboardInterrupt:
        return 0
    except SystemExit as end:
        if not end.code:
            raise
        # Someone else took the port after it was checked.
        return _say_port(settings) or 1
    return 0
