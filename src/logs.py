"""Logging, set up once by an entry point: a file per run, readable by its owner only, without a secret in it."""

import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType

from src.errors import PrerequisiteError

Redact = Callable[[str], str]

_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):([^\s/]+)@")
_KEYWORD_PASSWORD = re.compile(r"(?i)\b(password|passwd|pgpassword)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'\"&]+)")


def mask(text: str) -> str:
    """`text` with everything with the form of a password in a connection string masked."""
    text = _URL_PASSWORD.sub(r"\1:****@", text)
    return _KEYWORD_PASSWORD.sub(r"\1\2****", text)


class RedactingFormatter(logging.Formatter):
    """Masks passwords in the finished line, traceback included, whatever was logged."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%Y-%m-%d %H:%M:%S%z")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return mask(self._redact(super().format(record)))


def new_log_file(log_dir: Path, command: str, suffix: str = ".log") -> Path:
    """An empty file of mode 0600, named by time, command and process. Makes the folder when needed.

    Raises PrerequisiteError when the folder cannot be written to.
    """
    word = re.sub(r"[^A-Za-z0-9]+", "-", command).strip("-") or "run"
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{word}-{os.getpid()}"
    try:
        log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for attempt in range(1000):
            path = log_dir / f"{stem}{f'-{attempt}' if attempt else ''}{suffix}"
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise PrerequisiteError(
            f"No log can be written to {log_dir} ({error.strerror}). Make that folder writable, "
            "or name another one in HK_STRATEGY_LOGS."
        ) from error
    raise PrerequisiteError(f"No free name for a log file in {log_dir}. Empty that folder.")


def start_run_log(log_dir: Path, command: str, redact: Redact = mask) -> Path:
    """Send everything that is logged from now on to a new file of its own. Returns its path."""
    path = new_log_file(log_dir, command)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(RedactingFormatter(redact))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return path


def stop_run_log(path: Path) -> None:
    """Close the file that `start_run_log` opened."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.FileHandler) and handler.baseFilename == str(path):
            root.removeHandler(handler)
            handler.close()


def report_unexpected_errors(redact: Redact, log_file: Path | None, say: Callable[[str], None]) -> None:
    """From now on a mistake in the program itself is reported in one sentence; its traceback, masked, is in the log."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if log_file is None:
            text = logging.Formatter().formatException((kind, error, traceback))
            sys.stderr.write(mask(redact(text)) + "\n")
        else:
            logging.getLogger("hk_strategy").critical("unexpected error", exc_info=(kind, error, traceback))
        say(f"An unexpected error ended this command: {kind.__name__}. That is a mistake in the program itself.")

    sys.excepthook = hook
