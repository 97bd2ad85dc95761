"""The disk under a folder that may not be there yet."""

import shutil
from pathlib import Path


def free_bytes(directory: Path) -> int:
    """What may still be written where `directory` is, or will be."""
    return shutil.disk_usage(nearest_existing(directory)).free


def nearest_existing(path: Path) -> Path:
    """`path`, or the folder above it that is there."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place
