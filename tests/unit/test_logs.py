"""The log file of a run, and how a password is kept out of it."""

import logging
import os
import stat
import sys
from pathlib import Path

import pytest

from src.cli.exit import redactor, without_url
from src.errors import PrerequisiteError
from src.logs import mask, new_log_file, report_unexpected_errors, start_run_log, stop_run_log

URL = "postgresql://trader:p%40ss%2Fw%3Ard@/hk?host=/tmp"


def test_a_log_file_is_its_owners_alone_and_named_by_command_and_process(tmp_path: Path) -> None:
    path = new_log_file(tmp_path / "logs", "rollback --to v1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "rollback-to-v1" in path.name
    assert str(os.getpid()) in path.name
    assert new_log_file(tmp_path / "logs", "rollback --to v1") != path


def test_the_log_holds_what_is_logged_but_no_password(tmp_path: Path) -> None:
    path = start_run_log(tmp_path, "phase1", redactor(URL))
    log = logging.getLogger("hk_strategy.test")
    try:
        log.info("connecting to %s", URL)
        try:
            raise RuntimeError("p@ss/w:rd is wrong")
        except RuntimeError:
            log.exception("failed")
    finally:
        stop_run_log(path)
    log.info("after the end")
    text = path.read_text(encoding="utf-8")
    assert "connecting to postgresql://trader:****@" in text
    assert "RuntimeError: **** is wrong" in text
    assert "p@ss" not in text
    assert "p%40ss" not in text
    assert "after the end" not in text


def test_a_mistake_in_the_program_is_one_sentence_and_a_traceback_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    path = start_run_log(tmp_path, "phase1", redactor(URL))
    said: list[str] = []
    report_unexpected_errors(redactor(URL), path, said.append)
    try:
        raise ZeroDivisionError(URL)
    except ZeroDivisionError as error:
        sys.excepthook(ZeroDivisionError, error, error.__traceback__)
    stop_run_log(path)
    assert "ZeroDivisionError" in said[0]
    text = path.read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "p%40ss" not in text + said[0]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(PrerequisiteError, match="HK_STRATEGY_LOGS"):
        new_log_file(tmp_path / "logs", "phase1")


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u:s3cret@h/d",
        "postgresql://u:s3cret@[::1]:5432/d?sslmode=require",
        "redis://:s3cret@h:6379/0",
        "host=x password=s3cret user=y",
        "host=x password='s3cret' user=y",
        "password = s3cret",
        "PGPASSWORD=s3cret",
        "postgresql://h/d?user=u&password=s3cret&sslmode=require",
    ],
)
def test_passwords_of_any_spelling_are_masked(text: str) -> None:
    assert "s3cret" not in mask(text)


def test_the_arguments_are_logged_without_the_url() -> None:
    argv = ["--database-url", URL, "phase1", "--yes"]
    assert without_url(argv) == ["--database-url", "****", "phase1", "--yes"]
    assert without_url([f"--database-url={URL}", "check"]) == ["--database-url=****", "check"]
