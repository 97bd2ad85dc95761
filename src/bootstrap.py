"""Before anything else is imported: the right Python, its packages, and no password in the process list.

Standard library only, and readable by an old Python, since this runs before the packages are known to be there.
"""

from __future__ import annotations  # so that an old Python can read this file, and say so

import importlib.util
import os
import sys
from pathlib import Path

REQUIRED = ("psycopg2", "dotenv", "redis")
OLDEST_PYTHON = (3, 11)
EXIT_PREREQUISITE = 3
URL_OPTION = "--database-url"


def prepare(script: str, required: tuple[str, ...] = REQUIRED) -> None:
    """Make sure that `script`, started by any Python, goes on with the project's packages.

    Starts it again with the project's `.venv` when this Python is not in a virtual environment or lacks packages,
    and without the database URL among its arguments, which every user of the machine could read: it goes into
    the environment. Exits with 3 and says what to do when there is no such Python.
    """
    root = Path(script).resolve().parent
    arguments, url = split_url(sys.argv[1:])
    python = _better_python(root, required)
    if python is None and not _is_complete(required):
        _give_up(required)
    if python is None and url is None:
        return
    environment = dict(os.environ)
    if url is not None:
        environment["DATABASE_URL"] = url
    flags = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)] if python is None else []
    command = [str(python or sys.executable), *flags, str(Path(script).resolve()), *arguments]
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606  the same script again, no shell wanted


def split_url(arguments: list[str]) -> tuple[list[str], str | None]:
    """The arguments without the database URL, and the URL (None when there is none, or an empty one)."""
    rest: list[str] = []
    found: dict[str, str] = {}
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if argument == URL_OPTION and following and not following.startswith("-"):
            found["url"] = following
            index += 2
        elif argument.startswith(URL_OPTION + "=") and len(argument) > len(URL_OPTION) + 1:
            found["url"] = argument[len(URL_OPTION) + 1 :]
            index += 1
        else:
            rest.append(argument)
            index += 1
    return rest, found.get("url")


def _is_complete(required: tuple[str, ...]) -> bool:
    return sys.version_info >= OLDEST_PYTHON and all(importlib.util.find_spec(name) for name in required)


def _better_python(root: Path, required: tuple[str, ...]) -> Path | None:
    """The project's own Python, unless it is the one running or this one is a complete virtual environment."""
    python = root / ".venv" / "bin" / "python"
    if Path(sys.prefix).resolve() == (root / ".venv").resolve() or not os.access(str(python), os.X_OK):
        return None
    in_environment = sys.prefix != sys.base_prefix
    return None if in_environment and _is_complete(required) else python


def _give_up(required: tuple[str, ...]) -> None:
    if sys.version_info < OLDEST_PYTHON:
        what = f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; the project needs 3.11 or newer."
    else:
        missing = ", ".join(name for name in required if not importlib.util.find_spec(name))
        what = f"This Python lacks packages the project needs ({missing})."
    sys.stderr.write(what + " Run `make setup` in the project's folder, then try again.\n")
    sys.exit(EXIT_PREREQUISITE)
