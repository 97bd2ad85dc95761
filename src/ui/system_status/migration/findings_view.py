"""Findings in the words of the page: what can be chosen is a control here, and a statement can be copied."""

from collections.abc import Mapping, Sequence

import streamlit as st

from src.migration.findings import Choice, Finding, Severity
from src.ui.widgets import format as fmt

CHOICES = {
    Choice.LEGACY_ROLES: "Choose below which roles are v1 clients.",
    Choice.BACKUP_DIR: "Choose another folder below.",
    Choice.NO_BACKUP: "Or tick the box below to go on without one.",
    Choice.FORCE: "Or tick the box below.",
    Choice.KEEP_DEFAULT: "Keeping only DEFAULT's positions (choose it above) archives the other portfolios and merges "
    "nothing.",
    Choice.LEAVE_ARCHIVE: "To leave them in the archive, untick the box at the button.",
}
_SHOW = {Severity.INFO: st.info, Severity.WARNING: st.warning, Severity.REFUSAL: st.error}


def advice(finding: Finding, *, choices: bool = True) -> tuple[str, str]:
    """What can be done about it here: before its statements and commands, and after them.

    `choices`: whether the page has their controls now.
    """
    more = [CHOICES[choose.choice] for choose in finding.choices if choices]
    if finding.statements:
        return f"{finding.advice}:", " ".join((finding.then, *more)).strip()
    typed = ["On the server's command line:"] if finding.commands else []
    return " ".join(part for part in (finding.advice, finding.then, *more, *typed) if part), ""


def text_of(finding: Mapping[str, object]) -> str:
    """A finding in one text, as a command has printed it: `text`, and its remedies."""
    remedies = finding.get("remedies")
    choices = [one["choice"] for one in remedies if "choice" in one] if isinstance(remedies, list) else []
    return " ".join((str(finding.get("text") or ""), *(CHOICES[Choice(choice)] for choice in choices)))


def show(findings: Sequence[Finding], *, choices: bool = True) -> None:
    """Each with its statements below it. Names in them come from the database, and are no Markdown."""
    for finding in findings:
        before, after = advice(finding, choices=choices)
        with st.container(gap="xsmall"):
            _SHOW[finding.severity](f"**{fmt.plain(finding.title)}** {fmt.plain(before)}")
            for statement in finding.statements:
                st.code(statement, language="sql", wrap_lines=True)
            for command in finding.commands:
                st.code(f"python run_migration.py {command}", language="sh", wrap_lines=True)
            if after:
                st.caption(fmt.plain(after))
