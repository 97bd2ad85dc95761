"""Findings, and next steps, in the words of the command line."""

from collections.abc import Iterable, Mapping

from src.errors import Action, NextStep
from src.journal.model import Phase
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

_RESUME_OR_UNDO = "Type: python run_migration.py resume (to go on) or python run_migration.py {undo} (to undo)."
NEXT_STEPS = {
    Action.INIT: "Type: python run_migration.py init --schema v1 (or v3).",
    Action.CHECK: "See more: python run_migration.py check.",
    Action.PHASE1: "Type: python run_migration.py phase1.",
    Action.PHASE2: "Type: python run_migration.py phase2.",
    Action.PHASE2_OR_UNDO: "v1 clients go on working. When they are retired: python run_migration.py phase2. "
    "To undo: python run_migration.py {undo}.",
    Action.RESUME: "To go on: python run_migration.py resume.",
    Action.RESUME_OR_UNDO: _RESUME_OR_UNDO,
    Action.RESUME_OR_UNDO_LATER: f"When it is back: {_RESUME_OR_UNDO}",
    Action.STOP_V1_CLIENTS: "Stop them, then type: python run_migration.py resume (or cut them off: resume --force). "
    "To undo: python run_migration.py {undo}.",
    Action.START_AGAIN: "When that is settled: python run_migration.py {command}.",
    Action.UNDO: "To undo: python run_migration.py {undo}.",
    Action.MAKE_VIEWS_AGAIN: "Run `python run_migration.py rollback`, then phase1 again.",
    Action.BACKUP: "Type: python run_migration.py backup.",
    Action.LIST_BACKUPS: "`python run_migration.py backups` lists them.",
    Action.OTHER_BACKUP_DIR: "Name another folder with --backup-dir, or in HK_STRATEGY_BACKUPS, in .env.",
    Action.REMOVE_SAMPLE: "Type: python run_migration.py remove-sample.",
}


def advice(finding: Finding) -> str:
    """All that can be done about it, as one text."""
    parts = [finding.advice_and_statements, finding.then]
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
        "text": finding.text,
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
            return {"command": " ".join(arguments)}


def next_words(step: NextStep | None, *, within: str = "") -> str:
    """What to type; "" where there is nothing. `within`: the command that says it, which does not name itself."""
    if step is None or step.action.value == within:
        return ""
    text = NEXT_STEPS[step.action]
    if not step.phase:
        return text
    phase = Phase(step.phase)
    return text.format(undo=" ".join(phase.opposite.arguments), command=" ".join(phase.arguments))


def next_json(step: NextStep | None) -> dict[str, str] | None:
    """For programs: the action, and the phase where it is of one."""
    if step is None:
        return None
    return {"action": step.action.value} | ({"phase": str(step.phase)} if step.phase else {})
