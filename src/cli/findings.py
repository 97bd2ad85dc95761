"""Findings in the words of the command line."""

from collections.abc import Iterable, Mapping

from src.migration.findings import Choice, Choose, Command, Finding, Remedy, Severity, Sql

MARKS = {Severity.INFO: "i", Severity.WARNING: "!", Severity.REFUSAL: "✗"}

CHOICES = {
    Choice.LEGACY_ROLES: "Name the v1 roles: --legacy-role ROLE (once for each).",
    Choice.BACKUP_DIR: "Choose another place with --backup-dir.",
    Choice.NO_BACKUP: "--no-backup does without, and says so.",
    Choice.FORCE: "Or insist with --force.",
    Choice.KEEP_DEFAULT: "A rollback with --keep default archives the other portfolios and merges nothing.",
    Choice.LEAVE_ARCHIVE: "To leave them in the archive: --archived leave.",
}


def advice(finding: Finding) -> str:
    """All that can be done about it, as one text."""
    statements = "; ".join(finding.statements)
    parts = [f"{finding.advice}: {statements}." if statements else finding.advice, finding.then]
    parts += [_choice(choose) for choose in finding.choices]
    parts += [f"Type: python run_migration.py {command}." for command in finding.commands]
    return " ".join(part for part in parts if part)


def _choice(choose: Choose) -> str:
    if choose.choice is Choice.LEGACY_ROLES and choose.value:
        return f"Add --legacy-role {choose.value}."
    return CHOICES[choose.choice]


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"  {MARKS[finding.severity]} {finding.title}")
        said = advice(finding)
        if said:
            lines.append(f"    {said}")
    return lines


def as_json(finding: Finding) -> Mapping[str, object]:
    """For programs: what it is by its code and its facts, and the texts as a person reads them here."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "title": finding.title,
        "advice": advice(finding),
        "facts": finding.facts,
        "remedies": [_remedy(remedy) for remedy in finding.remedies],
    }


def _remedy(remedy: Remedy) -> Mapping[str, str]:
    match remedy:
        case Sql(statement):
            return {"sql": statement}
        case Choose(choice, value):
            return {"choice": choice.value} | ({"value": value} if value else {})
        case Command(arguments):
            return {"command": arguments}
