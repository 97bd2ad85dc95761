"""The table of rules, and the document that is made of it."""

import re

import pytest

from src.cli import findings as command_line
from src.config import PROJECT_ROOT
from src.migration.findings import Choice, Finding, Severity
from src.migration.plan import planner
from src.migration.preflight.rules import Rule, rules
from src.ui.system_status.migration import findings_view
from src.ui.system_status.migration.findings_document import document

ALL = sorted(rules().values(), key=lambda rule: rule.code)
NAMES = re.compile(r"\{(\w+)")
OPTION = re.compile(r"(?<!\w)--[a-z]")


class Facts(dict[str, object]):
    """Any fact that a rule asks for; the number 2 where it counts."""

    def __init__(self, rule: Rule) -> None:
        whole = " ".join((rule.title, rule.advice, rule.then, rule.value, *rule.sql))
        counted = set(re.findall(r"\{(\w+):(?!sql)[^}]+\}", whole))
        super().__init__({name: 2 if name in counted else f"the {name}" for name in NAMES.findall(whole)})


def made(rule: Rule) -> Finding:
    return rule(**Facts(rule))


def test_there_are_rules_of_every_module() -> None:
    assert len(ALL) > 80
    assert planner.NO_BACKUP_POSSIBLE in ALL
    assert {rule.severity for rule in ALL} == set(Severity)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.code)
def test_a_finding_holds_on_every_face(rule: Rule) -> None:
    finding = made(rule)
    on_the_page = f"{finding.title} {' '.join(findings_view.advice(finding))}"
    assert not OPTION.search(on_the_page) and "run_migration.py" not in on_the_page
    assert "{" not in f"{on_the_page}{finding.text}"
    typed = command_line.advice(finding)
    for text in (typed, finding.text):
        assert all(f"{statement};" in text and f"{statement};." not in text for statement in finding.statements)
    if finding.severity is Severity.REFUSAL:
        assert typed and any(findings_view.advice(finding)), "a refusal says what to do"
    reported = command_line.as_json(finding)
    assert reported["code"] == rule.code and reported["facts"] == Facts(rule)


def test_every_choice_has_words_on_both_faces() -> None:
    assert set(command_line.CHOICES) == set(findings_view.CHOICES) == set(Choice)


def test_the_document_is_the_one_that_the_rules_make() -> None:
    assert (PROJECT_ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == document(), "run: make findings"
