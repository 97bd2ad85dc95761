"""The disk under a folder that may not be there yet, and under a server of this machine."""

import shutil
from pathlib import Path

from src.postgres.connection import Connection


def free_bytes(directory: Path) -> int:
    """What may still be written where `directory` is, or will be."""
    return shutil.disk_usage(nearest_existing(directory)).free


def nearest_existing(path: Path) -> Path:
    """`path`, or the folder above it that is there."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place


def server_free_bytes(conn: Connection) -> int | None:
    """What may still be written where the server of `conn` keeps its files; None where that cannot be seen from here.

    It can where the server is on this machine and of this user: its processes work in the folder of its files.
    """
    if not conn.info.host.startswith("/"):
        return None
    process = Path("/proc", str(conn.info.backend_pid))
    try:
        if (process / "comm").read_text(encoding="utf-8").strip() != "postgres":
            return None
        place = (process / "cwd").readlink()
        return free_bytes(place) if (place / "PG_VERSION").is_file() else None
    except OSError:
        return None
