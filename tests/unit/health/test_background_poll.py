"""What never answers is not waited for; what answers late is known later; what is known is not asked again."""

import threading
import time

import pytest

from src.errors import DatabaseUnavailable
from src.health.background_poll import BackgroundPoll

LONG = 60.0


def test_what_never_answers_is_said_to_be_late_and_asked_once() -> None:
    release, begun = threading.Event(), []

    def work() -> str:
        begun.append(1)
        release.wait(LONG)
        return "late"

    poll = BackgroundPoll(work, name="test", limit_s=0.05)
    first, second = poll.get(0), poll.get(0)
    assert first.value is None and first.silent_s is not None and first.silent_s >= 0.05
    assert second.silent_s is not None and second.silent_s >= first.silent_s
    assert len(begun) == 1
    release.set()
    while (answer := poll.get(LONG)).silent_s is not None:
        time.sleep(0.01)
    assert answer.value == "late"
    assert len(begun) == 1


def test_an_earlier_answer_is_known_with_its_age_while_the_next_is_late() -> None:
    release, answers = threading.Event(), iter(["early"])

    def work() -> str:
        known = next(answers, None)
        if known is None:
            release.wait(LONG)
        return known or "late"

    poll = BackgroundPoll(work, name="test", limit_s=LONG)
    assert poll.get(0).value == "early"
    poll.limit_s = 0.05
    late = poll.get(0)
    assert (late.value, late.problem) == ("early", None)
    assert late.silent_s is not None
    assert late.age_s >= late.silent_s
    release.set()


def test_what_is_fresh_is_not_asked_again_and_what_was_forgotten_is() -> None:
    count = iter(range(10))
    poll = BackgroundPoll(lambda: next(count), name="test", limit_s=LONG)
    assert [poll.get(LONG).value, poll.get(LONG).value] == [0, 0]
    assert poll.get(0).value == 1
    poll.forget()
    assert poll.get(LONG).value == 2


def test_an_answer_to_a_question_asked_before_it_was_forgotten_does_not_count() -> None:
    """What another thread began to read before a change is not taken for what is there after it."""
    release, answers = threading.Event(), iter(["before", "after"])

    def work() -> str:
        known = next(answers)
        if known == "before":
            release.wait(LONG)
        return known

    poll = BackgroundPoll(work, name="test", limit_s=0.05)
    assert poll.get(0).value is None
    poll.forget()
    poll.limit_s = LONG
    assert poll.get(0).value == "after"
    release.set()
    assert poll.get(LONG).value == "after"


def test_what_is_being_asked_counts_where_only_what_is_known_was_forgotten() -> None:
    release, count = threading.Event(), iter(range(10))

    def work() -> int:
        number = next(count)
        if number:
            release.wait(LONG)
        return number

    poll = BackgroundPoll(work, name="test", limit_s=LONG)
    assert poll.get(0).value == 0
    poll.refresh(0)
    poll.forget(running_too=False)
    poll.limit_s = 0.01
    assert poll.get(LONG).value is None, "the earlier answer is forgotten"
    release.set()
    poll.limit_s = LONG
    assert poll.get(LONG).value == 1


def test_what_hangs_for_too_long_is_tried_anew_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose other end is gone: the next one may be answered."""
    monkeypatch.setattr("src.health.background_poll.GIVE_UP_S", 0.2)
    release, count = threading.Event(), iter(range(10))

    def work() -> int:
        number = next(count)
        if number == 0:
            release.wait(LONG)
        return number

    poll = BackgroundPoll(work, name="test", limit_s=0.05)
    assert poll.get(0).silent_s is not None
    poll.limit_s = LONG
    time.sleep(0.2)
    assert poll.get(0).value == 1
    release.set()
    assert poll.get(LONG).value == 1, "what answers after all is not taken for what is there now"


def test_while_attempts_hang_it_is_said_for_how_long_there_was_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.health.background_poll.GIVE_UP_S", 0.05)
    release, begun = threading.Event(), []

    def work() -> None:
        begun.append(1)
        release.wait(LONG)

    poll = BackgroundPoll(work, name="test", limit_s=0.01)
    started = time.monotonic()
    while len(begun) < 3:
        silent_s = poll.get(0).silent_s
        assert silent_s is not None
    assert (poll.get(0).silent_s or 0) >= 0.05 + 0.1 - 0.02
    assert time.monotonic() - started >= 0.05 + 0.1, "the second is waited for longer than the first"
    release.set()


def test_many_who_ask_at_once_cost_what_one_costs() -> None:
    asked, found = [], []
    together = threading.Barrier(20)

    def work() -> int:
        asked.append(1)
        return 7

    poll = BackgroundPoll(work, name="test", limit_s=LONG)

    def ask() -> None:
        together.wait()
        found.append(poll.get(LONG).value)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 20
    assert len(asked) == 1


def test_an_error_of_ours_is_an_answer_and_a_fault_is_raised() -> None:
    errors: list[Exception] = [DatabaseUnavailable("gone"), ZeroDivisionError()]

    def work() -> None:
        raise errors.pop(0)

    poll = BackgroundPoll(work, name="test", limit_s=LONG)
    answer = poll.get(0)
    assert answer.value is None and str(answer.problem) == "gone"
    with pytest.raises(ZeroDivisionError):
        poll.get(0)
