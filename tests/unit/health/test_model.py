"""Why something is not known, beside what says that it is not."""

import pytest

from src.errors import DatabaseUnavailable, HKStrategyError, NotAllowed, PrerequisiteError, TableLocked
from src.health.background_poll import Answer
from src.health.judgements import data, run
from src.health.model import unknown
from src.health.probes import JournalProbe

SLOW: Answer[JournalProbe] = Answer(silent_s=0.7)


@pytest.mark.parametrize(
    ("problem", "answers", "said"),
    [
        (None, False, "It cannot be read while PostgreSQL does not answer."),
        (DatabaseUnavailable("away"), False, "It cannot be read while PostgreSQL does not answer."),
        (TableLocked("run is locked by pid 7."), False, "run is locked by pid 7."),
        (PrerequisiteError("A newer version has worked here."), True, "A newer version has worked here."),
        (NotAllowed("all", said="May not."), True, "May not. Schema, above, names the statements that help."),
    ],
)
def test_the_reason_alone_is_said(problem: HKStrategyError | None, answers: bool, said: str) -> None:
    assert unknown(problem, answers=answers) == said


def test_a_slow_table_of_the_history_is_no_silent_server() -> None:
    for component in (data(SLOW, answers=True), run(SLOW, answers=True)):
        assert not component.known
        assert component.message == "It takes longer than usual to read, and is asked again."
