"""The table of rules: which there are, for which phases, and what each says.

A rule stands beside the check that applies it. Calling it with facts gives a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from src.journal.model import Phase
from src.migration.findings import Choice, Choose, Command, Finding, Remedy, Severity, Sql
from src.text import listed, plural, quoted

EVERY_PHASE = tuple(Phase)
FORWARD = (Phase.PHASE1, Phase.PHASE2)
ROLLBACKS = (Phase.ROLLBACK_V2, Phase.ROLLBACK_V1)
BUILDS_VIEWS = (Phase.PHASE1, Phase.ROLLBACK_V2)


class _Text(Formatter):
    """`{name}`: a value, or a list in words; `{name:sql}`: an identifier; `{number:row}`: "1 row", "2 rows"."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "sql":
            return quoted(str(value))
        if isinstance(value, list | tuple):
            return listed(value)
        if isinstance(value, int) and format_spec:
            return plural(value, format_spec)
        return str(super().format_field(value, format_spec))


_TEXT = _Text()


@dataclass(frozen=True)
class Rule:
    """`title`, `advice`, `then`, `sql` and `value` (what to choose) are templates over the facts.

    A statement of `sql` follows `advice`, which then ends without a full stop; `then` follows it.
    """

    code: str
    severity: Severity
    phases: tuple[Phase, ...]
    title: str
    advice: str
    sql: tuple[str, ...]
    then: str
    choices: tuple[Choice, ...]
    value: str
    command: tuple[str, ...]

    def __call__(self, **facts: object) -> Finding:
        def text(template: str) -> str:
            return _TEXT.vformat(template, (), facts)

        remedies: list[Remedy] = [Sql(text(statement)) for statement in self.sql]
        remedies += [Choose(choice, text(self.value)) for choice in self.choices]
        remedies += [Command(self.command)] if self.command else []
        return Finding(
            self.code, self.severity, text(self.title), text(self.advice), text(self.then), tuple(remedies), facts
        )


_RULES: dict[str, Rule] = {}


def rules() -> Mapping[str, Rule]:
    """Every rule by its code, once the modules that hold them are imported (planner imports them all)."""
    return _RULES


def _add(
    severity: Severity,
    code: str,
    phases: tuple[Phase, ...],
    title: str,
    advice: str = "",
    *,
    sql: str | tuple[str, ...] = (),
    then: str = "",
    choices: tuple[Choice, ...] = (),
    value: str = "",
    command: tuple[str, ...] = (),
) -> Rule:
    assert code not in _RULES, f"two rules have the code {code}"
    statements = (sql,) if isinstance(sql, str) else sql
    assert not (statements and advice.endswith(".")), f"a statement follows the advice of {code}"
    _RULES[code] = Rule(code, severity, phases, title, advice, statements, then, choices, value, command)
    return _RULES[code]


def refusal(code: str, phases: tuple[Phase, ...], title: str, advice: str, **more: Any) -> Rule:
    """A rule that refuses a phase."""
    return _add(Severity.REFUSAL, code, phases, title, advice, **more)


def warning(code: str, phases: tuple[Phase, ...], title: str, advice: str, **more: Any) -> Rule:
    """A rule that warns."""
    return _add(Severity.WARNING, code, phases, title, advice, **more)


def info(code: str, phases: tuple[Phase, ...], title: str, advice: str = "", **more: Any) -> Rule:
    """A rule that says what will be so."""
    return _add(Severity.INFO, code, phases, title, advice, **more)
