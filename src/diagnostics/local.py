"""Checks of what stands beside the database: cache, folders, pg_dump."""

import os
import uuid
from pathlib import Path

from src.backup import api as backup
from src.backup.dump_tools import find_tools
from src.cache import Cache
from src.config import Settings
from src.diagnostics.model import Result, failed, passed
from src.errors import HKStrategyError
from src.postgres.disk import free_bytes, nearest_existing
from src.text import size


def check_cache(url: str | None) -> Result:
    """Write, read and delete a key of our own."""
    advice = "Everything works without it, only slower. Start it, or correct REDIS_URL."
    if url is None:
        return failed("cache", "no cache is reachable", advice)
    cache = Cache(url)
    try:
        status = cache.status()
        if not status.up:
            return failed("cache", status.message, advice)
        key, value = f"hk_strategy:diagnostics:{uuid.uuid4()}", {"hello": 1}
        cache.set(key, value, 60)
        try:
            if cache.get(key) != value:
                return failed("cache", "what was written was not read back", "Is it out of memory, or read-only?")
        finally:
            cache.delete(key)
        return passed("cache", f"written, read back, deleted; {status.message}")
    finally:
        cache.close()


def check_folder(name: str, folder: Path, setting: str) -> Result:
    """Only inspected: neither it nor a file in it is made."""
    nearest = nearest_existing(folder)
    if not nearest.is_dir():
        return failed(name, f"{nearest} is not a folder", f"Name another one in {setting}.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return failed(name, f"{nearest} is not writable", f"Make it so, or name another folder in {setting}.")
    will = "" if nearest == folder else " (will be made when needed)"
    return passed(name, f"{folder}{will}, {size(free_bytes(folder))} free")


def check_pg_dump(server_major: int) -> Result:
    try:
        tools = find_tools(server_major)
    except HKStrategyError as error:
        return failed("pg_dump", str(error), "A phase starts with a backup, so settle this first.")
    return passed("pg_dump", f"{tools.version} in {tools.directory}, for a server of version {server_major}")


def check_disk(url: str, settings: Settings) -> Result:
    name = "disk for a backup"
    try:
        found = backup.estimate_backup(url, settings.backup_dir)
    except HKStrategyError as error:
        return failed(name, str(error), "A phase starts with a backup, so settle this first.")
    if found.free < found.needed:
        advice = "Make room, or name another folder in HK_STRATEGY_BACKUPS."
        return failed(name, f"needs about {size(found.needed)}, {size(found.free)} free", advice)
    return passed(name, f"needs about {size(found.needed)}, {size(found.free)} free")
