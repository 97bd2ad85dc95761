"""docs/findings.md: every finding, from the table of rules.

`python -m src.ui.system_status.migration.findings_document > docs/findings.md` writes it.
"""

import re
import sys
from collections.abc import Iterable

from src.cli import findings as command_line
from src.journal.model import Phase
from src.migration.findings import Severity
from src.migration.plan import planner
from src.migration.preflight.rules import Rule, rules
from src.ui.system_status.migration import findings_view

_HEADINGS = {
    Severity.REFUSAL: "Refusals: a phase does not start, and nothing is touched",
    Severity.WARNING: "Warnings: a phase can start; read them first",
    Severity.INFO: "For information",
}
_FACT = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_INTRODUCTION = """# Findings

What `check`, a plan and System Status may report of a database before a phase or a rollback, each with its code.
`--json` gives the code and the facts, which stand in *italics* here. Generated from the rules in
`src/migration/preflight` and `src/migration/plan` by `make findings`.
"""


def document() -> str:
    """docs/findings.md as text."""
    assert planner.NO_BACKUP_POSSIBLE.code in rules(), "the planner imports every module that holds rules"
    parts = [_INTRODUCTION]
    for severity, heading in _HEADINGS.items():
        parts.append(f"## {heading}\n")
        parts += [_section(rule) for _, rule in sorted(rules().items()) if rule.severity is severity]
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    lines = [f"### `{rule.code}`", "", _shown(rule.title), "", f"For: {_phases(rule.phases)}.", ""]
    if rule.advice:
        lines += [f"{_shown(rule.advice)}{':' if rule.sql else ''}", ""]
    if rule.sql:
        lines += ["```sql", *(_FACT.sub(lambda fact: f"<{fact[1]}>", statement) for statement in rule.sql), "```", ""]
    if rule.then:
        lines += [_shown(rule.then), ""]
    for choice in rule.choices:
        lines += [
            f"- On the command line: {command_line.CHOICES[choice]}",
            f"- On the page: {findings_view.CHOICES[choice]}",
            "",
        ]
    if rule.command:
        lines += [f"Type: `python run_migration.py {' '.join(rule.command)}`", ""]
    return "\n".join(lines)


def _shown(template: str) -> str:
    return _FACT.sub(lambda fact: f"*{fact[1]}*" + (f" {fact[2]}s" if fact[2] and fact[2] != "sql" else ""), template)


def _phases(phases: Iterable[Phase]) -> str:
    named = list(phases)
    return "every phase and rollback" if len(named) == len(Phase) else ", ".join(phase.value for phase in named)


if __name__ == "__main__":
    sys.stdout.write(document())
