"""One word per idea: words that the glossary has replaced stand nowhere, but for names in the field."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.config import PROJECT_ROOT

# The old words, with what is written instead.
REPLACED = {
    "beat, heart, heartbeat, lifeless, pulse": "live state, poll, unavailable",
    "impatient, patience, patient": "timeout, limit, wait",
    "overdue": "late",
    "glance, glances, look, looked, looking, looks": "check, inspect, probe, read, survey, try",
    "oddities, oddity, scene, scenes": "rule, finding, facts",
    "canaries, canary": "stall probe",
    "keeper, linger, lingered, lingers": "supervisor, idle timeout",
    "door, doors, farewell, ticket, tickets": "authentication middleware, logout message, id-token cookie",
    "chapter, happening, happenings, stories, story": "event, activity, section",
    "tell, telling, tells, told": "report, say, show",
    "outlook, verdict, verdicts": "estimate, decision, result",
    "write down, write_down, writes down, written down, wrote down": "record",
}
OLD = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(', '.join(REPLACED).split(', '))})(?![a-z])")
# "Looked up" is the term for finding a name, with what is looked up between the two words or not.
LOOKED_UP = re.compile(r"(?i)\blook(?:s|ed)?(?: [\w']+){0,4} up\b")
# In use by programs, files and databases of the field, or the beginning of a password in a test.
IN_THE_FIELD = (
    "hk_strategy canary", 'purpose="canary"', '"canary_failed"', '"happenings"', '"verdicts"', "n0t-told",
    "<kind>.keeper", "`keeper`", '"keeper"', "keeper: int", "state.keeper", "public.tickets",
)  # fmt: skip
FOLDERS = ("src", "docs", "tests", "bench", "pages")
# Statements that databases have executed, what earlier versions left, and this list.
EXCEPTED = (
    "src/schema/sql/own_schema",
    "tests/schema/own_schema_e46a308",
    "tests/field/make_",
    "tests/documents/test_words.py",
)


def files() -> Iterator[Path]:
    for pattern in ("*.md", "*.py", "*.sql", "*.css"):
        yield from PROJECT_ROOT.glob(pattern)
        for folder in FOLDERS:
            yield from (PROJECT_ROOT / folder).rglob(pattern)


def old_words(text: str) -> Iterator[tuple[int, str]]:
    """Each with the number of its line."""
    for number, line in enumerate(text.splitlines(), 1):
        rest = LOOKED_UP.sub("", line)
        for name in IN_THE_FIELD:
            rest = rest.replace(name, "")
        yield from ((number, found.group()) for found in OLD.finditer(rest))


def test_old_words_stand_nowhere() -> None:
    found = [
        f"{path.relative_to(PROJECT_ROOT)}:{number}: {word}"
        for path in files()
        if not str(path.relative_to(PROJECT_ROOT)).startswith(EXCEPTED)
        for number, word in old_words(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def look_once()", ["look"]),
        ("a name is looked up; look a table up", []),
        ("told_separator, VERDICTS", ["told", "VERDICTS"]),
        ("untold outlooks, an outdoor doorstep", []),
        ('{"happenings": found}', []),
    ],
)
def test_old_words_are_found_in_names_too(text: str, words: list[str]) -> None:
    assert [word for _, word in old_words(text)] == words
