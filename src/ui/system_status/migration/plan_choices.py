"""An admin's choices for a run: controls that are drawn where a finding asks for them, and what was chosen."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from src.journal.model import Keep, Phase
from src.migration.findings import Choice, Choose
from src.migration.model import Options, Plan
from src.text import listed
from src.ui.reads import queries

KEEPS = {
    Keep.MERGE: "Merge: quantities summed, costs averaged by quantity",
    Keep.DEFAULT: "Keep DEFAULT's positions only; the others stay in the archive",
}
_KNOWN = "hk_known_roles"


def keep(phase: Phase) -> None:
    """What a rollback does with the other portfolios: chosen before the plan is shown, since it depends on it."""
    if phase is Phase.ROLLBACK_V1:
        st.radio("The other portfolios", list(Keep), key="keep", format_func=lambda one: KEEPS[Keep(one)])


def chosen(phase: Phase) -> Options:
    """The choices as they are now; those that do not belong to `phase` are as if they had not been made."""
    state = st.session_state
    rollback, forward = phase is Phase.ROLLBACK_V1, phase is Phase.PHASE1
    return Options(
        backup=not state.get("no_backup", False),
        backup_dir=_folder(str(state.get("backup_dir") or "").strip()),
        legacy_roles=tuple(state.get("legacy_roles") or ()),
        force=phase is Phase.PHASE2 and bool(state.get("force", False)),
        keep=Keep(state.get("keep") or Keep.MERGE) if rollback else Keep.MERGE,
        restore_archive=not forward or bool(state.get("restore_archive", True)),
    )


def _folder(typed: str) -> Path:
    """What was typed, absolute, since the command starts in another folder. The ~ of an unknown user stays."""
    if not typed:
        return queries.settings().backup_dir
    try:
        return Path(typed).expanduser().absolute()
    except RuntimeError:
        return Path(typed).absolute()


def controls(plan: Plan) -> None:
    """What the plan's findings leave to the admin, and what was chosen already."""
    wanted = {choose.choice for choose in _asked(plan)}
    state = st.session_state
    if Choice.LEGACY_ROLES in wanted or state.get("legacy_roles"):
        _roles(plan)
    if Choice.BACKUP_DIR in wanted or state.get("backup_dir"):
        st.text_input(
            "Folder for the backup, on the dashboard's machine",
            key="backup_dir",
            placeholder=str(queries.settings().backup_dir),
            autocomplete="off",
        )
    if Choice.NO_BACKUP in wanted or state.get("no_backup"):
        st.checkbox("Go on without a backup (there is then nothing to restore)", key="no_backup")
    if plan.phase is Phase.PHASE2 and plan.legacy_clients:
        st.checkbox("Go on even while v1 clients are connected (their next statement fails)", key="force")


def _asked(plan: Plan) -> list[Choose]:
    return [choose for finding in plan.findings for choose in finding.choices]


def _roles(plan: Plan) -> None:
    found: Sequence[str] = st.session_state.get(_KNOWN, ())
    if not st.session_state.get("legacy_roles"):
        found = st.session_state[_KNOWN] = plan.legacy_roles
    named = [choose.value for choose in _asked(plan) if choose.choice is Choice.LEGACY_ROLES and choose.value]
    known = tuple(dict.fromkeys((*found, *named)))
    st.multiselect(
        "Roles of v1 clients",
        known,
        key="legacy_roles",
        placeholder=f"All that were found: {listed(found)}",
        help="Nothing chosen: all that were found. A role that is left out gets no compatibility views: its sessions "
        "see every portfolio.",
        accept_new_options=True,
    )
